"""True time and what happens in it: a heap of events, and the journal that tells them to people."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import Any

NEVER_NS = 1 << 62
COUNTER_BITS = (1 << 32) - 1
"""The part of a claim's number that counts; the rest tells incarnations apart."""


class Timeline:
    """Events in the order of their true time (whole nanoseconds); those of one instant in the order of their scheduling."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._heap: list[tuple[int, int, Callable[..., object], tuple[Any, ...]]] = []
        self._scheduled = 0

    def at(self, true_ns: int, action: Callable[..., object], *arguments: Any) -> None:
        self._scheduled += 1
        heapq.heappush(self._heap, (max(true_ns, self.now_ns), self._scheduled, action, arguments))

    def after(self, delay_ns: int, action: Callable[..., object], *arguments: Any) -> None:
        self.at(self.now_ns + delay_ns, action, *arguments)

    def forget(self, actions: Iterable[Callable[..., object]]) -> None:
        """What was scheduled for these actions does not happen."""
        forgotten = list(actions)
        self._heap = [event for event in self._heap if event[2] not in forgotten]
        heapq.heapify(self._heap)

    def run_until(self, true_ns: int, stop: Callable[[], bool]) -> None:
        """Let everything happen up to that time, or until `stop` says so, which is asked after each event."""
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] <= true_ns:
            self.now_ns, _, action, arguments = pop(heap)
            action(*arguments)
            if stop():
                return
        self.now_ns = max(self.now_ns, true_ns)


class Journal:
    """The transcript of a run, one line for each happening: true time in ms, the node, what came in and what came out."""

    def __init__(self, timeline: Timeline, write: Callable[[str], None]) -> None:
        self._timeline = timeline
        self._write = write

    def note(self, node: str, text: str) -> None:
        self._write(f"{self._timeline.now_ns / 1e6:12.3f}  {node:<6} {text}")


def told(value: object) -> str:
    """A message or an effect in one short line."""
    words = []
    for name in getattr(value, "__slots__", ()):
        field = getattr(value, name)
        if field in ("", False, None):
            continue
        if hasattr(field, "__slots__"):
            words.append(told(field))
        elif name == "number":
            words.append(f"#{field & COUNTER_BITS}")
        elif name.endswith("_ns"):
            words.append(f"{name[:-3]}={field / 1e6:.3f} ms")
        else:
            words.append(f"{name}={getattr(field, 'value', field)}")
    return f"{type(value).__name__}({', '.join(words)})"
