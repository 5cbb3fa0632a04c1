"""A drill on nodes that are played: who is cut and who is not, what is measured, and how it is told."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from picluster.controller import drill_telling as telling
from picluster.controller.crew import Crew
from picluster.controller.drill import CUT, Drill, Measured, Prospect
from picluster.controller.history import history_of, read, remember
from picluster.controller.rolling import BOOT_ID
from picluster.controller.shell import Shell
from picluster.errors import AccessError, ProvisionError, TrustError
from picluster.model.inventory import Inventory, Node
from picluster.model.probe import Probe
from tests.controller.shells import Answering, Heard, inventory_of
from tests.patience import until

MS, S = 1_000_000, 1_000_000_000
THREE = inventory_of("pi1", "pi2", "pi3")
WEB = THREE.configuration.addresses[0]
BOOT_S = 20.0


class Stack:
    """Nodes, the address and the prober, in a time that passes only while somebody waits."""

    interval_ns = 2 * MS

    def __init__(self, inventory: Inventory = THREE, holder: str = "pi1") -> None:
        self.inventory, self.holder = inventory, holder
        self.states = {name: "holder" if name == holder else "ready" for name in inventory.node_names}
        self.boots = dict.fromkeys(inventory.node_names, 1)
        self.gone: set[str] = set()
        """Whom nobody reaches."""
        self.cut_ns: int | None = None
        self.outage_ns: int = 146 * MS
        self.took_ms = 148.2
        self.heir = "pi2"
        self.refusal = ""
        """Why a node cannot be cut."""
        self.obeys = True
        self.stranger = False
        """Whether who was cut comes back with another host key."""
        self.answers = True
        self.commands: list[str] = []
        self._now_ns = 0

    # ── the nodes ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def drill(self, own_boot_id: str = "") -> Drill:
        return Drill(self.inventory, Crew(self._open, Heard().desk()), own_boot_id, self.pause)

    def _open(self, node: Node) -> Shell:
        back = self.cut_ns is not None and self._now_ns - self.cut_ns > BOOT_S * S
        if node.name in self.gone and not (back and self.boots[node.name] > 1):
            raise AccessError(f"no answer from {node.name}")
        if self.stranger and self.boots[node.name] > 1:
            raise TrustError("another host key")
        self.gone.discard(node.name)
        return Answering(program=lambda line, root: self._do(node.name, line, root=root))

    def _do(self, name: str, line: str, *, root: bool) -> tuple[int, Sequence[str]]:
        if line == BOOT_ID:
            return 0, [f"{name} {self.boots[name]}"]
        assert root, "only root may do all this"
        self.commands.append(line)
        if line != CUT:
            return 0, [json.dumps({"ok": True, "status": {"cluster": self._cluster(name)}})]
        if self.refusal:
            return 1, [self.refusal]
        if self.obeys:
            self.cut_ns = self._now_ns + 300 * MS
            self.boots[name] += 1
            self.gone.add(name)
            self.holder = self.heir
        return 0, ()

    def _cluster(self, _name: str) -> dict[str, object]:
        states = {name: "silent" if name in self.gone else state for name, state in self.states.items()}
        move = {"previous": "pi1", "holder": self.holder, "cause": "silence", "outage_ms": self.took_ms, "ago_s": 1.0}
        web = {"name": "web", "holder": self.holder, "last_move": move if self.cut_ns is not None else None}
        return {"nodes": [{"name": name, "state": state} for name, state in states.items()], "addresses": [web]}

    # ── the prober ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def pause(self, seconds: float) -> None:
        self._now_ns += int(seconds * S)

    def now_ns(self) -> int:
        return self._now_ns

    def probes(self, since_ns: int) -> list[Probe]:
        first = -(-since_ns // self.interval_ns) * self.interval_ns
        return [self._probe(sent_ns) for sent_ns in range(max(0, first), self._now_ns, self.interval_ns)]

    def _probe(self, sent_ns: int) -> Probe:
        dark = self.cut_ns is not None and self.cut_ns <= sent_ns < self.cut_ns + self.outage_ns
        answered_ns = sent_ns + MS // 2
        return Probe(sent_ns, answered_ns if self.answers and not dark and answered_ns < self._now_ns else None)


def measured(stack: Stack, drill: Drill | None = None) -> tuple[Prospect, Measured]:
    drill = drill or stack.drill()
    prospect = drill.survey(WEB)
    return prospect, drill.measure(prospect, stack)


def test_the_holder_is_cut_and_the_outage_measured() -> None:
    stack = Stack()
    prospect, seen = measured(stack)
    assert (prospect.holder.name, prospect.heirs, prospect.troubles) == ("pi1", ("pi2", "pi3"), ())
    assert seen.outage is not None
    assert seen.outage.length_ms == 146.5
    assert (seen.verdict.met, seen.holder, round(seen.requests_a_second)) == (True, "pi2", 500)
    assert seen.move is not None
    assert (seen.move.previous, seen.move.cause) == ("pi1", "silence")
    assert stack.commands.count(CUT) == 1


def test_the_old_holder_is_waited_for_until_a_majority_hears_it() -> None:
    stack = Stack()
    drill = stack.drill()
    prospect, seen = measured(stack, drill)
    returned = drill.wait_for_return(prospect, seen, stack.now_ns)
    assert returned.well
    assert returned.back_s is not None
    assert returned.heard_s is not None
    assert BOOT_S < returned.back_s <= returned.heard_s


@pytest.mark.parametrize(
    ("obeys", "stranger", "said"), [(False, False, "has not gone down"), (True, True, "another host key")]
)
@pytest.mark.scenario
def test_one_that_does_not_come_back_is_told(obeys: bool, stranger: bool, said: str) -> None:
    stack = Stack()
    stack.obeys, stack.stranger = obeys, stranger
    drill = stack.drill()
    prospect, seen = measured(stack, drill)
    returned = drill.wait_for_return(prospect, seen, stack.now_ns)
    assert (returned.back_s, returned.heard_s, returned.well) == (None, None, False)
    assert said in returned.troubles[0]


@pytest.mark.scenario
def test_one_that_does_not_go_down_proves_nothing() -> None:
    stack = Stack()
    stack.obeys = False
    _, seen = measured(stack)
    assert (seen.outage, seen.verdict.met) == (None, None)


def test_an_outage_that_is_too_long_is_told_with_its_reason() -> None:
    stack = Stack()
    stack.outage_ns, stack.took_ms = 900 * MS, 902.0
    _, seen = measured(stack)
    assert seen.verdict.met is False
    assert "pi2 had it only 902.0 ms after the last sign of pi1" in seen.verdict.reason


@pytest.mark.scenario
def test_where_nobody_answers_any_more_it_is_not_waited_for_ever() -> None:
    stack = Stack()
    stack.outage_ns = 3_600 * S
    _, seen = measured(stack)
    assert seen.outage is not None
    assert seen.outage.ended_ns is None
    assert seen.verdict.met is False


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────────────────────


def voter_missing(stack: Stack) -> None:
    stack.gone.add("pi3")


def nobody_holds(stack: Stack) -> None:
    stack.holder = ""


def nobody_fit(stack: Stack) -> None:
    stack.states |= {"pi2": "standby", "pi3": "degraded"}


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (voter_missing, "without pi1 no majority of the voters is left"),
        (nobody_holds, "nobody holds web"),
        (nobody_fit, "nobody but pi1 could hold web"),
    ],
)
def test_what_would_stay_dark_is_not_cut(happens: Callable[[Stack], None], said: str) -> None:
    stack = Stack()
    happens(stack)
    with pytest.raises(ProvisionError, match=said):
        stack.drill().survey(WEB)
    assert CUT not in stack.commands


def test_this_machine_is_not_cut() -> None:
    with pytest.raises(ProvisionError, match="this machine is pi1"):
        Stack().drill("pi1 1").survey(WEB)


def test_what_is_not_well_is_told_beforehand() -> None:
    stack = Stack(inventory_of("pi1", "pi2", "pi3", "pi4", voters=("pi1", "pi2", "pi3")))
    stack.gone.add("pi4")
    prospect = stack.drill().survey(WEB)
    assert any("no answer from pi4" in trouble for trouble in prospect.troubles)
    assert any("no answer from pi4" in line for line in telling.intention(prospect))


def test_an_address_that_does_not_answer_here_is_not_measured_and_nobody_is_cut() -> None:
    stack = Stack()
    stack.answers = False
    with pytest.raises(ProvisionError, match="does not answer this machine"):
        measured(stack)
    assert CUT not in stack.commands


def test_a_node_that_cannot_be_cut_says_why() -> None:
    stack = Stack()
    stack.refusal = "sh: setsid: not found"
    with pytest.raises(ProvisionError, match=r"pi1 was not cut: sh: setsid: not found"):
        measured(stack)


@pytest.mark.parametrize("keys", [True, False], ids=["with keys", "without"])
def test_the_line_that_cuts_is_left_to_itself_and_presses_the_key_or_asks_systemd(tmp_path: Path, keys: bool) -> None:
    trigger, asked = tmp_path / "trigger", tmp_path / "asked"
    if keys:
        trigger.touch()
    line = CUT.replace("/proc/sysrq-trigger", str(trigger)).replace("timeout 10 sync", "true")
    line = line.replace("systemctl", f"echo >{asked}")
    subprocess.run(["sh", "-c", line], timeout=30, check=True)
    until(lambda: any(one.exists() and one.stat().st_size for one in (trigger, asked)), "it is done")
    assert (trigger.read_text() if keys else asked.read_text()) == ("b\n" if keys else "reboot --force --force\n")
    assert asked.exists() != keys


# ── telling ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_timeline_and_the_verdict_are_told() -> None:
    stack = Stack()
    drill = stack.drill()
    prospect, seen = measured(stack, drill)
    assert telling.timeline(prospect, seen) == [
        "     0.0 ms  pi1 is told to reboot that instant, in 300 ms",
        "   298.5 ms  the last answer",
        "   300.0 ms  the first request without an answer",
        "   446.5 ms  the next answer: 146.5 ms dark, 73 requests unanswered of 500 a second",
        "             pi2 holds web: taken from pi1 (silence), 148.2 ms after its last sign",
    ]
    assert telling.verdict_line(seen).startswith("✓ met: 146.5 ms, at most 178.8 ms")
    returned = drill.wait_for_return(prospect, seen, stack.now_ns)
    assert [line.partition(" s ")[2].strip() for line in telling.return_lines(prospect, returned)] == [
        "pi1 is back",
        "a majority hears its agent",
    ]
    told = telling.as_json(prospect, seen, returned, telling.entry(prospect, seen, 0.0))
    assert json.loads(json.dumps(told))["timeline_ms"] == {
        "last_answer": 298.5,
        "first_unanswered": 300.0,
        "next_answer": 446.5,
    }


def test_a_drill_is_remembered(tmp_path: Path) -> None:
    prospect, seen = measured(Stack())
    inventory = tmp_path / "home.toml"
    path = history_of(inventory)
    path.parent.mkdir()
    assert read(path, "drill") == []
    remember(path, {"verb": "upgrade"})
    remember(path, telling.entry(prospect, seen, 1_700_000_000.0))
    with path.open("a") as file:
        file.write('{"verb": "dri')  # a power cut
    remember(path, telling.entry(prospect, seen, 1_700_000_060.0))
    first, second = telling.history_lines(read(path, "drill"))
    assert first == "2023-11-14T22:13:20Z  web: pi1 → pi2     146.5 ms of at most 178.8 ms  met"
    assert second.startswith("2023-11-14T22:14:20Z")
