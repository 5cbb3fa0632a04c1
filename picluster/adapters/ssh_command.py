"""One command on a node: what it says on both its outputs as it comes, what it is told, how it ends, and sudo before it.

sudo is asked to read a password from its standard input and to announce that by a prompt that is made up for this one
command (`sudo -S -p PROMPT`, man 8 sudo; sudo-rs puts it in brackets). So a password is sent only where sudo waits for
one: never into the standard input of what runs after it, and never as part of a command line.
"""

from __future__ import annotations

import secrets
import select
import time
from collections.abc import Callable, Iterator

import paramiko

from picluster.adapters.ssh_login import MOST_PASSWORDS, Credentials, Password
from picluster.errors import AccessError

__all__ = ["Command", "LateError", "Sudo", "begin"]

CHUNK_BYTES = 65_536
TAIL_BYTES = 4_096
COMMAND_NOT_FOUND = 127
KILLED = 255
"""The exit code of what ended without one: a signal killed it. OpenSSH says the same."""
GRACE_S = 0.1
"""How long a connection that breaks may take to say so itself."""


class LateError(Exception):
    """The time that somebody gave it is over."""


class Command:
    """Runs on a channel of its own. Raises EOFError where the connection breaks; paramiko adds SSHException and OSError."""

    def __init__(self, channel: paramiko.Channel, line: str) -> None:
        self._channel = channel
        self._poll = select.poll()
        self._poll.register(channel.fileno(), select.POLLIN)
        channel.exec_command(line)
        self._errors = bytearray()

    def heard(self, deadline_s: float | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Pieces of its standard output and of its standard error, until it has closed both. Raises LateError where that is
        later than this (`time.monotonic`)."""
        while True:
            self._wait(deadline_s)
            over = self._channel.eof_received or self._channel.closed  # asked first: nothing comes after it
            output = self._channel.recv(CHUNK_BYTES) if self._channel.recv_ready() else b""
            errors = self._channel.recv_stderr(CHUNK_BYTES) if self._channel.recv_stderr_ready() else b""
            self._errors = (self._errors + errors)[-TAIL_BYTES:]
            if output or errors:
                yield output, errors
            elif over:
                if not self._channel.eof_received:
                    raise EOFError("it broke")
                return

    def tell(self, data: bytes) -> None:
        """Write to its standard input; waits where it does not read."""
        for start in range(0, len(data), CHUNK_BYTES):
            self._channel.sendall(data[start : start + CHUNK_BYTES])

    def tell_no_more(self) -> None:
        """Its standard input ends here."""
        self._channel.shutdown_write()

    def code(self, deadline_s: float | None = None) -> int:
        """Its exit code, once it has closed its outputs; 255 where there is none. Raises LateError."""
        if not self._channel.status_event.wait(_left(deadline_s)):
            raise LateError
        if self._channel.exit_status >= 0:
            return self._channel.exit_status
        transport = self._channel.get_transport()
        transport.join(GRACE_S)
        if not transport.is_alive():
            raise EOFError("it broke")
        return KILLED

    @property
    def running(self) -> bool:
        """As far as is known."""
        return not (self._channel.closed or self._channel.eof_received)

    @property
    def complaint(self) -> str:
        """The last it said on its standard error."""
        return self._errors.decode(errors="replace").strip()

    def close(self) -> None:
        self._channel.close()

    def _wait(self, deadline_s: float | None) -> None:
        left = _left(deadline_s)
        if left == 0 or not self._poll.poll(None if left is None else left * 1000):
            raise LateError


def _left(deadline_s: float | None) -> float | None:
    return None if deadline_s is None else max(0.0, deadline_s - time.monotonic())


class Sudo:
    """What comes before a command that root is to run, for a user who is not root."""

    def __init__(self, user: str, node: str, credentials: Credentials) -> None:
        self._whose = f"{user} on {node}, for sudo"
        self._credentials = credentials
        self._prompt = f"PICLUSTER-SUDO-PROMPT-{secrets.token_hex(8)}:"
        self._given: list[Password] = []
        self._seen = b""

    @property
    def words(self) -> tuple[str, ...]:
        return ("sudo", "-S", "-p", self._prompt)

    def hear(self, errors: bytes, tell: Callable[[bytes], None]) -> bool:
        """Answer where it asks; whether it did. Raises AccessError where that was in vain often enough, or nobody knows
        the password."""
        self._seen += errors
        asks = self._prompt.encode() in self._seen
        while self._prompt.encode() in self._seen:
            self._seen = self._seen.partition(self._prompt.encode())[2]
            if len(self._given) == MOST_PASSWORDS:
                raise AccessError(self.refusal)
            self._given.append(self._credentials.password(self._whose, self._given))
            tell(self._given[-1].reveal().encode() + b"\n")
        return asks

    def passed(self) -> None:
        """The command runs: the last password was right."""
        if self._given:
            self._credentials.worked(self._given[-1])

    def why_not(self, code: int, complaint: str) -> str:
        """Why the command did not begin."""
        said = complaint.replace(self._prompt, "").strip()
        if "incorrect" in said:
            return self.refusal
        if code == COMMAND_NOT_FOUND:
            return f"there is no sudo; log in as root, or install it: {said}"
        return f"sudo did not let {self._whose} run it (exit code {code}): {said}"

    @property
    def refusal(self) -> str:
        return f"sudo did not take the password of {self._whose.removesuffix(', for sudo')}"


def begin(command: Command, sudo: Sudo | None, signs: tuple[bytes, bytes], start_s: float) -> tuple[bytes, bytes]:
    """Wait until a command that root is to run has begun: until it has said `signs` on its outputs, of which one may be
    empty. Returns what it has said after them. Raises AccessError where it does not come to that."""
    said, deadline_s = (b"", b""), time.monotonic() + start_s
    while not all(sign in text for sign, text in zip(signs, said, strict=True)):
        try:
            piece = next(command.heard(deadline_s), None)
        except LateError as error:
            raise AccessError(f"it did not start within {start_s:g} s: {command.complaint or 'not a word came'}") from error
        if piece is None:
            raise AccessError(_why_not(command, sudo))
        said = said[0] + piece[0], said[1] + piece[1]
        if sudo and sudo.hear(piece[1], command.tell):
            deadline_s = time.monotonic() + start_s  # a person may have been asked
    if sudo:
        sudo.passed()
    output, errors = (text.partition(sign)[2] if sign else b"" for sign, text in zip(signs, said, strict=True))
    return output, errors


def _why_not(command: Command, sudo: Sudo | None) -> str:
    try:
        code = command.code(time.monotonic() + 1.0)
    except LateError:
        code = KILLED
    said = command.complaint
    if "python3" in said and "not found" in said:
        return "there is no python3; picluster needs it on every node: apt install python3"
    return sudo.why_not(code, said) if sudo else f"it did not start (exit code {code}): {said or 'without a word'}"
