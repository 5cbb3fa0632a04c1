"""What is inside a sealed datagram: the fields of an `Envelope`, byte by byte.

All integers are big-endian and unsigned; u8, u32 and u64 have 1, 4 and 8 bytes. Durations are whole microseconds. A `text`
is one byte of length and so many bytes of UTF-8 without control characters; a `name` is a text of 1 to 32 bytes, a `name?`
may be empty. The fixed fields of a part come first, so that one precompiled struct reads them all; its texts follow.

    every body    u8 kind, u64 incarnation, u64 sequence (from 1), u64 echo, name sender, name receiver, then by kind:
    1 heartbeat   u8 role, u8 flags, u32 epoch, u64 uptime, u64 challenge, name? version, text note (up to 100 bytes),
                  u8 count and names: who held before, u8 count and the helds, u8 count and the hearings
      held        u32 lease left, u64 held for, u64 outage, u8 cause, u8 previous, name address
      hearing     u64 sequence, u32 age, u32 round trip, u8 loss percent (0 to 100), name node
    2 claim       u64 number, u32 term, u32 epoch, u8 ask, u8 cause, name address
    3 grant       u64 number, u8 ask, name address
    4 refusal     u64 number, u32 remaining, u8 reason, name address, name? holder
    5 release     u64 number, u8 cause, name address, name? successor

`flags` are the sum of 1 fit, 2 standby, 4 leaving. `ask` is 0 or 1. `previous` counts from 1 in the list of who held
before; 0 is nobody. That list has every name once, in the order of first use, so that twenty addresses that came from one
node cost its name once. Ages and round trips of more than 71 minutes are told as that.

There is one way to write a thing, and reading accepts no other: an unknown code or flag, an unused or repeated name, a
count that promises more than there is, a byte too many, and the body is malformed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from picluster.model.messages import Claim, Envelope, Grant, Heartbeat, Message, Refusal, Release
from picluster.wire.fields import (
    ASKS,
    CAUSE_CODES,
    CAUSES,
    REASON_CODES,
    REASONS,
    malformed,
    read_name,
    read_text,
    write_name,
    write_optional_name,
)
from picluster.wire.heartbeat import read_heartbeat, write_heartbeat

_FRAME = struct.Struct("!BQQQ")
_CLAIM = struct.Struct("!QIIBB")
_GRANT = struct.Struct("!QB")
_REFUSAL = struct.Struct("!QIB")
_RELEASE = struct.Struct("!QB")

_MOST_U64 = (1 << 64) - 1
_KIND_HEARTBEAT, _KIND_CLAIM, _KIND_GRANT, _KIND_REFUSAL, _KIND_RELEASE = range(1, 6)


def write_body(envelope: Envelope, room: int) -> bytes:
    """The body, in at most `room` bytes. Raises ValueError for a field that the format cannot carry, which is a bug here."""
    if not 1 <= envelope.sequence <= _MOST_U64:
        raise ValueError(f"sequence numbers count from 1 to {_MOST_U64}, and this is {envelope.sequence}")
    names = write_name(envelope.sender) + write_name(envelope.receiver)
    try:
        kind, message = _write_message(envelope.message, room - _FRAME.size - len(names), envelope.sequence)
        frame = _FRAME.pack(kind, envelope.incarnation, envelope.sequence, envelope.echo)
    except struct.error as error:
        raise ValueError(f"a number of {envelope} does not go into its field: {error}") from error
    return frame + names + message


def read_body(body: bytes) -> Envelope:
    """The envelope in a body whose seal fits. Raises `WireError` of the kind `malformed` for anything that `write_body`
    does not write."""
    try:
        kind, incarnation, sequence, echo = _FRAME.unpack_from(body)
        sender, at = read_name(body, _FRAME.size)
        receiver, at = read_name(body, at)
        message, at = _READERS[kind](body, at)
    except (struct.error, LookupError, UnicodeDecodeError) as error:
        raise malformed(f"{type(error).__name__}: {error}") from error
    if at != len(body):
        raise malformed(f"{len(body) - at} bytes too many")
    if not sequence:
        raise malformed("sequence number 0")
    return Envelope(sender, incarnation, receiver, sequence, echo, message)


def _write_message(message: Message, room: int, sequence: int) -> tuple[int, bytes]:
    match message:
        case Claim():
            number, cause = message.number, CAUSE_CODES[message.cause]
            fixed = _CLAIM.pack(number, message.term_us, message.epoch, message.ask, cause)
            return _KIND_CLAIM, fixed + write_name(message.address)
        case Grant():
            return _KIND_GRANT, _GRANT.pack(message.number, message.ask) + write_name(message.address)
        case Refusal():
            fixed = _REFUSAL.pack(message.number, message.remaining_us, REASON_CODES[message.reason])
            return _KIND_REFUSAL, fixed + write_name(message.address) + write_optional_name(message.holder)
        case Release():
            fixed = _RELEASE.pack(message.number, CAUSE_CODES[message.cause])
            return _KIND_RELEASE, fixed + write_name(message.address) + write_optional_name(message.successor)
        case Heartbeat():
            return _KIND_HEARTBEAT, write_heartbeat(message, room, sequence)


def _read_claim(body: bytes, at: int) -> tuple[Claim, int]:
    number, term_us, epoch, ask, cause = _CLAIM.unpack_from(body, at)
    address, at = read_name(body, at + _CLAIM.size)
    return Claim(address, number, term_us, epoch, ASKS[ask], CAUSES[cause]), at


def _read_grant(body: bytes, at: int) -> tuple[Grant, int]:
    number, ask = _GRANT.unpack_from(body, at)
    address, at = read_name(body, at + _GRANT.size)
    return Grant(address, number, ASKS[ask]), at


def _read_refusal(body: bytes, at: int) -> tuple[Refusal, int]:
    number, remaining_us, reason = _REFUSAL.unpack_from(body, at)
    address, at = read_name(body, at + _REFUSAL.size)
    holder, at = read_text(body, at)
    return Refusal(address, number, REASONS[reason], holder, remaining_us), at


def _read_release(body: bytes, at: int) -> tuple[Release, int]:
    number, cause = _RELEASE.unpack_from(body, at)
    address, at = read_name(body, at + _RELEASE.size)
    successor, at = read_text(body, at)
    return Release(address, number, successor, CAUSES[cause]), at


_READERS: dict[int, Callable[[bytes, int], tuple[Message, int]]] = {
    _KIND_HEARTBEAT: read_heartbeat,
    _KIND_CLAIM: _read_claim,
    _KIND_GRANT: _read_grant,
    _KIND_REFUSAL: _read_refusal,
    _KIND_RELEASE: _read_release,
}
