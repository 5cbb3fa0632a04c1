"""Programs that keep a machine busy and do nothing else: `python -m benchmarks.burners cpu|memory|disk`, until killed.

They run at the ordinary priority, as a compiler, a database or a backup would, whoever starts them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from picluster.lab.programs import kill, started

__all__ = ["KINDS", "burning"]

MEMORY_BYTES = 128 << 20
WRITTEN_BYTES = 1 << 20
"""At once, and on the disk for good before the next."""
FILE_BYTES = 64 << 20


@contextmanager
def burning(log: Path) -> Iterator[list[int]]:
    """Within the block every core is busy, memory is claimed and freed, and a disk is written to. Gives the processes."""
    kinds = ["cpu"] * len(os.sched_getaffinity(0)) + ["memory", "disk"]
    burners = []
    try:
        for kind in kinds:
            burners.append(started("benchmarks.burners", [kind], log))
        yield [burner.pid for burner in burners]
    finally:
        kill(burners)


def burn_processor() -> None:
    while True:
        sum(range(1_000_000))


def burn_memory() -> None:
    """Every round maps fresh pages, fills them all, and gives them back: the kernel has to find and clear them anew."""
    while True:
        bytearray(b"\x55" * MEMORY_BYTES)


def burn_disk() -> None:
    """The file has no name (O_TMPFILE), so nothing of it outlives the process."""
    data = os.urandom(WRITTEN_BYTES)
    with tempfile.TemporaryFile(buffering=0) as file:
        while True:
            file.write(data)
            os.fsync(file.fileno())
            if file.tell() >= FILE_BYTES:
                file.seek(0)


KINDS: Mapping[str, Callable[[], None]] = {"cpu": burn_processor, "memory": burn_memory, "disk": burn_disk}

if __name__ == "__main__":
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    print("ready", flush=True)
    KINDS[sys.argv[1]]()
