"""The heartbeat's part of a body (`picluster.wire.body` has the table), and how it is kept short enough.

A heartbeat that would be too long leaves out hearings first. Which ones depends on a hash of the sequence number, so that
no regular step between the numbers of two heartbeats can spare the same hearing for ever. Only where the addresses alone
are too many, the note and the earlier holders are left out, and at last addresses, by the same rule. With names of 32 bytes
throughout this takes more than 18 addresses held by one node; with names of 12 it takes more than 30.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

from picluster.model.messages import Hearing, Heartbeat, Held
from picluster.wire.fields import (
    CAUSE_CODES,
    CAUSES,
    LONGEST_NOTE,
    ROLE_CODES,
    ROLES,
    malformed,
    read_name,
    read_text,
    write_name,
    write_note,
    write_optional_name,
)

_HEARTBEAT = struct.Struct("!BBIQQ")
_HELD = struct.Struct("!IQQBB")
_HEARING = struct.Struct("!QIIB")
_FIT, _STANDBY, _LEAVING = 1, 2, 4
_ALL_FLAGS = _FIT | _STANDBY | _LEAVING
_MOST_U8 = (1 << 8) - 1
_MOST_U32 = (1 << 32) - 1


def write_heartbeat(beat: Heartbeat, room: int, sequence: int) -> bytes:
    """The heartbeat, or as much of it as goes into `room` bytes; `sequence` picks what is left out where it must be."""
    flags = _FIT * beat.fit | _STANDBY * beat.standby | _LEAVING * beat.leaving
    fixed = _HEARTBEAT.pack(ROLE_CODES[beat.role], flags, beat.epoch, beat.uptime_us, beat.challenge)
    head = fixed + write_optional_name(beat.version)
    room -= len(head) + 3  # the three counts
    note = write_note(beat.note)
    before, holds = _write_holds(beat.holds)
    if len(note) + _size(before) + _size(holds) > room:
        note, before = write_note(""), []
        holds = _that_fit([_write_held(held, 0) for held in beat.holds], room - len(note), sequence)
    room -= len(note) + _size(before) + _size(holds)
    hearings = _that_fit([_write_hearing(hearing) for hearing in beat.hearings], room, sequence)
    return b"".join((head, note, *_counted(before), *_counted(holds), *_counted(hearings)))


def _write_holds(holds: Sequence[Held]) -> tuple[list[bytes], list[bytes]]:
    """The names of who held before, each once, and the holds, which point at them."""
    names = dict.fromkeys(held.previous for held in holds if held.previous)
    # More names than a byte can count belong to more holds than can fit: what is written here is then thrown away.
    places = {name: min(place, _MOST_U8) for place, name in enumerate(names, start=1)}
    return [write_name(name) for name in names], [_write_held(held, places.get(held.previous, 0)) for held in holds]


def _write_held(held: Held, previous: int) -> bytes:
    fixed = _HELD.pack(held.lease_left_us, held.held_for_us, held.outage_us, CAUSE_CODES[held.cause], previous)
    return fixed + write_name(held.address)


def _write_hearing(hearing: Hearing) -> bytes:
    if hearing.loss_percent > 100:
        raise ValueError(f"a loss of {hearing.loss_percent} % is more than everything")
    age_us, round_trip_us = min(hearing.age_us, _MOST_U32), min(hearing.round_trip_us, _MOST_U32)
    return _HEARING.pack(hearing.sequence, age_us, round_trip_us, hearing.loss_percent) + write_name(hearing.node)


def _that_fit(pieces: list[bytes], room: int, sequence: int) -> list[bytes]:
    """The pieces that go into so many bytes: all, or as many as fit from a place that the sequence number picks."""
    if _size(pieces) <= room:
        return pieces
    digest = hashlib.blake2b(sequence.to_bytes(8, "big"), digest_size=8).digest()
    start = int.from_bytes(digest, "big") % len(pieces)
    told = []
    for piece in pieces[start:] + pieces[:start]:
        room -= len(piece)
        if room < 0:
            break
        told.append(piece)
    return told


def _size(pieces: list[bytes]) -> int:
    return sum(map(len, pieces))


def _counted(pieces: list[bytes]) -> list[bytes]:
    return [bytes((len(pieces),)), *pieces]


def read_heartbeat(body: bytes, at: int) -> tuple[Heartbeat, int]:
    """The heartbeat that begins there, and where it ends."""
    role, flags, epoch, uptime_us, challenge = _HEARTBEAT.unpack_from(body, at)
    if flags & ~_ALL_FLAGS:
        raise malformed(f"unknown flags {flags:#x}")
    version, at = read_text(body, at + _HEARTBEAT.size)
    note, at = read_text(body, at, LONGEST_NOTE)
    before, at = _read_before(body, at)
    holds, at = _read_holds(body, at, before)
    hearings, at = _read_hearings(body, at)
    fit, standby, leaving = bool(flags & _FIT), bool(flags & _STANDBY), bool(flags & _LEAVING)
    beat = Heartbeat(
        ROLES[role], epoch, fit, standby, leaving, uptime_us, version, challenge, note, tuple(holds), tuple(hearings)
    )
    return beat, at


def _read_before(body: bytes, at: int) -> tuple[list[str], int]:
    """The names that `previous` counts in, with nobody in front."""
    names = [""]
    count, at = body[at], at + 1
    for _ in range(count):
        name, at = read_name(body, at)
        names.append(name)
    if len(set(names)) != len(names):
        raise malformed("an earlier holder is named twice")
    return names, at


def _read_holds(body: bytes, at: int, before: list[str]) -> tuple[list[Held], int]:
    holds, used = [], 0
    count, at = body[at], at + 1
    for _ in range(count):
        lease_left_us, held_for_us, outage_us, cause, previous = _HELD.unpack_from(body, at)
        address, at = read_name(body, at + _HELD.size)
        if previous > used + 1:
            raise malformed("an earlier holder is out of its order")
        used = max(used, previous)
        holds.append(Held(address, lease_left_us, held_for_us, before[previous], CAUSES[cause], outage_us))
    if used != len(before) - 1:
        raise malformed("an earlier holder is named and not used")
    return holds, at


def _read_hearings(body: bytes, at: int) -> tuple[list[Hearing], int]:
    hearings = []
    count, at = body[at], at + 1
    for _ in range(count):
        sequence, age_us, round_trip_us, loss_percent = _HEARING.unpack_from(body, at)
        node, at = read_name(body, at + _HEARING.size)
        if loss_percent > 100:
            raise malformed(f"a loss of {loss_percent} %")
        hearings.append(Hearing(node, sequence, age_us, loss_percent, round_trip_us))
    return hearings, at
