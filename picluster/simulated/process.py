"""One run of an agent's process on a simulated machine: it fetches, decides, and obeys effects one after the other.

It is what the real agent's loop is, with the worst that can happen in between: the process may be frozen or killed after
fetching a message and reading the clock but before deciding, and between any two effects. Meanwhile datagrams queue up.

Two duties of an agent are kept here, since the failover rules rest on them. It reads the clock *after* it has taken a
message from the socket, never before: a voter counts from then. And where `LetGo` fails it obeys nothing after it in the
same list, but for letting go of more.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Protocol

from picluster.failover.effects import Effect, Hold, LetGo, Probe, RememberTerm, Send, Tell
from picluster.failover.member import Member
from picluster.failover.voter import Holder
from picluster.membership.link import silent_after_ns
from picluster.model.events import EventKind
from picluster.model.inventory import Configuration
from picluster.model.membership import PeerView
from picluster.model.messages import Claim, Grant, Refusal, Release
from picluster.model.timing import grant_length_ns
from picluster.simulated.clock import DriftingClock
from picluster.simulated.kernel import Kernel
from picluster.simulated.network import Network
from picluster.simulated.oracle import Opening, Oracle, Promise
from picluster.simulated.timeline import NEVER_NS, Journal, Timeline, told


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat, as far as the failover rules are concerned."""

    fit: bool
    standby: bool
    holds: frozenset[str]


@dataclass(frozen=True, slots=True)
class Packet:
    """One datagram. `run` orders the incarnations of a node, which the real agent learns by challenge and echo."""

    sender: str
    run: int
    incarnation: int
    message: Claim | Grant | Refusal | Release | Beat


@dataclass(frozen=True, slots=True)
class Order:
    """Something that a person, a timer or the kernel wants of the process."""

    name: str
    give: Callable[[Member, int], list[Effect]]


@dataclass(slots=True)
class Surroundings:
    """What all machines of a world share."""

    timeline: Timeline
    network: Network
    oracle: Oracle
    chance: Random
    member_kind: type[Witnessed]
    journal: Journal | None = None
    sluggishness: float = 0.0
    post: dict[str, Callable[[Packet], None]] = field(default_factory=dict)
    """Where to deliver a datagram to, by node."""
    foreign: set[str] = field(default_factory=set)
    """Addresses that a machine outside the cluster has."""
    moves: Counter[str] = field(default_factory=Counter)
    """How often an address was taken, by cause."""


class Host(Protocol):
    """The machine that a process runs on."""

    name: str
    clock: DriftingClock
    kernel: Kernel
    longest_term_us: int | None

    def process_ended(self) -> None: ...


class Witnessed(Member):
    """A member whose own votes the oracle can see: those never go over the wire."""

    process: Process

    def vote_myself(self, now_ns: int, claim: Claim) -> Grant | Refusal | None:
        answer = super().vote_myself(now_ns, claim)
        if isinstance(answer, Grant) and not answer.ask:
            self.process.note_promise(now_ns, self.me, claim)
        return answer


class Process:
    """From start to stop, crash or power cut. Times named local are of the machine's clock, all others are true."""

    def __init__(
        self, host: Host, shared: Surroundings, configuration: Configuration, run: int, *, votes_from_local_ns: int
    ) -> None:
        self.host = host
        self.run = run
        self.alive = True
        self.frozen_until_ns = 0
        self.votes_from_local_ns = votes_from_local_ns
        self._shared = shared
        self._timeline = shared.timeline
        self._clock = host.clock
        self._inbox: deque[Packet | Order] = deque()
        self._busy = False
        self._turning = False
        self._suspended: Callable[[], None] | None = None
        self._timer_ns = NEVER_NS
        self._timer_due = False
        self._views: dict[str, PeerView] = {}
        self._heard_local_ns: dict[str, int] = {}
        self._stuck: set[str] = set()
        self._stuck_until_ns = 0
        self._newest_run: dict[str, int] = {}
        self.member = shared.member_kind(
            host.name,
            shared.chance.getrandbits(64),
            configuration,
            now_ns=self._local_ns(),
            votes_from_ns=votes_from_local_ns,
            remembered_term_us=host.longest_term_us or 0,
            chance=Random(shared.chance.getrandbits(64)),
        )
        self.member.process = self
        self._beat()
        self._set_timer()

    # ── from outside ────────────────────────────────────────────────────────────────────────────────────────────────

    def deliver(self, packet: Packet) -> None:
        """A datagram has arrived in the socket's buffer."""
        if packet.run >= self._newest_run.get(packet.sender, 0):
            self._newest_run[packet.sender] = packet.run
            self._inbox.append(packet)
            self._turn()

    def order(self, name: str, give: Callable[[Member, int], list[Effect]]) -> None:
        if not self.alive:
            return
        self._inbox.append(Order(name, give))
        self._turn()

    def freeze(self, until_ns: int) -> None:
        """SIGSTOP, swap, or a slow machine: the process does nothing until then."""
        self.frozen_until_ns = max(self.frozen_until_ns, until_ns)
        self._timeline.at(self.frozen_until_ns, self._wake)

    def thaw(self) -> None:
        """Run on at once."""
        self.frozen_until_ns = 0
        self._wake()

    @property
    def busy(self) -> bool:
        """Held up in the middle of something."""
        return self._busy

    def end(self) -> None:
        """It is gone, in the middle of whatever it did. The kernel's gates stay as they are."""
        self.alive = False
        self._inbox.clear()

    def note_promise(self, local_ns: int, holder: Holder, claim: Claim) -> None:
        """The voter here has granted: by the rule, from the receipt of the claim, for its term and the margin."""
        until_ns = self._clock.true_ns(local_ns + grant_length_ns(claim.term_us * 1_000))
        promise = Promise(holder.node, holder.incarnation, claim.number, until_ns)
        self._shared.oracle.promised(self._timeline.now_ns, self.host.name, claim.address, promise)

    def note_release(self, holder: Holder, release: Release) -> None:
        now_ns, oracle = self._timeline.now_ns, self._shared.oracle
        oracle.released(now_ns, self.host.name, release.address, holder.node, holder.incarnation, release.number)

    # ── one turn ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _turn(self) -> None:
        """Fetch and obey as long as there is something to fetch, and nothing in the way."""
        if self._turning:
            return
        self._turning = True
        while self.alive and not self._busy and self._timeline.now_ns >= self.frozen_until_ns:
            if self._inbox:
                self._fetch(self._inbox.popleft())
            elif self._timer_due:
                self._timer_due = False
                self._fetch(Order("tick", _tick))
            else:
                break
        self._turning = False

    def _fetch(self, item: Packet | Order) -> None:
        """Take it out of the buffer, then read the clock, and then, maybe, be held up."""
        local_ns = self._local_ns()
        self._busy = True
        if self._shared.sluggishness and self._shared.chance.random() < self._shared.sluggishness:
            self._timeline.after(self._hold_up_ns(), self._decide, item, local_ns)
        else:
            self._decide(item, local_ns)

    def _decide(self, item: Packet | Order, local_ns: int) -> None:
        if self._must_wait(self._decide, item, local_ns):
            return
        if isinstance(item, Order):
            self._note(f"◆ {item.name}")
            effects = item.give(self.member, local_ns)
        elif isinstance(item.message, Beat):
            effects = self._hear(local_ns, item.sender, item.message)
        else:
            self._note(f"◀ {item.sender}: {told(item.message)}" if self._shared.journal else "")
            effects = self._receive(local_ns, Holder(item.sender, item.incarnation), item.message)
        self._obey([effects[::-1]], item)

    def _receive(self, local_ns: int, by: Holder, message: Claim | Grant | Refusal | Release) -> list[Effect]:
        effects = self.member.receive(local_ns, by.node, by.incarnation, message)
        if isinstance(message, Release):
            self.note_release(by, message)
        elif isinstance(message, Claim) and not message.ask:
            granted = (effect.message for effect in effects if isinstance(effect, Send))
            if any(isinstance(answer, Grant) and answer.number == message.number for answer in granted):
                self.note_promise(local_ns, by, message)
        return effects

    def _obey(self, frames: list[list[Effect]], after: Packet | Order) -> None:
        """One after the other, and each may be held up. `frames` are lists of effects, the next one at the very end: what
        follows from an effect is obeyed before the rest of its own list."""
        if self._must_wait(self._obey, frames, after):
            return
        sluggishness, random = self._shared.sluggishness, self._shared.chance.random
        while frames:
            if not frames[-1]:
                frames.pop()
                continue
            self._obey_one(frames[-1].pop(), frames)
            if sluggishness and random() < sluggishness:
                self._timeline.after(self._hold_up_ns(), self._obey, frames, after)
                return
        self._busy = False
        self._obeyed(after)

    def _obeyed(self, item: Packet | Order) -> None:
        member = self.member
        if member.stopping and member.finished:
            self.end()
            self.host.process_ended()
            return
        now_ns = self._timeline.now_ns
        if isinstance(item, Order) and member.standby and now_ns >= self._stuck_until_ns:
            self._shared.oracle.obeyed_standby(now_ns, self.host.name, self.host.kernel.open_addresses(now_ns))
        self._set_timer()
        self._turn()

    def _must_wait(self, action: Callable[..., None], *arguments: object) -> bool:
        """Frozen or dead: then later, or never. There is one thing at a time that can be in the middle."""
        if not self.alive:
            return True
        if self._timeline.now_ns < self.frozen_until_ns:
            self._suspended = partial(action, *arguments)
            return True
        return False

    def _wake(self) -> None:
        if not self.alive or self._timeline.now_ns < self.frozen_until_ns:
            return
        suspended, self._suspended = self._suspended, None
        if suspended is not None:
            suspended()
        self._turn()

    # ── effects ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _obey_one(self, effect: Effect, frames: list[list[Effect]]) -> None:
        if self._shared.journal:
            self._note(f"  ▶ {told(effect)}")
        match effect:
            case Send(to=self.host.name):
                by = self.member.me
                frames.append(self._receive(self._local_ns(), by, effect.message)[::-1])
            case Send():
                self._send(effect.to, effect.message)
            case Hold():
                frames.append(self._hold(effect)[::-1])
            case LetGo():
                if not self._let_go(effect.address):
                    # To let go of more is always right; to say anything is not.
                    frames[-1] = [later for later in frames[-1] if isinstance(later, LetGo)]
            case RememberTerm():
                self.host.longest_term_us = max(self.host.longest_term_us or 0, effect.term_us)
                self.member.term_remembered(effect.term_us)
            case Probe() if effect.address in self._shared.foreign:
                self._timeline.after(self._shared.network.weather.shortest_ns, self._foreign_answer, effect.address)
            case Tell() if effect.event.kind is EventKind.TOOK:
                taken = self.host.kernel.is_open(effect.event.address, self._timeline.now_ns)
                self._shared.moves[effect.event.reason] += taken
            case _:
                pass

    def _send(self, to: str, message: Claim | Grant | Refusal | Release | Beat) -> None:
        if isinstance(message, Release):
            self._shared.oracle.said_released(self._timeline.now_ns, message.address, self.host.name)
        deliver = self._shared.post[to]
        packet = Packet(self.host.name, self.run, self.member.me.incarnation, message)
        for delay_ns in self._shared.network.journeys(self.host.name, to):
            self._timeline.after(delay_ns, deliver, packet)

    def _hold(self, effect: Hold) -> list[Effect]:
        now_ns, kernel = self._timeline.now_ns, self.host.kernel
        reason = "the kernel refuses" if kernel.refuses_hold else ""
        until_ns = 0 if reason else kernel.hold(effect.address, effect.until_ns, now_ns)
        if until_ns:
            self._stuck.discard(effect.address)
            opening = Opening(self.host.name, self.member.me.incarnation, until_ns, self.member.configuration.voters)
            self._shared.oracle.opened(now_ns, effect.address, opening)
            return []
        self._note(f"◆ could not hold {effect.address}: {reason or 'too late'}")
        return self.member.could_not_hold(self._local_ns(), effect.address, reason)

    def _let_go(self, address: str) -> bool:
        kernel = self.host.kernel
        if kernel.refuses_let_go and kernel.is_open(address, self._timeline.now_ns):
            self._note(f"◆ could not let go of {address}")
            self._stuck.add(address)
            self._stuck_until_ns = kernel.latest_end_ns
            self.member.could_not_let_go()
            return False
        self._stuck.discard(address)
        kernel.let_go(address)
        self._shared.oracle.shut(address, self.host.name)
        return True

    def _foreign_answer(self, address: str) -> None:
        if self.alive:
            self.order("foreign", lambda member, local_ns: member.foreign_claim(local_ns, address, "02:00:00:00:00:01"))

    # ── time and heartbeats ─────────────────────────────────────────────────────────────────────────────────────────

    def _local_ns(self) -> int:
        return self._clock.local_ns(self._timeline.now_ns)

    def _hold_up_ns(self) -> int:
        """From microseconds to a lease, mostly short."""
        return int(self._shared.chance.random() ** 8 * self.member.configuration.timing.lease_ns)

    def _set_timer(self) -> None:
        if not self.alive:
            return
        due_ns = max(self._clock.true_ns(self.member.deadline_ns), self._timeline.now_ns)
        if due_ns < self._timer_ns and due_ns < NEVER_NS // 2:
            self._timer_ns = due_ns
            self._timeline.at(due_ns, self._timer, due_ns)

    def _timer(self, due_ns: int) -> None:
        if not self.alive or due_ns != self._timer_ns:
            return
        self._timer_ns = NEVER_NS
        if self._local_ns() < self.member.deadline_ns:
            self._set_timer()
            return
        self._timer_due = True
        self._turn()

    def _beat(self) -> None:
        """Every `heartbeat_ms`: say how this node is, and forget who has fallen silent."""
        if not self.alive:
            return
        self._timeline.after(self.member.configuration.timing.heartbeat_ns, self._beat)
        if self._timeline.now_ns < self.frozen_until_ns:
            return
        local_ns, member = self._local_ns(), self.member
        for address in sorted(self._stuck):
            self._let_go(address)
        holds = frozenset(held.address for held in member.held(local_ns))
        beat = Beat(member.fit, member.standby, holds)
        for name in self._shared.post:
            if name != self.host.name:
                self._send(name, beat)
        oldest_ns = local_ns - silent_after_ns(member.configuration.timing.heartbeat_ns)
        for name in [name for name, heard_ns in self._heard_local_ns.items() if heard_ns < oldest_ns]:
            del self._heard_local_ns[name], self._views[name]
        self.order("see", self._see)

    def _hear(self, local_ns: int, sender: str, beat: Beat) -> list[Effect]:
        self._heard_local_ns[sender] = local_ns
        before = self._views.get(sender)
        well = beat.fit and not beat.standby
        was_well = before is not None and before.fit and not before.standby
        since_ns = before.well_since_ns if before is not None and well and was_well else local_ns
        view = PeerView(beat.fit, beat.standby, beat.holds, since_ns)
        if view == before:
            return []
        self._views[sender] = view
        return self._see(self.member, local_ns)

    def _see(self, member: Member, local_ns: int) -> list[Effect]:
        return member.see(local_ns, dict(self._views))

    def _note(self, text: str) -> None:
        if self._shared.journal and text:
            self._shared.journal.note(self.host.name, text)


def _tick(member: Member, local_ns: int) -> list[Effect]:
    return member.tick(local_ns)
