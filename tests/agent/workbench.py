"""An agent on the workbench: every port is in memory and writes down, in one common record, what it was asked to do.

The peers are puppets. They talk as agents do, sealed and with a link of their own, but say only what the test tells them to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from picluster.agent.configuration import AgentConfiguration
from picluster.agent.daemon import Agent, Logged, Ports
from picluster.agent.messenger import Identity, Messenger
from picluster.errors import KernelError
from picluster.inventory import load
from picluster.model.endpoint import Endpoint
from picluster.model.events import Event, EventKind
from picluster.model.inventory import FloatingAddress, Inventory, IPAddress, Role
from picluster.model.messages import Claim, Grant, Heartbeat, Message, Release
from picluster.model.sighting import Sighting
from picluster.ports import EVERYTHING, Observation
from picluster.wire import Codec, Keyring

MS = 1_000_000
SECOND = 1_000_000_000
STRANGER = Endpoint("192.0.2.66", 7654)
"""Somebody who is no node of the cluster."""
HOMES = {f"pi{number}": Endpoint(f"10.77.0.{10 + number}", 7654) for number in range(1, 6)}
KEYRING = Keyring.parse(Keyring.fresh())
INVENTORY = """
[cluster]
name = "bench"
epoch = {epoch}
[quorum]
voters = [{voters}]
[addresses.web]
address = "10.77.0.100"
candidates = ["pi1", "pi2", "pi3"]
[nodes.pi1]
address = "10.77.0.11"
[nodes.pi2]
address = "10.77.0.12"
[nodes.pi3]
address = "10.77.0.13"
{more}
"""
TWO_ADDRESSES = '[addresses.dns]\naddress = "10.77.0.101"\n'
UPTIME_NS = 3_600 * SECOND


def inventory(epoch: int = 1, voters: Iterable[str] = ("pi1", "pi2", "pi3"), more: str = "") -> Inventory:
    named = ", ".join(f'"{voter}"' for voter in voters)
    return load(INVENTORY.format(epoch=epoch, voters=named, more=more), "bench.toml")


class Clock:
    def __init__(self) -> None:
        self.ns = UPTIME_NS

    def now_ns(self) -> int:
        return self.ns


@dataclass
class Datagrams:
    record: list[object]
    port: int = 7654
    waiting: list[tuple[Endpoint, bytes]] = field(default_factory=list)
    sent: list[tuple[Endpoint, bytes]] = field(default_factory=list)
    closed: bool = False

    def filenos(self) -> tuple[int, ...]:
        return (101,)

    def send(self, to: Endpoint, data: bytes) -> None:
        self.sent.append((to, data))
        self.record.append(("sent", to, data))

    def receive(self, _readable: Collection[int] = EVERYTHING, /) -> list[tuple[Endpoint, bytes]]:
        waiting, self.waiting = self.waiting, []
        return waiting

    def close(self) -> None:
        self.closed = True


@dataclass
class Beacon:
    waiting: list[Sighting] = field(default_factory=list)

    def fileno(self) -> int:
        return 102

    def sightings(self) -> list[Sighting]:
        waiting, self.waiting = self.waiting, []
        return waiting

    def close(self) -> None:
        """There is no network to say goodbye to."""


@dataclass
class Keeper:
    """Refuses what `refuse` names: `hold`, `let_go`, `forget`, `announce`, `probe`; is too late where `late`."""

    record: list[object]
    refuse: set[str] = field(default_factory=set)
    late: bool = False
    held: set[str] = field(default_factory=set)
    waiting: list[Observation] = field(default_factory=list)
    gaps: tuple[str, ...] = ()
    rightless: str = ""

    def _do(self, what: str, name: str) -> None:
        if what in self.refuse:
            self.record.append((f"{what} refused", name))
            raise KernelError(f"the kernel refuses to {what}")
        self.record.append((what, name))

    def incapable(self) -> str:
        return self.rightless

    def not_covered(self) -> tuple[str, ...]:
        return self.gaps

    def clean_slate(self, addresses: Iterable[FloatingAddress]) -> None:
        self.record.append(("clean slate", *(floating.name for floating in addresses)))

    def hold(self, floating: FloatingAddress, _until_ns: int) -> bool:
        if self.late:
            self.record.append(("hold too late", floating.name))
            return False
        self._do("hold", floating.name)
        self.held.add(floating.name)
        return True

    def let_go(self, floating: FloatingAddress) -> None:
        self._do("let_go", floating.name)
        self.held.discard(floating.name)

    def forget(self, floating: FloatingAddress) -> None:
        self._do("forget", floating.name)

    def announce(self, floating: FloatingAddress) -> None:
        self._do("announce", floating.name)

    def probe(self, floating: FloatingAddress) -> None:
        self._do("probe", floating.name)

    def ask_gateway(self, gateway: IPAddress, interface: str, number: int) -> None:
        self.record.append(("ask gateway", str(gateway), interface, number))

    def filenos(self) -> tuple[int, ...]:
        return (103,)

    def observations(self, readable: Collection[int] = EVERYTHING, /) -> list[Observation]:
        if self.filenos()[0] not in readable:
            return []
        waiting, self.waiting = self.waiting, []
        return waiting

    def close(self) -> None:
        self.record.append(("close",))


@dataclass
class Boot:
    record: list[object]
    clock: Clock
    longest_us: int | None = None
    full: bool = False

    def longest_term_us(self) -> int | None:
        return self.longest_us

    def remember_term(self, term_us: int) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.record.append(("remember", term_us))
        self.longest_us = max(term_us, self.longest_us or 0)

    def uptime_ns(self) -> int:
        return self.clock.now_ns()


class Puppet:
    """A peer of the agent. It believes, and is believed, as any other node; it votes yes unless told to be `mute`."""

    def __init__(self, bench: Bench, name: str, incarnation: int) -> None:
        self.name = name
        self.bench = bench
        self.mute = False
        self.datagrams = Datagrams([])
        identity = Identity(name, Role.MEMBER, incarnation)
        self.messenger = Messenger(identity, bench.inventory, KEYRING, self.datagrams, bench.chance)
        self.heard: list[Message] = []
        self.state = Heartbeat(Role.MEMBER, 1, True, False, False, 0, "1", 0)

    def beat(self) -> None:
        """A heartbeat to everybody, as `state` says."""
        for peer, link in self.messenger.links.items():
            hearings = self.messenger.hearings(self.bench.clock.ns)
            self.say(replace(self.state, challenge=link.challenge, hearings=hearings), peer)

    def say(self, message: Message, to: str = "pi1") -> None:
        self.messenger.send(self.bench.clock.ns, to, message)

    def listen(self) -> None:
        for received in self.messenger.receive(self.bench.clock.ns):
            self.heard.append(received.message)
            if isinstance(received.message, Claim) and not self.mute:
                self.say(Grant(received.message.address, received.message.number, received.message.ask), received.sender)

    def heard_of(self, kind: type[Message]) -> list[Message]:
        return [message for message in self.heard if isinstance(message, kind)]


class Bench:
    """pi1's agent, and puppets for the other nodes."""

    def __init__(self, more: str = "", *, full: bool = False, gaps: tuple[str, ...] = ()) -> None:
        self.record: list[object] = []
        self.chance = Random(7)
        self.clock = Clock()
        self.inventory = inventory(more=more)
        self.datagrams, self.beacon = Datagrams(self.record), Beacon()
        self.keeper = Keeper(self.record, gaps=gaps)
        self.boot = Boot(self.record, self.clock, full=full)
        ports = Ports(self.clock, self.datagrams, self.beacon, self.keeper, self.boot)
        self.settings = self.settings_with(self.inventory)
        self.agent = Agent(self.settings, ports, Identity("pi1", Role.MEMBER, 1001), self.chance, self._log)
        self.codec = Codec("bench", KEYRING)
        self.puppets = {name: Puppet(self, name, 2000 + number) for number, name in enumerate(("pi2", "pi3"))}

    def settings_with(self, newer: Inventory) -> AgentConfiguration:
        node = newer.node("pi1")
        assert node is not None
        return AgentConfiguration(node, newer, KEYRING, Path("/nowhere"))

    def _log(self, event: Event) -> Logged:
        self.record.append(event)
        return Logged("12:00:00.0", event)

    @property
    def events(self) -> list[Event]:
        return [entry for entry in self.record if isinstance(entry, Event)]

    def told(self, kind: EventKind) -> list[Event]:
        return [event for event in self.events if event.kind is kind]

    def deeds(self, *names: str) -> list[object]:
        """What was asked of the keeper, of these kinds; with `sent release` for each release that left."""
        return [deed for deed in self.history() if deed[0] in names]

    def history(self) -> list[tuple[str, ...]]:
        """The record in words: deeds, `("sent release", to)`, `("told took", address)`."""
        words: list[tuple[str, ...]] = []
        for entry in self.record:
            if isinstance(entry, Event):
                words.append((f"told {entry.kind.value}", entry.address))
            elif isinstance(entry, tuple) and entry[0] == "sent":
                envelope = self.codec.decode(entry[2])
                words.append((f"sent {type(envelope.message).__name__.lower()}", envelope.receiver))
            elif isinstance(entry, tuple):
                words.append(tuple(str(part) for part in entry))
        return words

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def step(self) -> None:
        """One turn of the agent, and of the wire between it and the puppets."""
        self.agent.turn()
        self.carry()

    def observe(self, observation: Observation) -> None:
        """The keeper has this to tell, and the agent takes a turn."""
        self.keeper.waiting.append(observation)
        self.step()

    def carry(self) -> None:
        """What has been sent arrives."""
        sent, self.datagrams.sent = self.datagrams.sent, []
        for to, data in sent:
            for name, puppet in self.puppets.items():
                if HOMES[name] == to:
                    puppet.datagrams.waiting.append((HOMES["pi1"], data))
        for name, puppet in self.puppets.items():
            puppet.listen()
            mine, puppet.datagrams.sent = puppet.datagrams.sent, []
            for to, data in mine:
                if to == HOMES["pi1"]:
                    self.datagrams.waiting.append((HOMES[name], data))
                elif to in HOMES.values():
                    other = next(peer for peer, home in HOMES.items() if home == to)
                    if other in self.puppets:
                        self.puppets[other].datagrams.waiting.append((HOMES[name], data))

    def run(self, milliseconds: int, *, beating: bool = True) -> None:
        """Let so much time pass, 5 ms a step; the puppets beat every 100 ms."""
        for _ in range(milliseconds // 5):
            self.clock.ns += 5 * MS
            if beating and self.clock.ns % (100 * MS) == 0:
                for puppet in self.puppets.values():
                    puppet.beat()
            self.step()

    def forget(self) -> None:
        self.record.clear()

    def ready(self) -> Bench:
        """Started, with everybody believing each other."""
        self.agent.start()
        self.run(320)
        assert set(self.agent.messenger.heard(self.clock.ns)) == {"pi2", "pi3"}
        assert all("pi1" in puppet.messenger.heard(self.clock.ns) for puppet in self.puppets.values())
        return self

    def holding(self) -> Bench:
        """The agent holds all addresses, and renews them."""
        self.ready()
        self.run(2_000)
        assert self.keeper.held == {floating.name for floating in self.inventory.configuration.addresses}
        self.forget()
        return self


def releases(puppet: Puppet) -> list[Release]:
    return [message for message in puppet.heard if isinstance(message, Release)]
