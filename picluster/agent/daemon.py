"""The agent: one turn of its loop joins the pure parts to the ports.

    datagrams ──▶ messenger ──▶ heartbeats ──▶ links ──▶ views ─┐
                      │                                         ▼
                      └──claims, grants, refusals, releases──▶ member ──effects, in order──▶ address keeper, messenger, log

It never blocks, and nothing on its fast path writes a file. `picluster.agent.entry` gives it its ports.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from random import Random

from picluster import __version__
from picluster.agent.configuration import AgentConfiguration
from picluster.agent.measuring import Listener, Surveyor
from picluster.agent.messenger import Identity, Messenger
from picluster.agent.overview import Testimony, take_snapshot
from picluster.agent.succession import Succession
from picluster.errors import KernelError, TransitionError
from picluster.failover.effects import Announce, AskGateway, Effect, Hold, LetGo, Probe, RememberTerm, Send, Tell
from picluster.failover.member import Member
from picluster.failover.voter import quarantine_ns
from picluster.model.events import Event, EventKind, Severity
from picluster.model.inventory import FloatingAddress
from picluster.model.messages import Heartbeat
from picluster.model.snapshot import ClusterSnapshot, EventView
from picluster.ports import (
    EVERYTHING,
    AddressKeeper,
    AddressRemoved,
    Beacon,
    BootRecord,
    Clock,
    Datagrams,
    ForeignClaim,
    GateRestored,
    GatewayAnswered,
    LinkChanged,
    Observation,
)

EVENTS_KEPT = 200
QUESTIONS_KEPT = 64
MOVES = (EventKind.TOOK, EventKind.LOST, EventKind.RELEASED)
"""What everybody should hear of at once, and not with the next heartbeat."""
LATEST_HEARTBEAT = 1.25
"""Times the interval. A heartbeat that is ripe goes out when the agent is awake anyway, at a renewal most likely, and so do
those of its peers, which then arrive together; it is waking up that costs, on both sides. This late it goes out anyway."""
TOLD_AT_ONCE = 10
"""Peers to which heartbeats go in one turn, while a renewal may have to wait. Of more, some have their turn later."""
WIRE_PAUSE_NS = 5_000_000_000
"""How long an interface that could not be spoken on makes this node unfit; then it is tried again."""


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
        self._heartbeat_ripe_ns = self._heartbeat_due_ns = self._started_ns
        self._told = 0
        """How many peers this round of heartbeats has reached."""
        self._hurried = True
        """Whether it goes to everybody as soon as possible."""
        self._ears = ports.datagrams.filenos()
        self._leaving = False
        self._quorum: bool | None = None
        """None: too early to tell."""
        self._stuck: dict[str, FloatingAddress] = {}
        """Addresses that the kernel did not let go of; tried again until it does."""
        self._mute: dict[str, int] = {}
        """By interface that could not be spoken on, when to try again (ns)."""
        self._unwritten_us = 0
        """The longest term that could not be written down."""
        self._questions: dict[int, str] = {}
        self._succession = Succession()
        self.member = self._enrol(identity, chance)
        self.surveyor = Surveyor(ports.clock, self.messenger, self.member)

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
        incapable = self.ports.keeper.incapable()
        if incapable and any(floating.priority_of(own.node) for floating in self.inventory.configuration.addresses):
            self._obey(self.member.set_problem(self.ports.clock.now_ns(), "rights", incapable))
        for gap in self.ports.keeper.not_covered():
            self.tell(Event(EventKind.NOT_COVERED, Severity.WARNING, gap))

    # ── the loop ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def deadline_ns(self) -> int:
        """When the next turn is due, whatever happens."""
        return min(self.member.deadline_ns, self._heartbeat_due_ns, self.surveyor.deadline_ns)

    @property
    def finished(self) -> bool:
        return self._leaving and self.member.finished

    def turn(self, readable: Collection[int] = EVERYTHING) -> None:
        """Do everything that has become due; `readable` are the descriptors at which something waits. The lease first, since
        whoever wakes up late may have lost it."""
        ports, clock = self.ports, self.ports.clock
        self._obey(self.member.tick(clock.now_ns()))
        self.surveyor.turn()
        if any(fileno in readable for fileno in self._ears):
            self._hear(readable)
        for observation in ports.keeper.observations(readable):
            self._obey(self._observe(clock.now_ns(), observation))
        now_ns = clock.now_ns()
        if ports.beacon.fileno() in readable:
            self.messenger.sighted(now_ns, ports.beacon.sightings())
        if now_ns >= self._heartbeat_ripe_ns:
            self._beat(now_ns)
        elif self.messenger.news:
            self._look_around(now_ns)

    def _hear(self, readable: Collection[int]) -> None:
        clock = self.ports.clock
        for received in self.messenger.receive(clock.now_ns(), readable):
            if not isinstance(received.message, Heartbeat):
                # A voter counts its grant from now on, so the clock is read after the claim was taken from the socket.
                now_ns = clock.now_ns()
                if not self.surveyor.recognises(now_ns, received):
                    self._obey(self.member.receive(now_ns, received.sender, received.incarnation, received.message))

    def stop(self) -> None:
        """Hand everything over; turn on until `finished`."""
        self._leaving = True
        self.surveyor.end("the agent stops")
        self._obey(self.member.stop(self.ports.clock.now_ns()))
        self._hurry()

    def close(self) -> None:
        """The last word. Whoever gave the ports closes them, and so takes away what they hold."""
        now_ns = self.ports.clock.now_ns()
        self.messenger.beat(now_ns, self._heartbeat(now_ns), self.messenger.links)
        text = f"{self.messenger.identity.node} stopped"
        self.tell(Event(EventKind.STOPPED, Severity.INFO, text, node=self.messenger.identity.node))

    # ── what people ask ─────────────────────────────────────────────────────────────────────────────────────────────

    def set_standby(self, standby: bool) -> None:
        self._obey(self.member.set_standby(self.ports.clock.now_ns(), standby))
        self._hurry()

    def move(self, address: str, to: str) -> None:
        """ValueError, with the reason, where that cannot be done."""
        self._obey(self.member.move(self.ports.clock.now_ns(), address, to))

    def measure(self, seconds: float, listener: Listener) -> None:
        """Measure the ways to the voters for so long. ValueError, with the reason, where that cannot be done."""
        if self._leaving:
            raise ValueError("the agent stops")
        self.surveyor.begin(self.inventory, seconds, listener)

    def reconfigure(self, settings: AgentConfiguration) -> None:
        """Live by a newer inventory and newer keys from now on. TransitionError, and nothing has changed, where the agent
        has to be restarted for it."""
        inventory = settings.inventory
        changed = _fixed_at_start(self.settings).items() - _fixed_at_start(settings).items()
        if changed:
            raise TransitionError(f"{', '.join(sorted(what for what, _ in changed))} changed: restart the agent for that")
        # Effects concern what was in force before: they are obeyed by the old inventory.
        self._obey(self.member.reconfigure(self.ports.clock.now_ns(), inventory.configuration))
        self.surveyor.end("the inventory was read again")
        self._forget(self.inventory.configuration.addresses, inventory.configuration.addresses)
        self.settings, self.inventory = settings, inventory
        self.messenger.expect(inventory, settings.keyring)
        self._hurry()

    def _forget(self, before: Sequence[FloatingAddress], after: Sequence[FloatingAddress]) -> None:
        """What floats no more is guarded no more, and a link that carries nothing of ours is no matter of ours."""
        kept = {(floating.name, floating.address, floating.interface) for floating in after}
        for floating in before:
            if (floating.name, floating.address, floating.interface) not in kept:
                self._forget_one(floating)
        for interface in {floating.interface for floating in before} - {floating.interface for floating in after}:
            self._obey(self.member.set_problem(self.ports.clock.now_ns(), f"link {interface}", ""))

    def _forget_one(self, floating: FloatingAddress) -> None:
        try:
            self.ports.keeper.forget(floating)
        except KernelError as error:
            text = f"{floating.name} floats no more, but the kernel keeps its guard until the agent is restarted: {error}"
            self.tell(Event(EventKind.NOT_COVERED, Severity.WARNING, text, floating.name, reason=str(error)))

    def snapshot(self, clock: str) -> ClusterSnapshot:
        """The whole cluster, as seen from here, at that time of day."""
        now_ns = self.ports.clock.now_ns()
        own = self.messenger.identity.node
        testimonies = testimonies_of(self.messenger, now_ns)
        heartbeat = replace(self._heartbeat(now_ns), hearings=self.messenger.hearings(now_ns))
        testimonies[own] = Testimony(heartbeat, heard_age_ns=0, endpoint="here")
        events = [EventView(logged.clock, logged.event.severity, logged.event.text) for logged in self.events]
        notices = (*self.ports.keeper.not_covered(), *self.messenger.notices(now_ns))
        valid = self._succession.valid(testimonies, now_ns)
        return take_snapshot(self.inventory, valid, self.messenger.silent_ns, clock, events, notices)

    def tell(self, event: Event) -> None:
        logged = self._log(event)
        self.events.append(logged)
        for listener in self.listeners:
            listener(logged)
        if event.kind in MOVES:
            self._hurry()

    # ── effects ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _obey(self, effects: Sequence[Effect]) -> None:
        """One effect after the other. What could not be held is neither announced nor reported as taken. After what could
        not be let go of nothing is said at all, since a release would be a lie; but to let go of more is always right."""
        failed: set[str] = set()
        silenced = True
        for effect in effects:
            if isinstance(effect, LetGo):
                silenced = self._let_go(self._floating(effect.address)) and silenced
            elif not silenced:
                continue
            elif isinstance(effect, Send):
                self._send(effect)
            elif isinstance(effect, Tell):
                if effect.event.address not in failed:
                    self.tell(effect.event)
            elif isinstance(effect, RememberTerm):
                self.member.term_remembered(self._remember(effect.term_us))
            elif effect.address not in failed and not self._obey_keeper(effect):
                failed.add(effect.address)

    def _obey_keeper(self, effect: Hold | Announce | Probe | AskGateway) -> bool:
        """Whether what comes after it for the same address makes sense."""
        if isinstance(effect, Hold):
            return self._hold(effect)
        if isinstance(effect, Announce):
            self._announce(effect)
        else:
            self._ask_the_wire(effect)
        return True

    def _send(self, effect: Send) -> None:
        own, now_ns = self.messenger.identity, self.ports.clock.now_ns()
        if effect.to == own.node:
            self._obey(self.member.receive(now_ns, own.node, own.incarnation, effect.message))
        else:
            self.messenger.send(now_ns, effect.to, effect.message)

    def _hold(self, effect: Hold) -> bool:
        try:
            if self.ports.keeper.hold(self._floating(effect.address), effect.until_ns):
                self._stuck.pop(effect.address, None)
                return True
            reason = ""
        except KernelError as error:
            reason = str(error)
        self._obey(self.member.could_not_hold(self.ports.clock.now_ns(), effect.address, reason))
        return False

    def _let_go(self, floating: FloatingAddress) -> bool:
        try:
            self.ports.keeper.let_go(floating)
        except KernelError as error:
            self.member.could_not_let_go()
            if floating.name not in self._stuck:
                self._stuck[floating.name] = floating
                text = f"{floating.name} could not be taken off this machine, trying again: {error}"
                self.tell(Event(EventKind.LOST, Severity.BAD, text, floating.name, reason=str(error)))
            return False
        if self._stuck.pop(floating.name, None):
            text = f"{floating.name} is off this machine at last"
            self.tell(Event(EventKind.RELEASED, Severity.INFO, text, floating.name))
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
                if len(self._questions) > QUESTIONS_KEPT:
                    del self._questions[next(iter(self._questions))]
                self.ports.keeper.ask_gateway(self.inventory.gateway, floating.interface, effect.number)
        except KernelError as error:
            now_ns = self.ports.clock.now_ns()
            self._mute[floating.interface] = now_ns + WIRE_PAUSE_NS
            self._obey(self.member.set_problem(now_ns, f"wire {floating.interface}", str(error)))

    def _remember(self, term_us: int) -> int:
        """The longest term that is safely written down by now; 0 where nothing can be, and then this node grants nothing."""
        try:
            self.ports.boot.remember_term(term_us)
        except OSError as error:
            if term_us <= self._unwritten_us:
                return self.ports.boot.longest_term_us() or 0
            self._unwritten_us = term_us
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
        for floating in list(self._stuck.values()):
            self._let_go(floating)
        for interface in [interface for interface, again_ns in self._mute.items() if now_ns >= again_ns]:
            del self._mute[interface]
            self._obey(self.member.set_problem(now_ns, f"wire {interface}", ""))
        peers = list(self.messenger.links)
        told, self._told = self._told, self._told + TOLD_AT_ONCE
        self.messenger.beat(now_ns, self._heartbeat(now_ns), peers[told : self._told])
        if self._told >= len(peers):
            self._told, self._hurried = 0, False
            if len(peers) > TOLD_AT_ONCE:
                self.messenger.news = True  # to look at all of them as well would be a long turn: the next one does
            else:
                self._look_around(now_ns)
        if not self._hurried:
            self._plan_heartbeat(now_ns, self.inventory.heartbeat_ns // max(1, -(-len(peers) // TOLD_AT_ONCE)))

    def _plan_heartbeat(self, now_ns: int, pause_ns: int) -> None:
        self._heartbeat_ripe_ns = now_ns + pause_ns - self.inventory.configuration.timing.renewal_ns // 2
        self._heartbeat_due_ns = now_ns + int(pause_ns * LATEST_HEARTBEAT)

    def _hurry(self) -> None:
        """The next heartbeat goes out at the next turn, and that one at once."""
        self._heartbeat_ripe_ns = self._heartbeat_due_ns = 0
        self._told, self._hurried = 0, True

    def _heartbeat(self, now_ns: int) -> Heartbeat:
        """What everybody is told; challenge and hearings are each peer's own."""
        own, member = self.messenger.identity, self.member
        return Heartbeat(
            role=own.role,
            epoch=self.inventory.configuration.epoch,
            fit=member.fit,
            standby=member.standby,
            leaving=self._leaving,
            uptime_us=(now_ns - self._started_ns) // 1_000,
            version=__version__,
            challenge=0,
            note="; ".join(member.problems.values()),
            holds=member.held(now_ns),
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
        self._quorum = quorum  # the first time either is news
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
        if isinstance(observation, GateRestored):
            text = "somebody had removed the firewall rules that end a lease in the kernel; they are back"
            self.tell(Event(EventKind.RESTORED, Severity.WARNING, text))
            return ()
        return self._link_changed(now_ns, observation)

    def _link_changed(self, now_ns: int, change: LinkChanged) -> Sequence[Effect]:
        problem = "" if change.up else f"{change.interface} has no link"
        return self.member.set_problem(now_ns, f"link {change.interface}", problem)


def _fixed_at_start(settings: AgentConfiguration) -> dict[str, object]:
    """What an agent cannot change while it runs, by its name in the configuration."""
    return {
        "the cluster's name": settings.inventory.cluster,
        "this node's name": settings.node.name,
        "its role": settings.node.role,
        "its port": settings.node.port,
        "its serial number": settings.node.serial,
        "mode": settings.mode,
        "hosts": settings.hosts,
        "run_dir": settings.run_dir,
        "loopback.ports": tuple(sorted(settings.loopback_ports.items())),
        "loopback.switch": settings.switch,
    }


def testimonies_of(messenger: Messenger, now_ns: int) -> dict[str, Testimony]:
    """What the messenger's links know of each peer, for a snapshot."""
    testimonies = {}
    for name, link in messenger.links.items():
        heard_age_ns = None if link.heard_ns is None else now_ns - link.heard_ns
        testimonies[name] = Testimony(
            link.heartbeat,
            now_ns - link.heartbeat_ns,
            not link.is_heard(now_ns),
            heard_age_ns,
            str(link.endpoint) if link.endpoint else "",
            link.round_trip_ns,
        )
    return testimonies
