"""One node's whole part in failover: its voter, and a candidacy for each floating address that it may hold.

Messages and a monotonic time go in; effects come out, to be obeyed in their order. Nothing here touches a socket, a clock, a
thread or a random generator of its own.

    member = Member("pi1", incarnation, configuration, now_ns=now_ns, votes_from_ns=…, remembered_term_us=…, chance=Random())
    effects = member.tick(now_ns)                              # at member.deadline_ns, at the latest
    effects = member.receive(now_ns, "pi2", 77, message)
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from picluster.errors import TransitionError
from picluster.failover import ranking
from picluster.failover.ballot import GATEWAY, NEVER_NS
from picluster.failover.candidacy import Candidacy
from picluster.failover.effects import Effect, RememberTerm, Send, Tell
from picluster.failover.renewing import Pulse
from picluster.failover.voter import LONGEST_TERM_US, Holder, Voter
from picluster.model.events import Event, EventKind, Severity
from picluster.model.inventory import Configuration, FloatingAddress
from picluster.model.membership import PeerView
from picluster.model.messages import Cause, Claim, Grant, Held, Refusal, Release
from picluster.model.timing import LONGEST_LEASE_MS, NANOSECONDS_PER_MS

_INCARNATION_BITS = (1 << 31) - 1


def check_step(old: Configuration, new: Configuration) -> None:
    """Whether one may live on from one configuration to the next: at most one epoch later, and at most one voter more or
    less (the gateway counts as one), so that every majority of the one meets every majority of the other."""
    if new.epoch not in (old.epoch, old.epoch + 1):
        raise TransitionError(f"epoch {old.epoch} is in force and {new.epoch} is not the next: restart the agent")
    changed = _electorate(old) ^ _electorate(new)
    if changed and new.epoch == old.epoch:
        raise TransitionError(f"the voters changed ({', '.join(sorted(changed))}), so the epoch must grow by one")
    if len(changed) > 1:
        names = ", ".join(sorted(changed))
        raise TransitionError(f"voters may come or go one at a time, and these changed at once: {names}")


def _electorate(configuration: Configuration) -> frozenset[str]:
    return frozenset(configuration.voters) | ({GATEWAY} if configuration.tie_breaker else frozenset())


class Member:
    """The failover rules of one node in one incarnation."""

    voter_kind: type[Voter] = Voter
    candidacy_kind: type[Candidacy] = Candidacy
    check_step = staticmethod(check_step)

    def __init__(
        self,
        node: str,
        incarnation: int,
        configuration: Configuration,
        *,
        now_ns: int,
        votes_from_ns: int,
        remembered_term_us: int,
        chance: Random,
    ) -> None:
        """`votes_from_ns` comes from `picluster.failover.voter.quarantine_ns`; `remembered_term_us` is the longest term
        that is written down for a restart within this boot. The voter grants nothing before the one and beyond the other."""
        self.me = Holder(node, incarnation)
        self.configuration = configuration
        self.standby = False
        self.stopping = False
        self.problems: dict[str, str] = {}
        """Why this node is unfit, by what is wrong; empty where it is fit."""
        self._voter = self.voter_kind(configuration.epoch, votes_from_ns, remembered_term_us)
        self._peers: Mapping[str, PeerView] = {}
        self._chance = chance
        self.pulse = Pulse(chance.randrange(LONGEST_LEASE_MS * NANOSECONDS_PER_MS))
        """Of its renewals: those of all addresses fall together."""
        self._effects: list[Effect] = []
        # Not from 0: a grant for the run before this one may still be under way, and must fit no claim of this one.
        self._number = (incarnation & _INCARNATION_BITS) << 32
        self._candidacies: dict[str, Candidacy] = {}
        self._settle_candidacies(now_ns)
        self.deadline_ns = self._next_deadline_ns()
        """When `tick` has to be called, at the latest."""

    # ── what others may ask ─────────────────────────────────────────────────────────────────────────────────────────

    @property
    def fit(self) -> bool:
        return not self.problems and not self.stopping

    @property
    def finished(self) -> bool:
        """After `stop`: whether everything is let go of, and said often enough."""
        return self.stopping and not any(one.holding or one.releases.due_ns < NEVER_NS for one in self._candidacies.values())

    def held(self, now_ns: int) -> tuple[Held, ...]:
        return tuple(candidacy.held(now_ns) for candidacy in self._candidacies.values() if candidacy.holding)

    def last_holder(self, address: str) -> str:
        """Who was last known to hold the address, this node included; empty where nobody was."""
        candidacy = self._candidacies.get(address)
        return candidacy.holder_name if candidacy else ""

    # ── what happens to it ──────────────────────────────────────────────────────────────────────────────────────────

    def tick(self, now_ns: int) -> list[Effect]:
        """Time has passed."""
        if now_ns < self.deadline_ns:
            return []
        for candidacy in self._candidacies.values():
            if now_ns >= candidacy.deadline_ns:
                candidacy.tick(now_ns)
        return self._flush()

    def receive(
        self, now_ns: int, sender: str, incarnation: int, message: Claim | Grant | Refusal | Release
    ) -> list[Effect]:
        """A message from a peer whose incarnation is believed, or from this node to itself.

        `now_ns` must have been read after the message was taken from the socket: a voter counts its grant from then, and
        that has to be after the claim was sent. A clock that was read before waiting for messages breaks rule 2.
        """
        self._expire(now_ns)
        candidacy = self._candidacies.get(message.address)
        by = Holder(sender, incarnation)
        if isinstance(message, Claim):
            self._receive_claim(now_ns, by, message, candidacy)
        elif isinstance(message, Release):
            self._voter.released(by, message)
            if candidacy and by != self.me:
                candidacy.release_seen(now_ns, by, message)
        elif candidacy and sender in self.configuration.voters:
            if isinstance(message, Grant):
                candidacy.grant_seen(now_ns, sender, message)
            else:
                candidacy.refusal_seen(now_ns, sender, message)
        return self._flush()

    def see(self, now_ns: int, peers: Mapping[str, PeerView]) -> list[Effect]:
        """What the heartbeats say of the peers has changed, or some time has passed."""
        self._expire(now_ns)
        returned = peers.keys() - self._peers.keys()
        self._peers = peers
        for candidacy in self._holding():
            if returned:
                # Neighbours that were cut off along with this peer have missed what was announced meanwhile.
                candidacy.announcements.begin(now_ns)
            better = self._failback_target(now_ns, candidacy)
            if better:
                candidacy.stand_down(now_ns, Cause.FAILBACK, better)
        return self._flush()

    def term_remembered(self, term_us: int) -> None:
        """`RememberTerm` has been obeyed."""
        self._voter.remembered_term_us = max(self._voter.remembered_term_us, term_us)

    def could_not_hold(self, now_ns: int, address: str, reason: str = "") -> list[Effect]:
        """`Hold` failed: the kernel refused (the reason), or was told too late (no reason)."""
        candidacy = self._candidacies[address]
        candidacy.could_not_hold(now_ns, self._heirs(now_ns, [candidacy])[address], reason)
        return self._flush()

    def could_not_let_go(self) -> None:
        """`LetGo` failed, and nothing after it was obeyed: that may concern other addresses of the same list, too."""
        for candidacy in self._candidacies.values():
            candidacy.could_not_let_go()
        self.deadline_ns = self._next_deadline_ns()

    def foreign_claim(self, now_ns: int, address: str, mac: str) -> list[Effect]:
        """A machine outside the cluster says on the wire that the address is its own."""
        self._expire(now_ns)
        if address in self._candidacies:
            self._candidacies[address].foreign_claim(now_ns, mac)
        return self._flush()

    def address_removed(self, now_ns: int, address: str) -> list[Effect]:
        """Something else took an address that is held off its interface."""
        self._expire(now_ns)
        if address in self._candidacies:
            self._candidacies[address].address_removed()
        return self._flush()

    def gateway_answered(self, now_ns: int, address: str, number: int) -> list[Effect]:
        """The gateway answered the question that `AskGateway` asked."""
        self._expire(now_ns)
        if address in self._candidacies:
            self._candidacies[address].gateway_answered(now_ns, number)
        return self._flush()

    # ── what people ask of it ───────────────────────────────────────────────────────────────────────────────────────

    def stop(self, now_ns: int) -> list[Effect]:
        """Hand everything over and hold nothing any more. Call `tick` until `finished`."""
        self.stopping = True
        self._stand_down_all(now_ns, Cause.STOPPED)
        return self._flush()

    def set_standby(self, now_ns: int, standby: bool) -> list[Effect]:
        """On standby a node votes and holds nothing."""
        self.standby = standby
        if standby:
            self._stand_down_all(now_ns, Cause.STANDBY)
        return self._flush()

    def set_problem(self, now_ns: int, kind: str, problem: str) -> list[Effect]:
        """Something that makes this node unfit to hold addresses; an empty text takes it back."""
        was_fit = self.fit
        if problem:
            self.problems[kind] = problem
        else:
            self.problems.pop(kind, None)
        if was_fit and not self.fit:
            self._stand_down_all(now_ns, Cause.UNFIT)
            self._tell(EventKind.FITNESS, Severity.BAD, f"unfit to hold addresses: {problem}", problem)
        elif not was_fit and self.fit:
            self._tell(EventKind.FITNESS, Severity.INFO, "fit to hold addresses again", "")
        return self._flush()

    def move(self, now_ns: int, address: str, to: str) -> list[Effect]:
        """Hand an address over to that node. ValueError, with the reason, where that cannot be done."""
        self._expire(now_ns)
        candidacy = self._candidacies.get(address)
        if self.configuration.floating(address) is None:
            known = ", ".join(floating.name for floating in self.configuration.addresses) or "none"
            raise ValueError(f"no floating address is called {address!r}; there are: {known}")
        if candidacy is None or not candidacy.holding:
            holder = self.last_holder(address)
            raise ValueError(f"{self.me.node} does not hold {address}" + (f"; {holder} does, ask there" if holder else ""))
        fit = ranking.eligible(candidacy.floating, self._peers)
        if to not in fit:
            raise ValueError(f"{to} cannot hold {address} now; these can: {', '.join(fit) or 'none'}")
        candidacy.stand_down(now_ns, Cause.MOVED, to)
        return self._flush()

    def reconfigure(self, now_ns: int, configuration: Configuration) -> list[Effect]:
        """Live by a newer configuration from now on. TransitionError where that is not one safe step away: then the agent
        has to be restarted, and so comes in as a stranger that holds nothing."""
        self.check_step(self.configuration, configuration)
        self._expire(now_ns)
        for candidacy in self._holding():
            if not self._keeps(candidacy, configuration):
                candidacy.stand_down(now_ns, Cause.MOVED, self._heirs(now_ns, [candidacy])[candidacy.floating.name])
        self.configuration = configuration
        self._voter.epoch = configuration.epoch
        self._settle_candidacies(now_ns)
        self._tell(EventKind.RECONFIGURED, Severity.INFO, f"configuration of epoch {configuration.epoch} in force", "")
        return self._flush()

    # ── what a candidacy asks of its house ──────────────────────────────────────────────────────────────────────────

    def do(self, effect: Effect) -> None:
        self._effects.append(effect)

    def next_number(self) -> int:
        """Numbers of claims, each used once in all incarnations of this node (as good as surely: 31 bits of the incarnation
        go before the counter), so that no answer is ever taken for another's."""
        self._number += 1
        return self._number

    def vote_myself(self, now_ns: int, claim: Claim) -> Grant | Refusal | None:
        self._remember_term(claim)
        return self._voter.consider(now_ns, self.me, claim)

    def may_hold(self) -> bool:
        return self.fit and not self.standby

    def rank(self, now_ns: int, floating: FloatingAddress) -> int:
        """How many candidates go before this node."""
        vacant = [one for one in self._candidacies.values() if one.looks_vacant(now_ns)]
        silent = {one.floating.name: one.silent_holder(now_ns) for one in vacant}
        ranks = ranking.order([one.floating for one in vacant], self._everybody(), self._load(now_ns), silent)
        names = ranks[floating.name]
        return names.index(self.me.node) if self.me.node in names else len(names)

    def jitter_ns(self, most_ns: int) -> int:
        return self._chance.randrange(most_ns + 1)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _receive_claim(self, now_ns: int, by: Holder, claim: Claim, candidacy: Candidacy | None) -> None:
        if self.me.node in self.configuration.voters:
            self._remember_term(claim)
            answer = self._voter.consider(now_ns, by, claim)
            if answer is not None:
                self.do(Send(by.node, answer))
        if candidacy:
            candidacy.claim_seen(now_ns, by, claim)

    def _remember_term(self, claim: Claim) -> None:
        if self._voter.remembered_term_us < claim.term_us <= LONGEST_TERM_US:
            self.do(RememberTerm(claim.term_us))

    def _expire(self, now_ns: int) -> None:
        for candidacy in self._candidacies.values():
            candidacy.expire(now_ns)

    def _flush(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        self.deadline_ns = self._next_deadline_ns()
        return effects

    def _holding(self) -> list[Candidacy]:
        return [candidacy for candidacy in self._candidacies.values() if candidacy.holding]

    def _stand_down_all(self, now_ns: int, cause: Cause) -> None:
        holding = self._holding()
        heirs = self._heirs(now_ns, holding)
        for candidacy in self._candidacies.values():
            if candidacy.holding:
                candidacy.stand_down(now_ns, cause, heirs[candidacy.floating.name])
            else:
                candidacy.withdraw(now_ns)

    def _heirs(self, now_ns: int, leaving: list[Candidacy]) -> dict[str, str]:
        """Who takes over which of these addresses, spread as after a failure; empty where nobody can."""
        load = self._load(now_ns)
        ranks = ranking.order([one.floating for one in leaving], self._peers, load, {})
        return {address: names[0] if names else "" for address, names in ranks.items()}

    def _failback_target(self, now_ns: int, candidacy: Candidacy) -> str | None:
        """Who should have it instead. Both have to have settled: else an address that was moved on purpose would be back
        at once, and one whose preferred holder is heard, and yet wins no majority, would be dark again and again."""
        settled_ns = now_ns - self.configuration.timing.settle_ns
        if not candidacy.floating.failback or candidacy.taken_ns > settled_ns:
            return None
        return ranking.preferred(candidacy.floating, self.me.node, self._peers, settled_ns)

    def _everybody(self) -> dict[str, PeerView]:
        myself = PeerView(fit=self.fit, standby=self.standby, holds=frozenset(), well_since_ns=0)
        return {**self._peers, self.me.node: myself}

    def _load(self, now_ns: int) -> dict[str, int]:
        """How many addresses each node holds. What claims say is newer than what heartbeats say."""
        owner = {address: name for name, peer in self._peers.items() for address in peer.holds}
        for name, candidacy in self._candidacies.items():
            owner.pop(name, None)
            if candidacy.holding:
                owner[name] = self.me.node
            elif candidacy.holder is not None and not candidacy.looks_vacant(now_ns):
                owner[name] = candidacy.holder.node
        load: dict[str, int] = {}
        for node in owner.values():
            load[node] = load.get(node, 0) + 1
        return load

    def _keeps(self, candidacy: Candidacy, configuration: Configuration) -> bool:
        """Whether what this node does about an address goes on under a newer configuration: other candidates may have come
        or gone, but it must be the same address in the same place, and this node still a candidate."""
        before, after = candidacy.floating, configuration.floating(candidacy.floating.name)
        if after is None or after.priority_of(self.me.node) is None:
            return False
        return (before.address, before.interface) == (after.address, after.interface)

    def _next_deadline_ns(self) -> int:
        return min((candidacy.deadline_ns for candidacy in self._candidacies.values()), default=NEVER_NS)

    def _settle_candidacies(self, now_ns: int) -> None:
        """A candidacy for each address that this node may hold; the ones that stay keep their state."""
        kept = {}
        for floating in self.configuration.addresses:
            if floating.priority_of(self.me.node) is None:
                continue
            candidacy = self._candidacies.get(floating.name)
            if candidacy is None or not self._keeps(candidacy, self.configuration):
                candidacy = self.candidacy_kind(self, floating, now_ns)
            candidacy.floating = floating
            kept[floating.name] = candidacy
        self._candidacies = kept

    def _tell(self, kind: EventKind, severity: Severity, text: str, reason: str) -> None:
        self.do(Tell(Event(kind, severity, text, reason=reason)))
