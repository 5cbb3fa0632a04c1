"""The keys of the demo, on real agents where they do something, and on a world that lacks something where they cannot."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from picluster.lab.loopback import LoopbackWorld
from picluster.lab.mode import memory_place
from picluster.lab.namespaces import NamespaceWorld
from picluster.lab.operator import DemoOperator
from picluster.lab.stack import Stack
from picluster.lab.world import Fault, World
from picluster.model.snapshot import ClusterSnapshot, NodeState
from tests import patience
from tests.adapters.isolation import isolated


def at_work(world: World) -> DemoOperator:
    """With all Pis under power."""
    for name in world.stack.names:
        world.plug(name)
    return DemoOperator(world)


def until(operator: DemoOperator, condition: Callable[[ClusterSnapshot], bool]) -> ClusterSnapshot:
    """Look at the dashboard until it shows this; then what it shows."""
    shown = operator.snapshot()

    def met() -> bool:
        nonlocal shown
        shown = operator.snapshot()
        return condition(shown)

    patience.until(met, lambda: f"the dashboard shows {shown}")
    return shown


def answered_by(snapshot: ClusterSnapshot) -> str:
    assert snapshot.client is not None
    return snapshot.client.answered_by


def recent(snapshot: ClusterSnapshot) -> str:
    assert snapshot.client is not None
    return snapshot.client.recent


def all_know_each_other(snapshot: ClusterSnapshot) -> bool:
    states = [node.state for node in snapshot.nodes]
    return sorted(state.value for state in states) == ["holder", "ready", "ready"] and bool(answered_by(snapshot))


@isolated
@pytest.mark.scenario
def test_a_digit_pulls_the_holders_cable_and_the_client_says_what_it_cost() -> None:
    with NamespaceWorld(Stack(3), memory_place()) as world:
        operator = at_work(world)
        holder = answered_by(until(operator, all_know_each_other))
        operator.press(holder[-1])
        assert operator.prompt == f"{holder}: power cable pulled"
        dark = until(operator, lambda seen: recent(seen) != "")
        assert re.fullmatch(rf"{holder} → pi\d in \d+ ms, [\d,]+ of [\d,]+ requests lost", recent(dark))
        assert {node.name: node.note for node in dark.nodes}[holder] == "no power"
        operator.press(holder[-1])
        assert operator.prompt == f"{holder}: plugged in"
        until(operator, all_know_each_other)
        operator.close()


@isolated
@pytest.mark.scenario
def test_commands_go_to_the_holders_agent_and_a_frozen_one_is_not_waited_for() -> None:
    with NamespaceWorld(Stack(3), memory_place()) as world:
        operator = at_work(world)
        first = answered_by(until(operator, all_know_each_other))
        operator.press("m")
        said = operator.prompt
        second = answered_by(until(operator, lambda seen: answered_by(seen) not in ("", first)))
        assert said == f"{first}: hands web to {second}"
        operator.press("s")
        until(operator, lambda seen: NodeState.STANDBY in [node.state for node in seen.nodes])
        third = answered_by(until(operator, lambda seen: answered_by(seen) not in ("", second)))
        operator.press("f")
        assert world.frozen == {third}
        operator.press("m")
        assert "cannot be told anything" in operator.prompt
        assert {node.name: node.note for node in operator.snapshot().nodes}[third] == "agent frozen"
        operator.press("f")
        assert world.frozen == set()
        operator.close()


def test_without_namespaces_every_key_works_too() -> None:
    with LoopbackWorld(Stack(3)) as world:
        operator = at_work(world)
        first = answered_by(until(operator, all_know_each_other))
        operator.press("p")
        assert operator.prompt == f"{first}: cut off from the others"
        second = answered_by(until(operator, lambda seen: answered_by(seen) not in ("", first)))
        assert {node.name: node.note for node in operator.snapshot().nodes}[first] == "cut off"
        operator.press("p")
        assert operator.prompt == "the network is whole again"
        until(operator, all_know_each_other)
        operator.press("l")
        assert operator.prompt == "20 % of all that the Pis tell each other is lost"
        until(operator, lambda seen: any((node.loss_to_percent or 0) > 0 for node in seen.nodes))
        operator.press("l")
        assert world.loss_percent == 0
        third = answered_by(until(operator, lambda seen: answered_by(seen) != ""))
        operator.press("f")
        assert operator.prompt == f"{third}: agent frozen"
        until(operator, lambda seen: answered_by(seen) == "")
        operator.press("f")
        after = until(operator, all_know_each_other)
        assert after.client is not None
        assert after.client.double_ms == 0
        assert second != first
        operator.close()


def test_what_a_world_cannot_do_its_keys_say() -> None:
    with LoopbackWorld(Stack(3)) as world:
        world.cannot = dict.fromkeys(Fault, "it is a test")
        operator = DemoOperator(world)
        for key, word in (("p", "partition"), ("f", "freeze"), ("l", "loss")):
            operator.press(key)
            assert operator.prompt.startswith(f"no {word} here: ")
        operator.press("7")
        assert operator.prompt.startswith("there is no pi7 here")
        operator.press("m")
        assert operator.prompt == "nobody holds web at the moment"
        operator.press("x")
        assert operator.prompt == "nobody holds web at the moment"
        assert [key.keys for key in operator.key_meanings] == ["1-3", "s", "m", "p", "f", "l"]
        # What the help page has beside the key, in a terminal of 80 columns.
        assert all(len(key.meaning) <= 65 for key in operator.key_meanings)
        assert not world.directory.joinpath("pi1", "agent.sock").exists()
        operator.close()
    assert not world.directory.exists()
