"""One virtual Pi that really boots: systemd as its process 1, in a container of systemd-nspawn (man 1 systemd-nspawn).

Its kernel is this machine's. Everything else is its own: processes, network, mounts, the number of its boot. So it does what
a Pi does from the first unit on, and nothing of what a Pi's firmware, card or crystal do.

nspawn does not register it anywhere, and its network is given to it, with the addresses on it.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from picluster.adapters.namespaces import NetworkNamespace, mount_overlay
from picluster.errors import LabError
from picluster.lab.control_groups import ControlGroup
from picluster.lab.programs import start

__all__ = ["REBOOTS", "Machine", "entrance", "is_first"]

REBOOTS = 133
"""The exit code of nspawn when what runs in it wants to boot anew."""
CAPABILITIES = "CAP_NET_ADMIN,CAP_SYS_RESOURCE,CAP_IPC_LOCK"
"""What the root of a Pi may do and a container's may not, as a rule."""
OWN_SETTINGS = "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network"
"""In nspawn's environment: the Pi's root may change what /proc/sys/net says of its network, as NetworkManager does."""
BOOTING_S = 20.0
ANSWER_S = 30.0
STEP_S = 0.01


class Machine:
    """A Pi: its disk, its control group, and while it has power the process that stands for it."""

    def __init__(self, name: str, home: Path, layers: list[Path], group: ControlGroup) -> None:
        """`home` is an empty directory; the disk is below it, and goes with the mount namespace. Owns the group."""
        self.name = name
        self.root = home / "root"
        self._group = group
        self._process: subprocess.Popen[bytes] | None = None
        parts = [self.root, home / "disk", home / "scratch"]
        for part in parts:
            part.mkdir(mode=0o755)
        mount_overlay(self.root, layers, *parts[1:])

    def boot(self, network: NetworkNamespace, log: Path) -> subprocess.Popen[bytes]:
        """Begin to; the console goes into the log."""
        command = self._group.command("systemd-nspawn", *self._options(network))
        self._process = start(["env", OWN_SETTINGS, *command], log)
        return self._process

    def run(self, *words: str, check: bool = True) -> str:
        """Run a command as the Pi's root; returns what it says on its standard output. Raises LabError where it fails, if
        that is to be checked."""
        command = [*entrance(self.leader()), *words]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                timeout=ANSWER_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"on {self.name} this takes longer than {ANSWER_S:.0f} s: {' '.join(words)}") from error
        if check and done.returncode != 0:
            raise LabError(f"on {self.name} this failed: {' '.join(words)}. It says: {done.stderr.strip()}")
        return done.stdout.strip()

    @property
    def group(self) -> Path:
        """The control group that all its processes are below, as a directory."""
        return self._group.path

    def leader(self) -> int:
        """Its process 1, by the number that it has here; waited for while it boots. Raises LabError where there is none."""
        deadline = time.monotonic() + BOOTING_S
        while self._process is not None and self._process.poll() is None and time.monotonic() < deadline:
            for child in self._children(self._process.pid):
                if is_first(child):
                    return child
            time.sleep(STEP_S)
        raise LabError(f"{self.name} is not running")

    def inside(self, path: str) -> Path:
        """A path of the Pi, as it is reached from here; what it has in memory is seen too."""
        return Path(f"/proc/{self.leader()}/root") / path.lstrip("/")

    def freeze(self) -> None:
        """All of it stops between two instructions; the kernel, and so its network, goes on."""
        self._group.freeze()

    def thaw(self) -> None:
        self._group.thaw()

    def limit_memory(self, size_bytes: int) -> None:
        self._group.limit_memory(size_bytes)

    def kill(self) -> None:
        """No instruction of it is run any more."""
        self._group.kill()
        if self._process is not None:
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Nothing may run in it any more."""
        self._group.remove()

    def _options(self, network: NetworkNamespace) -> list[str]:
        return [
            "--quiet",
            "--boot",
            "--keep-unit",
            "--register=no",
            f"--directory={self.root}",
            f"--machine={self.name}",
            f"--hostname={self.name}",
            f"--network-namespace-path=/proc/{os.getpid()}/fd/{network.fileno()}",
            f"--capability={CAPABILITIES}",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--console=read-only",
            # For systemd: what it has to say is in the journal, which goes to the console.
            "--",
            "--show-status=no",
        ]

    @staticmethod
    def _children(pid: int) -> list[int]:
        try:
            return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
        except OSError:
            return []


def entrance(leader: int) -> list[str]:
    """What a command begins with that is to run inside; `leader` is its process 1, by the number that it has for whoever
    runs it."""
    return ["nsenter", f"--target={leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--wd", "--"]


def is_first(pid: int) -> bool:
    """Whether it is process 1 of its PID namespace, and has become what it is to be."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return fields["Name"] == "systemd" and fields["NSpid"].split()[-1] == "1"
