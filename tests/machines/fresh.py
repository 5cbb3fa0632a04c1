"""Plays on Pis with fresh cards: `picluster` is typed on the controller, as a new user would, and everything else is real:
sshd, sudo, apt, systemd, and the network between them.

    @fresh(3)
    def test_a_dry_run_changes_nothing(stage: FreshStage) -> None: ...

Each has Pis of its own, that have booted and can be reached over SSH when it begins.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import pytest

import picluster
from picluster.lab import report
from picluster.lab.card import Card
from picluster.lab.fresh import FreshWorld, run_fresh
from picluster.lab.machine import Machine
from picluster.lab.programs import environment
from picluster.lab.root_system import root_system
from tests.machines.snapshots import Snapshot, snapshot
from tests.machines.stage import refused
from tests.machines.terminal import Answer, Said, typed
from tests.scenarios.stage import Setting

__all__ = ["HOLD_LOCK", "FreshStage", "fresh"]

WHOLE_S = 120.0
LOG_LINES = 40
PATIENCE_S = 20.0
STEP_S = 0.05
HOLD_LOCK = (
    "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(600)"
)
LOCK_HOLDER = "unattended-upgrades-stand-in"
"""The unit that holds dpkg's lock, and the name of its process."""
ASK_PASSWORD = "#!/bin/sh\nexec cat {file}\n"


class FreshStage:
    """A stack of Pis with fresh cards, and the controller's desk: a directory of its own, and the person's home."""

    def __init__(self, world: FreshWorld) -> None:
        self.world = world
        self.desk = world.directory / "desk"
        self.desk.mkdir(mode=0o700)
        # Of its own, so that nobody's edits are new software in the midst of a test.
        program = world.directory / "program"
        shutil.copytree(Path(picluster.__file__).parent, program / "picluster")
        self.environment: Mapping[str, str] = {
            **environment(),
            "PYTHONPATH": str(program),
            "HOME": str(self.desk),
            "XDG_CACHE_HOME": str(self.desk / ".cache"),
            "USER": "somebody",
            "LOGNAME": "somebody",
        }

    @property
    def names(self) -> tuple[str, ...]:
        return self.world.stack.names

    def pi(self, name: str) -> Machine:
        return self.world.pi(name)

    # ── the controller ──────────────────────────────────────────────────────────────────────────────────────────────────

    def picluster(
        self, *words: str, answers: Sequence[tuple[str, Answer]] = (), code: int | None = 0, most_s: float = 60.0
    ) -> Said:
        """Type `picluster …` at a terminal of the controller; `code` is what it has to end with, None: anything."""
        command = [sys.executable, "-m", "picluster.cli.main", *words]
        with self.world.controller.entered():
            said = typed(command, answers, directory=self.desk, environment=self.environment, most_s=most_s)
        assert code in (None, said.code), f"picluster {' '.join(words)} ended with {said.code}. It said:\n{said.text}"
        return said

    @contextmanager
    def begun(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """`picluster …` without a terminal, while the block lasts."""
        command = [sys.executable, "-m", "picluster.cli.main", *words]
        with self.world.controller.entered():
            process = subprocess.Popen(
                command,
                cwd=self.desk,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def says(self, process: subprocess.Popen[str], pattern: str) -> bool:
        """Wait for a line in which the pattern is found; False where it ended without one."""
        assert process.stdout is not None
        return any(re.search(pattern, line) for line in process.stdout)

    def ended(self, process: subprocess.Popen[str], most_s: float = PATIENCE_S) -> int:
        """Wait for its end, while the world goes on."""
        self.until(lambda: process.poll() is not None, "it ends", most_s)
        return process.returncode

    @contextmanager
    def watched_command_lines(self) -> Iterator[set[str]]:
        """The command lines and environments of all processes of all machines that are seen within the block; complete when
        it has ended."""
        seen: set[str] = set()
        over = threading.Event()

        def look() -> None:
            while not over.wait(0.002):
                for process in Path("/proc").glob("[0-9]*"):
                    for what in ("cmdline", "environ"):
                        with suppress(OSError):
                            seen.add((process / what).read_bytes().replace(b"\0", b" ").decode(errors="replace"))

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            yield seen
        finally:
            over.set()
            watcher.join()

    def ssh(self, name: str, *words: str, told: str = "", known: str = "known") -> subprocess.CompletedProcess[str]:
        """Run a command on a Pi with the OpenSSH client, and the card's password where no key opens it. Its host key is
        believed the first time, and has to be the same for ever after; `known` is the file on the desk where it stands."""
        card = self.world.card(name)
        options = [f"UserKnownHostsFile={self.desk / known}", "StrictHostKeyChecking=accept-new", "LogLevel=ERROR"]
        flags = [word for option in options for word in ("-o", option)]
        asked = {"SSH_ASKPASS": str(self._password(card)), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
        with self.world.controller.entered():
            return subprocess.run(
                ["ssh", *flags, f"{card.user}@{self.world.address(name)}", *words],
                cwd=self.desk,
                env={**self.environment, **asked},
                input=told,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )

    def _password(self, card: Card) -> Path:
        file, program = self.desk / ".password", self.desk / ".ask-password"
        file.write_text(f"{card.password}\n")
        program.write_text(ASK_PASSWORD.format(file=file))
        program.chmod(0o700)
        return program

    def host_key(self, name: str) -> str:
        """A Pi's ed25519 key, as it shows it to whoever asks."""
        return self.host_key_at(self.world.address(name))

    def host_key_at(self, address: str) -> str:
        with self.world.controller.entered():
            command = ["ssh-keyscan", "-t", "ed25519", address]
            found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_S).stdout
        return found.split()[2]

    def until(self, condition: Callable[[], object], what: str, most_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + most_s
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not within {most_s:.0f} s"
            self.world.tend()
            time.sleep(STEP_S)

    # ── what is on the Pis ──────────────────────────────────────────────────────────────────────────────────────────────

    def snapshots(self) -> dict[str, Snapshot]:
        return {name: snapshot(self.world, name) for name in self.names}

    def sessions(self, name: str) -> list[int]:
        """The processes of SSH servers that serve somebody on a Pi, by the numbers that they have here."""
        group = self.pi(name).group
        pids = {int(word) for file in group.rglob("cgroup.procs") for word in file.read_text().split()}
        return sorted(pid for pid in pids if re.match(r"sshd(-session)?: .*@", _command_line(pid)))

    # ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────────────────

    def cut_sessions(self, name: str) -> int:
        """Whoever is connected to the Pi loses the connection, in one blow; returns how many there were."""
        sessions = self.sessions(name)
        for pid in sessions:
            os.kill(pid, signal.SIGKILL)
        return len(sessions)

    @contextmanager
    def unplugged(self, name: str) -> Iterator[None]:
        """Its network cable is out while the block lasts: nobody says goodbye."""
        self.world.carrier(name, up=False)
        try:
            yield
        finally:
            self.world.carrier(name, up=True)

    @contextmanager
    def hung_server(self, name: str) -> Iterator[None]:
        """Its SSH server takes connections, and says nothing, while the block lasts."""
        pid = int(self.pi(name).run("systemctl", "show", "--value", "--property=MainPID", "ssh"))
        self.pi(name).run("kill", "-STOP", str(pid))
        try:
            yield
        finally:
            self.pi(name).run("kill", "-CONT", str(pid))

    @contextmanager
    def full(self, name: str, left_bytes: int = 0) -> Iterator[None]:
        self.world.fill(name, left_bytes)
        try:
            yield
        finally:
            self.world.empty(name)

    @contextmanager
    def read_only(self, name: str) -> Iterator[None]:
        self.pi(name).run("mount", "-o", "remount,bind,ro", "/")
        try:
            yield
        finally:
            self.pi(name).run("mount", "-o", "remount,bind,rw", "/")

    @contextmanager
    def package_lock(self, name: str) -> Iterator[None]:
        """Somebody has dpkg's lock, as unattended-upgrades would, while the block lasts."""
        pi = self.pi(name)
        program = f"open('/proc/self/comm', 'w').write('unattended-upgr'); {HOLD_LOCK}"
        pi.run("systemd-run", f"--unit={LOCK_HOLDER}", "--collect", "python3", "-c", program)
        self.until(lambda: _is_locked(pi), "the lock is taken")
        try:
            yield
        finally:
            pi.run("systemctl", "stop", LOCK_HOLDER)

    def clone(self, original: str, copy: str) -> None:
        """Two cards with one host key, as when one is made from an image of the other."""
        for file in Path(self.pi(original).root / "etc/ssh").glob("ssh_host_*"):
            shutil.copy2(file, self.pi(copy).root / "etc/ssh" / file.name)
        self.pi(copy).run("systemctl", "restart", "ssh")
        self.world.until_reached(copy)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _is_locked(pi: Machine) -> bool:
    ask = "import fcntl; fcntl.lockf(open('/var/lib/dpkg/lock-frontend', 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    return "BlockingIOError" in pi.run("sh", "-c", 'python3 -c "$0" 2>&1', ask, check=False)


Body = Callable[[FreshStage], None]


def fresh(
    size: int, *, cards: Mapping[str, Card] | None = None, most_s: float = WHOLE_S
) -> Callable[[Body], Callable[[], None]]:
    """Decorates a test. `cards`: what is different from the ordinary fresh card, by Pi; `most_s`: how long it may take."""

    def decorate(body: Body) -> Callable[[], None]:
        def test() -> None:
            if refused(memory=False):
                pytest.skip(refused(memory=False))
            root_system(print)  # once and for all; it is not to count as a test's time
            with os.fdopen(os.memfd_create("fresh"), "r+", encoding="utf-8") as told:
                code = run_fresh(Setting(size), lambda world: _act(world, body, told.fileno(), most_s), print, cards)
                told.seek(0)
                words = told.read()
            failure = json.loads(words) if words else f"the test ended with code {code}, and said nothing"
            if failure:
                pytest.fail(failure, pytrace=False)

        test.__name__, test.__qualname__, test.__doc__ = body.__name__, body.__qualname__, body.__doc__
        test.__module__ = body.__module__
        return pytest.mark.machine(test)

    return decorate


def _act(world: FreshWorld, body: Body, told: int, most_s: float) -> int:
    def too_long(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"the test took more than {most_s:.0f} s")

    signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, most_s)
    failure = ""
    try:
        world.boot_all()
        body(FreshStage(world))
    except BaseException:  # an assertion as well as an error belongs into the report of the process outside
        failure = f"{traceback.format_exc()}\n{report.last_words(world.logs, LOG_LINES)}"
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.write(told, json.dumps(failure).encode())
    return 0
