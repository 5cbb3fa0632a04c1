"""Datagrams that must not be believed: counted by kind, they change nothing, and nobody gets an answer.

Each case differs in one thing from a claim that is believed; the last but one test shows that this claim would be answered.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from picluster.model.events import EventKind
from picluster.model.messages import Claim, Envelope, Refusal, Release
from picluster.wire import Codec, Keyring
from tests.agent.workbench import HOMES, KEYRING, STRANGER, Bench

CLAIM = Claim("web", 1 << 40, 150_000, 1)
RELEASE = Release("web", 1 << 40)


def replayed(bench: Bench) -> bytes:
    puppet = bench.puppets["pi2"]
    puppet.say(RELEASE)
    [(_, data)] = puppet.datagrams.sent
    bench.carry()
    bench.step()
    return data


def sealed(bench: Bench, sender: str = "pi2", receiver: str = "pi1", stray: bool = False) -> bytes:
    """A claim as pi2 would seal it; with `stray`, in a run that echoes nothing."""
    incarnation, echo = (4_711, 17) if stray else (2_000, bench.puppets["pi2"].messenger.links["pi1"].echo)
    return bench.codec.encode(Envelope(sender, incarnation, receiver, 9_999, echo, CLAIM))


def flipped(bench: Bench) -> bytes:
    data = bytearray(sealed(bench))
    data[40] ^= 1
    return bytes(data)


UNBELIEVABLE: dict[str, Callable[[Bench], bytes]] = {
    "too-short": lambda _: b"",
    "too-long": lambda bench: sealed(bench) + bytes(1_200),
    "not-ours": lambda _: bytes(200),
    "version": lambda bench: sealed(bench)[:3] + b"\x02" + sealed(bench)[4:],
    "other-cluster": lambda bench: Codec("garage", KEYRING).encode(bench.codec.decode(sealed(bench))),
    "other-key": lambda bench: Codec("bench", Keyring.parse(Keyring.fresh())).encode(bench.codec.decode(sealed(bench))),
    "forged": flipped,
    "own-name": lambda bench: sealed(bench, sender="pi1"),
    "misdirected": lambda bench: sealed(bench, receiver="pi3"),
    "stranger": lambda bench: sealed(bench, sender="pi9"),
    "not-believed": lambda bench: sealed(bench, stray=True),
    "replayed": replayed,
}


@pytest.mark.parametrize("kind", UNBELIEVABLE)
def test_what_is_not_to_be_believed_is_counted_changes_nothing_and_is_not_answered(kind: str) -> None:
    bench = Bench().holding()
    data = UNBELIEVABLE[kind](bench)
    agent = bench.agent
    before = (agent.member.held(bench.clock.ns), agent.messenger.views(bench.clock.ns), agent.snapshot("12:00:00"))
    counted = agent.messenger.counters.copy()
    bench.datagrams.sent.clear()
    bench.forget()
    for _ in range(3):
        bench.datagrams.waiting.append((STRANGER, data))
    agent.turn([101])
    assert agent.messenger.counters - counted == {kind: 3}
    assert bench.record == []
    assert bench.datagrams.sent == []
    assert (agent.member.held(bench.clock.ns), agent.messenger.views(bench.clock.ns), agent.snapshot("12:00:00")) == before
    bench.run(100)
    assert STRANGER not in {entry[1] for entry in bench.record if isinstance(entry, tuple) and entry[0] == "sent"}


def test_a_believed_claim_of_the_same_form_is_answered() -> None:
    """So that the test above shows what it says."""
    bench = Bench().holding()
    bench.datagrams.waiting.append((HOMES["pi2"], sealed(bench)))
    bench.datagrams.sent.clear()
    bench.agent.turn([101])
    assert [type(bench.codec.decode(data).message) for _, data in bench.datagrams.sent] == [Refusal]


def test_a_flood_of_noise_does_not_stop_the_renewals() -> None:
    bench = Bench().holding()
    for _ in range(100):
        bench.datagrams.waiting += [(STRANGER, bytes(100))] * 50
        bench.run(5)
    assert bench.keeper.held == {"web"}
    assert not bench.told(EventKind.LOST)
