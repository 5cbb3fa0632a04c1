"""Two nodes and what is under way between them, without sockets: the test says what arrives, when, and from where."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from picluster.membership.link import Link, silent_after_ns
from picluster.model.endpoint import Endpoint
from picluster.model.inventory import Role
from picluster.model.messages import Envelope, Grant, Heartbeat, Held, Message

MS = 1_000_000
HEARTBEAT_MS = 200
SILENT_NS = silent_after_ns(HEARTBEAT_MS * 1_000_000)
HOMES = {"pi1": Endpoint("10.77.0.11", 7654), "pi2": Endpoint("10.77.0.12", 7654)}
GRANT = Grant("web", 1)


def heartbeat(
    challenge: int = 0, *, fit: bool = True, standby: bool = False, leaving: bool = False, holds: tuple[Held, ...] = ()
) -> Heartbeat:
    return Heartbeat(Role.MEMBER, 1, fit, standby, leaving, 0, "1", challenge, holds=holds)


@dataclass
class Machine:
    """One node in its present incarnation, with its link to the other."""

    name: str
    peer: str
    incarnation: int
    link: Link

    def write(
        self, now_ns: int, message: Message | None = None, *, fit: bool = True, standby: bool = False, leaving: bool = False
    ) -> Envelope:
        """The next datagram: that message, or a heartbeat."""
        sequence = self.link.next_sequence(now_ns)
        said = message or heartbeat(self.link.challenge, fit=fit, standby=standby, leaving=leaving)
        return Envelope(self.name, self.incarnation, self.peer, sequence, self.link.echo, said)


@dataclass
class Pair:
    """pi1 and pi2. Time stands still unless a test lets it pass."""

    chance: Random = field(default_factory=lambda: Random(1))
    now_ns: int = 1_000_000 * MS

    def __post_init__(self) -> None:
        self.runs = 0
        self.pi1 = self.boot("pi1", "pi2")
        self.pi2 = self.boot("pi2", "pi1")

    def boot(self, name: str, peer: str) -> Machine:
        """A new incarnation, which remembers nothing. They are numbered in the order of their beginning."""
        self.runs += 1
        return Machine(name, peer, self.runs, Link(peer, None, SILENT_NS, self.chance))

    def restart(self, name: str) -> Machine:
        """The same node comes back as another incarnation."""
        setattr(self, name, self.boot(name, "pi2" if name == "pi1" else "pi1"))
        return self.machine(name)

    def machine(self, name: str) -> Machine:
        return self.pi1 if name == "pi1" else self.pi2

    def after(self, milliseconds: float) -> int:
        self.now_ns += round(milliseconds * MS)
        return self.now_ns

    def arrive(self, envelope: Envelope, source: Endpoint | None = None) -> str:
        """The receiver takes it; what it counts it as, empty where it believes it."""
        receiver = self.machine(envelope.receiver)
        return receiver.link.accept(self.now_ns, source or HOMES[envelope.sender], envelope)

    def exchange(self, milliseconds: float = HEARTBEAT_MS) -> tuple[str, str]:
        """A heartbeat each way, pi1's first, and what became of them."""
        self.after(milliseconds)
        return self.arrive(self.pi1.write(self.now_ns)), self.arrive(self.pi2.write(self.now_ns))

    @property
    def believed(self) -> bool:
        """Whether both believe each other's present incarnation."""
        return (self.pi1.link.incarnation, self.pi2.link.incarnation) == (self.pi2.incarnation, self.pi1.incarnation)


def acquainted() -> Pair:
    """Both believe each other, and have for a while."""
    pair = Pair()
    for _ in range(5):
        pair.exchange()
    assert pair.believed
    return pair
