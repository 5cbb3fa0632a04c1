"""The boot record in real files."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from picluster.adapters.boot import FileBootRecord
from picluster.adapters.clock import BootClock
from picluster.model.timing import LONGEST_LEASE_MS

LONGEST_US = LONGEST_LEASE_MS * 1_000


def record(run_dir: Path, boot_id: str = "this-boot") -> FileBootRecord:
    return FileBootRecord(run_dir, BootClock(), boot_id)


def test_an_agent_that_restarts_finds_the_longest_term_of_this_boot(tmp_path: Path) -> None:
    first = record(tmp_path)
    assert first.longest_term_us() is None
    for term_us in (150_000, 2_000_000, 32_000):
        first.remember_term(term_us)
    assert first.longest_term_us() == 2_000_000
    assert record(tmp_path).longest_term_us() == 2_000_000


def test_another_boot_has_granted_nothing(tmp_path: Path) -> None:
    record(tmp_path).remember_term(150_000)
    rebooted = record(tmp_path, "next-boot")
    assert rebooted.longest_term_us() is None
    rebooted.remember_term(32_000)
    assert record(tmp_path, "next-boot").longest_term_us() == 32_000


DAMAGES = [
    b"",
    b"this-boot",
    b"this-boot many\n",
    b"\xff\xfe\x00",
    b"this-boot -5",
    b"this-boot 99999999\n",
    b"this-boot " + b"9" * 5_000,
    b"\x00" * 44,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: repr(damage[:20]))
def test_a_damaged_file_counts_as_the_longest_term_there_is(tmp_path: Path, damage: bytes) -> None:
    record(tmp_path).remember_term(150_000)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage)
    assert record(tmp_path).longest_term_us() == LONGEST_US


def test_what_cannot_be_written_must_not_be_granted(tmp_path: Path) -> None:
    gone = record(tmp_path / "gone")
    with pytest.raises(OSError, match="No such file"):
        gone.remember_term(150_000)
    assert gone.longest_term_us() is None


def test_the_kernel_names_the_boot(tmp_path: Path) -> None:
    if not Path("/proc/sys/kernel/random/boot_id").exists():
        pytest.skip("this system has no /proc/sys/kernel/random/boot_id")
    FileBootRecord(tmp_path, BootClock()).remember_term(150_000)
    assert FileBootRecord(tmp_path, BootClock()).longest_term_us() == 150_000
    assert record(tmp_path).longest_term_us() is None


def test_the_uptime_is_the_boot_clocks(tmp_path: Path) -> None:
    clock = BootClock()
    before = clock.now_ns()
    assert before <= record(tmp_path).uptime_ns() <= clock.now_ns()
    assert clock.now_ns() >= time.monotonic_ns() - 1_000_000_000
