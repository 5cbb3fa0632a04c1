"""Measuring the ways to the voters, from inside the agent: what a renewal would meet, a question meets as well.

A question (`Claim.ask`) binds nobody: a voter answers it with a grant or a refusal, and either will do. It goes out from the
loop that renews leases, sealed and through the same sockets, and is answered by the loops of the voters. So a round trip has
in it everything that makes a renewal late: both schedulers, both Pythons, both network stacks, and the wire.

One round asks all other voters at once, as every retry of a renewal does. Rounds come in pairs: the second follows after
`retry_ms`, as a retry does, so it is measured how often the next question is lost, too, where one was lost.

      due                  sent                        majority complete
       ├──── late ──────────┤                                  │            late: the agent was awake later than it wanted
       ├───────────────── wait ────────────────────────────────┤            what a renewal would have taken
       ·   pi2  ├───── round trip ─────┤                       │
       ·   pi3  ├───── round trip ─────────────────────────────┤

It disturbs nothing. The questions' numbers are the member's own, so no answer fits any claim, and answers are taken out
before the candidacies see them. Nothing is written, and memory does not grow with time: rounds that nobody answers are given
up after the longest lease, and durations are counted in histograms.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from picluster.agent.messenger import Messenger, Received
from picluster.agent.plain import Plain, plain
from picluster.failover.ballot import NEVER_NS
from picluster.failover.member import Member
from picluster.model.inventory import Configuration, Inventory
from picluster.model.messages import Claim, Grant, Refusal
from picluster.model.timing import LONGEST_LEASE_MS, NANOSECONDS_PER_MS
from picluster.ports import Clock
from picluster.tuning.measurement import Histogram, Measurement, Path

__all__ = ["Listener", "Measuring", "Surveyor", "Task", "task_of"]

LONGEST_GAP_NS = 100 * NANOSECONDS_PER_MS
SHORTEST_PERIOD_NS = 80 * NANOSECONDS_PER_MS
"""From one pair of rounds to the next: 25 questions a second to each voter at most."""
PATIENCE_NS = LONGEST_LEASE_MS * NANOSECONDS_PER_MS
"""An answer that takes longer than the longest lease is no answer."""
REPORT_NS = 1_000_000_000
SHORTEST_S, LONGEST_S = 1, 86_400

Listener = Callable[[dict[str, Plain]], bool]
"""Is told how it goes on, and says whether it still listens."""


@dataclass(frozen=True, slots=True)
class Task:
    """Whom to ask about which address, and how many of them complete a majority."""

    node: str
    cluster: str
    address: str
    others: tuple[str, ...]
    needed: int
    term_us: int
    epoch: int
    gap_ns: int

    @property
    def period_ns(self) -> int:
        return max(SHORTEST_PERIOD_NS, 2 * self.gap_ns)


def task_of(node: str, cluster: str, configuration: Configuration) -> Task:
    """What this node can measure. ValueError, with the reason, where it cannot."""
    address = next((one.name for one in configuration.addresses if one.priority_of(node) is not None), None)
    if not configuration.addresses:
        raise ValueError("no address floats in this cluster, so nobody renews a lease: add one to the inventory first")
    if address is None:
        raise ValueError(f"{node} may hold no floating address, so it never renews a lease: measure on a candidate")
    others = tuple(voter for voter in configuration.voters if voter != node)
    needed = min(len(others), configuration.majority - (node in configuration.voters))
    if not others or needed < 1:
        raise ValueError(f"{node} is the only voter, so no renewal ever crosses the network: there is nothing to measure")
    timing = configuration.timing
    gap_ns = min(timing.retry_ns, LONGEST_GAP_NS)
    # The term is the cluster's own: every voter has it written down already.
    return Task(node, cluster, address, others, needed, timing.lease_ns // 1_000, configuration.epoch, gap_ns)


@dataclass(slots=True)
class Round:
    due_ns: int
    sent_ns: int
    is_second: bool
    answered: set[str] = field(default_factory=set)


class PathRecord:
    """The way to one voter, while it is measured."""

    def __init__(self) -> None:
        self.asked = self.answered = 0
        self.round_trip = Histogram()
        self.bursts: Counter[int] = Counter()
        self._lost_in_a_row = 0

    def settle(self, *, answered: bool) -> None:
        """What became of the next question, in the order of asking."""
        self.asked += 1
        if not answered:
            self._lost_in_a_row += 1
            return
        self.answered += 1
        self.end_burst()

    def end_burst(self) -> None:
        if self._lost_in_a_row:
            self.bursts[self._lost_in_a_row] += 1
        self._lost_in_a_row = 0


class Surveyor:
    """The agent's one measurement at a time, if there is one."""

    def __init__(self, clock: Clock, messenger: Messenger, member: Member) -> None:
        self._clock, self._messenger, self._member = clock, messenger, member
        self._current: Measuring | None = None

    @property
    def deadline_ns(self) -> int:
        """When `turn` has something to do next."""
        return NEVER_NS if self._current is None else self._current.deadline_ns

    def begin(self, inventory: Inventory, seconds: float, listener: Listener) -> None:
        """ValueError, with the reason, where that cannot be done."""
        if self._current is not None:
            raise ValueError("somebody measures on this node already; try again when that is done")
        task = task_of(self._messenger.identity.node, inventory.cluster, inventory.configuration)
        self._current = Measuring(task, seconds, self._clock.now_ns(), listener)

    def turn(self) -> None:
        """Ask what is due."""
        if self._current is None:
            return
        now_ns = self._clock.now_ns()
        if now_ns >= self._current.deadline_ns:
            question = self._current.tick(now_ns, self._member.next_number)
            if question is not None:
                for voter in self._current.task.others:
                    self._messenger.send(now_ns, voter, question)
        if self._current.finished:
            self._current = None

    def recognises(self, now_ns: int, received: Received) -> bool:
        """Whether this answers a question that only measures; it has been noted then."""
        answer = received.message
        if self._current is None or not isinstance(answer, Grant | Refusal):
            return False
        return self._current.heard(now_ns, received.sender, answer.number)

    def end(self, reason: str) -> None:
        """The measurement, if there is one, cannot go on."""
        if self._current is not None:
            self._current.abort(f"the measurement was broken off: {reason}")
            self._current = None


class Measuring:
    """One measurement of so many seconds, begun at `now_ns`. Call `tick` at `deadline_ns`, and `heard` with what arrives."""

    def __init__(self, task: Task, seconds: float, now_ns: int, listener: Listener) -> None:
        if not SHORTEST_S <= seconds <= LONGEST_S:
            raise ValueError(f"measure for {SHORTEST_S} to {LONGEST_S} seconds, not {seconds:g}")
        self.task = task
        self.finished = False
        self._listener = listener
        self._seconds = seconds
        self._began_ns = self._due_ns = now_ns
        self._report_ns = now_ns + REPORT_NS
        self._is_second = False
        self._open: dict[int, Round] = {}
        self._order: deque[int] = deque()
        self._paths = {voter: PathRecord() for voter in task.others}
        self._late, self._waits = Histogram(), Histogram()
        self._wait_ns, self._wait_end_ns = 0, -1
        self._rounds = self._failed = self._first_failed = self._both_failed = 0
        self._last_failed = False

    @property
    def deadline_ns(self) -> int:
        if self._due_ns < self._end_ns:
            return min(self._due_ns, self._report_ns)
        return min(self._report_ns, self._given_up_ns())

    @property
    def _end_ns(self) -> int:
        return self._began_ns + round(self._seconds * 1e9)

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def tick(self, now_ns: int, next_number: Callable[[], int]) -> Claim | None:
        """Time has passed. Returns what is to be sent to all of `task.others`, at once."""
        claim = None
        if self._due_ns <= now_ns and self._due_ns < self._end_ns:
            claim = self._ask(now_ns, next_number())
        self._settle(now_ns)
        if now_ns >= self._report_ns:
            self._report(now_ns)
        if self._due_ns >= self._end_ns and not self._order and not self.finished:
            self._conclude()
        return claim

    def _ask(self, now_ns: int, number: int) -> Claim:
        task = self.task
        self._open[number] = Round(self._due_ns, now_ns, self._is_second)
        self._order.append(number)
        self._late.add(now_ns - self._due_ns)
        pause_ns = task.period_ns - task.gap_ns if self._is_second else task.gap_ns
        self._due_ns += pause_ns
        self._is_second = not self._is_second
        if self._due_ns <= now_ns:  # a stall: what was to be asked meanwhile would now be asked in a heap
            self._due_ns, self._is_second = now_ns + task.gap_ns, False
        return Claim(task.address, number, task.term_us, task.epoch, ask=True)

    # ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def heard(self, now_ns: int, voter: str, number: int) -> bool:
        """Whether this answers one of its questions."""
        asked = self._open.get(number)
        if asked is None:
            return False
        if voter in self._paths and voter not in asked.answered:
            asked.answered.add(voter)
            self._paths[voter].round_trip.add(now_ns - asked.sent_ns)
            if len(asked.answered) == self.task.needed:
                self._note_wait(asked.due_ns, now_ns)
        return True

    def _note_wait(self, due_ns: int, now_ns: int) -> None:
        if due_ns > self._wait_end_ns:
            self._end_wait()
        self._wait_ns = max(self._wait_ns, now_ns - due_ns)
        self._wait_end_ns = now_ns

    def _end_wait(self) -> None:
        if self._wait_end_ns >= 0:
            self._waits.add(self._wait_ns)
        self._wait_ns = 0

    def _given_up_ns(self) -> int:
        """When the oldest round is settled at the latest."""
        if not self._order:
            return 0
        oldest = self._open[self._order[0]]
        return 0 if len(oldest.answered) == len(self._paths) else oldest.sent_ns + PATIENCE_NS

    def _settle(self, now_ns: int) -> None:
        """Rounds that are over, in the order of asking."""
        while self._order and self._given_up_ns() <= now_ns:
            over = self._open.pop(self._order.popleft())
            self._rounds += 1
            failed = len(over.answered) < self.task.needed
            self._failed += failed
            if over.is_second:
                self._first_failed += self._last_failed
                self._both_failed += self._last_failed and failed
            self._last_failed = failed
            for voter, path in self._paths.items():
                path.settle(answered=voter in over.answered)

    # ── telling ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def abort(self, reason: str) -> None:
        """It cannot go on."""
        self.finished = True
        self._listener({"ok": False, "error": reason})

    def _report(self, now_ns: int) -> None:
        self._report_ns = now_ns + REPORT_NS
        passed_s = min((now_ns - self._began_ns) / 1e9, self._seconds)
        words: dict[str, Plain] = {
            "seconds": round(passed_s, 1),
            "of": self._seconds,
            "rounds": self._rounds,
            "failed": self._failed,
            "longest_us": max(self._waits.longest_us, self._wait_ns // 1_000),
        }
        if not self._listener({"measuring": words}):
            self.finished = True

    def _conclude(self) -> None:
        self.finished = True
        self._end_wait()
        self._listener({"measured": plain(self._measurement())})

    def _measurement(self) -> Measurement:
        return Measurement(
            node=self.task.node,
            cluster=self.task.cluster,
            seconds=self._seconds,
            rounds=self._rounds,
            failed=self._failed,
            first_failed=self._first_failed,
            both_failed=self._both_failed,
            gap_us=self.task.gap_ns // 1_000,
            late=self._late.distribution(),
            waits=self._waits.distribution(),
            paths=tuple(self._path(voter, record) for voter, record in self._paths.items()),
        )

    @staticmethod
    def _path(voter: str, record: PathRecord) -> Path:
        record.end_burst()
        round_trip = record.round_trip.distribution()
        return Path(voter, record.asked, record.answered, round_trip, tuple(sorted(record.bursts.items())))
