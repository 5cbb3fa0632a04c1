"""The examples on the page about the wire and in the docstrings are true."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from picluster.model.inventory import Role
from picluster.model.messages import Cause, Claim, Envelope, RefusalReason
from picluster.wire import Codec, Keyring, WireFault
from picluster.wire import codec as codec_module
from picluster.wire.fields import CAUSE_CODES, REASON_CODES, ROLE_CODES

PAGE = (Path(__file__).parents[2] / "docs" / "wire.md").read_text(encoding="utf-8")


def test_the_example_says_what_the_page_says() -> None:
    (key,) = re.findall(r"`([0-9a-f]{64})`", PAGE)
    (example,) = re.findall(r"```wire\n(.*?)```", PAGE, re.DOTALL)
    datagram = bytes.fromhex("".join(line.split("   ")[0] for line in example.splitlines()))
    claim = Claim("web", number=12, term_us=150_000, epoch=3)
    sent = Envelope("pi1", 0x5EEDC0DE00000001, "pi2", 41, 0x0DDBA11C0FFEE000, claim)
    codec = Codec("home", Keyring.parse(key))
    assert codec.decode(datagram) == sent
    assert codec.encode(sent) == datagram


def test_every_counter_is_explained() -> None:
    found_later = ("own-name", "misdirected", "stranger", "replayed", "not-believed")
    assert [kind for kind in (*WireFault, *found_later) if f"`{kind}`" not in PAGE] == []


def test_the_codes_on_the_page_are_those_of_the_format() -> None:
    tables: tuple[tuple[str, dict[Role, int] | dict[Cause, int] | dict[RefusalReason, int]], ...] = (
        ("role", ROLE_CODES),
        ("cause", CAUSE_CODES),
        ("reason", REASON_CODES),
    )
    for name, codes in tables:
        assert f"{name}: {', '.join(f'{code} {member.value}' for member, code in codes.items())}." in PAGE


def test_the_example_in_the_docstring_runs() -> None:
    failed, attempted = doctest.testmod(codec_module)
    assert attempted > 0
    assert failed == 0
