"""What a family of processes costs: its members, their processor time and memory (man 5 proc, man 3 clock_getcpuclockid).

A daemon is often several processes. All descendants of the one that was started count, and the scripts that they ran and
waited for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

__all__ = ["cpu_ns", "descendants", "resident_bytes", "sent_packets"]

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
PARENT, CHILDREN_USER, CHILDREN_SYSTEM = 1, 13, 14
"""Fields of /proc/PID/stat, counted from the process's state."""
SENT_PACKETS = 9
"""Column of /proc/net/dev, counted from the one after the interface's name."""


def descendants(pid: int) -> list[int]:
    """Children, their children and so on, the process itself left out."""
    parents = {int(entry.name): fields[PARENT] for entry in Path("/proc").glob("[0-9]*") if (fields := _stat(entry))}
    found, family = [pid], []
    while found:
        found = [one for one, parent in parents.items() if parent in found]
        family += found
    return family


def cpu_ns(pids: Iterable[int]) -> int:
    """Processor time so far, of all threads, in user and kernel mode; and of the children that were waited for, whose time
    the kernel tells in ticks."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            total += time.clock_gettime_ns(_cpu_clock(pid))
        fields = _stat(Path(f"/proc/{pid}"))
        total += sum(fields[CHILDREN_USER : CHILDREN_SYSTEM + 1]) * TICK_NS
    return total


def resident_bytes(pids: Iterable[int]) -> int:
    """Resident memory, shared pages counted in each process that has them."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            total += int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return total * os.sysconf("SC_PAGE_SIZE")


def sent_packets(interface: str = "eth0") -> int:
    """What an interface of this thread's network namespace has sent so far."""
    for line in Path("/proc/thread-self/net/dev").read_text(encoding="ascii").splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == interface:
            return int(numbers.split()[SENT_PACKETS])
    return 0


def _stat(entry: Path) -> list[int]:
    """The numbers after the process's name and state; empty where it has ended. The name may hold anything, even a ')'."""
    try:
        words = (entry / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [0, *map(int, words.rpartition(")")[2].split()[1:])]


def _cpu_clock(pid: int) -> int:
    """The clock of another process's processor time, as clock_getcpuclockid(3) makes it: the complement of the process in
    the upper bits, and CPUCLOCK_SCHED in the lower three."""
    return (~pid << 3) | 2
