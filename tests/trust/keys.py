"""Host keys for tests that need several and do not care which."""

from __future__ import annotations

from picluster.trust.host_key import HostKey

__all__ = ["key"]


def key(number: int, kind: str = "ssh-ed25519") -> HostKey:
    name = kind.encode()
    return HostKey(kind, len(name).to_bytes(4, "big") + name + (32).to_bytes(4, "big") + bytes([number]) * 32)
