"""Many nodes side by side: a thread for each, one result for each, and nobody waits for ever for one that is silent.

A node that fails is a result beside the others. A node that is silent for too long is given up: its connection is cut, and
the others go on. On Ctrl-C all connections are cut, which ends the program on each node after the step at hand, and
`Interrupted` says which nodes had finished before.

Threads and not processes or an event loop: they wait for the network nearly all the time, paramiko has threads anyway, and
what a node's thread does can be read from top to bottom.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from picluster.controller.desk import Asked, Desk
from picluster.controller.progress import Kind, Progress
from picluster.controller.shell import Opener, Shell
from picluster.errors import AccessError, PiclusterError
from picluster.model.inventory import Node

__all__ = ["Crew", "Interrupted", "Outcome", "Task"]

Value = TypeVar("Value")
Task = Callable[[Node, Shell], Value]
"""What is done with one node, in a thread of its own."""

MOST_AT_ONCE = 32
"""Nodes that are worked on at the same time; more wait for their turn."""
TICK_S = 0.1
GRACE_S = 2.0
"""How long threads may take to notice that their connection was cut."""


@dataclass(frozen=True)
class Outcome(Generic[Value]):
    """What became of one node."""

    node: str
    took_s: float
    value: Value | None = None
    failure: Exception | None = None

    @property
    def ok(self) -> bool:
        return self.failure is None


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after all connections were cut."""

    def __init__(self, outcomes: Mapping[str, Outcome[Any]], unfinished: tuple[str, ...]) -> None:
        self.outcomes = outcomes
        self.unfinished = unfinished
        super().__init__(f"interrupted; not finished: {', '.join(unfinished)}" if unfinished else "interrupted")


class Crew:
    """Holds a connection to each node from the first time that it is needed until the end."""

    def __init__(
        self, opener: Opener, desk: Desk, most: int = MOST_AT_ONCE, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._opener = opener
        self.desk = desk
        self.most = most
        self.now_s = now_s
        self._shells: dict[str, Shell] = {}
        self._closed = False
        self._lock = threading.Lock()

    def each(
        self, nodes: Iterable[Node], task: Task[Value], silence_s: float, stage: str = "", *, quietly: bool = False
    ) -> dict[str, Outcome[Value]]:
        """Do the task with all of them, and wait until each has an outcome; in the order of `nodes`.

        A node that says nothing for `silence_s` seconds, by way of the desk or by ending, is given up. `quietly`: nobody is
        told how it ended, since it is only one look of many. Raises Interrupted; and whatever a task raised that is no
        failure of a node but a bug, once all have ended.
        """
        return _Round(self, tuple(nodes), task, silence_s, stage, quietly=quietly).play()

    def shell(self, node: Node) -> Shell:
        """The connection to the node; from any thread. Raises AccessError."""
        with self._lock:
            self._refuse_if_closed()
            shell = self._shells.get(node.name)
        if shell is not None:
            return shell
        self.desk.tell(Progress(node.name, Kind.STAGE, "connecting"))
        shell = self._opener(node)
        with self._lock:
            if not self._closed and node.name not in self._shells:
                self._shells[node.name] = shell
                return shell
        shell.close()
        self._refuse_if_closed()
        return self.shell(node)

    def hang_up(self, name: str) -> None:
        """The next who needs this node connects anew."""
        with self._lock:
            shell = self._shells.pop(name, None)
        if shell is not None:
            shell.close()

    def close(self) -> None:
        """Hang up everywhere, also where somebody is at work."""
        with self._lock:
            self._closed = True
            names = list(self._shells)
        for name in names:
            self.hang_up(name)
        self.desk.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise AccessError("ended before it was connected")


@dataclass(frozen=True, slots=True)
class _Ended(Generic[Value]):
    """A node's thread is through. `turn` tells it from one that was given up in an earlier round."""

    turn: object
    outcome: Outcome[Value]


class _Round(Generic[Value]):
    """One task for all nodes."""

    def __init__(
        self, crew: Crew, nodes: tuple[Node, ...], task: Task[Value], silence_s: float, stage: str, *, quietly: bool
    ) -> None:
        self._crew, self._desk, self._quietly = crew, crew.desk, quietly
        self._nodes, self._task, self._silence_s, self._stage = nodes, task, silence_s, stage
        self._waiting = deque(nodes)
        self._heard: dict[str, float] = {}
        """When each node that is worked on was last heard."""
        self._outcomes: dict[str, Outcome[Value]] = {}

    def play(self) -> dict[str, Outcome[Value]]:
        try:
            while self._waiting or self._heard:
                self._start()
                self._serve(TICK_S)
                self._give_up()
        except KeyboardInterrupt:
            raise self._interrupted() from None
        ordered = {node.name: self._outcomes[node.name] for node in self._nodes}
        for outcome in ordered.values():
            if outcome.failure is not None and not isinstance(outcome.failure, PiclusterError | OSError):
                raise outcome.failure
        return ordered

    def _start(self) -> None:
        while self._waiting and len(self._heard) < self._crew.most:
            node = self._waiting.popleft()
            self._heard[node.name] = self._crew.now_s()
            # A daemon: one that hangs for good must not keep the program from ending.
            threading.Thread(target=self._work, args=(node,), name=node.name, daemon=True).start()

    def _work(self, node: Node) -> None:
        """In the node's thread."""
        began = self._crew.now_s()
        value: Value | None = None
        failure: Exception | None = None
        try:
            shell = self._crew.shell(node)
            if self._stage:
                self._desk.tell(Progress(node.name, Kind.STAGE, self._stage))
            value = self._task(node, shell)
        except Exception as error:  # it belongs to whoever waits for the outcome
            failure = error
        if isinstance(failure, AccessError):
            self._crew.hang_up(node.name)
        self._desk.put(_Ended(self, Outcome(node.name, self._crew.now_s() - began, value, failure)))

    def _serve(self, most_s: float) -> None:
        arrival = self._desk.next(most_s)
        if isinstance(arrival, Progress):
            if arrival.node in self._heard:
                self._heard[arrival.node] = self._crew.now_s()
                self._desk.watcher.hear(arrival)
        elif isinstance(arrival, Asked):
            self._desk.answer(arrival)
            # Nobody is to blame for the time that a person took.
            self._heard = dict.fromkeys(self._heard, self._crew.now_s())
        elif isinstance(arrival, _Ended) and arrival.turn is self:
            self._note(arrival.outcome)
        self._desk.watcher.tick()

    def _note(self, outcome: Outcome[Value]) -> None:
        if self._heard.pop(outcome.node, None) is None:
            return  # it had been given up
        self._outcomes[outcome.node] = outcome
        if self._quietly:
            return
        kind, text = (Kind.ENDED, "") if outcome.failure is None else (Kind.FAILED, str(outcome.failure))
        self._desk.watcher.hear(Progress(outcome.node, kind, text))

    def _give_up(self) -> None:
        now = self._crew.now_s()
        for name, heard in list(self._heard.items()):
            if now - heard > self._silence_s:
                self._crew.hang_up(name)
                error = AccessError(f"said nothing for {self._silence_s:.0f} s and was given up; look whether it still runs")
                self._note(Outcome(name, now - heard, failure=error))

    def _interrupted(self) -> Interrupted:
        """Cut everything, and hear who has noticed."""
        finished = dict(self._outcomes)
        self._crew.close()
        deadline = time.monotonic() + GRACE_S
        while self._heard and (left_s := deadline - time.monotonic()) > 0:
            arrival = self._desk.next(left_s)
            if isinstance(arrival, _Ended) and arrival.turn is self:
                self._heard.pop(arrival.outcome.node, None)
                if arrival.outcome.ok:
                    finished[arrival.outcome.node] = arrival.outcome
        unfinished = tuple(node.name for node in self._nodes if node.name not in finished)
        return Interrupted(finished, unfinished)
