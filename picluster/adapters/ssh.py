"""Nodes over SSH: logging in, talking with the node program as root, running commands.

`SshShell` is a `controller.shell.Shell` for real nodes.

fabric and paramiko carry it. What they leave to be wished for is in the modules beside this one, each with its reason:
`ssh_configuration` (where to, and as whom), `ssh_trust` (is it the node?), `ssh_login` (keys and passwords),
`ssh_transport` (the connection, and noticing its end), `ssh_calling` (from one to the other) and `ssh_command` (one
command, and sudo). docs/ssh.md tells it for users.

paramiko logs what goes wrong, with tracebacks, and Python prints what nobody handles. All of that comes as errors here, so
its log stays silent unless somebody listens to it.
"""

from __future__ import annotations

import logging
import secrets
import shlex
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import paramiko

from picluster.adapters.ssh_calling import Caller, Line, UnreachableError
from picluster.adapters.ssh_command import Command, LateError, Sudo, begin
from picluster.adapters.ssh_configuration import Configuration, Route, Target
from picluster.adapters.ssh_login import Credentials
from picluster.adapters.ssh_program import LONGEST_LINE_BYTES, Lines, Program
from picluster.adapters.ssh_transport import Patience
from picluster.adapters.ssh_trust import RefusedError, Trust, host_key_of
from picluster.errors import AccessError, TrustError
from picluster.provision.steps import Blob
from picluster.remote import BOOT
from picluster.trust.host_key import HostKey

__all__ = ["Configuration", "Credentials", "Patience", "SshShell", "Target", "Trust", "connect", "open_ssh_command"]

ROOT = "root"
READY = b"picluster ready\n"
UNDONE = ("failed", "busy")
"""Answers after which the node program listens no more."""

logging.getLogger("paramiko").addHandler(logging.NullHandler())


def connect(
    target: Target,
    credentials: Credentials,
    trust: Trust,
    configuration: Configuration,
    patience: Patience = Patience(),  # noqa: B008 (a frozen value)
) -> SshShell:
    """Log in on a node, at the first of its addresses where it is. Raises AccessError, within bounded time but for a
    person who is asked, and TrustError, which is one, where the machine that answers is not known to be the node."""
    caller = Caller(credentials, trust, configuration, patience)
    failures: list[AccessError] = []
    for route in configuration.routes(target):
        try:
            return SshShell(target.node, route, caller.call(target.node, route), credentials, patience)
        except RefusedError:
            raise
        except (TrustError, UnreachableError) as error:
            failures.append(error)
    if distrusted := [failure for failure in failures if isinstance(failure, TrustError)]:
        raise distrusted[0]
    raise failures[0] if len(failures) == 1 else AccessError("; ".join(str(failure) for failure in failures))


def open_ssh_command(target: Target, credentials: Credentials, trust: Trust, configuration: Configuration) -> list[str]:
    """The words that open a login with OpenSSH's client, by the same key and with the same trust; a command may follow
    them."""
    route = configuration.routes(target)[0]
    trust.introduce(target.node)
    options = {
        "HostName": route.host,
        "HostKeyAlias": target.node,
        "UserKnownHostsFile": f'"{str(trust.known_hosts.absolute()).replace("%", "%%")}"',
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "CheckHostIP": "no",
    }
    if route.jumps:
        options["ProxyJump"] = ",".join(route.jumps)
    if route.command:
        options["ProxyCommand"] = route.command.replace("%", "%%")
    words = ["ssh", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    if credentials.key_file and credentials.key_file.exists():
        words += ["-o", "IdentitiesOnly=yes", "-i", str(credentials.key_file.absolute())]
    return [*words, "-p", str(route.port), "-l", route.user, target.node]


class SshShell:
    """One node, logged in. One thing at a time, except that any thread may `close`."""

    def __init__(self, node: str, route: Route, line: Line, credentials: Credentials, patience: Patience) -> None:
        self._node, self._route, self._line = node, route, line
        self._credentials, self._patience = credentials, patience
        self._program: Program | None = None
        with self._telling():
            self.host_key: HostKey = host_key_of(line.transport.get_remote_server_key())

    def talk(self, request: Mapping[str, object], blobs: Sequence[Blob] = ()) -> Generator[dict[str, Any], None, None]:
        """Hand the node program a request and yield its answers as they come, without the `end`. It is started as root for
        the first request, and goes on listening. With `apply` go the blobs.

        Raises AccessError where the connection, sudo or the program ends before.
        """
        program, refused, ended = self._start(), False, False
        try:
            with self._telling():
                program.ask(request, blobs)
                for answer in program.answers():
                    refused = refused or answer.get("kind") in UNDONE
                    yield answer
            ended = True
        finally:
            if refused or not ended:
                self._program = None
                program.close()

    def run(self, command: str, tell: Callable[[str], None], *, root: bool = False, timeout_s: float | None = None) -> int:
        """Run a line of shell without any input. `tell` gets each line of both outputs as it comes; its exit code
        returns, 255 where a signal ended it. Raises AccessError where the connection is lost, sudo refuses or the time is
        over."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        late = f"it took longer than {timeout_s} s: {command}"
        with self._telling(late):
            running, said = self._begin(command) if root and self._route.user != ROOT else self._plainly(command)
        try:
            for line in self._lines(running, said, deadline_s, late):
                tell(line)
            with self._telling(late):
                return running.code(deadline_s)
        finally:
            running.close()

    def close(self) -> None:
        """Hang up; as often as one likes."""
        self._line.ends.close()

    def _start(self) -> Program:
        if self._program is None or not self._program.running:
            with self._telling():
                sudo = self._sudo() if self._route.user != ROOT else None
                command = self._command(shlex.join([*(sudo.words if sudo else ()), "python3", "-c", BOOT]))
                said, _ = self._until(command, sudo, (READY, b""))
                self._program = Program(command, said)
        return self._program

    def _plainly(self, command: str) -> tuple[Command, tuple[bytes, bytes]]:
        running = self._command(command)
        running.tell_no_more()
        return running, (b"", b"")

    def _begin(self, command: str) -> tuple[Command, tuple[bytes, bytes]]:
        """A line of shell as root, once sudo has let it begin; what it has said until then is sudo's."""
        sudo, sign = self._sudo(), f"PICLUSTER-BEGINS-{secrets.token_hex(8)}:"
        script = f"printf {sign}; printf {sign} >&2; exec </dev/null\n{command}"
        running = self._command(shlex.join([*sudo.words, "sh", "-c", script]))
        return running, self._until(running, sudo, (sign.encode(), sign.encode()))

    def _until(self, command: Command, sudo: Sudo | None, signs: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
        try:
            return begin(command, sudo, signs, self._patience.start_s)
        except BaseException:
            command.close()
            raise

    def _lines(self, command: Command, said: tuple[bytes, bytes], deadline_s: float | None, late: str) -> Iterator[str]:
        outputs = Lines(LONGEST_LINE_BYTES), Lines(LONGEST_LINE_BYTES)
        with self._telling(late):
            for pieces in chain((said,), command.heard(deadline_s)):
                for output, piece in zip(outputs, pieces, strict=True):
                    yield from map(_text, output.feed(piece))
        yield from (_text(rest) for output in outputs if (rest := output.rest()))

    def _command(self, line: str) -> Command:
        return Command(self._line.transport.open_session(), line)

    def _sudo(self) -> Sudo:
        return Sudo(self._route.user, self._node, self._credentials)

    @contextmanager
    def _telling(self, late: str = "") -> Iterator[None]:
        """Say what breaks the connection as an AccessError."""
        try:
            yield
        except AccessError:
            raise
        except LateError as error:
            raise AccessError(late) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            why = str(self._line.transport.get_exception() or error) or "it hung up"
            raise AccessError(f"the connection to {self._route.host} broke: {why}") from error


def _text(line: bytes) -> str:
    return line.decode(errors="replace").removesuffix("\r")
