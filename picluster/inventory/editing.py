"""Changing an inventory that somebody wrote by hand: only what changes is touched, everything else stays byte for byte.

`manuscript` does it on the text. In return the result is read again here: unless it says exactly what it said before, with
nothing but what was asked for changed, it is not handed out, and the mistake says what to write by hand.

Voters come and go one at a time, and each step counts the epoch up by one: then the majorities before and after it share a
voter (docs/failover.md). So from three voters to five there are two steps, with four voters in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from picluster.errors import InventoryError, Mistake
from picluster.inventory.lines import KeyPath, Lines
from picluster.inventory.loader import load
from picluster.inventory.manuscript import Manuscript, Setting, spelled
from picluster.inventory.reader import spelled_out, suggestion
from picluster.inventory.syntax import parse, plain
from picluster.model.inventory import Inventory

__all__ = ["with_node", "with_timers", "with_voters", "without_node"]

FAILOVER = "failover"
VOTERS: KeyPath = ("quorum", "voters")
EPOCH: KeyPath = ("cluster", "epoch")


def with_timers(text: str, source: str, timers: Mapping[str, int]) -> str:
    """The text of an inventory with these keys of `[failover]` set, and nothing else changed. InventoryError where it is no
    TOML, or written in a way in which only a person should edit it."""
    wanted = parse(plain(text), source)
    draft = Manuscript(text)
    for key, value in timers.items():
        draft.set((FAILOVER, key), str(value))
        wanted.setdefault(FAILOVER, {})[key] = value
    return _read_again(draft, source, wanted, FAILOVER, [f"{key} = {value}" for key, value in timers.items()])


def with_node(text: str, source: str, name: str, settings: Mapping[str, Setting], *, votes: bool = False) -> str:
    """The text with a node more: `settings` are its keys, such as `address` or `role`. It becomes a voter only if it
    `votes`, which is a new epoch; where every node has voted without being named, the voters are named from now on.

    Raises InventoryError where the text is no inventory, or would be none afterwards."""
    change = _Change(text, source)
    change.add_node(name, settings)
    voters = change.inventory.configuration.voters
    if votes:
        change.set_voters((*voters, name))
    else:
        change.name_voters(voters)
    return change.text()


def without_node(text: str, source: str, name: str) -> str:
    """The text without the node: as candidate it goes too, and as voter, which is a new epoch. Comments in its section go
    with it, those above stay. Raises InventoryError where there is no such node, or where the rest would be no
    inventory."""
    change = _Change(text, source)
    change.remove_node(name)
    voters = change.inventory.configuration.voters
    if name in voters:
        change.set_voters(tuple(voter for voter in voters if voter != name))
    return change.text()


def with_voters(text: str, source: str, voters: Sequence[str]) -> str:
    """The text with one voter more or less, and its epoch counted up; unchanged where these are the voters already. Raises
    InventoryError where more than one would come or go, and where the rest would be no inventory."""
    change = _Change(text, source)
    change.set_voters(tuple(voters))
    return change.text()


class _Change:
    """A draft, and what it shall mean, kept in step."""

    def __init__(self, text: str, source: str) -> None:
        self.inventory: Inventory = load(text, source)
        self._source = source
        self._lines = Lines(plain(text))
        self._draft = Manuscript(text)
        self._wanted = parse(plain(text), source)
        self._by_hand: dict[str, str] = {}

    def text(self) -> str:
        text = _read_again(self._draft, self._source, self._wanted, "nodes", tuple(self._by_hand.values()))
        load(text, self._source)
        return text

    def add_node(self, name: str, settings: Mapping[str, Setting]) -> None:
        if self.inventory.node(name) is not None:
            raise self._mistake(("nodes", name), "is there already", "Choose another name")
        self._draft.add_named(("nodes", name), settings)
        self._wanted["nodes"][name] = dict(settings)
        pairs = (f"{key} = {spelled(value)}" for key, value in settings.items())
        self._by_hand["node"] = ", ".join([f"[nodes.{name}]", *pairs])

    def remove_node(self, name: str) -> None:
        if self.inventory.node(name) is None:
            raise self._mistake(("nodes",), f"there is no node {name}", suggestion(name, self.inventory.node_names))
        self._draft.remove_named(("nodes", name))
        del self._wanted["nodes"][name]
        self._by_hand["node"] = f"no [nodes.{name}], and no {name} in candidates and priorities"
        for address, section in self._wanted.get("addresses", {}).items():
            path = ("addresses", address)
            if name in section.get("candidates", ()):
                self._draft.remove_item((*path, "candidates"), name)
                section["candidates"].remove(name)
            if name in section.get("priorities", {}):
                self._draft.remove_named((*path, "priorities", name))
                del section["priorities"][name]

    def set_voters(self, voters: tuple[str, ...]) -> None:
        before = self.inventory.configuration.voters
        come, gone = [name for name in voters if name not in before], [name for name in before if name not in voters]
        if len(come) + len(gone) > 1:
            wrong = f"{' and '.join([*come, *gone])} would come or go at once"
            raise self._mistake(VOTERS, wrong, "Let one voter come or go at a time, and all nodes learn of it in between")
        if not come and not gone:
            return
        self.name_voters(before)
        named = self._wanted["quorum"]["voters"]
        for name in come:
            self._draft.add_item(VOTERS, spelled(name))
            named.append(name)
        for name in gone:
            self._draft.remove_item(VOTERS, name)
            named.remove(name)
        epoch = self.inventory.configuration.epoch + 1
        self._draft.set(EPOCH, str(epoch))
        self._wanted["cluster"]["epoch"] = epoch
        self._by_hand |= {"voters": f"voters = {_spelled_list(named)}", "epoch": f"epoch = {epoch}"}

    def name_voters(self, voters: Sequence[str]) -> None:
        """Where they are not named, every node votes: so before one comes that shall not, they have to be."""
        quorum: dict[str, Any] = self._wanted.setdefault("quorum", {})
        if "voters" not in quorum:
            self._draft.set(VOTERS, _spelled_list(voters), below=("cluster",))
            quorum["voters"] = list(voters)
            self._by_hand["voters"] = f"voters = {_spelled_list(voters)}"

    def _mistake(self, path: KeyPath, wrong: str, mend: str) -> InventoryError:
        return InventoryError([Mistake(self._source, self._lines.line_of(path), spelled_out(path), wrong, mend)])


def _spelled_list(names: Sequence[str]) -> str:
    return f"[{', '.join(map(spelled, names))}]"


def _read_again(draft: Manuscript, source: str, wanted: dict[str, Any], key: str, by_hand: Sequence[str]) -> str:
    """The draft's text, if it means what it shall."""
    try:
        found = parse(plain(draft.text), source)
    except InventoryError:
        found = {}
    if found != wanted:
        wrong = "this section is written in a way that cannot be edited safely"
        raise InventoryError([Mistake(source, None, key, wrong, f"Write these into it by hand: {', '.join(by_hand)}")])
    return draft.text
