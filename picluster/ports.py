"""Everything outside the pure packages, as Protocols. `picluster.adapters` implements them for a real machine and
`picluster.simulated` for a seeded one, under the same module names.

The agent's loop is a plain `selectors` loop: a port that has something to read names its file descriptors, and hands out
what happened when asked. No port blocks, except where its docstring says for how long.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from picluster.model.endpoint import Endpoint
from picluster.model.inventory import FloatingAddress, IPAddress
from picluster.model.sighting import Sighting

EVERYTHING: Collection[int] = range(1 << 20)
"""Every descriptor that there can be."""


class Clock(Protocol):
    def now_ns(self) -> int:
        """Nanoseconds since the machine started, suspension included (CLOCK_BOOTTIME): it never jumps, and a lease that
        ran out while the machine slept has run out."""
        ...


class Datagrams(Protocol):
    """Unreliable datagrams of at most 1,200 bytes to and from peers."""

    @property
    def port(self) -> int: ...

    def filenos(self) -> tuple[int, ...]: ...

    def send(self, to: Endpoint, data: bytes) -> None:
        """Send or lose; never raises for what the network does (an unreachable peer is the normal case here)."""
        ...

    def receive(self, readable: Collection[int] = EVERYTHING, /) -> list[tuple[Endpoint, bytes]]:
        """Everything that has arrived, at most a few hundred at once, oldest first; `readable` are the descriptors at which
        something waits."""
        ...

    def close(self) -> None: ...


class Beacon(Protocol):
    """Announces this agent by mDNS and watches for others."""

    def fileno(self) -> int:
        """Readable when `sightings` has something."""
        ...

    def sightings(self) -> list[Sighting]: ...

    def close(self) -> None:
        """Says goodbye; takes at most half a second."""
        ...


@dataclass(frozen=True, slots=True)
class AddressRemoved:
    """Something else took a held address off its interface."""

    address: str


@dataclass(frozen=True, slots=True)
class ForeignClaim:
    """Another machine's ARP or neighbour advertisement claims a floating address, held or probed."""

    address: str
    mac: str


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """An interface that carries floating addresses lost or regained its carrier, or is gone."""

    interface: str
    up: bool


@dataclass(frozen=True, slots=True)
class GatewayAnswered:
    """The gateway answered the ARP request that was sent with this number."""

    number: int


@dataclass(frozen=True, slots=True)
class GateRestored:
    """Something else had removed the rules that end a lease in the kernel; they are back."""


Observation = AddressRemoved | ForeignClaim | LinkChanged | GatewayAnswered | GateRestored


class AddressKeeper(Protocol):
    """Rents floating addresses from the kernel. Every call is done when it returns; none takes more than a millisecond
    or so. Raises `KernelError` where the kernel refuses."""

    def not_covered(self) -> tuple[str, ...]:
        """What this machine cannot protect against, one plain sentence each; empty where everything is covered."""
        ...

    def incapable(self) -> str:
        """Why it can hold no address at all here, whatever it is asked; empty where it can."""
        ...

    def clean_slate(self, addresses: Iterable[FloatingAddress]) -> None:
        """Before the first word: take every one of these addresses off this machine and shut its gate."""
        ...

    def hold(self, floating: FloatingAddress, until_ns: int) -> bool:
        """Answer for the address until that moment (of `Clock`) and not a tick longer, even if this process never runs
        again. Renews if it is held already. False, and shut, if the moment has passed before the call was done."""
        ...

    def let_go(self, floating: FloatingAddress) -> None:
        """Stop answering: gate shut first, then address removed. Harmless where it is not held. If the lease still lasts,
        TCP connections to the address are reset before that, so that their clients connect anew."""
        ...

    def forget(self, floating: FloatingAddress) -> None:
        """The address is in the inventory no more: let go of it, and guard it no longer. Harmless where it is not known."""
        ...

    def announce(self, floating: FloatingAddress) -> None:
        """Tell the neighbours: gratuitous ARP in both forms (RFC 5227, RFC 5944 section 4.6), or an unsolicited neighbour
        advertisement with the override flag (RFC 4861 section 7.2.6)."""
        ...

    def probe(self, floating: FloatingAddress) -> None:
        """Ask the wire once whether a foreign machine has the address (RFC 5227 section 2.1.1; RFC 4862 section 5.4); an
        answer comes as `ForeignClaim`."""
        ...

    def ask_gateway(self, gateway: IPAddress, interface: str, number: int) -> None:
        """Ask the gateway for its hardware address; the answer comes as `GatewayAnswered`."""
        ...

    def filenos(self) -> tuple[int, ...]: ...

    def observations(self, readable: Collection[int] = EVERYTHING, /) -> list[Observation]:
        """What has been seen since the last call; `readable` are the descriptors at which something waits."""
        ...

    def close(self) -> None:
        """Let go of everything, take the gate away; nothing of ours is left behind."""
        ...


class BootRecord(Protocol):
    """What a voter must remember across restarts of its agent within one boot, and no longer."""

    def longest_term_us(self) -> int | None:
        """The longest term granted in this boot; None where nothing was written in this boot."""
        ...

    def remember_term(self, term_us: int) -> None:
        """Write it down before the grant is sent. Raises OSError where /run is full; then the grant must not be sent."""
        ...

    def uptime_ns(self) -> int:
        """How long ago this machine was switched on."""
        ...


class Callers(Protocol):
    """People and programs of this machine who ask the agent something, a line each time. Nobody of them can make it wait."""

    def filenos(self) -> tuple[int, ...]:
        """Readable when `requests` may have something."""
        ...

    def waiting(self) -> list[int]:
        """Descriptors that have to become writable before `flush` can get rid of all that was said."""
        ...

    def requests(self, readable: Collection[int]) -> list[tuple[int, bytes]]:
        """Lines that have come in at these descriptors, each with its caller's number, which is never given again."""
        ...

    def say(self, caller: int, line: bytes) -> bool:
        """Keep a line for that caller until the next `flush`. False where it has hung up."""
        ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


class Order(enum.Enum):
    """What the machine asks of its agent."""

    STOP = "stop"
    RELOAD = "reload"


class Orders(Protocol):
    def fileno(self) -> int:
        """Readable when `given` has something."""
        ...

    def given(self) -> list[Order]:
        """The orders since the last call, oldest first."""
        ...
