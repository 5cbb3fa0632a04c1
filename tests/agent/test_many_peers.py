"""With many peers an agent says and hears no more in one turn than with few, and yet everybody learns everything."""

from __future__ import annotations

import pytest

from benchmarks.fleet.world import Fleet
from picluster.agent.daemon import TOLD_AT_ONCE, Agent
from picluster.agent.messenger import MOST_HEARINGS
from picluster.model.snapshot import NodeState

NODES, VOTERS = 32, 7
MS = 1_000_000


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    fleet = Fleet(NODES, VOTERS)
    fleet.settle()
    return fleet


def agent(fleet: Fleet, name: str) -> Agent:
    found = fleet.boards[name].agent
    assert found is not None
    return found


def test_a_heartbeat_tells_of_its_receiver_of_all_voters_and_of_a_few_others(fleet: Fleet) -> None:
    voters = set(fleet.inventory.configuration.voters)
    for name, link in agent(fleet, "pi20").messenger.links.items():
        assert link.heartbeat is not None
        told = [hearing.node for hearing in link.heartbeat.hearings]
        assert {"pi20", *voters} - {name} <= set(told)
        assert len(told) == len(set(told)) <= MOST_HEARINGS + 1


def test_nobody_is_left_out_for_ever(fleet: Fleet) -> None:
    speaker, link = agent(fleet, "pi30"), agent(fleet, "pi20").messenger.links["pi30"]
    told = set()
    for _ in range(200):
        assert link.heartbeat is not None
        told |= {hearing.node for hearing in link.heartbeat.hearings}
        speaker.messenger.beat(speaker.ports.clock.now_ns(), link.heartbeat, ["pi20"])
        fleet.go_on(MS)
    assert told == set(fleet.boards) - {"pi30"}


def test_nobody_seems_to_have_lost_the_majority_because_its_heartbeat_was_too_short_to_say_so(fleet: Fleet) -> None:
    seen = agent(fleet, "pi20").snapshot("12:00:00")
    assert {node.state for node in seen.nodes} == {NodeState.HOLDER, NodeState.READY, NodeState.WITNESS}


def test_no_turn_says_more_than_a_part_and_a_round_reaches_everybody_once(fleet: Fleet) -> None:
    board, before = fleet.boards["pi20"], 0
    fleet.spent()
    most = 0
    for _ in range(2 * fleet.inventory.heartbeat_ns // MS):
        fleet.go_on(MS)
        most, before = max(most, board.spent.sent - before), board.spent.sent
    assert most == TOLD_AT_ONCE
    # What is ripe goes out when the agent is awake anyway, so a part of the third round may be among it.
    assert NODES - 1 <= board.spent.sent <= 2 * (NODES - 1) + TOLD_AT_ONCE


def test_everybody_hears_of_a_move_at_once(fleet: Fleet) -> None:
    agent(fleet, "pi1").move("dns", "pi2")
    fleet.go_on(20 * MS)
    for name in fleet.boards.keys() - {"pi2"}:
        heartbeat = agent(fleet, name).messenger.links["pi2"].heartbeat
        assert heartbeat is not None
        assert {held.address for held in heartbeat.holds} == {"dns", "web"}
