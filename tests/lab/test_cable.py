"""The bad cable: what it does to which frames, and that all others pass it unharmed."""

from __future__ import annotations

import random

from picluster.lab.cable import Flaws, is_agents
from picluster.model.inventory import DEFAULT_PORT
from tests.adapters.isolation import isolated
from tests.lab.stand_ins import arrived, stand_in_world

VNET = bytes(10)


def frame(port: int, *, ipv6: bool = False, protocol: int = 17) -> bytes:
    """With the kernel's header before it, and an IP header in which only the protocol is of any interest."""
    network = bytearray(40 if ipv6 else 20)
    network[6 if ipv6 else 9] = protocol
    kind = b"\x86\xdd" if ipv6 else b"\x08\x00"
    return VNET + bytes(12) + kind + bytes(network) + (4000).to_bytes(2, "big") + port.to_bytes(2, "big") + bytes(4)


def test_only_what_agents_tell_each_other_is_spoilt() -> None:
    assert is_agents(frame(DEFAULT_PORT))
    assert is_agents(frame(DEFAULT_PORT, ipv6=True))
    assert not is_agents(frame(7777))
    assert not is_agents(frame(DEFAULT_PORT, protocol=6))
    assert not is_agents(VNET + bytes(12) + b"\x08\x06" + bytes(28)), "ARP"
    assert not is_agents(VNET)


def test_so_many_are_repeated_and_so_many_are_late() -> None:
    chance = random.Random(1)
    copies = [Flaws(30, 20, 50).delays_ns(chance) for _ in range(10_000)]
    assert 2_800 < sum(len(delays) == 2 for delays in copies) < 3_200
    late = [delay for delays in copies for delay in delays if delay]
    assert 0.18 < len(late) / sum(map(len, copies)) < 0.22
    assert 0 < min(late) <= max(late) <= 50_000_000


def test_a_cable_without_flaws_changes_nothing() -> None:
    assert [Flaws(0, 0, 0).delays_ns(random.Random(1)) for _ in range(100)] == [[0]] * 100


@isolated
def test_a_spoilt_cable_repeats_what_agents_say_and_passes_everything_else() -> None:
    with stand_in_world() as world:
        world.spoil("pi2", Flaws(100, 0, 0))
        assert arrived(world, "pi1", "pi2", 50) == 50
        assert arrived(world, "pi1", "pi2", 20, expected=40, port=DEFAULT_PORT) == 40
        world.mend("pi2")
        assert arrived(world, "pi1", "pi2", 50) == 50
        assert arrived(world, "pi1", "pi2", 20, port=DEFAULT_PORT) == 20


@isolated
def test_late_frames_arrive_all_the_same() -> None:
    with stand_in_world() as world:
        world.spoil("pi2", Flaws(0, 100, 30))
        assert arrived(world, "pi1", "pi2", 50, port=DEFAULT_PORT) == 50
