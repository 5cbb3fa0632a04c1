"""Keys and their fingerprints, as OpenSSH writes them."""

from __future__ import annotations

import pytest

from picluster.trust.host_key import HostKey

LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
"""The bytes 0 to 31; the fingerprint below is what `ssh-keygen -l` (OpenSSH 9.2) says of it."""


def test_a_line_is_read_and_written() -> None:
    key = HostKey.parse(LINE + " root@pi3 with a comment")
    assert key.kind == "ssh-ed25519"
    assert key.blob[-32:] == bytes(range(32))
    assert key.text == LINE


def test_the_fingerprint_is_the_one_that_openssh_prints() -> None:
    assert HostKey.parse(LINE).fingerprint == "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 !!!!",
        "ssh-rsa " + LINE.split()[1],
        "ssh-ed25519 AAAA",
        "ssh-ed2551 " + LINE.split()[1],
    ],
)
def test_what_is_no_key_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match=r"key|bytes|base64|padding"):
        HostKey.parse(line)


def test_the_repr_is_short() -> None:
    assert repr(HostKey.parse(LINE)) == "HostKey(kind='ssh-ed25519')"
