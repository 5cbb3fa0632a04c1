"""Plays a scenario: real agents on virtual Pis, something happens to them, and a client and an auditor count who answers.

    @scenario()
    def test_the_holders_power_is_cut(stage: Stage) -> None:
        stage.play("power cut of the holder", lambda: stage.world.cut(stage.holder), moves=True)

Each scenario has a stack of its own, in namespaces of its own. It begins when all Pis know each other and the address is
answered. At its end, when all is calm, the address has to be answered, and two nodes must never have answered at once. No
agent is asked who holds the address, and no scenario rests on a number of milliseconds: what was measured is printed at the
end of the whole run.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

import pytest

from picluster.adapters.control import ask
from picluster.adapters.namespaces import run_isolated
from picluster.lab import report
from picluster.lab.ledger import Outage
from picluster.lab.mode import memory_place
from picluster.lab.namespaces import NamespaceWorld
from picluster.lab.programs import start
from picluster.lab.script import Director
from picluster.lab.stack import Stack, agent_command
from tests.adapters.isolation import reason_to_skip
from tests.conftest import ROWS
from tests.lab.stand_ins import filters_refused

WHOLE_S = 60.0
"""How long a scenario may take."""
PATIENCE_S = 15.0
LONGEST_OUTAGE_MS = 5_000.0
WINDOW_S = 1.1
AFTERMATH_S = 0.4
"""How long it is watched, after all is calm, whether two answer."""
LOG_LINES = 40
WEB = "10.77.0.100"

Row = tuple[str, str, str, float, int, float]


@dataclass(frozen=True)
class Setting(Stack):
    """A stack for a scenario: any number of Pis, and whatever its inventory is to say."""

    members: tuple[str, ...] = ()
    """Who is in the inventory; empty: all."""
    also: Mapping[str, str] = field(default_factory=dict)
    """More floating addresses."""
    quorum: str = ""
    """The section `[quorum]`, where all members are not to vote."""
    more: str = ""
    """More lines for the inventory."""
    nodes: Mapping[str, str] = field(default_factory=dict)
    """What stands in a node's section."""

    def __post_init__(self) -> None:
        """Scenarios may be smaller than the demo."""

    @property
    def floating(self) -> Mapping[str, str]:
        return {"web": WEB, **self.also}

    def inventory(self, ports: Mapping[str, int] | None = None) -> str:
        assert ports is None
        members = self.members or self.names
        voters = ", ".join(f'"{name}"' for name in members)
        parts = [
            '[cluster]\nname = "lab"\n[network]\nsubnet = "10.77.0.0/24"\ngateway = "10.77.0.254"',
            f"[quorum]\n{self.quorum or f'voters = [{voters}]'}",
            *(f'[addresses.{name}]\naddress = "{address}"' for name, address in self.floating.items()),
            *(f"[nodes.{name}]\n{self.nodes.get(name, '')}" for name in members),
            self.more,
        ]
        return "\n".join(parts) + "\n"


class SceneWorld(NamespaceWorld):
    """Agents may be of another make."""

    def __init__(self, stack: Stack) -> None:
        self.changes: dict[str, str] = {}
        """Python that is run in a Pi's agent before it starts."""
        super().__init__(stack, memory_place())

    def _start_agent(self, name: str, group: int = 0) -> subprocess.Popen[bytes]:
        if name not in self.changes:
            return super()._start_agent(name, group)
        words = agent_command(self.directory, name)[3:]
        program = f"import sys\n{self.changes[name]}\nfrom picluster.cli.main import main\nsys.exit(main({words!r}))"
        return start([sys.executable, "-c", program], self.log(name), group=group)


class Stage:
    """A stack in full view."""

    def __init__(self, world: SceneWorld) -> None:
        self.world = world
        self.director = Director(world)
        self.ledger = world.client.ledger
        self.rows: list[Row] = []

    @property
    def holder(self) -> str:
        """Who answers the client now; empty: nobody."""
        return self.director.holder

    def others(self, *besides: str) -> list[str]:
        """The Pis that run, the holder and these aside, in their order."""
        return [
            name for name in self.world.stack.names if name in self.world.running and name not in (self.holder, *besides)
        ]

    def everywhere(self, deed: Callable[[str], object]) -> None:
        """Do something to each Pi, one right after the other."""
        for name in self.world.stack.names:
            deed(name)

    def go_on(self, seconds: float) -> None:
        """Count on."""
        self.director.wait(lambda: False, seconds)

    def until(self, condition: Callable[[], bool], what: str, most_s: float = PATIENCE_S) -> None:
        assert self.director.wait(condition, most_s), f"{what}: not within {most_s:.0f} s"

    def all_well(self) -> None:
        """Until all agents that run are well in each other's eyes, and the address is answered."""
        self.until(self.director.all_well, "all agents are well")
        self.until(lambda: bool(self.holder), "the address is answered")

    def tell(self, name: str, **request: str) -> None:
        """As `picluster standby`, `move` and so on do."""
        ask(self.world.run_dir(name), dict(request), timeout_s=5.0)

    def said(self, name: str, words: str) -> bool:
        """Whether these words stand in a Pi's log."""
        return words in self.world.log(name).read_text(encoding="utf-8", errors="replace")

    def play(
        self, title: str, deed: Callable[[], object], *, moves: bool | None, for_s: float = WINDOW_S, row: bool = True
    ) -> Outage:
        """Do something to the stack, and count until the address is answered again: by another Pi if it `moves`, by nobody
        but the same one if it does not; None where the rules promise neither."""
        self.until(lambda: bool(self.holder), "the address is answered before it begins")
        held, since_ns, double_ms = self.holder, time.monotonic_ns(), self.ledger.double_ms
        deed()
        self.go_on(for_s)
        self.until(lambda: self._is_over(since_ns, held, moves), f"{title}: answered again", LONGEST_OUTAGE_MS / 1e3)
        outage = self.ledger.within(since_ns, time.monotonic_ns())
        path = self.ledger.answerers(since_ns)
        double_ms = self.ledger.double_ms - double_ms
        if row:
            self.rows.append((title, held, " ".join(_new(path, held)) or "stays", outage.outage_ms, outage.lost, double_ms))
        assert double_ms == 0, f"{title}: two nodes answered for {double_ms:.0f} ms"
        assert moves is not False or set(path) <= {held}, f"{title}: it moved though it need not, {held} → {path}"
        assert outage.outage_ms < LONGEST_OUTAGE_MS, f"{title}: dark for {outage.outage_ms:.0f} ms"
        return outage

    def goes_dark(self, title: str, deed: Callable[[], object], for_s: float = 1.0) -> None:
        """Do something that leaves nobody entitled to the address: then nobody may answer."""
        held, double_ms = self.holder, self.ledger.double_ms
        deed()
        self.until(lambda: not self.holder, f"{title}: nobody answers")
        dark_ns = time.monotonic_ns()
        self.go_on(for_s)
        assert self.ledger.answerers(dark_ns) == (), f"{title}: somebody answers without a majority"
        dark_ms = (time.monotonic_ns() - dark_ns) / 1e6
        self.rows.append((title, held, "nobody, rightly", dark_ms, 0, self.ledger.double_ms - double_ms))

    def summary(self, title: str, outages: Sequence[Outage]) -> None:
        """One row for many."""
        times = [outage.outage_ms for outage in outages]
        title = f"{title}: {len(times)} times, median (worst {max(times):.0f} ms)"
        lost = sum(outage.lost for outage in outages)
        self.rows.append((title, "", "moves", statistics.median(times), lost, self.ledger.double_ms))

    def _is_over(self, since_ns: int, held: str, moves: bool | None) -> bool:
        outage = self.ledger.within(since_ns, time.monotonic_ns())
        return outage.over and (not moves or outage.after != held)


def both_ways(ones: Sequence[str], others: Sequence[str]) -> list[tuple[str, str]]:
    """Every way from the ones to the others, and back."""
    pairs = [(one, other) for one in ones for other in others]
    return pairs + [(other, one) for one, other in pairs]


def _new(path: Sequence[str], held: str) -> Sequence[str]:
    return path[1:] if path[:1] == (held,) else path


Body = Callable[[Stage], None]


def scenario(
    setting: Stack | None = None, *, begins: bool = True, ends_well: bool = True, covered: bool = True
) -> Callable[[Body], Callable[[Callable[[str, object], None]], None]]:
    """Decorates a scenario. `begins`: whether all Pis are under power and well when it begins; `ends_well`: whether they are
    when it ends; `covered`: whether the rules promise that no two answer."""

    def decorate(body: Body) -> Callable[[Callable[[str, object], None]], None]:
        def test(record_property: Callable[[str, object], None]) -> None:
            if reason_to_skip() or filters_refused():
                pytest.skip(reason_to_skip() or filters_refused())
            rules = {"begins": begins, "ends_well": ends_well, "covered": covered}
            rows, failure = _played(lambda: SceneWorld(setting or Setting(3)), body, rules)
            record_property(ROWS, json.dumps(rows))
            if failure:
                pytest.fail(failure, pytrace=False)

        test.__name__, test.__qualname__, test.__doc__ = body.__name__, body.__qualname__, body.__doc__
        test.__module__ = body.__module__
        return pytest.mark.scenario(test)

    return decorate


def _played(make: Callable[[], SceneWorld], body: Body, rules: Mapping[str, bool]) -> tuple[list[Row], str]:
    """In namespaces of its own; what it has to tell comes back through a file that has no name."""
    with os.fdopen(os.memfd_create("scenario"), "r+", encoding="utf-8") as told:
        code = run_isolated(lambda: _act(make, body, told.fileno(), **rules))
        told.seek(0)
        words = told.read()
    if not words:
        return [], f"the scenario ended with code {code}, and said nothing"
    rows, failure = json.loads(words)
    return rows, failure


def _act(make: Callable[[], SceneWorld], body: Body, told: int, *, begins: bool, ends_well: bool, covered: bool) -> int:
    signal.signal(signal.SIGALRM, _too_long)
    signal.setitimer(signal.ITIMER_REAL, WHOLE_S)
    rows: list[Row] = []
    failure = ""
    with make() as world:
        try:
            stage = Stage(world)
            rows = stage.rows
            if begins:
                stage.director.start()
            body(stage)
            if ends_well:
                stage.all_well()
            stage.go_on(AFTERMATH_S)
            assert stage.ledger.double_ms == 0 or not covered, f"two nodes answered for {stage.ledger.double_ms:.0f} ms"
        except BaseException:  # an assertion as well as an error belongs into the report of the process outside
            failure = f"{traceback.format_exc()}\n{report.last_words(world.logs, LOG_LINES)}"
    os.write(told, json.dumps([rows, failure]).encode())
    return 0


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError(f"the scenario took more than {WHOLE_S:.0f} s")
