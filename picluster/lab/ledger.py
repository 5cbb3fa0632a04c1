"""What the client saw, and what follows from it. Pure: records go in, judgements come out.

How an outage is counted. Requests are numbered and their sending times known. Between two answered requests with lost ones
in between, nobody answered; the outage lasted from when the former was sent until the latter was. Requests are a period
apart, so that is exact to two periods. Where the client itself was late in sending the first or the last of them, that time
is not counted: nobody asked then. Where no request was lost there was no outage, however late the client was.

How double answers are counted. Each period the auditor asks everybody one question (`picluster.lab.frames`). A question that
two nodes answered counts as one period in which both did; ARP is asked more rarely, and its question counts for longer.
Whoever answers counts, a machine that is no node of the stack included, unless a scene invites one (`guests_count`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["ANSWERED", "ARP_ANSWERED", "AUDIT_ANSWERED", "RATE", "RECORD", "SENT", "Ledger", "Outage", "record"]

RATE = 1_000
"""Requests a second."""
PERIOD_NS = 1_000_000_000 // RATE
ARP_EVERY = 10
"""An ARP question with each so many requests."""
RECORD = struct.Struct("<BBIq")
"""One thing that the client saw: its kind, the node's index, the request's number, when (ns of the monotonic clock)."""
SENT, ANSWERED, AUDIT_ANSWERED, ARP_ANSWERED = range(4)
NOBODY, STRANGER = 255, 254
STALE_NS = 100_000_000
"""Without an answer for this long the client says that nobody answers."""
KEPT = 30 * RATE
"""Requests that can still be judged; up to twice as many are kept."""
AUDITED_KEPT = 4 * RATE
"""Questions to which a second answer would still be noticed."""


def record(kind: int, node: int, number: int, at_ns: int) -> bytes:
    return RECORD.pack(kind, node, number, at_ns)


@dataclass(slots=True)
class Request:
    sent_ns: int
    node: int = NOBODY
    answered_ns: int = 0


@dataclass(frozen=True, slots=True)
class Outage:
    """The longest time without answers after a moment, and everything lost in it."""

    before: str
    """Who answered last before the moment; empty: nobody."""
    after: str
    """Who answered last."""
    outage_ms: float
    lost: int
    requests: int
    over: bool
    """Whether the last requests were answered again."""


class Ledger:
    """The client's records. Times are nanoseconds of the monotonic clock, nodes go by their names."""

    def __init__(self, names: Sequence[str]) -> None:
        self.guests_count = True
        """Whether a machine that is no node of the stack counts as one of two that answer. A scene that brings a foreign
        machine with the address cannot keep that one from answering, and asks about the nodes alone."""
        self._names = tuple(names)
        self._requests: list[Request] = []
        self._first = 0
        self._audited: dict[tuple[int, int], int] = {}
        self._doubles_ms: set[int] = set()
        self._counted_from: int | None = None
        """The first request that was answered at once. Before it there was no service that could be out, and what the
        kernel had kept back until it knew the address (ARP) came late."""
        self.sent = 0
        self.answered = 0

    def read(self, data: bytes) -> None:
        """Whole records, oldest first."""
        for kind, node, number, at_ns in RECORD.iter_unpack(data):
            if kind == SENT:
                self._note_sent(number, at_ns)
            elif kind == ANSWERED:
                self._note_answer(number, node, at_ns)
            else:
                self._note_audit(kind, number, node, at_ns)

    @property
    def double_ms(self) -> float:
        """In how many milliseconds two nodes have answered, since the beginning."""
        return float(len(self._doubles_ms))

    def answering(self, now_ns: int) -> str:
        """Who answered the latest answered request; empty where that is too long ago."""
        for request in reversed(self._requests):
            if now_ns - request.sent_ns > STALE_NS:
                return ""
            if request.node != NOBODY:
                return self._name(request.node)
        return ""

    def lost(self, now_ns: int) -> int:
        """Requests without an answer, of all so far, those still under way aside."""
        under_way = sum(1 for request in self._recent(now_ns - STALE_NS) if request.node == NOBODY)
        return self.sent - self.answered - under_way if self.answered else 0

    def aftermath(self, since_ns: int, now_ns: int) -> Outage:
        """Judge what came after a moment: the first second's requests, or all up to now where it was not over by then."""
        settled = self._settled(since_ns, now_ns)
        outage = self._judge(since_ns, settled[:RATE])
        return outage if outage.over else self._judge(since_ns, settled)

    def within(self, since_ns: int, now_ns: int) -> Outage:
        """Judge everything that came after a moment, up to now."""
        return self._judge(since_ns, self._settled(since_ns, now_ns))

    def answerers(self, since_ns: int) -> tuple[str, ...]:
        """Who has answered since the moment, one after the other."""
        nodes = [request.node for request in self._recent(since_ns) if request.node != NOBODY]
        return tuple(self._name(node) for node, before in zip(nodes, [NOBODY, *nodes], strict=False) if node != before)

    def answered_from_to(self, name: str, since_ns: int) -> tuple[int, int] | None:
        """When the node's first answer since the moment arrived, and when the last request that it answered was sent: in
        between it answered for sure. None where it has not."""
        answered = [r for r in self._recent(since_ns) if r.node != NOBODY and self._name(r.node) == name]
        return (answered[0].answered_ns, answered[-1].sent_ns) if answered else None

    def _judge(self, since_ns: int, window: Sequence[Request]) -> Outage:
        before = self._last_answered_before(since_ns)
        answered = [request for request in window if request.node != NOBODY]
        gaps = [end_ns - begin_ns for begin_ns, end_ns in _gaps(before, window)]
        return Outage(
            before=self._name(before.node) if before else "",
            after=self._name(answered[-1].node) if answered else "",
            outage_ms=max(gaps, default=0) / 1e6,
            lost=len(window) - len(answered),
            requests=len(window),
            over=bool(window) and window[-1].node != NOBODY,
        )

    def _note_sent(self, number: int, at_ns: int) -> None:
        if not self._requests:
            self._first = number
        self._requests.append(Request(at_ns))
        self.sent += 1
        if len(self._requests) > 2 * KEPT:
            del self._requests[:KEPT]
            self._first += KEPT

    def _note_answer(self, number: int, node: int, at_ns: int) -> None:
        position = number - self._first
        if not 0 <= position < len(self._requests):
            return
        request = self._requests[position]
        if request.node not in (NOBODY, node) and self._counts(request.node) and self._counts(node):
            self._note_double(request.sent_ns, 1)
        if request.node != NOBODY:
            return
        request.node, request.answered_ns = node, at_ns
        if self._counted_from is None and at_ns - request.sent_ns < STALE_NS:
            self._counted_from = number
            self.sent -= position
        if self._counted_from is not None and number >= self._counted_from:
            self.answered += 1

    def _note_audit(self, kind: int, number: int, node: int, at_ns: int) -> None:
        if not self._counts(node):
            return
        first = self._audited.setdefault((kind, number), node)
        if len(self._audited) > AUDITED_KEPT:
            del self._audited[next(iter(self._audited))]
        if first != node:
            self._note_double(at_ns, ARP_EVERY if kind == ARP_ANSWERED else 1)

    def _note_double(self, at_ns: int, periods: int) -> None:
        at_ms = at_ns // 1_000_000
        self._doubles_ms.update(range(at_ms, at_ms + periods * PERIOD_NS // 1_000_000))

    def _counts(self, node: int) -> bool:
        return self.guests_count or node != STRANGER

    def _recent(self, since_ns: int) -> list[Request]:
        found: list[Request] = []
        for request in reversed(self._requests):
            if request.sent_ns < since_ns:
                break
            found.append(request)
        return found[::-1]

    def _settled(self, since_ns: int, now_ns: int) -> list[Request]:
        """All requests since the moment whose answers must have come by now, if any."""
        return [request for request in self._recent(since_ns) if request.sent_ns < now_ns - STALE_NS]

    def _last_answered_before(self, moment_ns: int) -> Request | None:
        return next((r for r in reversed(self._requests) if r.sent_ns < moment_ns and r.node != NOBODY), None)

    def _name(self, node: int) -> str:
        return self._names[node] if node < len(self._names) else "a foreign machine"


def _gaps(before: Request | None, window: Sequence[Request]) -> Iterator[tuple[int, int]]:
    """Begin and end of each time without answers, the client's own lateness at either edge left out."""
    last = before.sent_ns if before else None
    lost: list[int] = []
    for request in window:
        if request.node == NOBODY:
            lost.append(request.sent_ns)
            continue
        if lost:
            yield _begin(last, lost), min(request.sent_ns, lost[-1] + PERIOD_NS)
        last, lost = request.sent_ns, []
    if lost:
        yield _begin(last, lost), lost[-1] + PERIOD_NS


def _begin(last: int | None, lost: Sequence[int]) -> int:
    early = lost[0] - PERIOD_NS
    return early if last is None else max(last, early)
