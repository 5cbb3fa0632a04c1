"""More than a hundred thousand datagrams that nobody sent. Whatever comes, decoding gives a `WireError`, or an envelope that
is written with the very same bytes; nothing else, ever.

The seal keeps all but the first three tests from the parser behind it. So most datagrams here are damaged first and sealed
afterwards, with the right key.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from picluster.errors import WireError
from picluster.wire import LONGEST_DATAGRAM, Keyring, WireFault
from picluster.wire.seal import HEADER_BYTES, LONGEST_BODY, Seal
from tests.wire.envelopes import CODEC, EXAMPLES, KEY

SEAL = Seal("home", Keyring.parse(KEY))
DATAGRAMS = [CODEC.encode(sent) for sent in EXAMPLES]
BODIES = [SEAL.open(datagram) for datagram in DATAGRAMS]
MESSAGES = {type(sent.message).__name__ for sent in EXAMPLES}
EDGES = (0, 1, 2, 3, 8, 9, 31, 32, 33, 100, 101, 127, 128, 200, 254, 255)


def outcome(datagram: bytes) -> str:
    try:
        envelope = CODEC.decode(datagram)
    except WireError as error:
        return error.kind
    assert CODEC.encode(envelope) == datagram
    return type(envelope.message).__name__


def outcomes(make: Callable[[random.Random], bytes], seed: int, count: int) -> Counter[str]:
    chance = random.Random(seed)
    return Counter(outcome(make(chance)) for _ in range(count))


def random_bytes(chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(LONGEST_DATAGRAM + 50))


def behind_our_header(chance: random.Random) -> bytes:
    return DATAGRAMS[0][:HEADER_BYTES] + chance.randbytes(chance.randrange(LONGEST_DATAGRAM))


def damaged(chance: random.Random) -> bytes:
    return mutate(chance, chance.choice(DATAGRAMS))


def random_body(chance: random.Random) -> bytes:
    return SEAL.close(bytes((chance.randrange(7),)) + chance.randbytes(chance.randrange(120)))


def mutated_body(chance: random.Random) -> bytes:
    body = chance.choice(BODIES)
    for _ in range(chance.choice((1, 1, 2, 4))):
        body = mutate(chance, body)
    return SEAL.close(body[:LONGEST_BODY])


def mutate(chance: random.Random, data: bytes) -> bytes:
    """One change: a bit, a byte, a piece cut out, put in, repeated, or the tail of another one."""
    start = chance.randrange(len(data) + 1)
    end = min(len(data), start + chance.choice((1, 1, 2, 4, 8, 30)))
    change = chance.randrange(7)
    if change == 0 and start < len(data):
        return data[:start] + bytes((data[start] ^ 1 << chance.randrange(8),)) + data[start + 1 :]
    if change == 1:
        return data[:start] + bytes((chance.choice(EDGES),)) + data[start + 1 :]
    if change == 2:
        return data[:start] + data[end:]
    if change == 3:
        return data[:start] + chance.randbytes(end - start) + data[start:]
    if change == 4:
        return data[:end] + data[start:]
    if change == 5:
        other = chance.choice(BODIES)
        return data[:start] + other[chance.randrange(len(other)) :]
    return data[:start]


@pytest.mark.parametrize("seed", range(2))
def test_random_bytes_are_not_ours(seed: int) -> None:
    seen = outcomes(random_bytes, seed, 10_000)
    assert set(seen) == {WireFault.TOO_SHORT, WireFault.NOT_OURS, WireFault.TOO_LONG}


def test_random_bytes_behind_our_header_are_forged() -> None:
    seen = outcomes(behind_our_header, 3, 10_000)
    assert set(seen) == {WireFault.TOO_SHORT, WireFault.FORGED, WireFault.TOO_LONG}


@pytest.mark.parametrize("seed", range(2))
def test_damaged_datagrams_are_never_read(seed: int) -> None:
    seen = outcomes(damaged, 10 + seed, 10_000)
    # Some changes change nothing, such as an empty piece cut out at the end.
    assert WireFault.MALFORMED not in seen
    assert seen[WireFault.FORGED] > 5_000


def test_random_bodies_under_a_good_seal_are_malformed() -> None:
    seen = outcomes(random_body, 20, 15_000)
    assert set(seen) <= {WireFault.MALFORMED, *MESSAGES}
    assert seen[WireFault.MALFORMED] > 14_000


@pytest.mark.parametrize("seed", range(4))
def test_mutated_bodies_under_a_good_seal_are_malformed_or_mean_what_they_say(seed: int) -> None:
    seen = outcomes(mutated_body, 30 + seed, 15_000)
    assert set(seen) == {WireFault.MALFORMED, *MESSAGES}
    assert min(seen.values()) > 100  # every part of the parser was reached, and left both ways
