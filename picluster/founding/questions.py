"""What a person is asked for a new cluster, one question after the other, and what is wrong with an answer.

Every answer is judged by the inventory that it makes: of the mistakes that loading it finds, those count that stand at the
question's keys. The others are for questions that are still to come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from picluster.errors import InventoryError
from picluster.founding.draft import Draft, NewAddress, NewNode, named, written
from picluster.inventory import load

__all__ = [
    "QUESTIONS",
    "Question",
    "address_of",
    "complaints",
    "node_of",
    "open_questions",
    "with_members",
    "with_witnesses",
]

Item = TypeVar("Item", NewNode, NewAddress)

FLOATING_NAME = "web"


@dataclass(frozen=True, slots=True)
class Question:
    flag: str
    """The option that answers it, too."""
    words: str
    keys: tuple[str, ...]
    """Where in the inventory mistakes stand that the answer answers for."""
    proposal: Callable[[Draft], str]
    """What an empty answer means; empty where nothing can be proposed."""
    answered: Callable[[Draft, str], Draft]
    needed: bool = False
    """Whether there is no inventory without it that anybody would want."""
    due: Callable[[Draft], bool] = lambda _: True


def open_questions(given: Iterable[str], draft: Draft) -> tuple[Question, ...]:
    """Those that no option has answered."""
    flags = set(given)
    return tuple(question for question in QUESTIONS if question.flag not in flags and question.due(draft))


def complaints(question: Question, draft: Draft) -> tuple[str, ...]:
    """What is wrong with the answer, and how to mend it, as sentences."""
    try:
        load(written(draft), draft.cluster)
    except InventoryError as error:
        return tuple(
            f"{mistake.wrong}. {mistake.mend}."
            for mistake in error.mistakes
            if not mistake.key or mistake.key.startswith(question.keys)
        )
    return ()


def node_of(word: str) -> NewNode:
    """`pi1`, or `pi1=192.168.1.21`."""
    return NewNode(*named(word))


def address_of(word: str) -> NewAddress:
    """`web=192.168.1.200`, or the address alone."""
    name, address = named(word)
    return NewAddress(name, address) if address else NewAddress(FLOATING_NAME, name)


def with_members(draft: Draft, members: Sequence[NewNode]) -> Draft:
    return replace(draft, nodes=(*members, *(node for node in draft.nodes if node.witness)))


def with_witnesses(draft: Draft, witnesses: Sequence[NewNode]) -> Draft:
    return replace(draft, nodes=(*draft.members, *(replace(node, witness=True) for node in witnesses)))


def _each(line: str, kept: Sequence[Item], read: Callable[[str], Item]) -> tuple[Item, ...]:
    """Several in one line. What was proposed and is named again keeps what else is known of it."""
    known = {one.answer: one for one in kept}
    return tuple(known.get(word) or read(word) for word in line.replace(",", " ").split())


def _shown(items: Iterable[Item]) -> str:
    return " ".join(one.answer for one in items)


QUESTIONS = (
    Question(
        "--subnet",
        "Your home network",
        ("network.subnet",),
        lambda draft: draft.subnet,
        lambda draft, line: replace(draft, subnet=line),
    ),
    Question(
        "--gateway",
        "Your router",
        ("network.gateway",),
        lambda draft: draft.gateway,
        lambda draft, line: replace(draft, gateway=line),
    ),
    Question(
        "--node",
        "The Pis, with blanks between; NAME=ADDRESS where mDNS does not find one",
        ("nodes",),
        lambda draft: _shown(draft.members),
        lambda draft, line: with_members(draft, _each(line, draft.members, node_of)),
        needed=True,
    ),
    Question(
        "--witness",
        "A third machine that only votes, NAME=ADDRESS (none: your router's answer decides which of two Pis is cut off)",
        ("nodes", "quorum"),
        lambda _: "",
        lambda draft, line: with_witnesses(draft, _each(line, (), node_of)),
        due=lambda draft: len(draft.nodes) == len(draft.members) == 2 and not draft.voters,
    ),
    Question(
        "--address",
        "The floating address",
        ("addresses",),
        lambda draft: _shown(draft.addresses),
        lambda draft, line: replace(draft, addresses=_each(line, draft.addresses, address_of)),
        needed=True,
    ),
    Question(
        "--user",
        "The login on their cards",
        ("access",),
        lambda draft: draft.user,
        lambda draft, line: replace(draft, user=line),
    ),
    Question(
        "--time-zone",
        "Their time zone",
        ("system",),
        lambda draft: draft.time_zone,
        lambda draft, line: replace(draft, time_zone=line),
    ),
)
