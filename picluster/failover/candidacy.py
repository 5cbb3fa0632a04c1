"""The candidate: what one node does about one floating address. `phase` draws its states.

The lease lasts as long as a majority of the voters stands by its grants (`ballot`). Votes of different rounds may be put
together, since each voter's own grant outlasts what is counted for it. That is why losing every second packet costs nothing.
"""

from __future__ import annotations

from typing import Protocol

from picluster.failover.announcing import Announcements
from picluster.failover.ballot import GATEWAY, NEVER_NS, Ballot
from picluster.failover.effects import Announce, AskGateway, Effect, Hold, LetGo, Probe, Send, Tell
from picluster.failover.phase import Phase, check_transition
from picluster.failover.releasing import Releases
from picluster.failover.renewing import OTHERS_EVERY, Pulse, committee
from picluster.failover.voter import Holder
from picluster.model.events import Event, EventKind, Severity
from picluster.model.inventory import Configuration, FloatingAddress
from picluster.model.messages import Cause, Claim, Grant, Held, Refusal, RefusalReason, Release
from picluster.model.timing import NANOSECONDS_PER_MS, Timing, grant_length_ns

PROBES = 3
FOREIGN_PAUSE_NS = 5_000 * NANOSECONDS_PER_MS
"""How long an address is left alone after a foreign machine was found to have it."""
BARRED_NS = 2_000 * NANOSECONDS_PER_MS
"""How long a node leaves an address to others after its kernel refused it."""
CLAIM_ROUNDS = 4
"""So often a claim is sent before it is withdrawn for want of answers."""
PASSING = (RefusalReason.HELD, RefusalReason.RESTARTED)
CONFLICT_PAUSE_NS = 1_000 * NANOSECONDS_PER_MS


class House(Protocol):
    """What a candidacy needs of the member that it belongs to."""

    me: Holder
    configuration: Configuration
    pulse: Pulse

    def do(self, effect: Effect) -> None: ...
    def next_number(self) -> int: ...
    def vote_myself(self, now_ns: int, claim: Claim) -> Grant | Refusal | None: ...
    def may_hold(self) -> bool: ...
    def rank(self, now_ns: int, floating: FloatingAddress) -> int: ...
    def jitter_ns(self, most_ns: int) -> int: ...


class Candidacy:
    """One node's part in one floating address. Only `Member` calls it, and tells it the time at every call."""

    ballot_kind: type[Ballot] = Ballot

    def __init__(self, house: House, floating: FloatingAddress, now_ns: int) -> None:
        self.house = house
        self.floating = floating
        self.phase = Phase.WATCHING
        self._number = 0
        # Whoever is new here lets one whole grant pass in silence first: somebody may be holding.
        self.vacant_ns = now_ns + house.configuration.timing.grant_ns
        self.wake_ns = self.vacant_ns
        self.holder: Holder | None = None
        """Who was last seen renewing, other than this node."""
        self.holder_name = ""
        """The last known holder's name, this node's included; kept when it has gone."""
        self.heard_ns = now_ns
        """When the last sign of a holder was seen."""
        self.cause = Cause.FIRST
        self.lease_end_ns = 0
        self._barred_until_ns = 0
        self._pause_until_ns = 0
        self._gate_until_ns = 0
        """Until when the kernel may go on answering if it does not let go."""
        self.ballot = self.ballot_kind()
        self._round = 0
        self._round_ns = now_ns
        self._others_first_ns = 0
        """How long those that go before this node are waited for."""
        self._renew_ns = 0
        self._retry_ns = 0
        self.taken_ns = 0
        """When this node began to hold it."""
        self._previous = ""
        self._outage_ns = 0
        self.announcements = Announcements()
        self._conflict_ns = 0
        self._yielded = False
        self.releases = Releases()
        self._heard_release: tuple[Holder, int] | None = None

    # ── what the member asks ────────────────────────────────────────────────────────────────────────────────────────

    @property
    def holding(self) -> bool:
        return self.phase is Phase.HOLDING

    @property
    def deadline_ns(self) -> int:
        """When `tick` has something to do next."""
        deadline = self.releases.due_ns
        if self.phase is Phase.HOLDING:
            return min(deadline, self.lease_end_ns, self._renew_ns, self._retry_ns, self.announcements.due_ns)
        if self.phase is Phase.WATCHING and not self.house.may_hold():
            return deadline
        return min(deadline, self.wake_ns)

    def looks_vacant(self, now_ns: int) -> bool:
        """Whether nobody seems to hold it, or its holder is as good as gone, along with all that it renewed with it."""
        return self.phase is not Phase.HOLDING and now_ns >= self.vacant_ns - self._timing.grant_ns // 8

    def silent_holder(self, now_ns: int) -> str:
        """Whose silence made it vacant just now; empty where nobody's did, or long ago."""
        just_now = self.cause is Cause.SILENCE and now_ns < self.heard_ns + 3 * self._timing.grant_ns
        return self.holder.node if self.holder is not None else self.holder_name if just_now else ""

    def held(self, now_ns: int) -> Held:
        left_us = max(0, self.lease_end_ns - now_ns) // 1_000
        held_us = (now_ns - self.taken_ns) // 1_000
        return Held(self.floating.name, left_us, held_us, self._previous, self.cause, self._outage_ns // 1_000)

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def expire(self, now_ns: int) -> None:
        """The lease rules before anything else does: called first whenever this node wakes up."""
        if self.phase is Phase.HOLDING and now_ns >= self.lease_end_ns:
            self._lose(now_ns)

    def tick(self, now_ns: int) -> None:
        self.expire(now_ns)
        for release in self.releases.take_due(now_ns):
            self._send_release(release)
        if self.phase is Phase.HOLDING:
            self._tick_holding(now_ns)
        elif not self.house.may_hold():
            self.withdraw(now_ns)
        elif now_ns >= self.wake_ns:
            steps = {
                Phase.WATCHING: self._consider_asking,
                Phase.ASKING: self._ask,
                Phase.PROBING: self._probe,
                Phase.CLAIMING: self._claim_again,
            }
            steps[self.phase](now_ns)

    def _tick_holding(self, now_ns: int) -> None:
        if now_ns >= self._renew_ns:
            self._renew(now_ns)
        elif now_ns >= self._retry_ns:
            self._retry_ns = now_ns + self._timing.retry_ns
            self._send_claim(now_ns, self._laggards())
        if now_ns >= self.announcements.due_ns and self.phase is Phase.HOLDING:
            self._announce(now_ns)

    def _renew(self, now_ns: int) -> None:
        self._round_ns = now_ns
        beat = self.house.pulse.beat(now_ns, self._timing.renewal_ns)
        self._renew_ns = self.house.pulse.next_ns(now_ns, self._timing.renewal_ns)
        self._retry_ns = now_ns + self._timing.retry_ns
        self._send_claim(now_ns, self._whose_turn(now_ns, beat))

    def _whose_turn(self, now_ns: int, beat: int) -> list[str]:
        """To whom a renewal goes: a majority whose members take turns, and now and then all who only want to know."""
        voters = self._voters(now_ns)
        standing = self.ballot.standing(voters, now_ns)
        asked = committee(voters, standing, self.house.me.node, self.house.configuration.majority, beat)
        if beat % OTHERS_EVERY == 0:
            asked += [name for name in self._everybody() if name not in standing and name not in asked]
        return asked

    def _consider_asking(self, now_ns: int) -> None:
        # Two that collided hear each other's withdrawal at one moment: only the pause that each drew keeps them apart.
        pause_ns = max(self._barred_until_ns, self._pause_until_ns)
        self._others_first_ns = self.house.rank(now_ns, self.floating) * self._timing.rank_step_ns
        my_turn_ns = max(self.vacant_ns + self._others_first_ns, pause_ns)
        if now_ns < my_turn_ns:
            self.wake_ns = my_turn_ns
            return
        if self.holder is not None:
            self._note_vacancy(self.heard_ns, Cause.SILENCE)
        self._become(Phase.ASKING)
        self.ballot.begin()
        self._round = 0
        self._ask(now_ns)

    def _ask(self, now_ns: int) -> None:
        # Whoever is cut off asks on, ever more slowly, yet often enough to be back soon after its cable is.
        slowest_ns = max(self._timing.retry_ns, self._timing.lease_ns // 3)
        pause_ns = min(self._timing.retry_ns << min(self._round, 8), slowest_ns)
        again_ns = now_ns + pause_ns + self.house.jitter_ns(self._timing.retry_ns // 4)
        self._round += 1
        # A voter that says when it is free is asked again at that very moment, by the first in rank: not by all at once.
        unwilling = self.ballot.unwilling(self._voters(now_ns))
        frees = {voter: self.ballot.free_ns(voter) for voter in unwilling}
        waits = {voter: free_ns + self._others_first_ns for voter, free_ns in frees.items() if free_ns != NEVER_NS}
        self.wake_ns = min([again_ns, *(until_ns for until_ns in waits.values() if until_ns > now_ns)])
        self._send_claim(now_ns, [voter for voter in unwilling if waits.get(voter, now_ns) <= now_ns], ask=True)

    def _probe(self, now_ns: int) -> None:
        if self._round >= PROBES:
            self._claim_or_yield(now_ns)
            return
        self._round += 1
        self.wake_ns = now_ns + self._timing.probe_ns // PROBES
        self.house.do(Probe(self.floating.name))

    def _claim_or_yield(self, now_ns: int) -> None:
        """Whoever asks within its first moments may not have heard of the others yet. Probing takes longer than that: if by
        now another is first in rank, it gets the time to come forward, once."""
        rank = self.house.rank(now_ns, self.floating)
        if rank == 0 or self._yielded:
            self._start_claiming(now_ns)
            return
        self._yielded = True
        self._watch(now_ns + self._timing.probe_ns // PROBES + rank * self._timing.rank_step_ns)

    def _claim_again(self, now_ns: int) -> None:
        if self._round >= CLAIM_ROUNDS:
            self.withdraw(now_ns)
            return
        self._round += 1
        self.wake_ns = now_ns + self._timing.retry_ns
        self._send_claim(now_ns, self._everybody() if self._round == 1 else self._laggards())

    # ── messages ────────────────────────────────────────────────────────────────────────────────────────────────────

    def claim_seen(self, now_ns: int, by: Holder, claim: Claim) -> None:
        """Somebody else claims or renews: the address is not vacant until its grant would have run out."""
        if claim.ask or self.phase is Phase.HOLDING:
            return
        self.holder, self.holder_name, self.heard_ns = by, by.node, now_ns
        self.vacant_ns = now_ns + grant_length_ns(claim.term_us * 1_000)
        self.releases.end()
        if self.phase is not Phase.CLAIMING:
            self._watch(self.vacant_ns)

    def release_seen(self, now_ns: int, by: Holder, release: Release) -> None:
        """Somebody lets go, or takes a claim back that came to nothing."""
        if self.phase is Phase.HOLDING or (self.holder is not None and self.holder != by):
            return
        if self._heard_release == (by, release.number):
            return  # said again for those who missed it; the head start of its successor is not to grow by that
        self._heard_release = (by, release.number)
        if self.holder is not None:
            self._note_vacancy(now_ns, release.cause)
        if self.phase is Phase.CLAIMING:
            return
        called = release.successor == self.house.me.node and now_ns >= self._barred_until_ns
        if called and self.house.may_hold():
            self._start_claiming(now_ns)
            return
        # The successor goes first; everybody else stands by for the case that it does not.
        head_start_ns = (CLAIM_ROUNDS - 1) * self._timing.retry_ns if release.successor else 0
        self._watch(now_ns + head_start_ns)

    def grant_seen(self, now_ns: int, voter: str, grant: Grant) -> None:
        claim = self.ballot.heard(voter, now_ns, grant.number)
        if claim is None:
            return
        if grant.ask:
            if self.phase is Phase.ASKING:
                self.ballot.would_grant(voter)
                self._count_willing(now_ns)
        elif self.phase in (Phase.CLAIMING, Phase.HOLDING):
            self.ballot.granted(voter, self.entitled_until_ns(claim.sent_ns, claim.term_ns, now_ns))
            self._count_votes(now_ns)

    def refusal_seen(self, now_ns: int, voter: str, refusal: Refusal) -> None:
        claim = self.ballot.heard(voter, now_ns, refusal.number)
        if claim is None or self.phase not in (Phase.ASKING, Phase.CLAIMING):
            return
        free_ns = NEVER_NS if refusal.reason not in PASSING else now_ns + refusal.remaining_us * 1_000
        self.ballot.refused(voter, free_ns)
        if self.phase is Phase.ASKING:
            if refusal.reason is RefusalReason.HELD and refusal.holder != self.house.me.node:
                self.holder_name, self.cause = refusal.holder, Cause.SILENCE
                self.heard_ns = max(self.heard_ns, free_ns - self._timing.grant_ns)  # that voter heard of it then
            self.wake_ns = min(self.wake_ns, free_ns + self._others_first_ns)
        self._reconsider(now_ns)

    def gateway_answered(self, now_ns: int, number: int) -> None:
        """The gateway is a voter that always says yes, and counts only while the other voter is silent."""
        if GATEWAY in self._voters(now_ns):
            self.grant_seen(now_ns, GATEWAY, Grant(self.floating.name, number, ask=self.phase is Phase.ASKING))

    def foreign_claim(self, now_ns: int, mac: str) -> None:
        """A machine outside the cluster says that the address is its own."""
        name = self.floating.name
        if self.phase is Phase.PROBING:
            text = f"{name} ({self.floating.address}) is in use by a foreign machine, {mac}: not taken"
            self._tell(EventKind.CONFLICT, Severity.BAD, text, reason=mac)
            self._barred_until_ns = now_ns + FOREIGN_PAUSE_NS
            self._watch(self._barred_until_ns)
        elif self.phase is Phase.HOLDING and now_ns >= self._conflict_ns:
            self._conflict_ns = now_ns + CONFLICT_PAUSE_NS
            text = f"a foreign machine, {mac}, claims {name} ({self.floating.address}); announcing again"
            self._tell(EventKind.CONFLICT, Severity.BAD, text, reason=mac)
            self.house.do(Announce(name, self.lease_end_ns))

    def could_not_let_go(self) -> None:
        """The kernel may go on answering until the lease ends there. Until then a release would be a lie, and so would be
        one of a new claim that comes to nothing."""
        self.releases.end()
        self._barred_until_ns = max(self._barred_until_ns, self._gate_until_ns)

    def address_removed(self) -> None:
        """Something else took the address off its interface, though the lease holds: put it back."""
        if self.phase is not Phase.HOLDING:
            return
        self.house.do(Hold(self.floating.name, self.lease_end_ns))
        self.house.do(Announce(self.floating.name, self.lease_end_ns))
        text = f"{self.floating.name} ({self.floating.address}) had been removed from {self.floating.interface}; it is back"
        self._tell(EventKind.RESTORED, Severity.WARNING, text)

    # ── letting go ──────────────────────────────────────────────────────────────────────────────────────────────────

    def stand_down(self, now_ns: int, cause: Cause, heir: str) -> None:
        """Let go on purpose, for the sake of `heir`; empty where nobody is fit."""
        self._part(now_ns, cause, heir)
        future = f"{heir} is to take over" if heir else "nobody is fit to take over"
        text = f"{self.floating.name} released ({cause.value}), {future}"
        self._tell(EventKind.RELEASED, Severity.INFO if heir else Severity.BAD, text, node=heir, reason=cause.value)

    def withdraw(self, now_ns: int) -> None:
        """Give up on asking or claiming; what was granted meanwhile is given back."""
        if self.phase is Phase.CLAIMING:
            self._release(now_ns, Cause.EXPIRED, "")
        if self.phase is not Phase.WATCHING:
            self._pause_until_ns = now_ns + self.house.jitter_ns(2 * self._timing.retry_ns)
            self._watch(max(self.vacant_ns, self._pause_until_ns))

    def could_not_hold(self, now_ns: int, heir: str, reason: str) -> None:
        """The kernel did not take the address, or not in time (empty reason)."""
        if self.phase is not Phase.HOLDING:
            return
        if reason:
            self._barred_until_ns = now_ns + BARRED_NS
        self._part(now_ns, Cause.UNFIT if reason else Cause.EXPIRED, heir)
        why = reason or "the lease ran out before the kernel had it"
        self._tell(EventKind.LOST, Severity.BAD, f"{self.floating.name} given up: {why}", node=heir, reason=why)

    def _lose(self, now_ns: int) -> None:
        self._part(now_ns, Cause.EXPIRED, "")
        text = f"{self.floating.name} given up: no majority of voters renewed the lease"
        self._tell(EventKind.LOST, Severity.BAD, text, reason=Cause.EXPIRED.value)

    def _part(self, now_ns: int, cause: Cause, heir: str) -> None:
        self.silence_then_release(now_ns, cause, heir)
        self.holder_name = self.house.me.node
        self._note_vacancy(now_ns, cause)
        # Others first, and this node only if none of them is there to take it.
        self._watch(now_ns + (self._timing.grant_ns if heir else self._timing.retry_ns))

    def silence_then_release(self, now_ns: int, cause: Cause, heir: str) -> None:
        """In this order: whoever hears the release may answer in the same microsecond."""
        self.house.do(LetGo(self.floating.name))
        self._release(now_ns, cause, heir)

    # ── the steps in between ────────────────────────────────────────────────────────────────────────────────────────

    def _count_willing(self, now_ns: int) -> None:
        if not self.ballot.would_win(self._voters(now_ns), self.house.configuration.majority):
            return
        if self.holder_name or self._yielded:
            self._start_claiming(now_ns)
        else:
            self._become(Phase.PROBING)
            self._round = 0
            self._probe(now_ns)

    def _start_claiming(self, now_ns: int) -> None:
        self._become(Phase.CLAIMING)
        self.ballot.begin()
        self._round, self._round_ns = 0, now_ns
        self._claim_again(now_ns)

    def _count_votes(self, now_ns: int) -> None:
        end_ns = self.ballot.majority_until_ns(self._voters(now_ns), self.house.configuration.majority)
        if end_ns <= max(self.lease_end_ns, now_ns):
            return
        self.lease_end_ns = end_ns
        if self.phase is Phase.CLAIMING:
            self._take(now_ns)
        else:
            self.house.do(Hold(self.floating.name, end_ns))
        if end_ns >= self._round_ns + self._timing.lease_ns:
            self._retry_ns = NEVER_NS

    def entitled_until_ns(self, sent_ns: int, term_ns: int, received_ns: int) -> int:
        """Until when a granted claim entitles: one term after it was *sent*, since the voter's own clock started no
        earlier. When the answer was received says nothing about that."""
        return min(sent_ns, received_ns) + term_ns

    def _take(self, now_ns: int) -> None:
        self._become(Phase.HOLDING)
        self.releases.end()
        self.taken_ns = now_ns
        self._previous, self.holder_name = self.holder_name, self.house.me.node
        self.holder = None
        self._outage_ns = now_ns - self.heard_ns if self._previous else 0
        self._renew_ns = self.house.pulse.next_ns(now_ns, self._timing.renewal_ns)
        self.announcements.begin(now_ns)
        self.house.do(Hold(self.floating.name, self.lease_end_ns))
        self._announce(now_ns)
        took_ms = self._outage_ns / NANOSECONDS_PER_MS
        origin = f"from {self._previous} ({self.cause.value}), {took_ms:.1f} ms after its last sign"
        text = f"{self.floating.name} ({self.floating.address}) taken {origin if self._previous else 'first'}"
        self._tell(EventKind.TOOK, Severity.INFO, text, node=self._previous, reason=self.cause.value, took_ms=took_ms)

    def _announce(self, now_ns: int) -> None:
        self.house.do(Announce(self.floating.name, self.lease_end_ns))
        self.announcements.said(now_ns)

    def _reconsider(self, now_ns: int) -> None:
        """Somebody refused: if too few voters are left that may say yes soon, wait until there may be enough."""
        free_ns = self.ballot.majority_free_ns(self._voters(now_ns), self.house.configuration.majority, now_ns)
        if free_ns <= now_ns:
            return
        if self.phase is Phase.ASKING:
            self._watch(min(free_ns, now_ns + self._timing.grant_ns))
        elif self.cause in (Cause.FIRST, Cause.SILENCE):
            # (A successor's claim may overtake the release that frees the voter: that one tries again instead.)
            self.withdraw(now_ns)

    def _note_vacancy(self, since_ns: int, cause: Cause) -> None:
        self.holder = None
        self.heard_ns = since_ns
        self.cause = cause

    def _watch(self, vacant_ns: int) -> None:
        if self.phase is not Phase.WATCHING:
            self._become(Phase.WATCHING)
        self.vacant_ns = self.wake_ns = vacant_ns

    def _become(self, phase: Phase) -> None:
        check_transition(self.phase, phase)
        if self.phase is Phase.HOLDING:
            self._gate_until_ns = self.lease_end_ns
        self.phase = phase
        self.lease_end_ns = self.lease_end_ns if phase is Phase.HOLDING else 0

    # ── sending ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _timing(self) -> Timing:
        return self.house.configuration.timing

    def _voters(self, now_ns: int) -> tuple[str, ...]:
        """Whose votes count: the configuration's voters, and the gateway while it has to break a tie."""
        configuration = self.house.configuration
        if not configuration.tie_breaker:
            return configuration.voters
        others = (voter for voter in configuration.voters if voter != self.house.me.node)
        silent = all(self.ballot.silent(voter, now_ns, self._timing.grant_ns) for voter in others)
        return (*configuration.voters, GATEWAY) if silent else configuration.voters

    def _everybody(self) -> list[str]:
        """All who want to know of a claim: the voters, to grant it, and the other candidates, to know that all is well."""
        voters = self._voters(self._round_ns)
        return [*voters, *(name for name in self.floating.candidate_names if name not in voters)]

    def _laggards(self) -> list[str]:
        """The voters that have not granted anything of this round."""
        return self.ballot.laggards(self._voters(self._round_ns), self._round_ns + self._timing.lease_ns)

    def _send_claim(self, now_ns: int, to: list[str], *, ask: bool = False) -> None:
        self._number = self.house.next_number()
        self.ballot.sent(self._number, now_ns, self._timing.lease_ns)
        configuration, name = self.house.configuration, self.floating.name
        claim = Claim(name, self._number, self._timing.lease_ns // 1_000, configuration.epoch, ask, self.cause)
        # Everybody else first: this node's own vote comes at once and may already complete a majority.
        for receiver in to:
            if receiver == GATEWAY:
                self.house.do(AskGateway(name, self._number))
            elif receiver != self.house.me.node:
                self.house.do(Send(receiver, claim))
        if self.house.me.node in to:
            self._hear_my_vote(now_ns, self.house.vote_myself(now_ns, claim))

    def _hear_my_vote(self, now_ns: int, answer: Grant | Refusal | None) -> None:
        if isinstance(answer, Grant):
            self.grant_seen(now_ns, self.house.me.node, answer)
        elif isinstance(answer, Refusal):
            self.refusal_seen(now_ns, self.house.me.node, answer)

    def _release(self, now_ns: int, cause: Cause, heir: str) -> None:
        self.ballot.void_claims()
        release = Release(self.floating.name, self._number, heir, cause)
        self.releases.begin(now_ns, self._timing.retry_ns, release)
        self._send_release(release)

    def _send_release(self, release: Release) -> None:
        for receiver in self._everybody():
            if receiver != GATEWAY:
                self.house.do(Send(receiver, release))

    def _tell(
        self, kind: EventKind, severity: Severity, text: str, node: str = "", reason: str = "", took_ms: float | None = None
    ) -> None:
        self.house.do(Tell(Event(kind, severity, text, self.floating.name, node, reason, took_ms)))
