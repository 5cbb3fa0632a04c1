"""Another key for all, and at no moment two agents that do not believe each other."""

from __future__ import annotations

import pytest

from picluster.controller.dispatch import Dispatch
from picluster.controller.rotation import REMARKS, KeyFile, Rotation, Stage, stage_of
from picluster.errors import InventoryError, ProvisionError
from picluster.inventory import load
from picluster.wire import Keyring
from tests.controller.agents import KEY, KEY_FILE, Agents, written

TEXT = written("pi1", "pi2", "pi3")
OLD, NEW = "1" * 64, "2" * 64
FILES = {"add": [OLD, NEW], "swap": [NEW, OLD], "drop": [NEW]}


def file_after(step: str) -> bytes:
    return "\n".join([REMARKS.get(step, ""), *FILES[step], ""]).encode()


class Desk:
    """The controller's key file, and agents of which each has to believe what any other seals with."""

    def __init__(self, *away: str) -> None:
        self.key = KEY
        self.agents = Agents(TEXT, away=away)
        self.agents.after = self.look
        self.told: list[str] = []
        self.cut: dict[str, str] = {}
        """At which step, before which deed, the connection to pi2 is lost; once."""

    def look(self) -> None:
        rings = [one.keyring for one in self.agents.machines.values() if one.inventory is not None]
        for speaker in rings:
            for listener in rings:
                assert speaker is not None
                assert listener is not None
                assert speaker.keys[0] in listener.keys, "a gap"

    def take(self, step: str) -> None:
        self.key = file_after(step)
        self.agents.machines["pi2"].cut_before = self.cut.pop(step, "")

    def run(self) -> bool:
        with self.agents.crew() as crew:
            dispatch = Dispatch(crew, "me@here", self.agents.pause, patience_s=0.0)
            inventory = load(TEXT, "home.toml")
            return Rotation(inventory, TEXT.encode(), KeyFile(lambda: self.key, self.take), dispatch).run(self.told.append)

    def keys(self) -> set[tuple[bytes, ...]]:
        return {one.keyring.keys for one in self.agents.machines.values() if one.keyring is not None}


def test_all_three_steps_reach_everybody_before_the_next() -> None:
    desk = Desk()
    assert desk.run()
    assert desk.keys() == {(bytes.fromhex(NEW),)}
    assert desk.told == [
        "everybody believes the new key",
        "everybody seals with the new key",
        "nobody believes the old key any more",
    ]
    assert all(one.files[KEY_FILE] == desk.key for one in desk.agents.machines.values())
    assert all("unit restarted" not in one.done for one in desk.agents.machines.values())


def test_where_one_is_not_reached_nothing_is_begun() -> None:
    desk = Desk("pi2")
    with pytest.raises(ProvisionError, match="pi2: no answer on port 22"):
        desk.run()
    assert desk.key == KEY
    assert desk.told == []


@pytest.mark.parametrize("cut_before", ["stamp", "write", "unit"])
@pytest.mark.parametrize("at", ["add", "swap", "drop"])
def test_a_change_that_was_cut_goes_on_where_it_was(at: str, cut_before: str) -> None:
    desk = Desk()
    desk.cut = {at: cut_before}
    with pytest.raises(ProvisionError, match="pi2: the connection was lost"):
        desk.run()
    assert len(desk.keys()) == 2
    begun_again = desk.run()
    assert desk.keys() == {(bytes.fromhex(NEW),)}
    assert begun_again == (at != "drop"), "the last step is completed, and no other key is begun"


def test_an_agent_that_does_not_take_the_key_stops_the_others_from_using_it() -> None:
    desk = Desk()
    desk.agents.machines["pi3"].deaf = True
    with pytest.raises(ProvisionError, match="pi3: its agent lives by other files than these"):
        desk.run()
    assert desk.keys() == {(bytes.fromhex(OLD),), (bytes.fromhex(OLD), bytes.fromhex(NEW))}
    assert stage_of(desk.key.decode()) is Stage.ADDED


def test_a_node_that_was_never_set_up_would_be_left_out() -> None:
    desk = Desk()
    desk.agents.fresh("pi1")
    with pytest.raises(ProvisionError, match="pi1: no agent was set up there"):
        desk.run()


def test_the_file_itself_says_how_far_it_is() -> None:
    assert stage_of(Keyring.fresh()) is Stage.ONE
    assert stage_of(file_after("add").decode()) is Stage.ADDED
    assert stage_of(file_after("swap").decode()) is Stage.SWAPPED
    assert stage_of(file_after("drop").decode()) is Stage.ONE
    with pytest.raises(ProvisionError, match="does not say which of them is the new one"):
        stage_of(f"{OLD}\n{NEW}\n", "cluster.key")
    with pytest.raises(InventoryError):
        stage_of("secret")
