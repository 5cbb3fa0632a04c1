"""A real sshd on loopback, with its own configuration, host keys and accounts; ended by its pid.

Where the tests are root's, it runs in a mount namespace of its own, in which there is one more account, `pi`. Otherwise
it is the tests' own account that logs in. What a login finds in its PATH is a directory of this module's, with a stand-in
for sudo, which takes a password on its standard input as `sudo -S` does, and one for python3, which is the other end of
the protocol.
"""

from __future__ import annotations

import functools
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import paramiko

from picluster.adapters.ssh_keys import make_key_pair
from picluster.trust.host_key import HostKey
from tests.patience import until

__all__ = ["PI", "Sshd", "free_port", "reason_to_skip"]

ROOTED = os.getuid() == 0
PI = "pi" if ROOTED else getpass.getuser()
PI_NUMBER = 31_415
STANDARD = ("/usr/sbin/sshd", "/usr/local/sbin/sshd", "/sbin/sshd")
PYTHON = next(path for path in ("/usr/bin/python3", sys.executable) if Path(path).exists())
"""The tests' own may lie where only root may look."""
TOOLS = ("sh", "sleep", "cat", "head", "seq", "tr", "kill", "id", "false", "true")

CONFIGURATION = """\
ListenAddress 127.0.0.1:{port}
PidFile none
AuthorizedKeysFile {place}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
LogLevel VERBOSE
SetEnv PATH={place}/bin
"""

SUDO = """\
#!/bin/sh
# sudo -S -p PROMPT COMMAND…, with the rule that stands in the file beside it
[ "$1 $2" = "-S -p" ] || exit 9
prompt=$3; shift 3
. "${0%/*}/../rule"
export SUDO_USER=someone
[ -z "$refuses" ] || { echo "$refuses" >&2; exit 1; }
[ -n "$password" ] || exec "$@"
echo "We trust you have received the usual lecture." >&2
for _ in 1 2 3; do
    printf '%s' "$prompt" >&2
    IFS= read -r given || { echo "sudo: no password was provided" >&2; exit 1; }
    if [ "$given" = "$password" ]; then exec "$@"; fi
    echo "Sorry, try again." >&2
done
echo "sudo: 3 incorrect password attempts" >&2
exit 1
"""

NODE_PROGRAM = '''\
"""Stands in for the node program: takes its payload, and answers in its words."""
import hashlib, json, os, sys, zlib
heard, said = sys.stdin.buffer, sys.stdout.buffer

def say(**answer):
    said.write(json.dumps(answer).encode() + b"\\n")
    said.flush()

def blobs():
    while "blob" in (line := json.loads(heard.readline())):
        yield line["blob"], heard.read(line["size"])

print("some greeting of the login shell")
print("picluster ready", flush=True)
sources = json.loads(zlib.decompress(heard.read(int(heard.readline()))))
assert "picluster.remote.arrival" in sources
for line in heard:
    request = json.loads(line)
    if request["do"] == "facts":
        facts = {"pid": os.getpid(), "sudo": os.environ.get("SUDO_USER", ""), "question": request.get("question")}
        say(kind="facts", facts=facts)
    elif request["do"] == "apply":
        if request.get("full"):
            say(kind="failed", error="disk full")
            say(kind="end")
            sys.exit(0)
        for digest, data in blobs():
            say(kind="done", digest=digest, same=hashlib.sha256(data).hexdigest() == digest, size=len(data))
    elif request["do"] == "noise":
        print("this is no JSON\\n[1, 2]\\n" + json.dumps({"kind": "output", "text": "ä" * request["length"]}), flush=True)
    elif request["do"] == "hang":
        say(kind="begin", step=0)
        heard.read()
        open(request["file"], "w").close()
    elif request["do"] == "die":
        sys.exit("Killed: out of memory")
    say(kind="end")
'''


@functools.cache
def reason_to_skip() -> str:
    """Why there can be no sshd here; empty where there can."""
    if not _sshd():
        return "sshd is missing: apt install openssh-server"
    if ROOTED and subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False, timeout=10).returncode:
        return "root may not make mount namespaces here"
    return ""


def _sshd() -> str:
    return next((path for path in (shutil.which("sshd"), *STANDARD) if path and Path(path).exists()), "")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Sshd:
    """One server in `place`, which all accounts must be able to enter. `kinds` are the kinds of its host keys."""

    def __init__(self, place: Path, authorized: Sequence[str], kinds: Sequence[str] = ("ssh-ed25519",)) -> None:
        self.place = place
        self.port = free_port()
        self.host_keys = dict(self._make_host_keys(kinds))
        (place / "authorized_keys").write_text("".join(authorized))
        self.rule()
        self._make_path()
        self.file = place / "sshd_config"
        lines = [f"HostKey {place}/{kind}" for kind in kinds]
        self.file.write_text(CONFIGURATION.format(port=self.port, place=place) + "\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self.place / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self._answers, self.log)
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process is not None
        self.send(signal.SIGCONT, signal.SIGKILL)
        self._process.kill()
        self._process.wait(10)

    def log(self) -> str:
        return (self.place / "log").read_text(errors="replace")

    def rule(self, *, password: str = "", refuses: str = "") -> None:
        """What the stand-in for sudo wants, and whether it wants at all."""
        (self.place / "rule").write_text(f"password={password!r}\nrefuses={refuses!r}\n")

    def send(self, *signals: signal.Signals) -> None:
        """To every process of every login, not to the server itself."""
        assert self._process is not None
        for pid in list(_descendants(self._process.pid)):
            for each in signals:
                with suppress(ProcessLookupError):
                    os.kill(pid, each)

    def _make_host_keys(self, kinds: Sequence[str]) -> Iterator[tuple[str, HostKey]]:
        for kind in kinds:
            file = self.place / kind
            if kind == "ssh-ed25519":
                private, public = make_key_pair("host")
                file.write_text(private)
            else:
                key = paramiko.RSAKey.generate(2048) if kind == "ssh-rsa" else paramiko.ECDSAKey.generate()
                key.write_private_key_file(str(file))
                public = f"{key.get_name()} {key.get_base64()}"
            file.chmod(0o600)
            yield kind, HostKey.parse(public)

    def _make_path(self) -> None:
        path = self.place / "bin"
        path.mkdir()
        for tool in TOOLS:
            path.joinpath(tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
        (self.place / "program.py").write_text(NODE_PROGRAM)
        for name, text in (("sudo", SUDO), ("python3", f"#!/bin/sh\nexec {PYTHON} -I {self.place}/program.py\n")):
            path.joinpath(name).write_text(text)
            path.joinpath(name).chmod(0o755)

    def _command(self) -> list[str]:
        sshd = [_sshd(), "-D", "-e", "-f", str(self.file)]
        if not ROOTED:
            return sshd
        # The first line of a name counts: nothing of root's own shell and home is in the way.
        for name, lines in (
            ("passwd", f"root:x:0:0::{self.place}:/bin/sh\npi:x:{PI_NUMBER}:{PI_NUMBER}::{self.place}:/bin/sh\n"),
            ("shadow", "pi:*:19000::::::\n"),
        ):
            (self.place / name).write_text(lines + Path("/etc", name).read_text())
        script = (
            'mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/shadow" /etc/shadow && mount -t tmpfs none /run && '
            'mkdir /run/sshd && shift && exec "$@"'
        )
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", str(self.place), *sshd]

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


def _descendants(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            yield child
            yield from _descendants(child)
