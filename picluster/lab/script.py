"""The scenes that the demo plays by itself, and what came of each.

    a power cut       the holder's cable is pulled; another Pi has to take over
    the return        it is plugged in again; the address stays where it is
    a partition       the holder is cut off from everybody; it has to let go before another Pi takes over
    a frozen agent    the holder's agent stops running, and its kernel has to shut the gate by itself

Where no kernel rents the address out (`Fault.FREEZE` in the world's remarks), a frozen agent keeps it until it thaws. There
the last scene thaws it before anybody can take over, the same node may have the address again, and the remark says why.

Every figure is the client's. A scene fails if nobody took over, or if two nodes answered, be it for a millisecond.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from picluster.errors import ControlError, LabError
from picluster.lab.ledger import Outage
from picluster.lab.world import Fault, World
from picluster.model.snapshot import NodeState

__all__ = ["SCENES", "Director", "Result", "Scene"]

STARTING_S = 20.0
TAKEOVER_S = 5.0
WINDOW_S = 1.1
"""How long a fault lasts, at least: 1,000 requests, and the time that their answers may take."""
AFTERMATH_S = 0.3
"""How long it is watched, after a fault has ended, whether two answer."""
CALM_S = 0.2
STEP_S = 0.05
WELL = {state.value for state in (NodeState.HOLDER, NodeState.READY, NodeState.WITNESS)}


@dataclass(frozen=True, slots=True)
class Scene:
    name: str
    title: str
    """For the table; `{holder}` is who holds the address."""
    moves: bool
    """Whether another node has to take over."""
    needs: Fault | None = None


SCENES = (
    Scene("cut", "power cut: {holder} goes dark", moves=True),
    Scene("return", "return: {other} boots again", moves=False),
    Scene("partition", "partition: {holder} is cut off", moves=True, needs=Fault.PARTITION),
    Scene("freeze", "freeze: {holder}'s agent hangs", moves=True, needs=Fault.FREEZE),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a scene. `failure`, `skipped` and `remark` are sentences' ends, empty where there is nothing to say."""

    scene: str
    title: str
    held: str = ""
    took_over: str = ""
    outage_ms: float = 0.0
    lost: int = 0
    requests: int = 0
    double_ms: float = 0.0
    failure: str = ""
    skipped: str = ""
    remark: str = ""
    """What of it would be different on real Pis."""


class Director:
    """Plays the scenes in a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._dark = ""
        """The Pi that was cut last."""

    def start(self) -> float:
        """Plug every Pi in and wait until the address is answered for and all agents know each other; returns how long that
        took in seconds. Raises LabError where it does not happen."""
        began = time.monotonic()
        for name in self._world.stack.names:
            self._world.plug(name)
        if not self.wait(lambda: bool(self.holder) and self.all_well(), STARTING_S):
            raise LabError(f"the virtual Pis did not find each other within {STARTING_S:.0f} s. Their logs say why")
        return time.monotonic() - began

    @property
    def holder(self) -> str:
        """Who answers the client now."""
        return self._world.client.ledger.answering(time.monotonic_ns())

    def title(self, scene: Scene) -> str:
        return scene.title.format(holder=self.holder or "nobody", other=self._dark or "the other")

    def play(self, scene: Scene) -> Result:
        """Play it to its end, until all is well again."""
        reason = self._world.cannot.get(scene.needs, "") if scene.needs else ""
        if reason:
            return Result(scene.name, self.title(scene), skipped=reason)
        self.wait(lambda: False, CALM_S)
        if not self.wait(lambda: bool(self.holder), TAKEOVER_S):
            return Result(scene.name, self.title(scene), failure="nobody answers, even before it began")
        title, held = self.title(scene), self.holder
        began_ns, doubles_ms = time.monotonic_ns(), self._world.client.ledger.double_ms
        end = self._begin(scene, held)
        self.wait(lambda: False, WINDOW_S)
        remark = self._world.remarks.get(scene.needs, "") if scene.needs else ""
        if remark and scene.needs is Fault.FREEZE:
            end()
            scene = replace(scene, moves=False)
        self.wait(lambda: self._answered_again(began_ns, held, moves=scene.moves), TAKEOVER_S)
        counted = self._aftermath(began_ns)
        end()
        well = self.wait(self.all_well, STARTING_S)
        self.wait(lambda: False, AFTERMATH_S)
        doubles_ms = self._world.client.ledger.double_ms - doubles_ms
        return replace(judged(scene, title, held, counted, doubles_ms, well=well), remark=remark)

    def _begin(self, scene: Scene, holder: str) -> Callable[[], None]:
        """Make it happen; returns what ends it."""
        world = self._world
        if scene.name == "cut":
            self._dark = holder
            world.cut(holder)
            return lambda: None
        if scene.name == "return":
            world.plug(self._dark)
            return lambda: None
        if scene.name == "partition":
            world.part([holder])
            return world.heal
        world.freeze(holder)
        return lambda: world.thaw(holder)

    def _answered_again(self, since_ns: int, held: str, *, moves: bool) -> bool:
        outage = self._aftermath(since_ns)
        return outage.over and (outage.after != held or not moves)

    def _aftermath(self, since_ns: int) -> Outage:
        return self._world.client.ledger.aftermath(since_ns, time.monotonic_ns())

    def all_well(self) -> bool:
        """Whether every Pi that runs is well, in the eyes of every other one: two that have not met yet would vote against
        each other when the third one dies. Agents are asked for this and for nothing else; no result hangs on it."""
        return all(self._sees_all_well(name) for name in self._world.running)

    def _sees_all_well(self, name: str) -> bool:
        try:
            seen = self._world.status(name)
        except ControlError:
            return False
        return all(seen.get(other) in WELL for other in self._world.running)

    def wait(self, over: Callable[[], bool], most_s: float) -> bool:
        """Keep counting until it is over; False where that took too long."""
        deadline = time.monotonic() + most_s
        while time.monotonic() < deadline:
            if over():
                return True
            self._world.client.pump(STEP_S)
            for name in self._world.crashed():
                raise LabError(f"the agent of {name} has ended by itself. Its log says why")
        return False


def judged(scene: Scene, title: str, held: str, counted: Outage, double_ms: float, *, well: bool = True) -> Result:
    """Whether that is what has to come of the scene. `well`: whether all Pis with power were well at its end."""
    failure = ""
    if double_ms:
        failure = f"two nodes answered for {double_ms:.0f} ms"
    elif scene.moves and counted.after in ("", held):
        failure = "nobody took over"
    elif not counted.after:
        failure = "nobody answers"
    elif not well:
        failure = f"not all Pis were well again within {STARTING_S:.0f} s"
    return Result(
        scene.name, title, held, counted.after, counted.outage_ms, counted.lost, counted.requests, double_ms, failure
    )
