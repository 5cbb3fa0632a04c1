"""A real pseudo-terminal with a small job-controlling shell on it, to see what a program leaves behind.

The shell is the session's leader, starts the program as a foreground job in a process group of its own, and tells over a
pipe when the job stops or ends, as bash would see it; it changes no mode of the terminal itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DEADLINE_S = 20.0
SHELL = """
import fcntl, os, signal, subprocess, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
told, orders = int(sys.argv[1]), int(sys.argv[2])
def foreground():
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
job = subprocess.Popen(sys.argv[3:], preexec_fn=foreground)
os.write(told, f"pid {job.pid}\\n".encode())
while True:
    _, status = os.waitpid(job.pid, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(status):
        os.write(told, f"ended {os.waitstatus_to_exitcode(status)}\\n".encode())
        os.read(orders, 1)
        break
    os.write(told, b"stopped\\n")
    os.read(orders, 1)
    os.tcsetpgrp(0, job.pid)
    os.killpg(job.pid, signal.SIGCONT)
"""


class Job:
    """A program in the foreground of a terminal of its own."""

    def __init__(self, master: int, slave: int, told: int, orders: int) -> None:
        self._master, self._slave, self._told, self._orders = master, slave, told, orders
        self.before = self.modes()
        self.output = ""
        self._messages = ""
        self.pid = 0

    def modes(self) -> list[Any]:
        return termios.tcgetattr(self._slave)

    def type(self, data: bytes) -> None:
        os.write(self._master, data)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def until(self, reached: Callable[[], bool], what: str) -> None:
        """Take what the job writes until that has come about."""
        deadline = time.monotonic() + DEADLINE_S
        while not reached():
            assert time.monotonic() < deadline, f"no {what} in time; the job wrote {self.output[-2000:]!r}"
            for ready in select.select([self._master, self._told], [], [], 0.01)[0]:
                with contextlib.suppress(OSError):
                    text = os.read(ready, 65536).decode(errors="replace")
                    if ready == self._master:
                        self.output += text
                    else:
                        self._messages += text

    def shows(self, text: str) -> None:
        """Wait until the job has written this, and forget everything up to there."""
        self.until(lambda: text in self.output, repr(text))
        self.output = self.output.partition(text)[2]

    def hears(self, message: str) -> str:
        """Wait until the shell tells something that begins like this, and return the rest of that line."""
        self.until(lambda: f"\n{message}" in f"\n{self._messages}" and self._messages.endswith("\n"), f"message {message!r}")
        line = next(line for line in self._messages.splitlines() if line.startswith(message))
        self._messages = ""
        return line.removeprefix(message).strip()

    def continue_(self) -> None:
        """What `fg` does."""
        os.write(self._orders, b"f")


@contextlib.contextmanager
def job(
    command: Sequence[str], environment: Mapping[str, str] | None = None, size: tuple[int, int] = (80, 24)
) -> Iterator[Job]:
    """The command on a new terminal of that size; whatever is left of it at the end is killed."""
    master, slave = pty.openpty()
    told_read, told_write = os.pipe()
    orders_read, orders_write = os.pipe()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    shell = subprocess.Popen(
        [sys.executable, "-c", SHELL, str(told_write), str(orders_read), *command],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        pass_fds=(told_write, orders_read),
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **(environment or {})},
    )
    running = Job(master, slave, told_read, orders_write)
    try:
        running.pid = int(running.hears("pid "))
        yield running
    finally:
        for pid in (running.pid, shell.pid):
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        shell.wait()
        for descriptor in (master, slave, told_read, told_write, orders_read, orders_write):
            os.close(descriptor)
