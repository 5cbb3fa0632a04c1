"""Nodes and voters come and go: single steps, each final before the next, and completed after a cut."""

from __future__ import annotations

import pytest

from picluster.controller.agents import stand_by
from picluster.controller.crew import Crew
from picluster.controller.dispatch import Dispatch
from picluster.controller.membership import Membership, is_final, without_serial, without_tie_breaker
from picluster.errors import InventoryError, ProvisionError
from picluster.inventory import load
from tests.controller.agents import KEY, Agents, written

THREE = written("pi1", "pi2", "pi3")
FIVE = written("pi1", "pi2", "pi3", "pi4", "pi5")
TWO = written("pi1", "pi2", head='[network]\ngateway = "192.0.2.1"\n[quorum]\ntwo_node = "gateway"')


class Desk:
    """One run of a controller after the other, on a file."""

    def __init__(self, text: str, *away: str) -> None:
        self.text = text
        self.agents = Agents(text, away=away)

    def write(self, text: str) -> None:
        self.text = text

    def run(self) -> Membership:
        """The crew is not closed: these shells need no hanging up."""
        crew: Crew = self.agents.crew()
        dispatch = Dispatch(crew, "me@here", self.agents.pause, patience_s=0.0)
        return Membership(self.text, "home.toml", KEY, dispatch, self.write)


def in_force(desk: Desk) -> tuple[int, tuple[str, ...]]:
    configuration = load(desk.text, "home.toml").configuration
    return configuration.epoch, configuration.voters


def test_a_majority_of_each_electorate_makes_a_step_final() -> None:
    three, four = frozenset({"a", "b", "c"}), frozenset({"a", "b", "c", "d"})
    assert is_final({"a", "b"}, [three])
    assert not is_final({"a", "b"}, [three, four])
    assert is_final({"a", "b", "d"}, [three, four])
    assert not is_final({"a"}, [frozenset({"a", "the gateway"})])


# ── coming ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_node_is_known_to_all_and_does_not_vote_yet() -> None:
    desk = Desk(THREE)
    desk.agents.fresh("pi4")
    members = desk.run()
    members.settle()
    members.announce("pi4", {"address": "192.0.2.14"})
    assert in_force(desk) == (1, ("pi1", "pi2", "pi3"))
    assert "# Mine." in desk.text
    living = [one.inventory for name, one in desk.agents.machines.items() if name != "pi4"]
    assert all(one is not None and one.node("pi4") is not None for one in living)
    assert members.missed == {}


def test_it_votes_in_a_step_of_its_own_that_all_agents_live_by() -> None:
    desk = Desk(THREE)
    members = desk.run()
    members.settle()
    members.announce("pi4", {})
    desk.agents.set_up("pi4", desk.text)
    members = desk.run()
    members.settle()
    members.give_vote("pi4")
    assert in_force(desk) == (2, ("pi1", "pi2", "pi3", "pi4"))
    assert set(desk.agents.epochs().values()) == {2}
    assert desk.agents.paused_s[-1] >= 0.175 * 1.01, "one longest lease has passed"


def test_agents_read_their_files_and_are_not_restarted() -> None:
    desk = Desk(THREE)
    members = desk.run()
    members.settle()
    members.announce("pi4", {})
    done = desk.agents.machines["pi1"].done
    assert done == ["stamp", "write", "unit reloaded", "stamp"]


def test_to_announce_again_changes_nothing() -> None:
    desk = Desk(THREE)
    members = desk.run()
    members.settle()
    members.announce("pi2", {})
    members.give_vote("pi2")
    assert desk.text == THREE


def test_a_third_voter_takes_the_place_of_the_gateway_in_two_steps() -> None:
    desk = Desk(TWO)
    seen: list[int] = []
    desk.agents.after = lambda: seen.append(max(desk.agents.epochs().values()))
    members = desk.run()
    members.settle()
    members.announce("pi3", {})
    desk.agents.set_up("pi3", desk.text)
    members = desk.run()
    members.settle()
    members.give_vote("pi3")
    assert in_force(desk) == (3, ("pi1", "pi2", "pi3"))
    assert "two_node" not in desk.text
    assert set(desk.agents.epochs().values()) == {3}
    assert sorted(set(seen)) == [1, 2, 3]


def test_a_witness_votes_as_soon_as_it_is_named() -> None:
    desk = Desk(TWO)
    desk.agents.fresh("nas")
    members = desk.run()
    members.settle()
    members.announce("nas", {"role": "witness"})
    assert in_force(desk) == (3, ("pi1", "pi2", "nas"))
    assert members.missed == {}


# ── going ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_voter_goes_in_one_step_and_then_leaves_the_inventory() -> None:
    desk = Desk(FIVE)
    members = desk.run()
    members.settle()
    members.take_vote("pi5")
    assert in_force(desk) == (2, ("pi1", "pi2", "pi3", "pi4"))
    assert desk.agents.machines["pi5"].epoch == 2, "it lives by the step in which it stops to vote"
    desk.agents.machines["pi5"].stop()
    members.count_as_silent("pi5")
    members.forget("pi5")
    assert load(desk.text, "home.toml").node("pi5") is None
    assert set(desk.agents.epochs().values()) == {2, 0}


def test_a_dead_voter_goes_where_a_majority_is_left() -> None:
    desk = Desk(THREE, "pi3")
    members = desk.run()
    members.settle()
    members.take_vote("pi3")
    members.forget("pi3")
    assert in_force(desk) == (2, ("pi1", "pi2"))


def test_a_step_that_could_not_become_final_is_not_begun() -> None:
    desk = Desk(THREE, "pi3")
    members = desk.run()
    members.settle()
    with pytest.raises(ProvisionError, match=r"(?s)pi3: no answer on port 22.*Nothing was changed"):
        members.take_vote("pi2")
    assert desk.text == THREE
    assert set(desk.agents.epochs().values()) == {1}


def test_who_is_switched_off_for_good_need_not_be_waited_for() -> None:
    text = written("pi1", "pi2", head='epoch = 2\n[quorum]\nvoters = ["pi1", "pi2"]')
    desk = Desk(text, "pi2")
    members = desk.run()
    with pytest.raises(ProvisionError):
        members.settle()
    members = desk.run()
    members.count_as_silent("pi2")
    members.settle()
    members.take_vote("pi2")
    assert in_force(desk) == (3, ("pi1",))


def test_a_node_hands_over_before_it_goes() -> None:
    desk = Desk(THREE)
    node = load(THREE, "").nodes[0]
    shell = desk.agents.open(node)
    assert stand_by(shell, "pi1", desk.agents.pause) == ("web",)
    assert desk.agents.holder() == "pi2"
    desk.agents.machines["pi1"].stop()
    assert stand_by(shell, "pi1", desk.agents.pause) == (), "no agent holds nothing"


def test_an_agent_is_silenced_for_good() -> None:
    desk = Desk(THREE)
    dispatch = Dispatch(desk.agents.crew(), "me@here", desk.agents.pause)
    assert dispatch.silence(load(THREE, "").nodes[2]).ok
    machine = desk.agents.machines["pi3"]
    assert (machine.inventory, machine.enabled) == (None, False)
    desk.agents.fresh("pi3")
    assert dispatch.silence(load(THREE, "").nodes[2]).ok


# ── cut, and run again ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cut_before", ["stamp", "write", "unit"])
def test_what_a_cut_left_undone_is_completed_first(cut_before: str) -> None:
    desk = Desk(FIVE)
    members = desk.run()
    members.settle()
    for name in ("pi2", "pi3", "pi4"):
        desk.agents.machines[name].cut_before = cut_before
    with pytest.raises(ProvisionError, match="The step is begun, and not final"):
        members.take_vote("pi5")
    assert in_force(desk)[0] == 2
    assert sorted(desk.agents.epochs().values()) == [1, 1, 1, 2, 2]
    members = desk.run()
    members.settle()
    assert set(desk.agents.epochs().values()) == {2}
    assert desk.agents.paused_s[-1] > 5.0, "how long a lease of before may be, nobody knows"


def test_no_further_step_is_taken_before_that() -> None:
    desk = Desk(FIVE)
    members = desk.run()
    members.settle()
    for name in ("pi2", "pi3", "pi4"):
        desk.agents.machines[name].cut_before = "write"
    with pytest.raises(ProvisionError):
        members.take_vote("pi5")
    for name in ("pi2", "pi3", "pi4"):
        desk.agents.machines[name].reached = False
    with pytest.raises(ProvisionError, match="pi2: no answer on port 22"):
        desk.run().settle()
    assert in_force(desk)[0] == 2


def test_a_file_that_was_written_and_brought_nowhere_is_brought() -> None:
    desk = Desk(FIVE)
    cut = desk.run()
    cut.settle()
    for machine in desk.agents.machines.values():
        machine.reached = False
    with pytest.raises(ProvisionError):
        cut.take_vote("pi5")
    assert in_force(desk)[0] == 2
    for machine in desk.agents.machines.values():
        machine.reached = True
    desk.run().settle()
    assert set(desk.agents.epochs().values()) == {2}


def test_a_node_that_missed_two_steps_is_restarted_with_the_newest_file() -> None:
    desk = Desk(FIVE)
    asleep = desk.agents.machines["pi1"]
    asleep.reached = False
    for name in ("pi5", "pi4"):
        members = desk.run()
        members.settle()
        members.take_vote(name)
    assert members.missed == {"pi1": "no answer on port 22"}
    asleep.reached = True
    desk.run().settle()
    assert (asleep.epoch, asleep.done[-2:]) == (3, ["unit restarted", "stamp"])


def test_an_agent_that_is_ahead_is_never_brought_an_older_file() -> None:
    desk = Desk(THREE)
    ahead = THREE.replace('name = "home"', 'name = "home"\nepoch = 7')
    desk.agents.set_up("pi2", ahead)
    members = desk.run()
    members.settle()
    assert "it is an older copy" in members.missed["pi2"]
    assert desk.agents.epochs()["pi2"] == 7


def test_an_agent_that_does_not_take_it_is_said_to_and_why() -> None:
    desk = Desk(THREE)
    desk.agents.machines["pi3"].deaf = True
    members = desk.run()
    members.settle()
    members.announce("pi4", {})
    assert "lives by other files than these" in members.missed["pi3"]
    by_hand = written("pi1", "pi2", "pi3", head='[quorum]\nvoters = ["pi1"]')
    desk.text = by_hand
    other = desk.run()
    other.settle()
    assert "the voters changed" in other.missed["pi1"]


# ── edits ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_board_is_forgotten_and_all_else_stays() -> None:
    text = written("pi1", "pi2", "pi3", pi2='serial = "10000000abcdef01"   # in the cellar\nport = 7000\n')
    assert without_serial(text, "home.toml", "pi2") == text.replace('serial = "10000000abcdef01"   # in the cellar\n', "")
    assert without_serial(text, "home.toml", "pi1") == text


def test_what_cannot_be_edited_is_said_to_a_person() -> None:
    text = 'nodes = { pi1 = { serial = "10000000abcdef01" } }\ncluster = { name = "home" }\n'
    with pytest.raises(InventoryError, match=r"nodes.pi1.serial: .* Delete this key by hand"):
        without_serial(text, "home.toml", "pi1")


def test_the_gateway_gives_its_vote_away_in_the_next_epoch() -> None:
    changed = load(without_tie_breaker(TWO, "home.toml"), "home.toml").configuration
    assert (changed.epoch, changed.voters, changed.tie_breaker) == (2, ("pi1", "pi2"), False)
