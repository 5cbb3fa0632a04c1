"""The control socket: a Unix stream socket in the run directory, one line a request and one line an answer (man 7 unix).

Mode 0600: whoever may open it may command. Nobody on it can slow the agent down. What a caller does not read waits in memory
up to a bound, and then the caller is dropped; so is one that sends a line without end. Where the process has no descriptor
left for a caller, a spare one is given up for as long as it takes to hang up on it: until it is accepted, the socket is
readable, and the agent would never sleep again.

One agent a node. A lock on the run directory itself (man 2 flock) sees to it: the kernel lifts it when the agent ends,
however hard, so a socket that is found under the lock was left by a run that was killed, and may go.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import stat
from collections.abc import Collection, Generator, Mapping
from contextlib import ExitStack, closing, suppress
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from picluster.errors import ControlError

__all__ = ["SOCKET_NAME", "ControlSocket", "ask", "follow"]

SOCKET_NAME = "agent.sock"
LONGEST_REQUEST = 4_096
LARGEST_BACKLOG = 1 << 18
"""Bytes that may wait for a caller before it is dropped."""
MOST_CALLERS = 16


class Caller:
    """One connection, and what is on its way in both directions."""

    def __init__(self, number: int, connection: socket.socket) -> None:
        self.number = number
        self.connection = connection
        self.incoming = b""
        self.outgoing = b""
        self.parting = False
        """It says no more, and goes when it has read what was said to it."""


class ControlSocket:
    """The agent's end: a `picluster.ports.Callers`."""

    def __init__(self, run_dir: Path) -> None:
        """Makes the run directory where it is missing. Raises ControlError where that cannot be done, or where another agent
        runs with it."""
        self._path = run_dir / SOCKET_NAME
        self._callers: dict[int, Caller] = {}
        self._numbers = count(1)
        with ExitStack() as undo:
            self._lock = _lock(run_dir)
            undo.callback(os.close, self._lock)
            self._spare = _spare()
            undo.callback(self._spare.close)
            self._listener = _listen(self._path)
            undo.pop_all()

    def filenos(self) -> tuple[int, ...]:
        talking = (caller.connection.fileno() for caller in self._callers.values() if not caller.parting)
        return (self._listener.fileno(), *talking)

    def waiting(self) -> list[int]:
        return [caller.connection.fileno() for caller in self._callers.values() if caller.outgoing]

    def requests(self, readable: Collection[int]) -> list[tuple[int, bytes]]:
        if self._listener.fileno() in readable:
            self._accept()
        asked: list[tuple[int, bytes]] = []
        for caller in list(self._callers.values()):
            if caller.connection.fileno() in readable:
                asked += [(caller.number, line) for line in self._read(caller)]
        return asked

    def say(self, caller: int, line: bytes) -> bool:
        addressee = self._callers.get(caller)
        if addressee is not None:
            addressee.outgoing += line + b"\n"
        return addressee is not None

    def flush(self) -> None:
        for caller in list(self._callers.values()):
            if (caller.outgoing and not self._write(caller)) or (caller.parting and not caller.outgoing):
                self._drop(caller)

    def close(self) -> None:
        """Closing twice is harmless."""
        if self._listener.fileno() < 0:
            return
        for caller in list(self._callers.values()):
            self._drop(caller)
        self._listener.close()
        self._path.unlink(missing_ok=True)
        self._spare.close()
        os.close(self._lock)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._hang_up()
            return  # else the caller has gone again
        if len(self._callers) >= MOST_CALLERS:
            connection.close()
            return
        connection.setblocking(False)
        number = next(self._numbers)
        self._callers[number] = Caller(number, connection)

    def _hang_up(self) -> None:
        """On the caller who has waited longest, for want of a descriptor to talk to it."""
        self._spare.close()
        # Another thread may be quicker to take what was given up, before or after; then the next time is another try.
        with suppress(OSError):
            self._listener.accept()[0].close()
        with suppress(OSError):
            self._spare = _spare()

    def _read(self, caller: Caller) -> list[bytes]:
        try:
            received = caller.connection.recv(LONGEST_REQUEST)
        except BlockingIOError:
            return []
        except OSError:
            received = b""
        *lines, caller.incoming = (caller.incoming + received).split(b"\n")
        caller.parting = not received or len(caller.incoming) >= LONGEST_REQUEST
        return lines

    @staticmethod
    def _write(caller: Caller) -> bool:
        """As much as it takes. False where it takes nothing any more, or far too little."""
        try:
            sent = caller.connection.send(caller.outgoing)
        except BlockingIOError:
            sent = 0
        except OSError:
            return False
        caller.outgoing = caller.outgoing[sent:]
        return len(caller.outgoing) <= LARGEST_BACKLOG

    def _drop(self, caller: Caller) -> None:
        self._callers.pop(caller.number, None)
        caller.connection.close()


def ask(run_dir: Path, request: Mapping[str, str], timeout_s: float = 5.0) -> dict[str, Any]:
    """Ask the agent of this machine, and wait for its answer. Raises ControlError where none answers, or it refuses."""
    with closing(follow(run_dir, request, timeout_s)) as answers:
        return next(answers)


def follow(run_dir: Path, request: Mapping[str, str], timeout_s: float = 5.0) -> Generator[dict[str, Any], None, None]:
    """Ask, and go on listening: its answer, then whatever it says, line by line, with at most `timeout_s` between two.
    Whoever has heard enough closes it. Raises ControlError as `ask` does, also where the agent ends or cannot go on."""
    path = run_dir / SOCKET_NAME
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
        _connect(connection, path, request, timeout_s) as answers,
    ):
        yield _read_answer(answers, path, first=True)
        while True:
            yield _read_answer(answers, path, first=False)


def _connect(connection: socket.socket, path: Path, request: Mapping[str, str], timeout_s: float) -> BinaryIO:
    try:
        connection.settimeout(timeout_s)
        connection.connect(str(path))
        connection.sendall(json.dumps(request).encode() + b"\n")
        return connection.makefile("rb")
    except OSError as error:
        raise _unreachable(path, error) from error


def _read_answer(answers: BinaryIO, path: Path, *, first: bool) -> dict[str, Any]:
    """One line of the agent's. The first says whether it obeys; a later one may say that it cannot go on."""
    try:
        answer = json.loads(answers.readline() or b'{"ok": false, "error": "the agent hung up"}')
    except OSError as error:
        raise _unreachable(path, error) from error
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or (first and not ("ok" in answer or "error" in answer)):
        raise ControlError(f"what answers at {path} is no agent; see what listens there: ss -xlp")
    if not answer.pop("ok", not first):
        raise ControlError(str(answer.get("error")))
    return answer


def _unreachable(path: Path, error: OSError) -> ControlError:
    if isinstance(error, PermissionError):
        return ControlError(f"{path} is not yours to open; try with sudo")
    return ControlError(f"no agent answers at {path} ({error}); is it running? systemctl status picluster")


def _lock(run_dir: Path) -> int:
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        mend = "start the agent as root, or give it a run_dir of your own"
        raise ControlError(f"{run_dir} cannot be the run directory ({error.strerror}); {mend}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ControlError(
            f"another agent runs with {run_dir}; one agent a node, or give this one a run_dir of its own"
        ) from error
    return descriptor


def _spare() -> BinaryIO:
    """A descriptor for the sake of having one."""
    return Path(os.devnull).open("rb", buffering=0)


def _listen(path: Path) -> socket.socket:
    """To be called under the lock."""
    if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
        raise ControlError(f"{path} is in the way and is no socket; move it")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        listener.listen(MOST_CALLERS)
    except OSError as error:
        listener.close()
        raise ControlError(f"cannot listen at {path} ({error}); give the agent another run_dir") from error
    finally:
        os.umask(before)
    listener.setblocking(False)
    return listener
