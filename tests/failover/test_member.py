"""What the scenes do not show of a member: its numbers, what it writes down, and what it does when the kernel fails it."""

from __future__ import annotations

import ipaddress
from random import Random

import pytest

from picluster.failover.effects import Announce, Effect, Hold, LetGo, RememberTerm, Send
from picluster.failover.member import Member
from picluster.model.inventory import Candidate, Configuration, FloatingAddress
from picluster.model.membership import PeerView
from picluster.model.messages import Claim, Grant, Release
from picluster.model.timing import Timing

MS = 1_000_000
VOTERS = ("pi1", "pi2", "pi3")


def configuration(*names: str, lease_ms: int = 100) -> Configuration:
    candidates = tuple(Candidate(node) for node in VOTERS)
    addresses = tuple(
        FloatingAddress(name, ipaddress.ip_address(f"192.0.2.{number}"), "eth0", candidates)
        for number, name in enumerate(names)
    )
    return Configuration(1, VOTERS, addresses, Timing(lease_ms=lease_ms, renewal_ms=20, retry_ms=5, probe_ms=3))


def member(*names: str, incarnation: int = 7) -> Member:
    return Member(
        "pi1", incarnation, configuration(*names), now_ns=0, votes_from_ns=0, remembered_term_us=100_000, chance=Random(0)
    )


def claims(effects: list[Effect]) -> list[Claim]:
    return [effect.message for effect in effects if isinstance(effect, Send) and isinstance(effect.message, Claim)]


def releases(effects: list[Effect]) -> list[str]:
    return [effect.message.address for effect in effects if isinstance(effect, Send) and isinstance(effect.message, Release)]


def holding(*names: str) -> tuple[Member, int]:
    """A member that holds these addresses, and the time at which it took the last of them."""
    one, now_ns = member(*names), 0
    while len(one.held(now_ns)) < len(names):
        now_ns = max(now_ns, one.deadline_ns)
        for claim in claims(one.tick(now_ns)):
            one.receive(now_ns, "pi2", 22, Grant(claim.address, claim.number, claim.ask))
    return one, now_ns


def test_no_two_incarnations_use_the_same_numbers() -> None:
    numbers = [
        {claim.number for claim in claims(member("web", incarnation=incarnation).tick(101 * MS))} for incarnation in (7, 8)
    ]
    assert all(numbers)
    assert not numbers[0] & numbers[1]


def test_a_grant_for_another_run_counts_for_nothing() -> None:
    one = member("web")
    one.tick(101 * MS)
    effects = [
        effect for number in range(1, 100) for effect in one.receive(101 * MS, "pi2", 22, Grant("web", number, ask=True))
    ]
    assert not effects


def test_a_longer_term_is_written_down_before_it_is_granted() -> None:
    one = member("web")
    claim = Claim("web", 1, 200_000, epoch=1)
    effects = one.receive(0, "pi2", 22, claim)
    assert effects[0] == RememberTerm(200_000)
    one.term_remembered(200_000)
    later = Claim("web", 2, 200_000, epoch=1)
    assert Send("pi2", Grant("web", 2)) in one.receive(1, "pi2", 22, later)


def test_so_is_the_longer_term_of_its_own_claims() -> None:
    one, now_ns = holding("web")
    one.reconfigure(now_ns, configuration("web", lease_ms=200))
    assert RememberTerm(200_000) in one.tick(one.deadline_ns)


def test_it_lets_go_before_it_says_so() -> None:
    one, now_ns = holding("web", "dns")
    effects = one.stop(now_ns)
    for address in ("web", "dns"):
        let_go = effects.index(LetGo(address))
        assert all(
            let_go < at
            for at, effect in enumerate(effects)
            if isinstance(effect, Send) and isinstance(effect.message, Release) and effect.message.address == address
        )
    assert sorted(set(releases(effects))) == ["dns", "web"]


def test_a_gate_that_does_not_shut_keeps_it_from_saying_anything() -> None:
    one, now_ns = holding("web", "dns")
    one.set_standby(now_ns, standby=True)
    one.could_not_let_go()
    said = [effect for at in range(0, 200, 5) for effect in one.tick(now_ns + at * MS)]
    assert not releases(said)


def test_nor_does_it_claim_again_before_that_gate_has_shut_by_itself() -> None:
    one, now_ns = holding("web")
    one.set_standby(now_ns, standby=True)
    one.could_not_let_go()
    one.set_standby(now_ns, standby=False)
    asked_ns = [now_ns + at * MS for at in range(130) if claims(one.tick(now_ns + at * MS))]
    assert asked_ns[0] >= now_ns + 90 * MS


def test_a_lease_that_ran_out_comes_first_whatever_has_arrived() -> None:
    one, now_ns = holding("web")
    effects = one.receive(now_ns + 150 * MS, "pi2", 22, Claim("web", 1, 100_000, epoch=1))
    assert isinstance(effects[0], LetGo)
    assert not any(isinstance(effect, Hold) for effect in effects)


def test_what_does_not_exist_is_not_moved() -> None:
    one, now_ns = holding("web")
    with pytest.raises(ValueError, match="no floating address is called 'mail'"):
        one.move(now_ns, "mail", "pi2")


def announced(one: Member, now_ns: int, until_ns: int) -> list[int]:
    """When it announces, in milliseconds from now, while everybody grants what it asks for."""
    times, began_ns = [], now_ns
    while now_ns < until_ns:
        effects = one.tick(now_ns)
        for claim in claims(effects):
            one.receive(now_ns, "pi2", 22, Grant(claim.address, claim.number, claim.ask))
        times += [(now_ns - began_ns) // MS for effect in effects if isinstance(effect, Announce)]
        now_ns = max(now_ns + 1, one.deadline_ns)
    return times


def test_a_peer_that_is_heard_again_lets_the_holder_announce_anew() -> None:
    """Whoever was cut off with it has missed what was announced."""
    one, now_ns = holding("web")
    peer = PeerView(fit=True, standby=False, holds=frozenset(), well_since_ns=0)
    one.see(now_ns, {"pi2": peer, "pi3": peer})
    assert announced(one, now_ns, now_ns + 10_000 * MS) == [0, 50, 200, 1_000, 3_000]
    later_ns = now_ns + 10_000 * MS
    one.see(later_ns, {"pi2": peer})
    assert announced(one, later_ns, later_ns + 5_000 * MS) == []
    later_ns += 5_000 * MS
    one.see(later_ns, {"pi2": peer, "pi3": peer})
    assert announced(one, later_ns, later_ns + 5_000 * MS) == [0, 50, 200, 1_000, 3_000]
    later_ns += 5_000 * MS
    one.see(later_ns, {"pi2": peer, "pi3": peer})
    assert announced(one, later_ns, later_ns + 1_000 * MS) == []


def test_where_no_address_floats_that_is_said() -> None:
    with pytest.raises(ValueError, match=r"there are: none$"):
        member().move(0, "web", "pi2")
