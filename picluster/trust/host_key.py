"""A public key of SSH (RFC 4253 section 6.6), as it stands in `ssh_host_ed25519_key.pub` and in known_hosts.

The bytes begin with the kind of the key, so a line says it twice: `ssh-ed25519 AAAAC3Nza…`. Keys are told apart by their
fingerprint, which OpenSSH prints as `SHA256:` and the digest in base64 without padding (`ssh-keygen -l`).
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

__all__ = ["HostKey"]

PREFIX_BYTES = 4


@dataclass(frozen=True, slots=True)
class HostKey:
    kind: str
    """`ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`."""
    blob: bytes = field(repr=False)
    """As it goes over the wire."""

    @classmethod
    def parse(cls, line: str) -> HostKey:
        """From `KIND BASE64 [COMMENT]`. Raises ValueError where that is no public key."""
        words = line.split(None, 2)
        if len(words) < 2:
            raise ValueError("a public key is its kind and its base64")
        blob = base64.b64decode(words[1], validate=True)
        kind = words[0].encode()
        if blob[:PREFIX_BYTES] != len(kind).to_bytes(PREFIX_BYTES, "big") or not blob.startswith(kind, PREFIX_BYTES):
            raise ValueError(f"the bytes are not those of {words[0]}")
        return cls(words[0], blob)

    @property
    def text(self) -> str:
        """`KIND BASE64`."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """`SHA256:…`, as OpenSSH prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")
