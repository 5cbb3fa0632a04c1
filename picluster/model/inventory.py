"""The inventory as frozen values: which nodes there are, who votes, which addresses float and who may hold them.

Built by `picluster.inventory.load`, which has checked everything that can be checked; code that is handed one of these
values need not check again.
"""

from __future__ import annotations

import enum
import ipaddress
from dataclasses import dataclass, field

from picluster.model.timing import Timing, heartbeat_interval_ns

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_PORT = 7654
"""UDP port of the agents where the inventory names none."""
DEFAULT_USER = "pi"
DEFAULT_SSH_PORT = 22
MOST_VOTERS = 7


class Role(enum.Enum):
    """What a node is there for."""

    MEMBER = "member"
    """May vote and may hold floating addresses, as the inventory says."""
    WITNESS = "witness"
    """Votes and never holds: the laptop, the NAS, the router."""
    OBSERVER = "observer"
    """Neither; it only listens. Never in an inventory: the dashboard joins as one."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node that may hold a floating address. Higher priority goes first; equal ones spread the addresses evenly."""

    node: str
    priority: int = 100


@dataclass(frozen=True, slots=True)
class FloatingAddress:
    """An address that moves between nodes, with a lease of its own."""

    name: str
    address: IPAddress
    interface: str
    """The interface that carries it on every candidate, such as `eth0`."""
    candidates: tuple[Candidate, ...]
    failback: bool = False
    """Whether it returns to the candidate of the highest priority once that one has been well for `settle_ms`."""

    @property
    def candidate_names(self) -> tuple[str, ...]:
        return tuple(candidate.node for candidate in self.candidates)

    def priority_of(self, node: str) -> int | None:
        """The node's priority, or None where it is no candidate."""
        return next((candidate.priority for candidate in self.candidates if candidate.node == node), None)


@dataclass(frozen=True, slots=True)
class Wiring:
    """What is wired to a node's pins."""

    kind: str
    """A board of `picluster.model.boards`, such as `traffic-light`, or `none`."""
    pins: dict[str, int] = field(default_factory=dict, hash=False)
    """BCM numbers by colour, where the board does not fix them."""


@dataclass(frozen=True, slots=True)
class Access:
    """How the controller gets into a node over SSH."""

    user: str = DEFAULT_USER
    port: int = DEFAULT_SSH_PORT


@dataclass(frozen=True, slots=True)
class Node:
    """One Pi, or any Linux box, named in the inventory."""

    name: str
    role: Role = Role.MEMBER
    address: IPAddress | None = None
    """Where to reach it; None where mDNS is to find it."""
    port: int = DEFAULT_PORT
    serial: str | None = None
    """Serial number of the board that was provisioned under this name; the agent refuses to start on another."""
    wiring: Wiring = Wiring("none")
    access: Access = Access()


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the failover rules have to know; the same on every node of one epoch."""

    epoch: int
    voters: tuple[str, ...]
    addresses: tuple[FloatingAddress, ...]
    timing: Timing = Timing()
    tie_breaker: bool = False
    """Two voters only: the gateway's answer to ARP counts as a third vote while the other voter is silent."""

    @property
    def majority(self) -> int:
        """How many votes entitle to an address. The gateway counts as a voter where it breaks the tie."""
        return (len(self.voters) + self.tie_breaker) // 2 + 1

    def floating(self, name: str) -> FloatingAddress | None:
        return next((floating for floating in self.addresses if floating.name == name), None)


@dataclass(frozen=True, slots=True)
class System:
    """What the operating system of every node should be like. What is None stays as it is on each of them."""

    time_zone: str | None = None
    """`Europe/Berlin`, as the time zone database names it."""
    locale: str | None = None
    """`de_DE.UTF-8`."""
    wifi_country: str | None = None
    """By ISO 3166, such as `DE`: without it a Pi keeps its Wi-Fi off."""
    packages: tuple[str, ...] = ()
    """Of the distribution, to be there on top of what the stack needs."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """A whole cluster as its user wrote it down."""

    cluster: str
    nodes: tuple[Node, ...]
    configuration: Configuration
    subnet: IPNetwork | None = None
    gateway: IPAddress | None = None
    system: System = System()

    def node(self, name: str) -> Node | None:
        return next((node for node in self.nodes if node.name == name), None)

    @property
    def heartbeat_ns(self) -> int:
        """Time between two heartbeats to each peer."""
        return heartbeat_interval_ns(self.configuration.timing, len(self.nodes))

    @property
    def node_names(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.nodes)
