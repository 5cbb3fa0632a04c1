"""What a node says and hears: seals, opens, counts, and keeps a link to every peer. Agents and observers talk alike.

Everything that is not to be believed is counted by kind, changes nothing and is never answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random

from picluster.discovery.roster import Roster
from picluster.errors import WireError
from picluster.membership.link import Link, silent_after_ns
from picluster.model.endpoint import Endpoint
from picluster.model.events import Event, EventKind, Severity
from picluster.model.inventory import Inventory, Role
from picluster.model.membership import PeerView
from picluster.model.messages import Envelope, Hearing, Heartbeat, Message
from picluster.model.sighting import Sighting
from picluster.ports import EVERYTHING, Datagrams
from picluster.wire import Codec, Keyring, WireFault

OBSERVER_HINTS = 3
"""Endpoints that are tried for one dashboard: each costs a datagram a heartbeat, and anybody may say that it is one."""
TWIN_PAUSE_NS = 60_000_000_000
"""How long two machines under one name are not reported again."""
MOST_HEARINGS = 12
"""In one heartbeat, the receiver's own aside: so neither its length nor the time that it takes to write and to read it grows
with the number of nodes. More than the voters, so that others have a chance."""


ADVICE = {
    WireFault.OTHER_KEY: "sealed with another key: compare the key file here with those of the nodes",
    WireFault.VERSION: "of another version of the format: upgrade whichever is older, this program or a node's",
}
"""What to look for where a node is never heard, by what is wrong with the datagrams that come."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is talking: a node in one incarnation."""

    node: str
    role: Role
    incarnation: int


@dataclass(frozen=True, slots=True)
class Received:
    sender: str
    incarnation: int
    message: Message


class Messenger:
    """The sealed datagrams of one incarnation of one node."""

    def __init__(
        self, identity: Identity, inventory: Inventory, keyring: Keyring, datagrams: Datagrams, chance: Random
    ) -> None:
        self.identity = identity
        self.counters: Counter[str] = Counter()
        """Datagrams that were not believed, by kind."""
        self.links: dict[str, Link] = {}
        self.inventory = inventory
        self.news = False
        """Whether a heartbeat changed the order among candidates; whoever reads it sets it back."""
        self._datagrams = datagrams
        self._chance = chance
        self._roster = Roster(inventory.cluster, identity.node, inventory.node_names)
        self._present: set[str] = set()
        self._places: dict[str, Endpoint] = {}
        self._twins: dict[str, int] = {}
        self.expect(inventory, keyring)

    @property
    def silent_ns(self) -> int:
        """How long a peer may be unheard before it counts as silent."""
        return silent_after_ns(self.inventory.heartbeat_ns)

    def expect(self, inventory: Inventory, keyring: Keyring) -> None:
        """These are the peers and the keys from now on; links to peers that stay are kept, and those to observers."""
        observers = {name: link for name, link in self.links.items() if self.inventory.node(name) is None}
        known, self.links = self.links, {}
        self.inventory = inventory
        self._codec = Codec(inventory.cluster, keyring)
        self._roster.expect(inventory.node_names)
        for node in inventory.nodes:
            if node.name != self.identity.node:
                link = known.get(node.name) or Link(node.name, None, self.silent_ns, self._chance)
                link.configured = Endpoint(str(node.address), node.port) if node.address else None
                self.links[node.name] = link
        self.links |= {name: link for name, link in observers.items() if inventory.node(name) is None}
        for link in self.links.values():
            link.silent_ns = self.silent_ns

    # ── saying ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def send(self, now_ns: int, to: str, message: Message) -> None:
        link = self.links.get(to)
        if link is None:
            return
        # Heartbeats look for a peer that has fallen silent; whatever else it is told goes to where it was last.
        targets = link.targets(now_ns, search=isinstance(message, Heartbeat))
        if not targets:
            return
        own = self.identity
        envelope = Envelope(own.node, own.incarnation, to, link.next_sequence(now_ns), link.echo, message)
        datagram = self._codec.encode(envelope)
        for place in targets:
            self._datagrams.send(place, datagram)

    def beat(self, now_ns: int, heartbeat: Heartbeat, peers: Iterable[str]) -> None:
        """Say it to each of these peers, with what is each peer's own: its challenge, and how this node hears it."""
        common = self._some_hearings(now_ns)
        told = {hearing.node for hearing in common}
        for link in (self.links[peer] for peer in peers if peer in self.links):
            own = None if link.peer in told else link.hearing(now_ns)
            hearings = common if own is None else (own, *common)
            self.send(now_ns, link.peer, replace(heartbeat, challenge=link.challenge, hearings=hearings))

    def hearings(self, now_ns: int) -> tuple[Hearing, ...]:
        """How this node hears its peers."""
        return self._hearings(now_ns, self.links)

    def _some_hearings(self, now_ns: int) -> tuple[Hearing, ...]:
        """How it hears the voters, by which others tell whether it hears a majority, and as many of the rest as there is
        room for. They are picked by chance: any regular step might leave the same ones out for ever."""
        voters = [voter for voter in self.inventory.configuration.voters if voter in self.links]
        others = [name for name in self.links if name not in voters]
        room = MOST_HEARINGS - len(voters)
        if room < len(others):
            first = self._chance.randrange(len(others))
            others = [others[(first + place) % len(others)] for place in range(room)]
        return self._hearings(now_ns, (*voters, *others))

    def _hearings(self, now_ns: int, names: Iterable[str]) -> tuple[Hearing, ...]:
        told = (self.links[name].hearing(now_ns) for name in names)
        return tuple(hearing for hearing in told if hearing is not None)

    # ── hearing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, now_ns: int, readable: Collection[int] = EVERYTHING) -> Iterator[Received]:
        """What has arrived and is to be believed; `readable` are the descriptors at which something waits."""
        for source, datagram in self._datagrams.receive(readable):
            try:
                envelope = self._codec.decode(datagram)
            except WireError as error:
                self.counters[error.kind] += 1
                continue
            fault = self._accept(now_ns, source, envelope)
            if fault:
                self.counters[fault] += 1
            else:
                yield Received(envelope.sender, envelope.incarnation, envelope.message)

    def sighted(self, now_ns: int, sightings: Iterable[Sighting]) -> None:
        """mDNS has something to say: hints for links, and observers that want to be told."""
        for sighting in sightings:
            self._roster.observe(sighting, now_ns)
            self._hint(now_ns, sighting.node)
            if sighting.role is Role.OBSERVER and self.identity.role is not Role.OBSERVER:
                self._meet_observers(now_ns)

    def _hint(self, now_ns: int, name: str) -> None:
        link = self.links.get(name)
        if link is not None and self.inventory.node(name) is not None:
            link.hint(self._roster.hints(name, now_ns))

    def _meet_observers(self, now_ns: int) -> None:
        """Dashboards want to be told; what they say themselves matters to nobody. Whom the roster has forgotten for newer
        ones is forgotten here at once, lest a flood of invented ones pile up until the next look."""
        for observer in self._roster.observers(now_ns):
            if self.inventory.node(observer.node) is None:
                link = self.links.setdefault(observer.node, Link(observer.node, None, self.silent_ns, self._chance))
                link.hint(observer.endpoints[:OBSERVER_HINTS])
        self._forget_observers(now_ns)

    def _accept(self, now_ns: int, source: Endpoint, envelope: Envelope) -> str:
        if envelope.sender == self.identity.node:
            return "own-name"
        if envelope.receiver != self.identity.node:
            return "misdirected"
        link = self.links.get(envelope.sender)
        if link is None:
            return "stranger"
        before = link.heartbeat
        fault = link.accept(now_ns, source, envelope)
        if not fault and link.heartbeat is not None and link.heartbeat is not before:
            self._learn(now_ns, link, before, link.heartbeat)
        return fault

    def _learn(self, now_ns: int, link: Link, before: Heartbeat | None, heartbeat: Heartbeat) -> None:
        for hearing in heartbeat.hearings:
            if hearing.node == self.identity.node:
                link.learn_hearing(now_ns, hearing)
        if before is None or _rank_facts(before) != _rank_facts(heartbeat):
            self.news = True

    # ── judging ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def views(self, now_ns: int) -> dict[str, PeerView]:
        """The peers that are there, as the failover rules see them."""
        views = {name: link.view(now_ns) for name, link in self.links.items()}
        return {name: view for name, view in views.items() if view is not None}

    def heard(self, now_ns: int) -> frozenset[str]:
        """The peers that are not silent."""
        return frozenset(name for name, link in self.links.items() if link.is_heard(now_ns))

    def voters_heard(self, now_ns: int) -> tuple[str, ...]:
        """The voters that are there, this node included where it is one."""
        heard = self.heard(now_ns) | {self.identity.node}
        return tuple(voter for voter in self.inventory.configuration.voters if voter in heard)

    def notices(self, now_ns: int) -> Iterator[str]:
        """What people should know of the company here. A wrong key looks like silence: while somebody is missing, what comes
        and cannot be read says more. A stranger is mostly a node that the inventory forgot, or spells differently."""
        if not self.heard(now_ns).issuperset(set(self.inventory.node_names) - {self.identity.node}):
            for fault, advice in ADVICE.items():
                if self.counters[fault]:
                    yield f"{self.counters[fault]} datagrams came that are {advice}"
        for name in self._roster.strangers(now_ns):
            yield f"{name} says it belongs to this cluster, and the inventory does not have it"
        for name in self._roster.other_clusters(now_ns):
            yield f"another cluster, {name}, is on this network"

    def happenings(self, now_ns: int) -> list[Event]:
        """What changed since the last call: who came, who fell silent, who moved, who has a twin."""
        present = self.heard(now_ns)
        events = [self._came(name) for name in sorted(present - self._present)]
        events += [self._went(now_ns, name) for name in sorted(self._present - present)]
        events += [*self._moved(present), *self._twin_reports(now_ns)]
        self._present = set(present)
        for name in self.links.keys() - present:
            self._hint(now_ns, name)  # what mDNS said is forgotten after a while
        self._forget_observers(now_ns)
        return events

    def _came(self, name: str) -> Event:
        link = self.links[name]
        self._places[name] = link.endpoint or Endpoint("", 0)
        return Event(EventKind.PEER_UP, Severity.INFO, f"{name} is here, at {link.endpoint}", node=name)

    def _went(self, now_ns: int, name: str) -> Event:
        link = self.links.get(name)
        if link is None or link.left or self._is_observer(link):
            return Event(EventKind.PEER_DOWN, Severity.INFO, f"{name} has left", node=name, reason="left")
        silent_s = (now_ns - (link.heard_ns or now_ns)) / 1e9
        return Event(
            EventKind.PEER_DOWN, Severity.BAD, f"{name} is silent since {silent_s:.1f} s", node=name, reason="silent"
        )

    def _moved(self, present: frozenset[str]) -> Iterator[Event]:
        for name in sorted(present & self._present):
            place, before = self.links[name].endpoint, self._places.get(name)
            if place is not None and before is not None and place != before:
                self._places[name] = place
                yield Event(EventKind.PEER_MOVED, Severity.INFO, f"{name} is at {place} now, was at {before}", node=name)

    def _twin_reports(self, now_ns: int) -> Iterator[Event]:
        """A link knows it surely, when both have spoken to it; mDNS hints at it, when one of them cannot get a word in."""
        proved = {name for name, link in self.links.items() if link.twin_ns is not None}
        recent = {name for name in proved if now_ns - (self.links[name].twin_ns or 0) < TWIN_PAUSE_NS}
        for name in sorted(recent | set(self._roster.twins(now_ns))):
            told_ns = self._twins.get(name)
            if told_ns is None or now_ns - told_ns >= TWIN_PAUSE_NS:
                self._twins[name] = now_ns
                verb = "run" if name in recent else "seem to run"
                text = f"two machines {verb} under the name {name}: a copied card? Give one of them a name of its own"
                yield Event(EventKind.TWIN, Severity.BAD, text, node=name)

    def _forget_observers(self, now_ns: int) -> None:
        """A dashboard that was closed is no failure."""
        wanted = {sighting.node for sighting in self._roster.observers(now_ns)}
        for name, link in list(self.links.items()):
            if self.inventory.node(name) is None and name not in wanted and not link.is_heard(now_ns):
                del self.links[name]
                self._present.discard(name)
                self._places.pop(name, None)

    def _is_observer(self, link: Link) -> bool:
        return link.heartbeat is not None and link.heartbeat.role is Role.OBSERVER


def _rank_facts(heartbeat: Heartbeat) -> tuple[bool, bool, bool, tuple[str, ...]]:
    """What of a heartbeat changes the order among candidates."""
    return heartbeat.fit, heartbeat.standby, heartbeat.leaving, tuple(held.address for held in heartbeat.holds)
