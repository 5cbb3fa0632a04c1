"""Virtual Pis on which any system may keep the address: what a scenario does to them, whatever their daemon is.

The network, the cables, the service and the client are the lab's (`picluster.lab.namespaces`). The lab freezes and ends the
one process of picluster's agent; here the daemon may be a family of processes.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes
from picluster.errors import LabError
from picluster.lab.namespaces import NamespaceWorld
from picluster.lab.stack import FLOATING, Stack

__all__ = ["WEB", "Machines", "OneAddress"]

WEB = FLOATING["web"]


@dataclass(frozen=True, slots=True)
class OneAddress(Stack):
    """A stack of any size with a single floating address: that is what all systems can be compared in."""

    @property
    def floating(self) -> Mapping[str, str]:
        return {"web": WEB}


class Machines(NamespaceWorld):
    """A stack under power. Every system is a subclass that says how its daemon is started, and how it is ended."""

    def __init__(self, size: int, directory: Path) -> None:
        super().__init__(OneAddress(size), directory)

    def daemon(self, name: str) -> list[int]:
        """All processes of the system on this Pi."""
        started = self._started(name).pid
        return [started, *processes.descendants(started)]

    def standby(self, name: str, *, on: bool) -> None:
        """Tell the daemon to hold nothing for a while, and when that is over. Not every system can be told."""
        raise LabError(f"{name} cannot be told to go {'on' if on else 'off'} standby: its system has no such command")

    def sent_packets(self, name: str) -> int:
        """What this Pi has sent since it booted."""
        with self.machine(name).entered():
            return processes.sent_packets()

    def cut(self, name: str) -> None:
        """Nothing of the daemon outlives the power cut. The lab kills the process that it started, and the cable is dead by
        then; a child that would notice and end in its own good time is killed here."""
        family = self.daemon(name)
        super().cut(name)
        for process in family:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(process, 0)

    def freeze(self, name: str, *, whole: bool = False) -> None:
        """The whole daemon stops running, not only its first process."""
        super().freeze(name, whole=whole)
        self._signal(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        super().thaw(name)
        self._signal(name, signal.SIGCONT)

    def _started(self, name: str) -> subprocess.Popen[bytes]:
        """The process that `_start_agent` started."""
        return self._powered[name][-1]

    def _signal(self, name: str, number: signal.Signals) -> None:
        for process in self.daemon(name):
            with suppress(ProcessLookupError):
                os.kill(process, number)
