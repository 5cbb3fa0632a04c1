"""What this process may do about the network, as the kernel sees it: capabilities(7)."""

from __future__ import annotations

from pathlib import Path

CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}
"""What an agent needs to hold an address, with their bits: addresses and firewall; announcements and probes."""


def missing_capabilities() -> list[str]:
    """Read from CapEff of proc(5), a bit mask in hexadecimal. In a namespace it says what may be done there. Raises OSError
    or ValueError where /proc does not tell."""
    (line,) = [line for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if "CapEff" in line]
    effective = int(line.partition(":")[2], 16)
    return [name for name, bit in CAPABILITIES.items() if not effective & 1 << bit]
