"""Starting and killing the programs of the lab."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import picluster
from picluster.errors import LabError
from picluster.lab.ledger import RECORD, Ledger

__all__ = ["ClientFeed", "environment", "kill", "start", "started"]

READY_S = 10.0
"""How long a program may take to say that it is ready, in seconds."""


def environment() -> dict[str, str]:
    """In which a program finds this very package, and nothing by accident in the directory where it was started."""
    package = str(Path(picluster.__file__).parent.parent)
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}


def start(
    command: Sequence[str],
    log: Path,
    *,
    group: int = 0,
    keep: Iterable[int] = (),
    reading: bool = False,
    writing: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program; what it says on standard error is appended to the log, on standard output too unless `reading`. It
    is told nothing unless `writing`.

    It belongs to a process group of its own, or to the one named: Ctrl-C in the terminal is for the lab, which then ends the
    others as it sees fit. `keep` are file descriptors that it inherits.
    """
    with log.open("ab") as words:
        return subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE if writing else subprocess.DEVNULL,
            stdout=subprocess.PIPE if reading else words,
            stderr=words,
            env=environment(),
            pass_fds=tuple(keep),
            process_group=group,
        )


def started(
    module: str,
    arguments: Iterable[str],
    log: Path,
    *,
    group: int = 0,
    keep: Iterable[int] = (),
    writing: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program of the lab that says `ready` when it is, and wait for that. Raises LabError where it does not."""
    command = [sys.executable, "-m", module, *arguments]
    process = start(command, log, group=group, keep=keep, reading=True, writing=writing)
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], READY_S)[0] or not process.stdout.readline():
        kill([process])
        raise LabError(f"{module} did not start. It says: {log.read_text(errors='replace')[-500:] or 'nothing'}")
    return process


def kill(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """SIGKILL to all of them, and only then wait for the first to be gone: none sees another one die."""
    ending = list(processes)
    for process in ending:
        process.kill()
    for process in ending:
        process.wait()
        for pipe in filter(None, (process.stdin, process.stdout)):
            pipe.close()


class ClientFeed:
    """What the client writes down, on its way into the ledger."""

    def __init__(self, process: subprocess.Popen[bytes], names: Sequence[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.ledger = Ledger(names)
        self._output = process.stdout
        self._rest = b""

    def pump(self, timeout_s: float = 0.0) -> None:
        """Take what is there; wait for something at most so long. Raises LabError where the client has died."""
        while select.select([self._output], [], [], timeout_s)[0]:
            data = os.read(self._output.fileno(), 1 << 16)
            if not data:
                raise LabError("the client of the lab has died, so nobody counts the answers. Start the demo again")
            data = self._rest + data
            whole = len(data) - len(data) % RECORD.size
            self.ledger.read(data[:whole])
            self._rest = data[whole:]
            timeout_s = 0.0
