"""A person at a terminal: runs a command with one of its own, reads what it says, and types when asked."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Answer", "Said", "typed"]

Answer = str | Callable[[str], str]

COLUMNS = "160"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command has said, and how it ended."""

    code: int
    text: str
    """All of it, as plain lines."""
    took_s: float


def typed(
    command: Sequence[str],
    answers: Sequence[tuple[str, Answer]] = (),
    *,
    directory: Path,
    environment: Mapping[str, str],
    most_s: float = 60.0,
) -> Said:
    """Run it; `answers` are patterns, in the order in which they are to come up, each with the line that is typed then, or
    what makes that of the words that were found. Raises TimeoutError, with what was said, where it does not end in time."""
    began = time.monotonic()
    pid, terminal = pty.fork()
    if pid == 0:
        _become(command, directory, environment)
    text, seen, left = "", 0, list(answers)
    try:
        while (data := _read(terminal, began + most_s - time.monotonic())) is not None:
            text += data
            while left and (found := re.search(left[0][0], plain(text[seen:]))):
                seen = len(text)
                answer = left.pop(0)[1]
                line = answer if isinstance(answer, str) else answer(found.group())
                os.write(terminal, f"{line}\n".encode())
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise TimeoutError(f"{' '.join(command)} took more than {most_s:.0f} s. It said:\n{plain(text)}") from None
    finally:
        os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return Said(code, plain(text), time.monotonic() - began)


def plain(text: str) -> str:
    """Without colours, and without what moves the cursor (ECMA-48, 5.4)."""
    return re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", text.replace("\r\n", "\n"))


def _become(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> None:
    try:
        os.chdir(directory)
        os.execvpe(command[0], list(command), {**environment, "TERM": "xterm", "COLUMNS": COLUMNS})  # noqa: S606  it has a terminal now
    finally:
        os._exit(127)


def _read(terminal: int, most_s: float) -> str | None:
    """What comes next; None where nobody is there any more. Raises TimeoutError."""
    if not select.select([terminal], [], [], max(0.0, most_s))[0]:
        raise TimeoutError
    with suppress(OSError):
        return os.read(terminal, 1 << 16).decode(errors="replace") or None
    return None
