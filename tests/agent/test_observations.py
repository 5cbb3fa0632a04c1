"""What the kernel and the wire tell the agent by themselves, and what it makes of that."""

from __future__ import annotations

from picluster.model.events import EventKind, Severity
from picluster.ports import AddressRemoved, ForeignClaim, GateRestored, LinkChanged
from tests.agent.workbench import STRANGER, Bench


def test_an_address_that_was_removed_is_put_back() -> None:
    bench = Bench().holding()
    bench.observe(AddressRemoved("web"))
    assert bench.history()[:3] == [("hold", "web"), ("announce", "web"), ("told restored", "web")]


def test_rules_that_somebody_took_away_and_that_are_back_are_told() -> None:
    bench = Bench().holding()
    bench.observe(GateRestored())
    [restored] = bench.told(EventKind.RESTORED)
    assert restored.severity is Severity.WARNING
    assert bench.keeper.held == {"web"}


def test_a_foreign_machine_is_named() -> None:
    bench = Bench().holding()
    bench.observe(ForeignClaim("web", "02:00:00:00:00:66"))
    [conflict] = bench.told(EventKind.CONFLICT)
    assert "02:00:00:00:00:66" in conflict.text


def test_a_link_that_comes_back_makes_fit_again() -> None:
    bench = Bench().holding()
    bench.observe(LinkChanged("eth0", up=False))
    assert bench.agent.member.problems
    bench.observe(LinkChanged("eth0", up=True))
    assert not bench.agent.member.problems
    assert [event.severity for event in bench.told(EventKind.FITNESS)] == [Severity.BAD, Severity.INFO]


def test_only_readable_ports_are_asked() -> None:
    bench = Bench().holding()
    bench.keeper.waiting.append(AddressRemoved("web"))
    bench.datagrams.waiting.append((STRANGER, b"noise"))
    bench.agent.turn([102])
    assert bench.keeper.waiting
    assert bench.datagrams.waiting
    bench.agent.turn([101, 103])
    assert not bench.keeper.waiting
    assert not bench.datagrams.waiting
