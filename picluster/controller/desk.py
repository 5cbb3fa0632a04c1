"""Where the threads that work on nodes come with what they have to say, and with what they have to ask.

One thread serves the desk: the one that has the terminal and gets Ctrl-C. So lines never mix, and a password is asked for in
one place, with the picture standing still and the echo given back whatever happens.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from picluster.controller.progress import Progress
from picluster.errors import AccessError

__all__ = ["Asked", "Desk", "Watcher"]


class Watcher(Protocol):
    """A person at the terminal, or a file that lines go to. Called by one thread only."""

    def hear(self, progress: Progress) -> None: ...

    def answer(self, question: str, *, secret: bool) -> str:
        """What they type, which is not shown where it is secret. Raises AccessError where nobody is there to type."""
        ...

    def tick(self) -> None:
        """A fraction of a second has passed: a picture that moves may move on."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on its way to whoever serves the desk."""

    question: str
    secret: bool
    reply: Future[str] = field(default_factory=Future)


class Desk:
    """A queue with one server. The thread that makes it is the one that serves it."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self._arrivals: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._server = threading.get_ident()
        self._closed = False

    def tell(self, progress: Progress) -> None:
        self.put(progress)

    def put(self, arrival: object) -> None:
        """Leave anything for whoever serves."""
        self._arrivals.put(arrival)

    def ask(self, question: str, *, secret: bool = True) -> str:
        """From any thread: what the person answers. Raises AccessError where nobody can or will."""
        if threading.get_ident() == self._server:
            return self.watcher.answer(question, secret=secret)
        asked = Asked(question, secret)
        self.put(asked)
        if self._closed:
            self.close()
        return asked.reply.result()

    def next(self, most_s: float) -> object:
        """What has arrived; None where nothing has in so many seconds."""
        try:
            return self._arrivals.get(timeout=most_s)
        except queue.Empty:
            return None

    def answer(self, asked: Asked) -> None:
        """Put the question to the person. Whoever asked is answered in any case, and does not wait for ever."""
        try:
            asked.reply.set_result(self.watcher.answer(asked.question, secret=asked.secret))
        except BaseException as error:
            refusal = error if isinstance(error, AccessError) else AccessError("nobody answered")
            asked.reply.set_exception(refusal)
            if refusal is not error:
                raise

    def close(self) -> None:
        """Nobody serves any more: whoever asks is told so, and what else arrives is kept for `next`."""
        self._closed = True
        kept = []
        while (arrival := self.next(0)) is not None:
            if isinstance(arrival, Asked):
                arrival.reply.set_exception(AccessError("nobody answered"))
            else:
                kept.append(arrival)
        for arrival in kept:
            self.put(arrival)
