"""New software, one node after the other: order, and stopping in time. With the real node program, as `test_up` has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from picluster.controller.crew import Crew
from picluster.controller.progress import Kind
from picluster.controller.report import Report, State
from picluster.controller.rolling import Rolling
from picluster.controller.up import Up
from picluster.controller.upgrade import Upgrade
from picluster.errors import ProvisionError
from picluster.provision import steps
from picluster.provision.facts import AgentFact, Facts, Question
from picluster.provision.plan import Change
from tests.controller.test_up import NAMES, Small, Stage

UNIT = "picluster.service"


@dataclass(frozen=True)
class Software:
    """Another version: a file, and a restart."""

    question: Question = Question(stamps=("software",), units=(UNIT,))

    def changes(self, facts: Facts) -> Iterator[Change]:
        if facts.stamps.get("software") != "new":
            write = steps.write("/opt/software", b"new\n")
            restart = (steps.unit(UNIT, state="restarted"), steps.stamp("software", "new"))
            yield Change("agent", "software", "differs", (write,))
            yield Change("agent", "picluster", "runs with what was there before", restart)


class Upgraded(Stage):
    """Whose agents run, and know of a newer version."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        for node in self.nodes.values():
            node.unit(UNIT, enabled="enabled", active="active")
        self.broken: set[str] = set()
        """Whose agent does not stand the new software."""

    def program(self, name: str, line: str) -> tuple[int, Sequence[str]]:
        if name in self.broken and name in self.new():
            self.status.running.discard(name)
        return super().program(name, line)

    def new(self) -> list[str]:
        return [name for name, node in self.nodes.items() if node.at("/opt/software").exists()]

    def upgrade(self, *, without_agent: bool = False) -> Report:
        agents = {} if without_agent else {name: AgentFact("0.1.0", name, "home", 1, "") for name in NAMES}
        with Crew(self.open, self.heard.desk()) as crew:
            blueprint = Small([Software()], agents)
            up = Up(self.inventory, crew, blueprint, "me@here", self.reach, lambda _seconds: None, patience_s=0.0)
            rolling = Rolling(crew, self.inventory, lambda _seconds: None, 0.0)
            return Upgrade(self.inventory, up, rolling).apply(up.survey(self.inventory.nodes, ("agent",)))


@pytest.fixture
def stage(tmp_path: Path) -> Upgraded:
    return Upgraded(tmp_path)


def restarted(stage: Upgraded) -> list[str]:
    steps_told = [one.node for one in stage.heard.all if one.kind is Kind.STEP and one.text == "picluster"]
    return list(dict.fromkeys(steps_told))


def states(report: Report) -> list[State]:
    return [one.state for one in report.nodes]


def test_one_after_the_other_gets_it_and_the_holder_is_the_last(stage: Upgraded) -> None:
    report = stage.upgrade()
    assert (states(report), report.exit_code) == ([State.CHANGED] * 3, 0)
    assert restarted(stage) == ["pi2", "pi3", "pi1"]
    assert report.standing is not None
    assert report.standing.holders == {"web": "pi1"}


def test_the_second_run_has_nothing_to_do(stage: Upgraded) -> None:
    stage.upgrade()
    assert states(stage.upgrade()) == [State.NOTHING] * 3


def test_with_the_first_that_is_not_well_it_ends_and_the_others_keep_what_they_have(stage: Upgraded) -> None:
    stage.broken.add("pi2")
    report = stage.upgrade()
    assert states(report) == [State.FAILED] * 3
    assert stage.new() == ["pi2"], "not even the files"
    assert "not heard by a majority" in report.nodes[1].text
    assert report.nodes[2].text == "left as it was: pi2 did not come back well"


def test_the_next_run_does_not_go_past_it(stage: Upgraded) -> None:
    stage.broken.add("pi2")
    stage.upgrade()
    again = stage.upgrade()
    assert stage.new() == ["pi2"]
    assert again.nodes[0].text == "left as it was: pi2 has the new software and is not well; see picluster logs pi2"


def test_and_when_it_is_well_the_next_run_goes_on(stage: Upgraded) -> None:
    stage.broken.add("pi2")
    stage.upgrade()
    stage.broken.clear()
    stage.status.running.add("pi2")
    report = stage.upgrade()
    assert (states(report), report.exit_code) == ([State.CHANGED, State.NOTHING, State.CHANGED], 0)


def test_who_is_not_well_goes_first(stage: Upgraded) -> None:
    stage.status.running.discard("pi3")
    report = stage.upgrade()
    assert restarted(stage)[:1] == ["pi3"]
    assert report.exit_code == 2


def test_who_is_away_is_a_result_and_no_voter_goes_that_is_needed(stage: Upgraded) -> None:
    stage.unreachable.add("pi3")
    stage.status.running.discard("pi3")
    report = stage.upgrade()
    assert report.nodes[2].text == "no answer on port 22"
    assert "bring back pi3 first" in report.nodes[1].text
    assert restarted(stage) == []


def test_software_makes_no_node_of_a_machine_that_was_never_one(stage: Upgraded) -> None:
    for node in stage.nodes.values():
        (node.home / "units" / UNIT).unlink()
    report = stage.upgrade(without_agent=True)
    assert [one.text for one in report.nodes] == ["no agent was set up there yet: picluster up does it"] * 3


def test_a_plan_that_cannot_be_made_is_told(stage: Upgraded) -> None:
    def refuse(_facts: object) -> None:
        raise ProvisionError("no wheel fits")

    with Crew(stage.open, stage.heard.desk()) as crew:
        up = Up(stage.inventory, crew, Small([Software()], prepare=refuse), "me@here", stage.reach)
        report = Upgrade(stage.inventory, up, Rolling(crew, stage.inventory)).apply(up.survey(stage.inventory.nodes))
    assert {one.text for one in report.nodes} == {"no wheel fits"}
