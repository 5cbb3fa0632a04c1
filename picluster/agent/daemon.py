"""The agent: one turn of its loop joins the pure parts to the ports.

    datagrams ──▶ messenger ──▶ heartbeats ──▶ links ──▶ views ─┐
                      │                                         ▼
                      └──claims, grants, refusals, releases──▶ member ──effects, in order──▶ address keeper, messenger, log

It never blocks, and nothing on its fast path writes a file. `picluster.agent.entry` gives it its ports.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from picluster import __version__
from picluster.agent.configuration import AgentConfiguration
from picluster.agent.messenger import Identity, Messenger
from picluster.agent.overview import Testimony, take_snapshot
from picluster.errors import KernelError
from picluster.failover.effects import Announce, AskGateway, Effect, Hold, LetGo, Probe, RememberTerm, Send, Tell
from picluster.failover.member import Member
from picluster.failover.voter import quarantine_ns
from picluster.model.events import Event, EventKind, Severity
from picluster.model.inventory import FloatingAddress, Inventory
from picluster.model.messages import Heartbeat
from picluster.model.snapshot import ClusterSnapshot, EventView
from picluster.ports import (
    AddressKeeper,
    AddressRemoved,
    Beacon,
    BootRecord,
    Clock,
    Datagrams,
    ForeignClaim,
    GatewayAnswered,
    LinkChanged,
    Observation,
)

EVENTS_KEPT = 200
QUESTIONS_KEPT = 64
MOVES = (EventKind.TOOK, EventKind.LOST, EventKind.RELEASED)
"""What everybody should hear of at once, and not with the next heartbeat."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The agent's outside."""

    clock: Clock
    datagrams: Datagrams
    beacon: Beacon
    keeper: AddressKeeper
    boot: BootRecord


@dataclass(frozen=True, slots=True)
class Logged:
    """An event and when it was, as the time of day in text."""

    clock: str
    event: Event


class Agent:
    """The daemon on one node, in one incarnation. `start`, then `turn` whenever a descriptor is readable or `deadline_ns`
    has come; `stop`, and turn on until `finished`; then `close`."""

    def __init__(
        self, settings: AgentConfiguration, ports: Ports, identity: Identity, chance: Random, log: Callable[[Event], Logged]
    ) -> None:
        self.settings = settings
        self.ports = ports
        self.inventory = settings.inventory
        self.events: deque[Logged] = deque(maxlen=EVENTS_KEPT)
        self.listeners: list[Callable[[Logged], None]] = []
        """Told of every event as it happens."""
        self.messenger = Messenger(identity, settings.inventory, settings.keyring, ports.datagrams, chance)
        self._log = log
        self._started_ns = ports.clock.now_ns()
        self._heartbeat_due_ns = self._started_ns
        self._leaving = False
        self._quorum = False
        self._stuck: set[str] = set()
        """Addresses that the kernel did not let go of; tried again until it does."""
        self._questions: dict[int, str] = {}
        self.member = self._enrol(identity, chance)

    def _enrol(self, identity: Identity, chance: Random) -> Member:
        """The clean slate: nothing of an earlier run is left on this machine before the first word is said."""
        ports, configuration = self.ports, self.inventory.configuration
        ports.keeper.clean_slate(configuration.addresses)
        own_term_us = configuration.timing.lease_ns // 1_000
        earlier_us = ports.boot.longest_term_us()
        wait_ns = quarantine_ns(earlier_us, ports.boot.uptime_ns())
        remembered_us = self._remember(max(own_term_us, earlier_us or 0))
        now_ns = ports.clock.now_ns()
        return Member(
            identity.node,
            identity.incarnation,
            configuration,
            now_ns=now_ns,
            votes_from_ns=now_ns + wait_ns,
            remembered_term_us=remembered_us,
            chance=chance,
        )

    def start(self) -> None:
        own = self.messenger.identity
        text = f"{own.node} started in cluster {self.inventory.cluster}, epoch {self.inventory.configuration.epoch}"
        self.tell(Event(EventKind.STARTED, Severity.INFO, text, node=own.node))
        for gap in self.ports.keeper.not_covered():
            self.tell(Event(EventKind.NOT_COVERED, Severity.WARNING, gap))

    # ── the loop ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def deadline_ns(self) -> int:
        """When the next turn is due, whatever happens."""
        return min(self.member.deadline_ns, self._heartbeat_due_ns)

    @property
    def finished(self) -> bool:
        return self._leaving and self.member.finished

    def turn(self) -> None:
        """Do everything that has become due. The lease first, since whoever wakes up late may have lost it."""
        clock = self.ports.clock
        self._obey(self.member.tick(clock.now_ns()))
        for received in self.messenger.receive(clock.now_ns()):
            if not isinstance(received.message, Heartbeat):
                now_ns = clock.now_ns()
                self._obey(self.member.receive(now_ns, received.sender, received.incarnation, received.message))
        for observation in self.ports.keeper.observations():
            self._obey(self._observe(clock.now_ns(), observation))
        now_ns = clock.now_ns()
        self.messenger.sighted(now_ns, self.ports.beacon.sightings())
        if now_ns >= self._heartbeat_due_ns:
            self._beat(now_ns)
        elif self.messenger.news:
            self._look_around(now_ns)

    def stop(self) -> None:
        """Hand everything over; turn on until `finished`."""
        self._leaving = True
        self._obey(self.member.stop(self.ports.clock.now_ns()))
        self._heartbeat_due_ns = 0

    def close(self) -> None:
        """The last word, and nothing left behind."""
        self._say_heartbeat(self.ports.clock.now_ns())
        text = f"{self.messenger.identity.node} stopped"
        self.tell(Event(EventKind.STOPPED, Severity.INFO, text, node=self.messenger.identity.node))
        self.ports.keeper.close()
        self.ports.beacon.close()
        self.ports.datagrams.close()

    # ── what people ask ─────────────────────────────────────────────────────────────────────────────────────────────

    def set_standby(self, standby: bool) -> None:
        self._obey(self.member.set_standby(self.ports.clock.now_ns(), standby))
        self._heartbeat_due_ns = 0

    def move(self, address: str, to: str) -> None:
        """ValueError, with the reason, where that cannot be done."""
        self._obey(self.member.move(self.ports.clock.now_ns(), address, to))

    def reconfigure(self, inventory: Inventory) -> None:
        """Live by a newer inventory from now on. TransitionError where the agent has to be restarted for it."""
        now_ns = self.ports.clock.now_ns()
        self._obey(self.member.reconfigure(now_ns, inventory.configuration))
        self.inventory = inventory
        self.messenger.expect(inventory)
        self._heartbeat_due_ns = 0

    def snapshot(self, clock: str) -> ClusterSnapshot:
        """The whole cluster, as seen from here, at that time of day."""
        now_ns = self.ports.clock.now_ns()
        own = self.messenger.identity.node
        testimonies = testimonies_of(self.messenger, now_ns)
        testimonies[own] = Testimony(self._heartbeat(now_ns, 0), heard_age_ns=0, endpoint="here")
        events = [EventView(logged.clock, logged.event.severity, logged.event.text) for logged in self.events]
        notices = self.ports.keeper.not_covered()
        return take_snapshot(self.inventory, testimonies, self.messenger.silent_ns, clock, events, notices)

    def tell(self, event: Event) -> None:
        logged = self._log(event)
        self.events.append(logged)
        for listener in self.listeners:
            listener(logged)
        if event.kind in MOVES:
            self._heartbeat_due_ns = 0

    # ── effects ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _obey(self, effects: Sequence[Effect]) -> None:
        """One effect after the other. What could not be held is neither announced nor reported as taken; after what could
        not be let go of nothing is said at all, since a release would be a lie."""
        failed = ""
        for effect in effects:
            if isinstance(effect, Send):
                self._send(effect)
            elif isinstance(effect, Hold):
                failed = failed if self._hold(effect) else effect.address
            elif isinstance(effect, LetGo):
                if not self._let_go(effect.address):
                    return
            elif isinstance(effect, Tell):
                if not failed or effect.event.address != failed:
                    self.tell(effect.event)
            elif isinstance(effect, Announce):
                if effect.address != failed:
                    self._announce(effect)
            elif isinstance(effect, RememberTerm):
                self.member.term_remembered(self._remember(effect.term_us))
            else:
                self._ask_the_wire(effect)

    def _send(self, effect: Send) -> None:
        own, now_ns = self.messenger.identity, self.ports.clock.now_ns()
        if effect.to == own.node:
            self._obey(self.member.receive(now_ns, own.node, own.incarnation, effect.message))
        else:
            self.messenger.send(now_ns, effect.to, effect.message)

    def _hold(self, effect: Hold) -> bool:
        try:
            if self.ports.keeper.hold(self._floating(effect.address), effect.until_ns):
                return True
            reason = ""
        except KernelError as error:
            reason = str(error)
        self._obey(self.member.could_not_hold(self.ports.clock.now_ns(), effect.address, reason))
        return False

    def _let_go(self, address: str) -> bool:
        try:
            self.ports.keeper.let_go(self._floating(address))
        except KernelError as error:
            self._stuck.add(address)
            self.member.could_not_let_go()
            text = f"{address} could not be taken off this machine, trying again: {error}"
            self.tell(Event(EventKind.LOST, Severity.BAD, text, address, reason=str(error)))
            return False
        self._stuck.discard(address)
        return True

    def _announce(self, effect: Announce) -> None:
        # Frozen since the lease was looked at? Then the neighbours must not be told.
        if self.ports.clock.now_ns() >= effect.until_ns:
            return
        try:
            self.ports.keeper.announce(self._floating(effect.address))
        except KernelError as error:
            text = f"{effect.address} could not be announced: {error}"
            self.tell(Event(EventKind.NOT_COVERED, Severity.WARNING, text, effect.address))

    def _ask_the_wire(self, effect: Probe | AskGateway) -> None:
        floating = self._floating(effect.address)
        try:
            if isinstance(effect, Probe):
                self.ports.keeper.probe(floating)
            elif self.inventory.gateway is not None:
                self._questions[effect.number] = effect.address
                self._questions.pop(next(iter(self._questions)), None) if len(self._questions) > QUESTIONS_KEPT else None
                self.ports.keeper.ask_gateway(self.inventory.gateway, floating.interface, effect.number)
        except KernelError as error:
            self._obey(self.member.set_problem(self.ports.clock.now_ns(), f"wire {floating.interface}", str(error)))

    def _remember(self, term_us: int) -> int:
        """The longest term that is safely written down by now; 0 where nothing can be, and then this node grants nothing."""
        try:
            self.ports.boot.remember_term(term_us)
        except OSError as error:
            text = f"no grants of {term_us // 1_000} ms from here, since they cannot be written down for a restart: {error}"
            self.tell(Event(EventKind.NOT_COVERED, Severity.BAD, text, reason=str(error)))
        return self.ports.boot.longest_term_us() or 0

    def _floating(self, address: str) -> FloatingAddress:
        floating = self.inventory.configuration.floating(address)
        if floating is None:
            raise KeyError(address)
        return floating

    # ── heartbeats ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _beat(self, now_ns: int) -> None:
        timing = self.inventory.configuration.timing
        for address in list(self._stuck):
            self._let_go(address)
        self._heartbeat_due_ns = now_ns + timing.heartbeat_ns
        self._say_heartbeat(now_ns)
        self._look_around(now_ns)

    def _say_heartbeat(self, now_ns: int) -> None:
        for peer in self.messenger.links:
            self.messenger.send(now_ns, peer, self._heartbeat(now_ns, self.messenger.challenge_for(peer)))

    def _heartbeat(self, now_ns: int, challenge: int) -> Heartbeat:
        own, member = self.messenger.identity, self.member
        return Heartbeat(
            role=own.role,
            epoch=self.inventory.configuration.epoch,
            fit=member.fit,
            standby=member.standby,
            leaving=self._leaving,
            uptime_us=(now_ns - self._started_ns) // 1_000,
            version=__version__,
            challenge=challenge,
            note="; ".join(member.problems.values()),
            holds=member.held(now_ns),
            hearings=self.messenger.hearings(now_ns),
        )

    def _look_around(self, now_ns: int) -> None:
        """Whoever came, went or changed its mind changes the order among the candidates."""
        for event in self.messenger.happenings(now_ns):
            self.tell(event)
        self.messenger.news = False
        self._obey(self.member.see(now_ns, self.messenger.views(now_ns)))
        self._watch_quorum(now_ns)

    def _watch_quorum(self, now_ns: int) -> None:
        configuration = self.inventory.configuration
        voters = self.messenger.voters_heard(now_ns)
        quorum = len(voters) + configuration.tie_breaker >= configuration.majority
        arriving = now_ns - self._started_ns < self.messenger.silent_ns
        if quorum == self._quorum or (arriving and not quorum):
            return
        self._quorum = quorum
        count = f"{len(voters)} of {len(configuration.voters)} voters are heard, {configuration.majority} are needed"
        if quorum:
            self.tell(Event(EventKind.QUORUM_REGAINED, Severity.INFO, f"quorum: {count}"))
        else:
            self.tell(Event(EventKind.QUORUM_LOST, Severity.BAD, f"no quorum: {count}"))

    def _observe(self, now_ns: int, observation: Observation) -> Sequence[Effect]:
        """Something happened on the wire or in the kernel."""
        if isinstance(observation, AddressRemoved):
            return self.member.address_removed(now_ns, observation.address)
        if isinstance(observation, ForeignClaim):
            return self.member.foreign_claim(now_ns, observation.address, observation.mac)
        if isinstance(observation, GatewayAnswered):
            address = self._questions.pop(observation.number, "")
            return self.member.gateway_answered(now_ns, address, observation.number)
        return self._link_changed(now_ns, observation)

    def _link_changed(self, now_ns: int, change: LinkChanged) -> Sequence[Effect]:
        problem = "" if change.up else f"{change.interface} has no link"
        return self.member.set_problem(now_ns, f"link {change.interface}", problem)


def testimonies_of(messenger: Messenger, now_ns: int) -> dict[str, Testimony]:
    """What the messenger's links know of each peer, for a snapshot."""
    testimonies = {}
    for name, link in messenger.links.items():
        heard_age_ns = None if link.heard_ns is None else now_ns - link.heard_ns
        testimonies[name] = Testimony(
            link.heartbeat,
            now_ns - link.heartbeat_ns,
            not link.is_heard(now_ns, messenger.silent_ns),
            heard_age_ns,
            str(link.endpoint) if link.endpoint else "",
            link.round_trip_ns,
        )
    return testimonies
