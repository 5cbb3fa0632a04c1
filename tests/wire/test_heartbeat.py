"""Heartbeats of big clusters: they always fit, and what was left out is told by the next ones."""

from __future__ import annotations

import pytest

from picluster.model.messages import Cause, Envelope, Hearing, Heartbeat, Held
from picluster.wire import LONGEST_DATAGRAM
from tests.wire.envelopes import CODEC, heartbeat

LONG = "a-name-as-long-as-a-name-can-be-"  # 32 bytes


def long_name(number: int) -> str:
    return f"{number:03}{LONG[3:]}"


def after_the_wire(beat: Heartbeat, sequence: int = 1, node: str = "pi1") -> Heartbeat:
    datagram = CODEC.encode(Envelope(node, 2**64 - 1, node, sequence, 2**64 - 1, beat))
    assert len(datagram) <= LONGEST_DATAGRAM
    message = CODEC.decode(datagram).message
    assert isinstance(message, Heartbeat)
    return message


def hold(address: str, previous: str = "") -> Held:
    return Held(address, 150_000, 10**12, previous, Cause.SILENCE, 152_000)


def hear(node: str) -> Hearing:
    return Hearing(node, 10**6, 100_000, 1, 450)


@pytest.mark.parametrize("stride", [1, 2, 3, 7, 8, 16, 100])
def test_over_some_heartbeats_every_hearing_is_told(stride: int) -> None:
    beat = heartbeat(hearings=tuple(hear(long_name(number)) for number in range(100)))
    told = [set(after_the_wire(beat, 1 + stride * turn).hearings) for turn in range(60)]
    assert set.union(*told) == set(beat.hearings)
    assert min(map(len, told)) >= 20
    assert len({frozenset(some) for some in told}) > 20  # a different part each time


def test_as_many_hearings_are_told_as_fit() -> None:
    for count in range(30, 70):
        beat = heartbeat(hearings=tuple(hear(f"pi{number}") for number in range(count)))
        sent = Envelope("pi1", 1, "pi2", 5, 0, beat)
        datagram = CODEC.encode(sent)
        message = CODEC.decode(datagram).message
        assert isinstance(message, Heartbeat)
        room_for_one_more = LONGEST_DATAGRAM - len(datagram) >= 22
        assert len(message.hearings) == count or not room_for_one_more
        assert CODEC.encode(CODEC.decode(datagram)) == datagram


def test_no_length_is_one_byte_too_long() -> None:
    hearings = tuple(hear(f"pi{number:02}") for number in range(100))
    holds = tuple(hold(f"web{number:02}") for number in range(100))
    lengths = set()
    for length in range(1, 33):
        for beat in (heartbeat(hearings=hearings), heartbeat(holds=holds)):
            datagram = CODEC.encode(Envelope("x" * length, 1, "pi2", 5, 0, beat))
            assert CODEC.encode(CODEC.decode(datagram)) == datagram
            lengths.add(len(datagram))
    assert max(lengths) == LONGEST_DATAGRAM


def test_the_addresses_come_before_the_hearings() -> None:
    beat = heartbeat(
        holds=tuple(hold(f"address-{number:02}-of-a-rack", f"pi{number % 5}") for number in range(20)),
        hearings=tuple(hear(f"pi{number}") for number in range(100)),
        note="x" * 40,
    )
    told = after_the_wire(beat)
    assert told.holds == beat.holds
    assert told.note == beat.note
    assert 0 < len(told.hearings) < 100


@pytest.mark.parametrize(("count", "length"), [(18, 32), (20, 29), (30, 12)])
def test_many_addresses_with_long_names_fit(count: int, length: int) -> None:
    names = [long_name(number)[:length] for number in range(count)]
    beat = heartbeat(holds=tuple(hold(name, name) for name in names), note="x" * 100)
    told = after_the_wire(beat, node=LONG[:length])
    assert [held.address for held in told.holds] == names
    assert {(held.previous, told.note) for held in told.holds} == {("", "")}  # the price


def test_too_many_addresses_take_turns() -> None:
    beat = heartbeat(holds=tuple(hold(long_name(number), long_name(500 + number)) for number in range(300)))
    told = [{held.address for held in after_the_wire(beat, sequence).holds} for sequence in range(1, 301)]
    assert set.union(*told) == {held.address for held in beat.holds}
    assert min(map(len, told)) >= 18
