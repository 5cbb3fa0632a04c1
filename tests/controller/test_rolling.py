"""One node after the other: order, patience, and stopping in time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from picluster.controller.crew import Crew
from picluster.controller.power import reboot_all, reboot_rolling, shut_down
from picluster.controller.progress import Kind
from picluster.controller.rolling import BOOT_ID, Rolling, in_order
from picluster.controller.shell import Shell
from picluster.errors import AccessError, TrustError
from picluster.model.inventory import Inventory, Node
from tests.controller.shells import Answering, Heard, Status, inventory_of, nodes_of


def no_pause(_seconds: float) -> None:
    """Time is not waited for here."""


class Stack:
    """Machines that boot, with agents on them."""

    def __init__(self, inventory: Inventory, holder: str) -> None:
        self.inventory = inventory
        self.status = Status(inventory, holder)
        self.boots = dict.fromkeys(inventory.node_names, 1)
        self.off: set[str] = set()
        self.away = 0
        """How often a machine is not reached while it boots."""
        self.order: list[str] = []
        self.agent_stays_away: set[str] = set()
        self.stranger: set[str] = set()
        """Who comes back with another host key."""
        self.heard = Heard()

    def crew(self) -> Crew:
        return Crew(self.open, self.heard.desk())

    def open(self, node: Node) -> Shell:
        if node.name in self.off:
            raise AccessError(f"no answer from {node.name}")
        if self.boots[node.name] > 1 and node.name in self.stranger:
            raise TrustError("another host key")
        if self.away:
            self.away -= 1
            raise AccessError("it is booting")
        return Answering(program=lambda line, _root: self._do(node.name, line))

    def _do(self, name: str, line: str) -> tuple[int, Sequence[str]]:
        if line == BOOT_ID:
            return 0, [f"boot {self.boots[name]}"]
        if "systemctl reboot" in line:
            self.order.append(name)
            self.boots[name] += 1
            self.status.running -= self.agent_stays_away & {name}
            raise AccessError("the connection was closed")
        if "systemctl poweroff" in line:
            self.order.append(name)
            self.off.add(name)
            self.status.running.discard(name)
            return 0, ()
        return self.status.of(name)

    def rolling(self, crew: Crew) -> Rolling:
        return Rolling(crew, self.inventory, no_pause)


@pytest.fixture
def stack() -> Stack:
    return Stack(inventory_of("pi1", "pi2", "pi3", "pi4", voters=("pi1", "pi2", "pi3")), holder="pi1")


def test_the_holder_goes_last_and_who_does_not_vote_first() -> None:
    inventory = inventory_of("pi1", "pi2", "pi3", "pi4", voters=("pi1", "pi2", "pi3"))
    ordered = in_order(inventory, inventory.nodes, ["pi2"])
    assert [node.name for node in ordered] == ["pi4", "pi1", "pi3", "pi2"]


def test_all_are_rebooted_one_after_the_other(stack: Stack) -> None:
    with stack.crew() as crew:
        outcomes = reboot_rolling(stack.rolling(crew), crew, stack.inventory.nodes, no_pause)
    assert stack.order == ["pi4", "pi2", "pi3", "pi1"]
    assert all(outcome.ok for outcome in outcomes.values())
    assert set(stack.boots.values()) == {2}


def test_where_one_is_not_heard_again_the_rest_is_left_as_it_is(stack: Stack) -> None:
    stack.agent_stays_away.add("pi2")
    with stack.crew() as crew:
        outcomes = reboot_rolling(Rolling(crew, stack.inventory, no_pause, 0.0), crew, stack.inventory.nodes, no_pause)
    assert stack.order == ["pi4", "pi2"]
    assert outcomes["pi4"].ok
    assert "not heard by a majority" in str(outcomes["pi2"].failure)
    assert "left as it was: pi2 did not come back well" in str(outcomes["pi1"].failure)
    assert stack.heard.of("pi3", Kind.FAILED), "told"


def test_a_stack_that_is_down_is_mended_one_by_one_too(stack: Stack) -> None:
    stack.status.running.clear()
    with stack.crew() as crew:
        outcomes = reboot_rolling(stack.rolling(crew), crew, stack.inventory.nodes, no_pause)
    assert stack.order == ["pi4", "pi1", "pi2", "pi3"]
    assert all(outcome.ok for outcome in outcomes.values())


def test_an_address_that_was_dark_before_is_not_waited_for(stack: Stack) -> None:
    stack.status.holder = None
    with stack.crew() as crew:
        outcomes = reboot_rolling(Rolling(crew, stack.inventory, forbid_pause), crew, stack.inventory.nodes, no_pause)
    assert all(outcome.ok for outcome in outcomes.values())


def forbid_pause(_seconds: float) -> None:
    raise AssertionError("nothing is waited for")


def test_no_voter_goes_where_a_majority_needs_it(stack: Stack) -> None:
    stack.off.add("pi3")
    stack.status.running.discard("pi3")
    with stack.crew() as crew:
        outcomes = reboot_rolling(stack.rolling(crew), crew, nodes_of("pi1", "pi2"), no_pause)
    assert stack.order == []
    assert "bring back pi3 first" in str(outcomes["pi2"].failure)


def test_a_stack_of_two_that_cannot_spare_any_is_rebooted_all_the_same() -> None:
    stack = Stack(inventory_of("pi1", "pi2"), holder="pi2")
    with stack.crew() as crew:
        outcomes = reboot_rolling(stack.rolling(crew), crew, stack.inventory.nodes, no_pause)
    assert stack.order == ["pi1", "pi2"]
    assert all(outcome.ok for outcome in outcomes.values())


def test_a_machine_that_boots_is_called_until_it_answers(stack: Stack) -> None:
    with stack.crew() as crew:
        crew.each(nodes_of("pi1"), lambda _node, _shell: None, 60.0)
        stack.away = 3
        outcomes = reboot_all(crew, nodes_of("pi1"), no_pause)
    assert outcomes["pi1"].ok
    assert stack.away == 0


def test_a_machine_that_comes_back_with_another_host_key_is_not_called_again(stack: Stack) -> None:
    stack.stranger.add("pi1")
    with stack.crew() as crew:
        outcome = reboot_all(crew, nodes_of("pi1"), no_pause)["pi1"]
    assert isinstance(outcome.failure, TrustError)


def test_whoever_holds_an_address_is_shut_down_last(stack: Stack) -> None:
    with stack.crew() as crew:
        outcomes = shut_down(crew, stack.inventory, stack.inventory.nodes, ["pi1"], no_pause)
    assert [outcome.ok for outcome in outcomes.values()] == [True] * 4
    assert stack.order[0] == "pi4"
    assert stack.order[-1] == "pi1"
    assert stack.off == {"pi1", "pi2", "pi3", "pi4"}


def test_nodes_that_are_not_reached_are_called_once_and_not_at_every_look(stack: Stack) -> None:
    stack.off.add("pi4")
    with stack.crew() as crew:
        looking = stack.rolling(crew)
        assert sorted(looking.accounts()) == ["pi1", "pi2", "pi3"]
        stack.off.clear()
        assert sorted(looking.accounts()) == ["pi1", "pi2", "pi3"]
