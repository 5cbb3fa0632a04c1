"""Key pairs for SSH, in OpenSSH's own format: the controller's, by which it logs in, and those that cards carry as host
keys.

Ed25519 (RFC 8709), since every OpenSSH since 6.5 has it, its keys are short, and making one costs a Pi Zero nothing.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from picluster.trust.host_key import HostKey

__all__ = ["fingerprint", "make_key_pair"]


def make_key_pair(comment: str) -> tuple[str, str]:
    """A new pair: the text of the private file, which must be written with mode 0600, and the line of the public one, both
    with the end of their last line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return private, f"{public} {comment}\n"


def fingerprint(public: str) -> str:
    """`SHA256:…` of a public line, as OpenSSH prints it. Raises ValueError where it is none."""
    return HostKey.parse(public).fingerprint
