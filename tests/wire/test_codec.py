"""Envelopes to datagrams and back."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings

from picluster.errors import WireError
from picluster.model.inventory import Role
from picluster.model.messages import (
    Cause,
    Claim,
    Envelope,
    Grant,
    Hearing,
    Heartbeat,
    Message,
    Refusal,
    RefusalReason,
    Release,
)
from picluster.wire import LONGEST_DATAGRAM, LONGEST_NOTE, WireFault
from picluster.wire.fields import CAUSE_CODES, REASON_CODES, ROLE_CODES
from picluster.wire.keys import Keyring
from picluster.wire.seal import Seal
from tests.wire.envelopes import CODEC, EXAMPLES, KEY, envelope, envelopes, heartbeat

SEAL = Seal("home", Keyring.parse(KEY))


def body_of(sealed: Envelope) -> bytes:
    return SEAL.open(CODEC.encode(sealed))


def fault_of(body: bytes) -> str:
    with pytest.raises(WireError) as caught:
        CODEC.decode(SEAL.close(body))
    return caught.value.kind


@settings(max_examples=400, deadline=None)
@given(envelopes)
def test_what_is_decoded_is_what_was_encoded(sent: Envelope) -> None:
    datagram = CODEC.encode(sent)
    assert len(datagram) <= LONGEST_DATAGRAM
    assert CODEC.decode(datagram) == sent
    assert CODEC.encode(CODEC.decode(datagram)) == datagram


# The format itself: these bytes may change only together with the version.
FRAME = "0123456789abcdef0000000000000029fedcba98765432100370693103706932"
GOLDEN = [
    "02" + FRAME + "000000000000000c" "000249f0" "00000003" "01" "02" "03776562",
    "03" + FRAME + "000000000000000c" "00" "03776562",
    "04" + FRAME + "000000000000000c" "00020000" "01" "03776562" "03706933",
    "05" + FRAME + "000000000000000c" "04" "03776562" "03706933",
    "01" + FRAME + "01" "01" "00000003" "000000141dd76000" "000000000000004d" "05302e312e30" "00" "00" "00" "00",
    "01" + FRAME + "01" "01" "00000003" "000000141dd76000" "000000000000004d" "05302e312e30"
    "10" + b"eth0 has no link".hex() + "01" "03706933" "03"
    "000222e0" "00000000d693a400" "00000000000251c0" "02" "01" "03776562"
    "00015f90" "00000000004c4b40" "0000000000000000" "01" "00" "03646e73"
    "00015f90" "00000000004c4b40" "00000000000007d0" "06" "01" "056bc3a47365"
    "02" "0000000000000028" "00004e20" "000001c2" "00" "03706932" "0000000000000384" "ee6b2800" "00000000" "64" "03706933",
]  # fmt: skip


@pytest.mark.parametrize(("sent", "body"), list(zip(EXAMPLES, GOLDEN, strict=True)))
def test_the_format_is_the_one_in_the_table(sent: Envelope, body: str) -> None:
    assert body_of(sent).hex() == body


def test_every_member_of_every_enum_has_a_code_of_its_own() -> None:
    for members, codes in ((Role, ROLE_CODES), (Cause, CAUSE_CODES), (RefusalReason, REASON_CODES)):
        assert set(codes) == set(members)
        assert len(set(codes.values())) == len(codes)


@pytest.mark.parametrize(
    "message",
    [
        Claim("", 1, 1, 1),
        Claim("x" * 33, 1, 1, 1),
        Claim("ä" * 17, 1, 1, 1),
        Claim("we\nb", 1, 1, 1),
        Claim("we\x9bb", 1, 1, 1),
        Claim("we\ud800b", 1, 1, 1),
        Claim("web", -1, 1, 1),
        Claim("web", 1 << 64, 1, 1),
        Claim("web", 1, 1 << 32, 1),
        Claim("web", 1, 1, -1),
        Grant("web", 1 << 64),
        Refusal("web", 1, RefusalReason.HELD, "x" * 33, 1),
        Refusal("web", 1, RefusalReason.HELD, "pi1", -1),
        Release("web", 1, "x" * 33),
        heartbeat(loss_percent=101),
        heartbeat(loss_percent=-1),
        heartbeat(hearings=(Hearing("pi2", 1, -1, 0, 0),)),
        dataclasses.replace(heartbeat(), version="x" * 33),
        dataclasses.replace(heartbeat(), epoch=1 << 32),
    ],
)
def test_a_field_out_of_its_range_is_a_bug_here(message: Message) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        CODEC.encode(envelope(message))
    assert not isinstance(caught.value, WireError)


@pytest.mark.parametrize(
    "sent",
    [
        Envelope("", 1, "pi2", 1, 0, Grant("web", 1)),
        Envelope("pi1", 1, "", 1, 0, Grant("web", 1)),
        Envelope("pi1", -1, "pi2", 1, 0, Grant("web", 1)),
        Envelope("pi1", 1, "pi2", 0, 0, Grant("web", 1)),
        Envelope("pi1", 1, "pi2", 1 << 64, 0, Grant("web", 1)),
        Envelope("pi1", 1, "pi2", 1, 1 << 64, Grant("web", 1)),
    ],
)
def test_an_envelope_out_of_its_range_is_a_bug_here(sent: Envelope) -> None:
    with pytest.raises(ValueError, match=r"."):
        CODEC.encode(sent)


GRANT = bytes.fromhex(GOLDEN[1])
HEARTBEAT = bytes.fromhex(GOLDEN[4])
HOLDING = bytes.fromhex(GOLDEN[5])


@pytest.mark.parametrize(
    "body",
    {
        "nothing": b"",
        "kind 0": b"\0" + GRANT[1:],
        "kind 6": b"\6" + GRANT[1:],
        "half a frame": GRANT[:20],
        "one byte less": GRANT[:-1],
        "one byte more": GRANT + b"\0",
        "sequence 0": GRANT[:9] + bytes(8) + GRANT[17:],
        "ask is 2": GRANT[:-5] + b"\2" + GRANT[-4:],
        "no address": GRANT[:-4] + b"\0",
        "a name of 33 bytes": GRANT[:-4] + b"\x21" + b"x" * 33,
        "a name longer than the rest": GRANT[:-4] + b"\x20web",
        "no UTF-8": GRANT[:-4] + b"\3w\xffb",
        "UTF-8 made longer": GRANT[:-4] + b"\2\xc1\xa1",
        "a surrogate": GRANT[:-4] + b"\3\xed\xa0\x80",
        "an escape code": GRANT[:-4] + b"\3\x1b[m",
        "role 0": HEARTBEAT[:33] + b"\0" + HEARTBEAT[34:],
        "role 4": HEARTBEAT[:33] + b"\4" + HEARTBEAT[34:],
        "an unknown flag": HEARTBEAT[:34] + b"\x08" + HEARTBEAT[35:],
        "a note of 101 bytes": HEARTBEAT[:-4] + b"\x65" + b"x" * 101 + bytes(3),
        "an earlier holder of no address": HEARTBEAT[:-3] + b"\1\3pi3" + bytes(2),
        "held addresses that are not there": HEARTBEAT[:-2] + b"\1\0",
        "hearings that are not there": HEARTBEAT[:-1] + b"\xff",
        "a loss of 101 %": HOLDING[:-5] + b"\x65" + HOLDING[-4:],
        "a cause of 9": HOLDING.replace(b"\2\1\3web", b"\x09\1\3web"),
        "the second earlier holder of one": HOLDING.replace(b"\2\1\3web", b"\2\2\3web"),
        "an earlier holder twice": HOLDING.replace(b"\1\3pi3", b"\2\3pi3\3pi3", 1).replace(b"\6\1", b"\6\2"),
    }.items(),
    ids=lambda item: item[0],
)
def test_a_body_that_breaks_the_format_is_malformed(body: tuple[str, bytes]) -> None:
    assert fault_of(body[1]) is WireFault.MALFORMED


def test_earlier_holders_are_listed_in_the_order_of_their_use() -> None:
    swapped = HOLDING.replace(b"\1\3pi3", b"\2\3pi4\3pi3", 1).replace(b"\2\1\3web", b"\2\2\3web")
    in_order = HOLDING.replace(b"\1\3pi3", b"\2\3pi4\3pi3", 1).replace(b"\6\1", b"\6\2")
    assert fault_of(swapped) is WireFault.MALFORMED
    message = CODEC.decode(SEAL.close(in_order)).message
    assert isinstance(message, Heartbeat)
    assert [held.previous for held in message.holds] == ["pi4", "", "pi3"]


def note_after_the_wire(note: str) -> str:
    message = CODEC.decode(CODEC.encode(envelope(heartbeat(note=note)))).message
    assert isinstance(message, Heartbeat)
    return message.note


def test_a_long_note_is_cut_between_two_characters() -> None:
    assert note_after_the_wire("x" * 1_000) == "x" * LONGEST_NOTE
    assert note_after_the_wire("x" + "ä" * 100) == "x" + "ä" * 49
    assert note_after_the_wire("🥧" * 100) == "🥧" * 25


def test_a_note_may_quote_anything() -> None:
    assert note_after_the_wire("no link:\n\x1b[31meth0\udcff") == "no link:  [31meth0?"


def test_a_long_silence_is_told_as_71_minutes() -> None:
    sent = envelope(heartbeat(hearings=(Hearing("pi2", 1, 1 << 40, 100, 1 << 33),)))
    message = CODEC.decode(CODEC.encode(sent)).message
    assert isinstance(message, Heartbeat)
    assert message.hearings == (Hearing("pi2", 1, 2**32 - 1, 100, 2**32 - 1),)
