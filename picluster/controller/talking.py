"""The three conversations with the program on a node: what is it like, do this, take everything back.

`picluster.remote` says how they go on the wire. Here each becomes a call with a value, and what the program tells meanwhile
goes to whoever listens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass

from picluster.controller.lock import busy
from picluster.controller.progress import Kind, Progress
from picluster.controller.shell import Answer, Shell
from picluster.errors import ProvisionError
from picluster.provision.facts import Facts, Question, read_facts
from picluster.provision.plan import Change
from picluster.provision.steps import Blob, Step

__all__ = ["Applied", "Labelled", "Tell", "ask_facts", "labelled", "obey", "undo"]

Tell = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A step, and what it is for."""

    step: Step
    label: str


@dataclass(frozen=True, slots=True)
class Applied:
    """How far a node came: all of it, where no error was raised."""

    done: int
    changed: int
    """Steps that found something to do."""


def labelled(changes: Iterable[Change]) -> tuple[Labelled, ...]:
    return tuple(Labelled(step, change.what) for change in changes for step in change.steps)


def ask_facts(shell: Shell, question: Question) -> Facts:
    """Everything that is asked, in one round trip. Raises AccessError, and ProvisionError where the answer is none."""
    facts: Facts | None = None
    for answer in shell.talk({"do": "facts", "question": asdict(question)}):
        _refuse(answer)
        if answer.get("kind") == "facts":
            facts = read_facts(answer["facts"])
    if facts is None:
        raise ProvisionError("the program there ended without a word about the node; run this again")
    return facts


def obey(shell: Shell, node: str, steps: Sequence[Labelled], there: Collection[str], who: str, tell: Tell) -> Applied:
    """Have the steps done, in order. `there` are the digests of blobs that the node has already.

    Raises ProvisionError at the step that fails, or where another controller is at work there.
    """
    blobs = _missing([blob for labelled in steps for blob in labelled.step.blobs], there)
    request = {
        "do": "apply",
        "who": who,
        "steps": [labelled.step.request for labelled in steps],
        "blobs": {blob.digest: len(blob.data) for blob in blobs},
        "comment": f"{len(steps)} steps",
    }
    listener = _Listener(node, [labelled.label for labelled in steps], tell)
    for answer in shell.talk(request, blobs):
        listener.hear(answer)
    return listener.applied()


def undo(shell: Shell, node: str, who: str, tell: Tell) -> Applied:
    """Take away whatever was brought there, and put back what stood in its place."""
    listener = _Listener(node, [], tell)
    for answer in shell.talk({"do": "undo", "who": who}):
        listener.hear(answer)
    return Applied(listener.done, listener.changed)


def _missing(blobs: Iterable[Blob], there: Collection[str]) -> tuple[Blob, ...]:
    """Each once."""
    return tuple({blob.digest: blob for blob in blobs if blob.digest not in there}.values())


class _Listener:
    """Hears a node's answers to a list of steps."""

    def __init__(self, node: str, labels: Sequence[str], tell: Tell) -> None:
        self._node, self._labels, self._tell = node, labels, tell
        self._doing = "a step"
        self.done = 0
        self.changed = 0

    def hear(self, answer: Answer) -> None:
        _refuse(answer)
        text = str(answer.get("text", ""))
        match answer.get("kind"):
            case "begin":
                self._doing = self._label(answer) or text or self._doing
                self._say(Kind.STEP, self._doing)
            case "wait":
                self._say(Kind.WAIT, text)
            case "output":
                self._say(Kind.OUTPUT, text)
            case "done":
                self.done += 1
                self.changed += bool(answer.get("changed"))
            case "failed":
                raise ProvisionError(self._failure(answer))

    def applied(self) -> Applied:
        if self.done < len(self._labels):
            raise ProvisionError(f"it stopped after step {self.done} of {len(self._labels)} without a word; run this again")
        return Applied(self.done, self.changed)

    def _label(self, answer: Answer) -> str:
        index = answer.get("step")
        return self._labels[index] if isinstance(index, int) and 0 <= index < len(self._labels) else ""

    def _failure(self, answer: Answer) -> str:
        where = f" (step {self.done + 1} of {len(self._labels)})" if self._labels else ""
        return f"{self._doing}{where}: {answer.get('error', 'no reason was given')}"

    def _say(self, kind: Kind, text: str) -> None:
        self._tell(Progress(self._node, kind, text, self.done, len(self._labels)))


def _refuse(answer: Answer) -> None:
    """Raise what any conversation can end with."""
    if answer.get("kind") == "busy":
        raise ProvisionError(busy(str(answer.get("who", "")), float(answer.get("since", 0)), time.time()))
    if answer.get("kind") == "failed" and "step" not in answer:
        raise ProvisionError(str(answer.get("error", "no reason was given")))
