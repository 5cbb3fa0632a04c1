"""What is to keep the machine busy does, and is gone afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import processes
from benchmarks.burners import burning
from tests.patience import until

SOME_NS = 20_000_000


def written_bytes(pid: int) -> int:
    """What it has asked the kernel to write so far (man 5 proc, io)."""
    lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give itself real-time priority")
def test_burners_have_the_ordinary_priority_whoever_starts_them(tmp_path: Path) -> None:
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        with burning(tmp_path / "log") as pids:
            assert {os.sched_getscheduler(pid) for pid in pids} == {os.SCHED_OTHER}
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def test_every_burner_goes_on_burning_until_the_end_of_the_block_and_no_longer(tmp_path: Path) -> None:
    with burning(tmp_path / "log") as pids:
        enough_ns = {pid: processes.cpu_ns([pid]) + SOME_NS for pid in pids}
        writer = pids[-1]
        written = written_bytes(writer)
        until(lambda: written_bytes(writer) > written, "something is written")
        until(lambda: all(processes.cpu_ns([pid]) > enough_ns[pid] for pid in pids), "all of them are busy")
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert (tmp_path / "log").read_text(encoding="utf-8") == ""
