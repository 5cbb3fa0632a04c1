"""Nodes and voters come, go, and are replaced, while the cluster runs: one step after the other, each confirmed.

A change of the voters is a step from one epoch to the next, and the next step is taken only when this one is final
(docs/failover.md): a majority of the voters of both epochs lives by the newer one, and one longest lease has passed since.
Everything else, such as a node that does not vote, changes within an epoch and needs no majority.

The inventory's file is written first, and then brought to all agents. So a run that is cut leaves a file that some agents
do not live by yet; `settle` finds that and completes it before anything else is begun. Nothing more has to be remembered:
what was there before is told by the agents that still live by it. Where none does that is reached, a majority of the newer
epoch's voters is enough, since each majority of the older one has one of these among it, and it refuses what is older.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from picluster.controller.crew import Outcome
from picluster.controller.dispatch import Arrival, Cargo, Dispatch, Electorate, electorate
from picluster.errors import InventoryError, Mistake, ProvisionError
from picluster.inventory import load
from picluster.inventory.editing import with_node, with_voters, without_node
from picluster.inventory.manuscript import Manuscript, Setting
from picluster.model.inventory import Configuration, Inventory, Node, Role
from picluster.model.timing import LONGEST_LEASE_MS, NANOSECONDS_PER_MS, grant_length_ns

__all__ = ["Edition", "Membership", "is_final", "without_serial", "without_tie_breaker"]

UNFINISHED = "The step is begun, and not final. Bring these back, and run the same again: it goes on here"


@dataclass(frozen=True, slots=True)
class Edition:
    """An inventory as its user wrote it, and what it means."""

    text: str
    inventory: Inventory

    @property
    def configuration(self) -> Configuration:
        return self.inventory.configuration

    @property
    def electorate(self) -> Electorate:
        return electorate(self.configuration)


class Membership:
    """The file, and the agents that are to live by it. `write` replaces the file; `key` is the content of the key file."""

    def __init__(self, text: str, source: str, key: bytes, dispatch: Dispatch, write: Callable[[str], object]) -> None:
        self.edition = Edition(text, load(text, source))
        self.missed: dict[str, str] = {}
        """Nodes that do not live by the file, and why; they get it with the next `up`."""
        self._source, self._key, self._dispatch, self._write = source, key, dispatch, write
        self._silenced: set[str] = set()
        self._living: set[str] = set()
        """Who lived by the file when it was brought last."""
        self._nobody_set_up = False
        """No agent was set up anywhere yet, so nothing can go wrong."""

    def count_as_silent(self, node: str) -> None:
        """This node does not vote any more: its agent was stopped, or its machine is off for good."""
        self._silenced.add(node)

    # ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def settle(self) -> None:
        """Make the file final as it is, if it is not: what a run that was cut left undone. Raises ProvisionError."""
        outcomes = self._deliver("looking how it is")
        epoch = self.edition.configuration.epoch
        arrivals = [outcome.value for outcome in outcomes.values() if outcome.value is not None and outcome.value.set_up]
        behind = [one for one in arrivals if one.epoch is not None and one.epoch < epoch]
        told = {one.electorate for one in behind if one.epoch == epoch - 1 and one.electorate is not None}
        if epoch == 1 and not told:
            return
        self._require([self.edition.electorate, *told], UNFINISHED)
        # How long a lease may be that was taken by an older file, nobody knows.
        self.let_leases_pass(LONGEST_LEASE_MS if behind else self.edition.configuration.timing.lease_ms)

    def step(self, text: str) -> None:
        """Write this text, bring it to everybody, and come back when it is final. Raises ProvisionError where it is not, and
        then `settle` goes on with it."""
        if text == self.edition.text:
            return
        before, after = self.edition, Edition(text, load(text, self._source))
        new_epoch = before.configuration.epoch != after.configuration.epoch
        electorates = [before.electorate, after.electorate] if new_epoch else []
        # Before anything is written: a step that cannot become final may leave the addresses dark.
        self._require(electorates, "Nothing was changed. Bring these back first")
        self._write(text)
        self.edition = after
        self._deliver(f"living by epoch {after.configuration.epoch}")
        if new_epoch:
            self._require(electorates, UNFINISHED)
            self.let_leases_pass(max(one.configuration.timing.lease_ms for one in (before, after)))

    def _deliver(self, stage: str) -> Mapping[str, Outcome[Arrival]]:
        cargo = Cargo(self.edition.inventory, self.edition.text.encode(), self._key)
        nodes = [node for node in self.edition.inventory.nodes if node.name not in self._silenced]
        outcomes = self._dispatch.deliver(cargo, nodes, stage)
        self.missed = {name: str(outcome.failure) for name, outcome in outcomes.items() if not outcome.ok}
        self._living = {name for name, one in outcomes.items() if one.value is not None and one.value.set_up}
        self._nobody_set_up = not self._living and not self.missed
        return outcomes

    def _require(self, electorates: Sequence[Electorate], mend: str) -> None:
        """A majority of each, among those that live by the file or vote no more."""
        if self._nobody_set_up or is_final(self._living | self._silenced, electorates):
            return
        others = sorted(frozenset().union(*electorates) - self._living - self._silenced)
        reasons = "\n".join(f"  {name}: {self.missed.get(name, 'no agent was set up there')}" for name in others)
        raise ProvisionError(f"a majority of the voters, before and after the step, has to live by it:\n{reasons}\n{mend}")

    def let_leases_pass(self, longest_lease_ms: int) -> None:
        """Wait until a lease of that length has run out, whoever has it.

        The margin counts twice: for the grant, and for this machine's clock.
        """
        self._dispatch.pause(grant_length_ns(grant_length_ns(longest_lease_ms * NANOSECONDS_PER_MS)) / 1e9)

    # ── verbs ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def announce(self, name: str, settings: Mapping[str, Setting]) -> None:
        """The node is in the inventory. A witness votes from now on, since it is there for nothing else; others do not yet.
        Nothing happens where it is there already."""
        if self.edition.inventory.node(name) is not None:
            return
        votes = settings.get("role") == Role.WITNESS.value
        if votes:
            self._do_without_tie_breaker()
        self.step(with_node(self.edition.text, self._source, name, settings, votes=votes))

    def give_vote(self, name: str) -> None:
        """The node votes. Nothing happens where it does already."""
        if name in self.edition.configuration.voters:
            return
        self._do_without_tie_breaker()
        self.step(with_voters(self.edition.text, self._source, (*self.edition.configuration.voters, name)))

    def take_vote(self, name: str) -> None:
        """The node votes no more. Nothing happens where it does not, or is a witness: that goes with its vote."""
        node, voters = self.edition.inventory.node(name), self.edition.configuration.voters
        if name not in voters or (node is not None and node.role is Role.WITNESS):
            return
        self._do_without_tie_breaker()
        self.step(with_voters(self.edition.text, self._source, tuple(voter for voter in voters if voter != name)))

    def forget(self, name: str) -> None:
        """The node is in the inventory no more; it was silenced before."""
        self.step(without_node(self.edition.text, self._source, name))

    def forget_board(self, name: str) -> None:
        """The node may be another board from now on."""
        self.step(without_serial(self.edition.text, self._source, name))

    def node(self, name: str) -> Node:
        """Raises ProvisionError where there is none."""
        node = self.edition.inventory.node(name)
        if node is None:
            raise ProvisionError(f"there is no node {name} in {self._source}; all agents that were reached live by it")
        return node

    def _do_without_tie_breaker(self) -> None:
        """The gateway has a vote of its own, and goes in a step of its own."""
        if self.edition.configuration.tie_breaker:
            self.step(without_tie_breaker(self.edition.text, self._source))


def is_final(living: Collection[str], electorates: Iterable[Electorate]) -> bool:
    """Whether a majority of each electorate is among those that live by the newest epoch, or vote no more."""
    return all(2 * len(one.intersection(living)) > len(one) for one in electorates)


# ── edits of the inventory ──────────────────────────────────────────────────────────────────────────────────────────────


def without_serial(text: str, source: str, name: str) -> str:
    """The text without the node's serial number. Raises InventoryError where it can only be edited by hand."""
    inventory = load(text, source)
    nodes = tuple(replace(node, serial=None) if node.name == name else node for node in inventory.nodes)
    wanted = replace(inventory, nodes=nodes)
    if wanted == inventory:
        return text
    draft = Manuscript(text)
    draft.remove_named(("nodes", name, "serial"))
    return _checked(draft.text, source, wanted, f"nodes.{name}.serial", "Delete this key by hand")


def without_tie_breaker(text: str, source: str) -> str:
    """The text with the same two voters and no gateway that breaks their tie, in the next epoch."""
    inventory = load(text, source)
    before = inventory.configuration
    wanted = replace(inventory, configuration=replace(before, tie_breaker=False, epoch=before.epoch + 1))
    voters = ", ".join(f'"{voter}"' for voter in before.voters)
    draft = Manuscript(text)
    draft.set(("quorum", "voters"), f"[{voters}]")
    draft.remove_named(("quorum", "two_node"))
    draft.set(("cluster", "epoch"), str(wanted.configuration.epoch))
    by_hand = f"Delete it by hand, write voters = [{voters}], and epoch = {wanted.configuration.epoch} in [cluster]"
    return _checked(draft.text, source, wanted, "quorum.two_node", by_hand)


def _checked(text: str, source: str, wanted: Inventory, key: str, by_hand: str) -> str:
    """The text, if it says what it shall."""
    try:
        if load(text, source) == wanted:
            return text
    except InventoryError:
        pass
    raise InventoryError([Mistake(source, None, key, "this is written in a way that cannot be edited safely", by_hand)])
