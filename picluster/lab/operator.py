"""The keys of the demo: what a person can do to the virtual Pis, and what the client says came of it.

`picluster.cli.demo` joins it to the dashboard, which draws and listens.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from picluster.adapters.control import ask
from picluster.agent.observer import Feed
from picluster.errors import LabError, PiclusterError
from picluster.lab.ledger import RATE, Outage
from picluster.lab.world import ANSWER_S, Fault, World
from picluster.model.snapshot import ClientView, ClusterSnapshot, NodeState, NodeView

__all__ = ["DemoOperator", "KeyMeaning"]

LOSS_PERCENT = 20
PROMPT_S = 4.0
WINDOW_NS = 1_100_000_000
"""After this the first thousand requests have their answers."""
PATIENCE_NS = 10_000_000_000
"""After this an outage is told of although it lasts."""


@dataclass(frozen=True, slots=True)
class KeyMeaning:
    keys: str
    word: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that was done, and whose consequences are being counted."""

    what: str
    at_ns: int


class DemoOperator:
    """Hands out snapshots, and does what the keys say. Everything it does is done within a few milliseconds."""

    def __init__(self, world: World, notices: tuple[str, ...] = ()) -> None:
        self._world = world
        self._feed: Feed = world.observe()
        self._notices = notices
        self._prompt = ""
        self._prompt_until = 0.0
        self._deeds: deque[Deed] = deque()
        self._recent = ""
        self._actions: dict[str, Callable[[], str]] = {
            "s": self._standby,
            "m": self._move,
            "p": self._partition,
            "f": self._freeze,
            "l": self._loss,
        }
        for number, name in enumerate(world.stack.names, start=1):
            self._actions[str(number % 10)] = partial(self._power, name)

    @property
    def key_meanings(self) -> tuple[KeyMeaning, ...]:
        size = self._world.stack.size
        digits = f"1-{size}" if size < 10 else "1-9 0"
        return (
            KeyMeaning(digits, "power", "pull that Pi's power cable, or put it in again" + (" (0: pi10)" * (size == 10))),
            KeyMeaning("s", "standby", "the holder of web steps aside; again: it takes part again"),
            KeyMeaning("m", "move", "hand web to the next Pi"),
            KeyMeaning("p", "partition", "cut the holder off from the others, carriers up; again: heal"),
            KeyMeaning("f", "freeze", "stop the holder's agent between two instructions; again: go on"),
            KeyMeaning("l", "loss", f"lose {LOSS_PERCENT} % of all that the Pis tell each other; again: nothing"),
        )

    @property
    def prompt(self) -> str:
        """What the last key did or could not do, for a few seconds."""
        return self._prompt if time.monotonic() < self._prompt_until else ""

    def press(self, key: str) -> None:
        """Do what the key means; a key that means nothing is left alone."""
        self._world.client.pump()
        now_ns = time.monotonic_ns()
        try:
            what = self._act(key)
        except PiclusterError as error:
            self._say(str(error))
            return
        if what:
            self._say(what)
            self._deeds.append(Deed(what, now_ns))

    def expect(self, what: str) -> None:
        """Somebody else does this now: count what comes of it, as if a key had done it."""
        self._deeds.append(Deed(what, time.monotonic_ns()))

    def _act(self, key: str) -> str:
        if key.isdecimal() and key not in self._actions:
            raise LabError(f"there is no pi{int(key) or 10} here, only pi1 to pi{self._world.stack.size}; see --nodes")
        return self._actions[key]() if key in self._actions else ""

    def snapshot(self) -> ClusterSnapshot:
        self._world.client.pump()
        self._settle_deeds()
        seen = self._feed.latest()
        nodes = tuple(self._noted(node) for node in seen.nodes)
        return replace(seen, nodes=nodes, client=self._client_view(), notices=(*self._notices, *seen.notices))

    def close(self) -> None:
        self._feed.close()

    def _say(self, words: str) -> None:
        self._prompt = words
        self._prompt_until = time.monotonic() + PROMPT_S

    # ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _power(self, name: str) -> str:
        if name in self._world.powered:
            self._world.cut(name)
            return f"{name}: power cable pulled"
        self._world.plug(name)
        return f"{name}: plugged in"

    def _standby(self) -> str:
        resting = [node.name for node in self._feed.latest().nodes if node.state is NodeState.STANDBY]
        if resting:
            self._command(resting[0], {"do": "active"})
            return f"{resting[0]}: takes part again"
        holder = self._holder()
        self._command(holder, {"do": "standby"})
        return f"{holder}: on standby"

    def _move(self) -> str:
        holder = self._holder()
        others = [node.name for node in self._feed.latest().nodes if node.state in (NodeState.READY, NodeState.HOLDER)]
        names = self._world.stack.names
        start = names.index(holder) + 1
        target = next((name for name in names[start:] + names[:start] if name in others and name != holder), None)
        if target is None:
            raise LabError("there is no other Pi that web could move to")
        self._command(holder, {"do": "move", "address": "web", "to": target})
        return f"{holder}: hands web to {target}"

    def _partition(self) -> str:
        self._must_be_possible(Fault.PARTITION)
        if self._world.apart:
            self._world.heal()
            return "the network is whole again"
        holder = self._holder()
        self._world.part([holder])
        return f"{holder}: cut off from the others"

    def _freeze(self) -> str:
        self._must_be_possible(Fault.FREEZE)
        if self._world.frozen:
            frozen = sorted(self._world.frozen)
            for name in frozen:
                self._world.thaw(name)
            return f"{', '.join(frozen)}: agent goes on"
        holder = self._holder()
        self._world.freeze(holder)
        return f"{holder}: agent frozen"

    def _loss(self) -> str:
        self._must_be_possible(Fault.LOSS)
        self._world.lose(0 if self._world.loss_percent else LOSS_PERCENT)
        share = f"{self._world.loss_percent} %" if self._world.loss_percent else "nothing"
        return f"{share} of all that the Pis tell each other is lost"

    def _must_be_possible(self, fault: Fault) -> None:
        if reason := self._world.cannot.get(fault, ""):
            raise LabError(f"no {fault.value} here: {reason}")

    def _holder(self) -> str:
        holder = self._world.client.ledger.answering(time.monotonic_ns())
        if not holder:
            raise LabError("nobody holds web at the moment")
        return holder

    def _command(self, name: str, request: dict[str, str]) -> None:
        if name not in self._world.powered or name in self._world.frozen:
            raise LabError(f"{name} does not run, so it cannot be told anything")
        ask(self._world.run_dir(name), request, timeout_s=ANSWER_S)

    # ── what came of it ─────────────────────────────────────────────────────────────────────────────────────────────

    def _settle_deeds(self) -> None:
        """Tell of the oldest deed whose consequences are over."""
        now_ns = time.monotonic_ns()
        while self._deeds and now_ns - self._deeds[0].at_ns > WINDOW_NS:
            deed = self._deeds[0]
            outage = self._world.client.ledger.aftermath(deed.at_ns, now_ns)
            if not outage.over and now_ns - deed.at_ns < PATIENCE_NS:
                return
            self._deeds.popleft()
            self._recent = told(deed.what, outage)

    def _client_view(self) -> ClientView:
        now_ns = time.monotonic_ns()
        ledger = self._world.client.ledger
        answering = ledger.answering(now_ns)
        return ClientView(answering, ledger.sent, ledger.lost(now_ns), RATE, ledger.double_ms, self._recent)

    def _noted(self, node: NodeView) -> NodeView:
        """With what only the one who did it can know."""
        world = self._world
        note = ""
        if node.name not in world.powered:
            note = "no power"
        elif node.name in world.frozen:
            note = "agent frozen"
        elif node.name in world.apart:
            note = "cut off"
        elif node.name in world.crashed():
            note = "agent has ended"
        return replace(node, note=note) if note else node


def told(what: str, outage: Outage) -> str:
    """`pi1 → pi3 in 143 ms, 141 of 1,000 requests lost`, or that nobody noticed."""
    lost = f"{outage.lost:,} of {outage.requests:,} requests lost"
    if not outage.over:
        return f"{what}: nobody has answered for {outage.outage_ms / 1e3:.1f} s, {lost}"
    if outage.before == outage.after or not outage.before:
        return f"{what}: {lost}" if outage.lost else f"{what}: no request lost"
    return f"{outage.before} → {outage.after} in {outage.outage_ms:.0f} ms, {lost}"
