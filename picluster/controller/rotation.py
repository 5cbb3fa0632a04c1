"""Another key for a cluster that runs, without a gap: everybody believes the new key before anybody seals with it, and
nobody seals with the old one any more before it is forgotten.

    one key        old          everybody lives by it: nobody may be left behind
    add            old, new     both are believed, the old one seals
    swap           new, old     both are believed, the new one seals
    drop           new

Before each step all agents say that they live by the one before. So every node has to be reached: one that is left out
would be deaf afterwards. Where one is not, it ends there, which harms nobody, and the next run goes on. A remark in the key
file says how far it is; it reaches the nodes with the file.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from picluster.controller.dispatch import Arrival, Cargo, Dispatch
from picluster.errors import ProvisionError
from picluster.model.inventory import Inventory
from picluster.wire import Keyring

__all__ = ["REMARKS", "KeyFile", "Rotation", "Stage", "stage_of"]


class Stage(enum.Enum):
    """How far a key file is, by the step that is next."""

    ONE = "add"
    ADDED = "swap"
    SWAPPED = "drop"


REMARKS = {
    "add": "# The second key is the new one: it is believed, and does not seal yet.",
    "swap": "# The first key is the new one: it seals, and the old one is still believed.",
}
"""By the step that was taken last, the line of the key file that says so."""
STAGES = {Stage.ADDED: REMARKS["add"], Stage.SWAPPED: REMARKS["swap"]}


def stage_of(text: str, source: str = "key file") -> Stage:
    """Raises InventoryError where it is no key file, and ProvisionError where nobody can tell which of two keys is new."""
    if len(Keyring.parse(text, source).keys) == 1:
        return Stage.ONE
    for stage, remark in STAGES.items():
        if remark in text.splitlines():
            return stage
    raise ProvisionError(
        f"{source} has two keys, and does not say which of them is the new one. If it is the second, write this line above "
        f"them: {REMARKS['add']}\nIf it is the first, this one: {REMARKS['swap']}"
    )


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Where the controller has the key. `take` is told the step, and writes the file."""

    read: Callable[[], bytes]
    take: Callable[[str], object]


class Rotation:
    """One rotation, from wherever it is to its end."""

    def __init__(self, inventory: Inventory, text: bytes, file: KeyFile, dispatch: Dispatch) -> None:
        self._inventory, self._text, self._file, self._dispatch = inventory, text, file, dispatch

    def run(self, tell: Callable[[str], object]) -> bool:
        """Take all steps that are left; False where nothing was left but to bring the new key to the last nodes. `tell` gets
        a sentence for each. Raises ProvisionError where some node does not live by what was brought last."""
        begun = self._stage is not Stage.ONE
        arrivals = self._bring()
        if not begun and any(one.other_key for one in arrivals):
            tell("a change that was begun before is through: everybody lives by this key. Run it again for another one")
            return False
        while True:
            step = self._stage.value
            self._file.take(step)
            self._bring()
            tell(TOLD[step])
            if self._stage is Stage.ONE:
                return True

    @property
    def _stage(self) -> Stage:
        return stage_of(self._file.read().decode("ascii", errors="replace"))

    def _bring(self) -> list[Arrival]:
        """The key file as it is to every node, until all live by it."""
        cargo = Cargo(self._inventory, self._text, self._file.read())
        outcomes = self._dispatch.deliver(cargo, self._inventory.nodes, "bringing the key")
        why_not = {name: str(outcome.failure) for name, outcome in outcomes.items() if not outcome.ok}
        arrivals = {name: outcome.value for name, outcome in outcomes.items() if outcome.value is not None}
        why_not |= {name: "no agent was set up there" for name, one in arrivals.items() if not one.set_up}
        if why_not:
            reasons = "\n".join(f"  {name}: {why}" for name, why in why_not.items())
            raise ProvisionError(
                f"a key is changed only where every node is reached, since one that is left out would be deaf:\n{reasons}\n"
                "Bring these back, or take them out of the inventory (picluster node remove), and run the same again: it "
                "goes on here. Until then all goes on as it is"
            )
        return list(arrivals.values())


TOLD = {
    "add": "everybody believes the new key",
    "swap": "everybody seals with the new key",
    "drop": "nobody believes the old key any more",
}
