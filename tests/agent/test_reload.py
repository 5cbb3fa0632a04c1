"""A newer configuration takes the old one's place while the agent runs; what is no safe step is refused whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from picluster.agent.configuration import Mode
from picluster.errors import TransitionError
from picluster.model.events import EventKind
from picluster.model.inventory import Inventory
from picluster.ports import LinkChanged
from picluster.wire import Codec, Keyring
from tests.agent.workbench import HOMES, KEYRING, MS, TWO_ADDRESSES, Bench, inventory


def test_a_reload_takes_a_node_in_and_keeps_the_address() -> None:
    bench = Bench().holding()
    newer = inventory(more='[nodes.pi4]\naddress = "10.77.0.14"\n')
    bench.agent.reconfigure(bench.settings_with(newer))
    assert set(bench.agent.messenger.links) == {"pi2", "pi3", "pi4"}
    bench.run(100)
    assert bench.keeper.held == {"web"}
    assert bench.told(EventKind.RECONFIGURED)
    assert HOMES["pi4"] in {entry[1] for entry in bench.record if isinstance(entry, tuple) and entry[0] == "sent"}


def test_a_reload_that_takes_the_address_away_lets_go_of_it() -> None:
    bench = Bench(TWO_ADDRESSES).holding()
    bench.agent.reconfigure(bench.settings_with(inventory()))
    assert bench.keeper.held == {"web"}
    bench.run(500)
    assert bench.keeper.held == {"web"}
    assert [entry for entry in bench.history() if entry[0] == "forget"] == [("forget", "dns")]


def test_a_link_that_carries_nothing_any_more_makes_nobody_unfit() -> None:
    wireless = '[addresses.radio]\naddress = "10.77.0.102"\ninterface = "wlan0"\n'
    bench = Bench(wireless).holding()
    bench.observe(LinkChanged("wlan0", up=False))
    assert bench.agent.member.problems
    bench.agent.reconfigure(bench.settings_with(inventory()))
    assert not bench.agent.member.problems


def test_an_address_whose_guard_stays_is_named() -> None:
    bench = Bench(TWO_ADDRESSES).holding()
    bench.keeper.refuse = {"forget"}
    bench.agent.reconfigure(bench.settings_with(inventory()))
    assert "dns floats no more" in bench.told(EventKind.NOT_COVERED)[-1].text


def test_a_stuck_address_that_the_reload_took_away_is_still_tried() -> None:
    bench = Bench(TWO_ADDRESSES).holding()
    bench.keeper.refuse = {"let_go"}
    bench.agent.reconfigure(bench.settings_with(inventory()))
    bench.run(500)
    bench.keeper.refuse = set()
    bench.run(500)
    assert "dns" not in bench.keeper.held


@pytest.mark.parametrize(
    "newer",
    [
        inventory(epoch=3),
        inventory(epoch=1, voters=("pi1",)),
        inventory(epoch=2, voters=("pi2",)),
        replace(inventory(), cluster="another"),
    ],
)
def test_a_reload_that_is_no_safe_step_changes_nothing(newer: Inventory) -> None:
    bench = Bench().holding()
    before = bench.agent.inventory
    with pytest.raises(TransitionError):
        bench.agent.reconfigure(bench.settings_with(newer))
    assert bench.agent.inventory is before
    bench.run(100)
    assert bench.keeper.held == {"web"}
    assert bench.events == []


def test_a_reload_rotates_the_key_without_moving_anything() -> None:
    bench = Bench().holding()
    both = Keyring((Keyring.parse(Keyring.fresh()).keys[0], KEYRING.keys[0]))
    bench.agent.reconfigure(replace(bench.settings, keyring=both))
    bench.forget()
    bench.agent.turn([])
    bench.clock.ns += 30 * MS
    bench.agent.turn([])
    sent = [data for _, data in bench.datagrams.sent]
    assert sent
    assert Codec("bench", both).decode(sent[0]).sender == "pi1"
    assert Codec("bench", Keyring(both.keys[:1])).decode(sent[0]), "sealed with the new key"
    bench.puppets["pi2"].beat()
    bench.carry()
    before = dict(bench.agent.messenger.counters)
    bench.agent.turn()
    assert dict(bench.agent.messenger.counters) == before, "the old key is believed as well"


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("mode", {"mode": Mode.LOOPBACK}),
        ("hosts", {"hosts": ("10.77.0.11",)}),
        ("run_dir", {"run_dir": Path("/elsewhere")}),
        ("loopback.ports", {"loopback_ports": {"web": 18_080}}),
        ("loopback.switch", {"switch": 18_000}),
    ],
)
def test_what_is_fixed_at_the_start_is_refused_by_name(what: str, changed: dict[str, Any]) -> None:
    bench = Bench().holding()
    with pytest.raises(TransitionError, match=f"^{what} changed: restart"):
        bench.agent.reconfigure(replace(bench.settings, **changed))
    assert bench.agent.settings is bench.settings
