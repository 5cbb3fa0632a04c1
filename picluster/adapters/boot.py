"""What a voter remembers across restarts of its agent, within one boot: the longest term that it granted.

One line in a file, `BOOT-ID TERM`, tagged with the kernel's random number for this boot (man 4 random, boot_id): a file that
outlived a reboot says nothing. It is replaced as a whole (man 2 rename), so a reader sees the old line or the new one. No
fsync: a crash of the machine is the end of the boot, and of what the file is about.
"""

from __future__ import annotations

import re
from pathlib import Path

from picluster.model.timing import LONGEST_LEASE_MS
from picluster.ports import Clock

__all__ = ["FileBootRecord"]

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
FILE_NAME = "longest-term"
LONGEST_US = LONGEST_LEASE_MS * 1_000
TERM = re.compile(r"[0-9]{1,9}\n?")


class FileBootRecord:
    """A `picluster.ports.BootRecord` in the agent's run directory, which belongs to this agent alone."""

    def __init__(self, run_dir: Path, clock: Clock, boot_id: str | None = None) -> None:
        """`boot_id`: what names this boot, where it is known better. Reads the file once."""
        self._file = run_dir / FILE_NAME
        self._clock = clock
        self._boot_id = _this_boot() if boot_id is None else boot_id
        self._longest_us = self._read()

    def longest_term_us(self) -> int | None:
        """In microseconds; None where nothing was granted in this boot."""
        return self._longest_us

    def remember_term(self, term_us: int) -> None:
        """Written only where it is the longest so far: once in a boot, as a rule. Raises OSError where it cannot be."""
        if self._longest_us is not None and term_us <= self._longest_us:
            return
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{self._boot_id} {term_us}\n", encoding="ascii")
        fresh.replace(self._file)
        self._longest_us = term_us

    def uptime_ns(self) -> int:
        """The boot clock counts from the start of the machine."""
        return self._clock.now_ns()

    def _read(self) -> int | None:
        try:
            boot_id, _, term = self._file.read_text(encoding="ascii").partition(" ")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError):
            return LONGEST_US
        if not TERM.fullmatch(term) or int(term) > LONGEST_US:
            # Damaged, perhaps in this very boot: the longest term that can have been granted is the safe guess.
            return LONGEST_US
        return int(term) if boot_id == self._boot_id else None


def _this_boot() -> str:
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        # Not Linux. A file of an earlier boot then counts too, which only makes the voter more careful.
        return "unknown"
