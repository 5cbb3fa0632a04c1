"""What all agents' words come to."""

from __future__ import annotations

import json

import pytest

from picluster.controller.health import Account, ask_account, judge, read_account, sees_all_well, spared
from picluster.errors import ControlError
from tests.controller.shells import Answering, Status, inventory_of

PIS = inventory_of("pi1", "pi2", "pi3")


def account(node: str, hears: str, holder: str = "pi1") -> Account:
    return Account(node, frozenset(hears.split()), {"web": holder} if holder else {})


def accounts(*told: Account) -> dict[str, Account]:
    return {one.node: one for one in told}


def test_it_is_well_where_everybody_hears_everybody_and_the_holder_agrees() -> None:
    everybody = "pi1 pi2 pi3"
    standing = judge(PIS, accounts(*(account(node, everybody) for node in everybody.split())))
    assert (standing.well, standing.troubles(), standing.holders) == (True, (), {"web": "pi1"})


def test_a_node_that_no_majority_hears_is_not_well_whatever_it_says() -> None:
    standing = judge(PIS, accounts(account("pi1", "pi1 pi2"), account("pi2", "pi1 pi2"), account("pi3", "pi1 pi2 pi3")))
    assert dict(standing.unheard) == {"pi3": 1}
    assert standing.troubles() == ("pi3 is heard by 1 of the 2 voters needed",)


def test_one_node_may_be_missing_where_a_majority_hears_the_rest() -> None:
    standing = judge(PIS, accounts(account("pi1", "pi1 pi2"), account("pi2", "pi1 pi2")))
    assert dict(standing.unheard) == {"pi3": 0}
    assert standing.holders == {"web": "pi1"}


@pytest.mark.parametrize(
    "told",
    [
        (account("pi1", "pi1 pi2 pi3", ""), account("pi2", "pi1 pi2 pi3"), account("pi3", "pi1 pi2 pi3")),
        (account("pi1", "pi1"), account("pi2", "pi2 pi3", "pi2"), account("pi3", "pi2 pi3", "pi3")),
        (),
    ],
    ids=["the holder does not say so", "nobody agrees", "nobody is asked"],
)
def test_an_address_is_held_only_by_whom_a_majority_agrees_on(told: tuple[Account, ...]) -> None:
    standing = judge(PIS, accounts(*told))
    assert standing.holders == {"web": None}
    assert "web is held by nobody" in standing.troubles()


def test_a_witness_or_another_that_does_not_vote_is_heard_by_voters() -> None:
    inventory = inventory_of("pi1", "pi2", "pi3", "pi4", voters=("pi1", "pi2", "pi3"))
    everybody = "pi1 pi2 pi3 pi4"
    told = accounts(account("pi1", everybody), account("pi2", everybody), account("pi4", everybody))
    assert judge(inventory, told).unheard == {}


def test_one_agent_that_sees_everybody_is_enough_for_a_glance() -> None:
    assert sees_all_well(PIS, account("pi1", "pi1 pi2 pi3"))
    assert not sees_all_well(PIS, account("pi1", "pi1 pi2"))
    assert not sees_all_well(PIS, account("pi1", "pi1 pi2 pi3", ""))


def test_a_voter_that_a_majority_needs_cannot_be_spared() -> None:
    three = accounts(*(account(node, "pi1 pi2 pi3") for node in ("pi1", "pi2", "pi3")))
    assert spared(PIS, three, ["pi1"]) == ""
    two = accounts(account("pi1", "pi1 pi2"), account("pi2", "pi1 pi2"))
    assert "without pi1 no majority" in spared(PIS, two, ["pi1"])
    assert "there would be pi1" in spared(PIS, two, ["pi2"])
    assert spared(PIS, two, ["pi3"]) == "", "it is gone already"
    assert spared(PIS, accounts(account("pi1", "pi1")), ["pi1"]) == "", "there is no majority to lose"


def test_an_agent_is_asked_at_its_control_socket_by_root() -> None:
    status = Status(PIS, "pi2")
    shell = Answering(program=lambda _line, root: status.of("pi1") if root else (1, ["permission denied"]))
    assert ask_account(shell, "pi1") == Account("pi1", frozenset(PIS.node_names), {"web": "pi2"})
    [line] = shell.commands
    assert "agent.sock" in line


@pytest.mark.parametrize(
    "lines", [(), ("",), ("ConnectionRefusedError: [Errno 111]",), ("[]",), (json.dumps({"ok": False, "error": "no"}),)]
)
def test_an_agent_that_does_not_tell_is_an_error_in_words(lines: tuple[str, ...]) -> None:
    with pytest.raises(ControlError, match="its agent does not tell how it is"):
        ask_account(Answering(program=lambda *_: (1, lines)), "pi1")


def test_who_is_starting_or_silent_or_gone_is_not_heard() -> None:
    states = {"pi1": "holder", "pi2": "starting", "pi3": "silent", "pi4": "left", "pi5": "degraded"}
    nodes = [{"name": name, "state": state} for name, state in states.items()]
    words = {"cluster": {"nodes": nodes, "addresses": [{"name": "web", "holder": None}]}}
    assert read_account("pi1", words) == Account("pi1", frozenset({"pi1", "pi5"}), {})
