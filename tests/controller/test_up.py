"""From what nodes are to what they should be: with the real node program, on nodes that are directories."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from picluster.controller.crew import Crew
from picluster.controller.progress import Kind
from picluster.controller.report import Report, State, lines
from picluster.controller.rolling import BOOT_ID
from picluster.controller.shell import Shell
from picluster.controller.up import Up, doubles, split
from picluster.errors import AccessError, ProvisionError
from picluster.model.inventory import FloatingAddress, Node
from picluster.provision import steps
from picluster.provision.compare import compare, question
from picluster.provision.facts import AgentFact, Facts, Question
from picluster.provision.plan import Change, NodePlan
from picluster.provision.resources import Resource, TextFile
from tests.controller.shells import ChildShell, Heard, Status, inventory_of
from tests.remote.stage import Pretended, everything

NAMES = ("pi1", "pi2", "pi3")


def motd(text: str = "hello\n", part: str = "system") -> TextFile:
    return TextFile(part, "/etc/motd", text.encode())


@dataclass(frozen=True)
class Fickle:
    """Is never as it should be."""

    question: Question = Question()

    def changes(self, facts: Facts) -> Iterator[Change]:  # noqa: ARG002 (a resource's)
        yield Change("system", "weather", "is bad", (steps.run("true"),))


@dataclass(frozen=True)
class AfterBoot:
    """Takes effect with the next boot only."""

    question: Question = Question(stamps=("boot",), files=("/proc/sys/kernel/random/boot_id",))

    def changes(self, facts: Facts) -> Iterator[Change]:
        booted_with = facts.stamps.get("boot")
        if booted_with is None:
            yield Change("system", "memory", "is not counted", (steps.stamp("boot", facts.boot_id),), reboot=True)
        elif booted_with == facts.boot_id:
            yield Change("system", "memory", "waits for a reboot", (), reboot=True)


@dataclass(frozen=True)
class Restarted:
    """An agent that lives by the message of the day."""

    question: Question = Question(units=("picluster.service",), stamps=("agent",))

    def changes(self, facts: Facts) -> Iterator[Change]:
        if facts.stamps.get("agent") != "new":
            restart = steps.unit("picluster.service", state="restarted")
            yield Change("agent", "picluster", "runs with what was there before", (restart, steps.stamp("agent", "new")))


@dataclass
class Small:
    """A blueprint of a few resources."""

    resources: Sequence[Resource]
    agents: Mapping[str, AgentFact] = field(default_factory=dict)
    prepare: Callable[[Mapping[str, Facts]], None] = lambda _facts: None

    def gather(self, node: Node, ask: Callable[[Question], Facts]) -> Facts:
        facts = ask(question(self.resources))
        return Facts(**{**{name: getattr(facts, name) for name in facts.__slots__}, "agent": self.agents.get(node.name)})

    def plan(self, node: Node, facts: Facts) -> NodePlan:
        return compare(node.name, self.resources, facts)


def made(directory: Path) -> Path:
    directory.mkdir()
    return directory


class Stage:
    """Three nodes, each a directory."""

    def __init__(self, directory: Path) -> None:
        self.inventory = inventory_of(*NAMES)
        self.nodes = {name: Pretended(made(directory / name)) for name in NAMES}
        self.status = Status(self.inventory, "pi1")
        self.unreachable: set[str] = set()
        self.heard = Heard()
        self.answers = True
        self.opened: list[str] = []
        self.rebooted: list[str] = []
        for name, node in self.nodes.items():
            node.put("/proc/sys/kernel/random/boot_id", f"{name} 1\n")

    def open(self, node: Node) -> Shell:
        self.opened.append(node.name)
        if node.name in self.unreachable:
            raise AccessError("no answer on port 22")
        return ChildShell(self.nodes[node.name], lambda line, _root: self.program(node.name, line))

    def program(self, name: str, line: str) -> tuple[int, Sequence[str]]:
        boot = self.nodes[name].at("/proc/sys/kernel/random/boot_id")
        if line == BOOT_ID:
            return 0, [boot.read_text()]
        if "systemctl reboot" in line:
            self.rebooted.append(name)
            boot.write_text(f"{name} again\n")
            return 0, ()
        return self.status.of(name)

    def reach(self, floating: FloatingAddress, port: int) -> bool:
        assert (floating.name, port) == ("web", 22)
        return self.answers

    def up(self, crew: Crew, *resources: Resource, blueprint: Small | None = None) -> Up:
        return Up(self.inventory, crew, blueprint or Small(resources), "me@here", self.reach, lambda _seconds: None)

    def run(self, *resources: Resource, blueprint: Small | None = None, with_reboots: bool = False) -> Report:
        with Crew(self.open, self.heard.desk()) as crew:
            up = self.up(crew, *resources, blueprint=blueprint)
            return up.apply(up.survey(self.inventory.nodes), with_reboots=with_reboots)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def states(report: Report) -> list[State]:
    return [one.state for one in report.nodes]


def test_a_survey_changes_nothing(stage: Stage) -> None:
    before = {name: everything(node.root) for name, node in stage.nodes.items()}
    with Crew(stage.open, stage.heard.desk()) as crew:
        survey = stage.up(crew, motd()).survey(stage.inventory.nodes)
    assert [[change.what for change in node.changes] for node in survey.plan.nodes] == [["/etc/motd"]] * 3
    assert {name: everything(node.root) for name, node in stage.nodes.items()} == before


def test_what_is_done_is_there_and_the_second_run_has_nothing_to_do(stage: Stage) -> None:
    first = stage.run(motd())
    assert (states(first), first.exit_code) == ([State.CHANGED] * 3, 0)
    assert first.standing is not None
    assert first.standing.holders == {"web": "pi1"}
    assert all(node.at("/etc/motd").read_text() == "hello\n" for node in stage.nodes.values())
    second = stage.run(motd())
    assert (states(second), second.exit_code, second.changed) == ([State.NOTHING] * 3, 0, False)


def test_nothing_to_do_takes_one_question_to_each_node(stage: Stage) -> None:
    stage.run(motd())
    stage.opened.clear()
    stage.run(motd())
    assert sorted(stage.opened) == list(NAMES)


def test_a_node_that_is_not_reached_is_a_result_beside_the_others(stage: Stage) -> None:
    stage.unreachable.add("pi2")
    stage.status.running.discard("pi2")
    report = stage.run(motd())
    assert states(report) == [State.CHANGED, State.FAILED, State.CHANGED]
    assert report.nodes[1].text == "no answer on port 22"
    assert report.exit_code == 1


def test_where_no_node_is_reached_the_exit_code_is_2(stage: Stage) -> None:
    stage.unreachable.update(NAMES)
    assert stage.run(motd()).exit_code == 2


def test_a_node_where_a_step_fails_keeps_nobody_else(stage: Stage) -> None:
    stage.nodes["pi3"].at("/etc/motd").mkdir()
    report = stage.run(motd())
    assert states(report) == [State.CHANGED, State.CHANGED, State.FAILED]
    assert "/etc/motd" in report.nodes[2].text
    assert report.exit_code == 1


def test_what_does_not_stick_is_said(stage: Stage) -> None:
    report = stage.run(Fickle())
    assert states(report) == [State.FAILED] * 3
    assert report.nodes[0].text == "does not stick: weather (is bad)"


def test_software_that_cannot_be_had_is_the_problem_of_all(stage: Stage) -> None:
    def refuse(_facts: Mapping[str, Facts]) -> None:
        raise ProvisionError("no wheel fits")

    report = stage.run(blueprint=Small([motd()], prepare=refuse))
    assert {one.text for one in report.nodes} == {"no wheel fits"}
    assert report.exit_code == 2


def test_only_some_parts_are_done_and_looked_at(stage: Stage) -> None:
    with Crew(stage.open, stage.heard.desk()) as crew:
        up = stage.up(crew, motd(part="ssh"), Fickle())
        report = up.apply(up.survey(stage.inventory.nodes, ("ssh",)))
    assert states(report) == [State.CHANGED] * 3


# ── the stack ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stack_that_is_not_well_is_told_though_all_was_done(stage: Stage) -> None:
    stage.status.holder = None
    with Crew(stage.open, stage.heard.desk()) as crew:
        up = Up(stage.inventory, crew, Small([motd()]), "me@here", stage.reach, lambda _seconds: None, patience_s=0.0)
        report = up.apply(up.survey(stage.inventory.nodes))
    assert report.troubles == ("web is held by nobody",)
    assert report.exit_code == 1


def test_an_address_that_is_held_and_does_not_answer_is_told(stage: Stage) -> None:
    stage.answers = False
    report = stage.run(motd())
    assert report.troubles == ("web (192.0.2.50) does not answer this machine, though pi1 holds it",)
    assert report.exit_code == 1


def test_agents_that_run_are_restarted_one_after_the_other_the_holder_last(stage: Stage) -> None:
    for node in stage.nodes.values():
        node.unit("picluster.service", enabled="enabled", active="active")
    running = {name: AgentFact("0.1.0", name, "home", 1, "") for name in NAMES}
    report = stage.run(blueprint=Small([motd(), Restarted()], agents=running))
    assert (states(report), report.exit_code) == ([State.CHANGED] * 3, 0)
    steps_told = [(one.node, one.text) for one in stage.heard.all if one.kind is Kind.STEP]
    restarts = [node for number, (node, text) in enumerate(steps_told) if text == "picluster" and number >= 3]
    assert list(dict.fromkeys(restarts)) == ["pi2", "pi3", "pi1"]
    assert {text for _, text in steps_told[:3]} == {"/etc/motd"}, "everything else was done before, side by side"


def test_agents_on_fresh_nodes_need_no_order(stage: Stage) -> None:
    for node in stage.nodes.values():
        node.unit("picluster.service", enabled="enabled", active="active")
    report = stage.run(motd(), Restarted())
    assert report.exit_code == 0
    told = [one for one in stage.heard.all if one.kind is Kind.STAGE and one.text == "restarting"]
    assert not told


def test_a_restart_that_fails_leaves_the_other_agents_alone(stage: Stage) -> None:
    for node in stage.nodes.values():
        node.unit("picluster.service", enabled="enabled", active="active")
    (stage.nodes["pi2"].home / "refuses").touch()
    running = {name: AgentFact("0.1.0", name, "home", 1, "") for name in NAMES}
    report = stage.run(blueprint=Small([Restarted()], agents=running))
    failed = [one.text for one in report.nodes]
    assert failed[1].startswith("picluster (step 1 of 2): ")
    assert failed[2] == failed[0] == "left as it was: pi2 did not come back well"


# ── reboots ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_waits_for_a_reboot_is_told_and_is_no_failure(stage: Stage) -> None:
    report = stage.run(AfterBoot())
    assert [one.awaits_reboot for one in report.nodes] == [True] * 3
    assert (report.exit_code, stage.rebooted) == (0, [])
    assert any("waits for a reboot" in line for line in lines(report))
    again = stage.run(AfterBoot())
    assert states(again) == [State.NOTHING] * 3
    assert [one.awaits_reboot for one in again.nodes] == [True] * 3


def test_nodes_are_rebooted_where_that_is_asked_for_the_holder_last(stage: Stage) -> None:
    report = stage.run(AfterBoot(), with_reboots=True)
    assert stage.rebooted == ["pi2", "pi3", "pi1"]
    assert [one.rebooted and not one.awaits_reboot for one in report.nodes] == [True] * 3
    assert report.exit_code == 0


# ── parts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_nodes_that_are_one_machine_are_told_apart() -> None:
    facts = {
        "pi1": Facts(host_name="raspberrypi", boot_id="a"),
        "pi2": Facts(host_name="raspberrypi", boot_id="a"),
        "pi3": Facts(boot_id="b"),
        "pi4": Facts(),
        "pi5": Facts(),
    }
    found = doubles(facts)
    assert sorted(found) == ["pi1", "pi2"]
    assert found["pi1"].startswith("pi1 and pi2 lead to one machine (host name raspberrypi)")


def test_what_stops_an_agent_and_all_after_it_is_left_to_the_end() -> None:
    write = Change("system", "motd", "", (steps.run("true"),))
    restart = Change("agent", "picluster", "", (steps.unit("picluster.service", state="restarted"),))
    reload = Change("agent", "picluster", "", (steps.unit("picluster.service", state="reloaded"),))
    assert split([write, restart, write]) == ((write,), (restart, write))
    assert split([write, reload]) == ((write, reload), ())
