"""The events of all agents as one story: read from the journals of their nodes, and brought into the order of time.

The journal stamps each line in microseconds and keeps it over restarts of the agent, which the agent's own memory of events
does not. Its lines are those of `picluster.agent.journal`; what else an agent says, a traceback say, is no event.

The order is that of the nodes' own clocks. Within what these differ by, under NTP milliseconds, it may be wrong.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from picluster.model.events import Event, EventKind, Severity

__all__ = ["JOURNAL", "Story", "Told", "as_json", "read_told", "told_line"]

JOURNAL = (
    "journalctl _SYSTEMD_UNIT=picluster.service _TRANSPORT=stdout --no-pager --quiet --all "
    "--output=json --output-fields=MESSAGE"
)
"""What the agent itself has said; systemd's words about it are another unit's. `--all`: long messages too."""
HEAD = re.compile(r"(?P<severity>[a-z]+) (?P<kind>[a-z-]+)(?P<fields>(?: [a-z_]+=\S+)*)")
SIGNS = {Severity.INFO: "·", Severity.WARNING: "!", Severity.BAD: "✗"}


@dataclass(frozen=True, slots=True, order=True)
class Told:
    """An event, who told it, and when by that one's clock."""

    at_us: int
    """Since 1970."""
    by: str
    event: Event = field(compare=False)


class Story:
    """Puts into order what comes from many nodes as it happens: each event is held back until those that happened before it,
    and take longer on their way, have had time to come."""

    def __init__(self, hold_s: float = 0.5) -> None:
        self._hold_s = hold_s
        self._held: list[tuple[float, Told]] = []

    def hear(self, told: Told, now_s: float) -> None:
        self._held.append((now_s, told))

    def ripe(self, now_s: float) -> list[Told]:
        """What may be told now, in order. Whatever is older than one of these goes with it."""
        latest = max((told.at_us for heard_s, told in self._held if now_s - heard_s >= self._hold_s), default=None)
        if latest is None:
            return []
        ready = [told for _, told in self._held if told.at_us <= latest]
        self._held = [(heard_s, told) for heard_s, told in self._held if told.at_us > latest]
        return sorted(ready)

    def rest(self) -> list[Told]:
        """Everything that is left, in order."""
        left, self._held = sorted(told for _, told in self._held), []
        return left


def read_told(node: str, line: str) -> Told | None:
    """Of a line of the journal, in JSON. None where it is no event."""
    try:
        words = json.loads(line)
        message, at_us = words["MESSAGE"], int(words["__REALTIME_TIMESTAMP"])
    except (ValueError, TypeError, LookupError):
        return None
    event = _read_event(message) if isinstance(message, str) else None
    return None if event is None else Told(at_us, node, event)


def told_line(told: Told, width: int) -> str:
    """For people, by the clock of this machine's place; `width` is that of the longest name."""
    local = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(told.at_us // 1_000_000))
    sign = SIGNS[told.event.severity]
    return f"{local}.{told.at_us // 1_000 % 1_000:03}  {told.by:<{width}}  {sign} {told.event.text}"


def as_json(told: Told) -> dict[str, object]:
    """`node` is the other one that it is about, as everywhere."""
    event = told.event
    utc = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(told.at_us // 1_000_000))
    return {
        "at": f"{utc}.{told.at_us % 1_000_000:06}Z",
        "told_by": told.by,
        "severity": event.severity.value,
        "kind": event.kind.value,
        "address": event.address,
        "node": event.node,
        "reason": event.reason,
        "took_ms": event.took_ms,
        "text": event.text,
    }


def _read_event(message: str) -> Event | None:
    head, colon, text = message.partition(": ")
    found = HEAD.fullmatch(head)
    if found is None or not colon:
        return None
    fields = dict(_fields(found["fields"].split()))
    try:
        return Event(
            EventKind(found["kind"]),
            Severity(found["severity"]),
            text,
            address=fields.get("address", ""),
            node=fields.get("node", ""),
            reason=fields.get("reason", ""),
            took_ms=float(fields["took_ms"]) if "took_ms" in fields else None,
        )
    except ValueError:
        return None  # of a version that knows more


def _fields(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        name, _, value = word.partition("=")
        yield name, value
