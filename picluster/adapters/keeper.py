"""The address keeper of a real machine: `addresses`, `gate` and `neighbours` as one `picluster.ports.AddressKeeper`.

The order of things, and why it is so:

Taking an address: open the gate, then add the address. What is configured is thus governed at every moment: were this
process to die between the two, an open gate without an address answers nobody, and shuts by itself. (A gate that is shut
since `clean_slate` makes the other order safe as well; this one needs no such thought.)

Letting go: as long as the lease lasts, reset the TCP connections, so that no client waits for ever; then shut the gate, and
remove the address. From there on nobody is answered.

Never alone: on an interface without an address of this machine's own a floating address would be of no use, since there is
no route to anybody, and do harm: NetworkManager takes such an interface for somebody else's, and makes a profile of the
floating address (docs/kernel-lease.md). So there it is not added, and where the machine's own address goes, it goes as well;
it is back when that is back, or given up when that takes too long.

Renewing: one transaction with the kernel for the gate, and every few seconds one more for the address's lifetime.

The clocks are read in this order: wall clock, boot clock, call, boot clock. If the process is frozen between the first two,
the lease's end by the wall clock comes out too early; frozen before the call, the gate's absolute end stands; after it, the
last reading finds out.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from picluster.adapters.addresses import GATED_SPARE_S, Addresses
from picluster.adapters.connections import Connections
from picluster.adapters.gate import Gate, Moment
from picluster.adapters.neighbours import Neighbours, Speech
from picluster.adapters.privileges import missing_capabilities
from picluster.errors import KernelError
from picluster.model.inventory import FloatingAddress, IPAddress
from picluster.ports import EVERYTHING, AddressRemoved, Clock, ForeignClaim, GateRestored, GatewayAnswered, Observation

__all__ = ["KernelAddressKeeper"]

PROBE_NS = 1_000_000_000
"""How long an answer to a probe is waited for; the probing node itself waits for `Timing.probe_ms`, which is less."""
PATROL_NS = 10_000_000_000
"""How often a held address is looked for on the wire. A foreign machine that has it may have been silent so far: one whose
cable was out when the address was taken, or that only ever answers. It would take every second neighbour's traffic."""
PARTING_NS = 3_000_000
"""How much of its own time this thread spends on resetting connections before an address goes: meanwhile the next holder
waits. What a busy machine takes from it in between is lost already, and clients left hanging would not bring it back."""
PATIENCE_NS = 500_000_000
"""How long the machine's own address may be gone before a floating one is given up. NetworkManager configures an interface
anew in some hundredths of a second, where it need not ask a DHCP server."""
UNSPECIFIED: dict[int, IPAddress] = {4: ipaddress.IPv4Address(0), 6: ipaddress.IPv6Address(0)}


@dataclass(frozen=True, slots=True)
class Question:
    """The latest question to a gateway. ARP carries no number, so an answer is taken for the latest question's."""

    interface: str
    gateway: IPAddress
    number: int


class KernelAddressKeeper:
    """Rents floating addresses from this machine's kernel."""

    def __init__(self, clock: Clock, *, gate: Callable[[], Gate] = Gate) -> None:
        """Where `gate` raises KernelError, the keeper works without one, and `not_covered` says so.

        Raises KernelError where the kernel gives no netlink socket.
        """
        self._clock = clock
        self._addresses = Addresses()
        self._neighbours = Neighbours()
        self._connections = Connections()
        self._gate: Gate | None = None
        self._gateless = ""
        try:
            self._gate = gate()
            self._addresses.spare_s = GATED_SPARE_S
        except KernelError as error:
            self._gateless = str(error)
        self._until_ns: dict[str, int] = {}
        """When the leases of the addresses that are held end, by name."""
        self._known: dict[str, FloatingAddress] = {}
        self._probed_ns: dict[str, int] = {}
        self._patrol_ns: dict[str, int] = {}
        """When the addresses that are held are looked for on the wire next, by name."""
        self._alone_ns: dict[str, int] = {}
        """Since when the addresses that are held lack company, and so are not configured, by name."""
        self._back: list[str] = []
        """Which of those are configured again since they were last told of."""
        self._question: Question | None = None

    def not_covered(self) -> tuple[str, ...]:
        if not self._gateless:
            return ()
        return (
            "If this agent hangs or is killed, the kernel goes on answering for its addresses for up to three seconds: "
            f"{self._gateless}",
        )

    def incapable(self) -> str:
        try:
            missing = missing_capabilities()
        except (OSError, ValueError):
            return ""  # not told: what cannot be done will be seen when it is tried
        if not missing:
            return ""
        return f"no address can be held without {' and '.join(missing)}: run the agent as its service, or as root"

    def clean_slate(self, addresses: Iterable[FloatingAddress]) -> None:
        floats = list(addresses)
        if self._gate is not None:
            # All at once, in place of a killed predecessor's gate: between the two there is no moment without one.
            self._gate.cover(*floats)
        for floating in floats:
            self._know(floating)
        self._addresses.clean(floating.address for floating in floats)
        for floating in floats:
            self._until_ns.pop(floating.name, None)

    def hold(self, floating: FloatingAddress, until_ns: int) -> bool:
        wall_ns = time.time_ns()
        now_ns = self._clock.now_ns()
        if now_ns >= until_ns:
            self.let_go(floating)
            return False
        self._know(floating)
        taking = floating.name not in self._until_ns
        try:
            if self._gate is not None:
                self._gate.open(floating, Moment(wall_ns, now_ns), until_ns)
            self._configure(floating, now_ns, until_ns, taking=taking)
            self._until_ns[floating.name] = until_ns
            if taking:
                self._patrol_ns[floating.name] = now_ns + PATROL_NS
                self._listen(floating.interface)
            elif now_ns >= self._patrol_ns[floating.name]:
                self._patrol(floating, now_ns)
        except KernelError:
            self.let_go(floating)
            raise
        if self._clock.now_ns() >= until_ns:
            self.let_go(floating)
            return False
        return True

    def let_go(self, floating: FloatingAddress) -> None:
        until_ns = self._until_ns.pop(floating.name, None)
        self._alone_ns.pop(floating.name, None)
        try:
            if until_ns is not None:
                self._part(floating, until_ns)
            if self._gate is not None:
                self._gate.shut(floating)
        finally:
            # A gate that could not be shut is one reason more to take the address away.
            self._addresses.remove(floating)
        if until_ns is not None:
            self._listen(floating.interface)

    def forget(self, floating: FloatingAddress) -> None:
        known = self._known.get(floating.name)
        if known is None or known.address != floating.address:
            return
        self.let_go(known)
        if self._gate is not None:
            self._gate.uncover(known)
        for table in (self._known, self._probed_ns, self._patrol_ns):
            table.pop(floating.name, None)
        if all(other.interface != known.interface for other in self._known.values()):
            self._addresses.unwatch(known.interface)

    def announce(self, floating: FloatingAddress) -> None:
        # Raw frames pass by the gate, so the lease is looked at here, as late as can be.
        until_ns = self._until_ns.get(floating.name)
        if until_ns is not None and self._clock.now_ns() < until_ns:
            self._neighbours.announce(floating.interface, floating.address)

    def probe(self, floating: FloatingAddress) -> None:
        self._know(floating)
        self._probed_ns[floating.name] = self._clock.now_ns()
        self._listen(floating.interface)
        self._neighbours.ask(floating.interface, floating.address, UNSPECIFIED[floating.address.version])

    def ask_gateway(self, gateway: IPAddress, interface: str, number: int) -> None:
        self._question = Question(interface, gateway, number)
        self._listen(interface)
        self._neighbours.ask(interface, gateway, self._source_towards(gateway, interface))

    def filenos(self) -> tuple[int, ...]:
        return (self._addresses.fileno(), *self._neighbours.filenos())

    def observations(self, readable: Collection[int] = EVERYTHING, /) -> list[Observation]:
        seen: list[Observation] = []
        if self._addresses.fileno() in readable:
            seen += self._addresses.observations()
            if self._addresses.fewer():
                self._withdraw_lonely()
        seen = [one for one in seen if not isinstance(one, AddressRemoved) or one.address not in self._alone_ns]
        seen += [AddressRemoved(name) for name in self._back]
        self._back.clear()
        said = [observation for speech in self._neighbours.heard(readable) for observation in self._understood(speech)]
        seen += self._without_own(said)
        if self._gate is not None and self._gate.restored():
            seen.append(GateRestored())
        return seen

    def close(self) -> None:
        """Every address is tried. Where the kernel refuses to let go of one, the gate is left standing, since it alone keeps
        the machine from answering; KernelError tells all that was refused."""
        refusals: list[str] = []
        for floating in self._addresses.configured():
            try:
                self.let_go(floating)
            except KernelError as error:
                refusals.append(str(error))
        self._connections.close()
        self._neighbours.close()
        self._addresses.close()
        if refusals:
            raise KernelError("; ".join(dict.fromkeys(refusals)))
        if self._gate is not None:
            self._gate.close()

    def _know(self, floating: FloatingAddress) -> None:
        """Guard the address, and watch its interface; a changed entry of the inventory takes the place of the old one.

        Raises KernelError for one that is this machine's own: to guard that would cut the machine off."""
        known = self._known.get(floating.name)
        if known is not None and (known.address, known.interface) == (floating.address, floating.interface):
            return
        if known is not None:
            self.let_go(known)
        self._addresses.clean([floating.address])
        if self._gate is not None:
            self._gate.cover(floating)
        self._addresses.watch(floating.interface)
        self._known[floating.name] = floating

    def _configure(self, floating: FloatingAddress, now_ns: int, until_ns: int, *, taking: bool) -> None:
        """Put it on its interface, or see to it that it stays there; where it would be alone, not yet. Raises KernelError
        where that has lasted too long."""
        name = floating.name
        if (taking or name in self._alone_ns) and self._is_alone(floating):
            if taking or now_ns - self._alone_ns[name] >= PATIENCE_NS:
                raise KernelError(
                    f"{floating.interface} has no IPv{floating.address.version} address of this machine's own, so nobody "
                    f"could be answered from {floating.address}. Look at its network settings, or its DHCP server"
                )
            return
        self._addresses.refresh(floating, now_ns, until_ns)
        if self._alone_ns.pop(name, None) is not None:
            self._back.append(name)

    def _withdraw_lonely(self) -> None:
        """At once: NetworkManager looks at what is left on the interface as soon as it has emptied it."""
        for name in self._until_ns.keys() - self._alone_ns.keys():
            floating = self._known[name]
            if self._is_alone(floating):
                self._alone_ns[name] = self._clock.now_ns()
                self._addresses.remove(floating)

    def _is_alone(self, floating: FloatingAddress) -> bool:
        return self._addresses.stands_alone(floating, [known.address for known in self._known.values()])

    def _part(self, floating: FloatingAddress, until_ns: int) -> None:
        """Reset the address's connections while it is ours. After that a reset would not get out, and the connections of a
        node that gets its lease back go on."""
        spent_ns = time.thread_time_ns() + PARTING_NS
        self._connections.reset(
            floating.address, lambda: self._clock.now_ns() < until_ns and time.thread_time_ns() < spent_ns
        )

    def _patrol(self, floating: FloatingAddress, now_ns: int) -> None:
        """Ask the wire for an address that is held here. This machine does not hear its own question, and one of its other
        interfaces in the same network answers with a hardware address of ours."""
        self._patrol_ns[floating.name] = now_ns + PATROL_NS
        self._neighbours.ask(floating.interface, floating.address, UNSPECIFIED[floating.address.version])

    def _listen(self, interface: str) -> None:
        """Hear what concerns the addresses that are held or probed on the interface, and the gateway's answer."""
        now_ns = self._clock.now_ns()
        self._probed_ns = {name: at for name, at in self._probed_ns.items() if now_ns - at < PROBE_NS}
        concerned = {name for name in (*self._until_ns, *self._probed_ns) if self._known[name].interface == interface}
        addresses = [self._known[name].address for name in concerned]
        if self._question is not None and self._question.interface == interface:
            addresses.append(self._question.gateway)
        self._neighbours.listen(interface, addresses)

    def _understood(self, speech: Speech) -> list[GatewayAnswered | ForeignClaim]:
        question = self._question
        if speech.answer and question and (speech.interface, speech.address) == (question.interface, question.gateway):
            self._question = None
            return [GatewayAnswered(question.number)]
        now_ns = self._clock.now_ns()
        claimed = [
            name
            for name, floating in self._known.items()
            if (floating.interface, floating.address) == (speech.interface, speech.address)
            and (name in self._until_ns or now_ns - self._probed_ns.get(name, -PROBE_NS) < PROBE_NS)
        ]
        return [ForeignClaim(name, speech.mac) for name in claimed]

    def _without_own(self, said: list[GatewayAnswered | ForeignClaim]) -> list[GatewayAnswered | ForeignClaim]:
        """A second interface in the same network hears what the first one says; some access points send frames back. The
        kernel is asked for all interfaces once for everything that was said, and not at all where nobody claims anything."""
        if not any(isinstance(one, ForeignClaim) for one in said):
            return said
        own = self._addresses.own_macs()
        return [one for one in said if isinstance(one, GatewayAnswered) or one.mac not in own]

    def _source_towards(self, gateway: IPAddress, interface: str) -> IPAddress:
        """This machine's own address for the question. Asking from a floating one would tell the gateway that it is here."""
        family = socket.AF_INET if gateway.version == 4 else socket.AF_INET6
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sounding:
                sounding.connect(
                    (str(gateway), 9) if gateway.version == 4 else (str(gateway), 9, 0, socket.if_nametoindex(interface))
                )
                source: IPAddress = ipaddress.ip_address(sounding.getsockname()[0].partition("%")[0])
        except OSError:
            return UNSPECIFIED[gateway.version]
        floats = {floating.address for floating in self._known.values()}
        return UNSPECIFIED[gateway.version] if source in floats else source
