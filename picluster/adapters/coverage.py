"""What this machine's kernel offers, and what is therefore covered: the answers of `picluster agent --check`.

Each question is put to the kernel itself and not to a version number or a file of its settings: it is asked to do the thing,
in a way that leaves nothing behind. For nftables that is a transaction without an end, which the kernel checks in full and
then takes back: what `nft --check` does. (Modules that it loads for that stay loaded, as after any such question.)
"""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from picluster.adapters.connections import Connections
from picluster.adapters.gate import NF_ARP_OUT, NF_INET_LOCAL_OUT, NF_INET_PRE_ROUTING, PRIORITY, RTN_LOCAL, TIME, tick_ns
from picluster.adapters.links import Links
from picluster.adapters.netlink import Netlink
from picluster.adapters.nftables import (
    DROP,
    NETLINK_NETFILTER,
    NFPROTO_ARP,
    NFPROTO_INET,
    NFT_META_TIME_NS,
    chain,
    equal,
    fib_type,
    fill_set,
    generation,
    meta,
    network_order,
    new_set,
    new_table,
    not_in,
    rule,
    trial,
)
from picluster.adapters.privileges import CAPABILITIES, missing_capabilities
from picluster.errors import KernelError
from picluster.model.timing import NANOSECONDS_PER_MS, Timing

__all__ = ["Finding", "examine", "examine_interfaces", "examine_timing", "gate_holds_ms"]

TABLE = "picluster-check"
"""linux/capability.h."""
AS_ROOT = "run it as root, or give it CAP_NET_ADMIN and CAP_NET_RAW"


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of the kernel, and what depends on it."""

    part: str
    covers: str
    """What it is good for."""
    why_not: str = ""
    """Empty where it is there."""
    mend: str = ""

    @property
    def line(self) -> str:
        if not self.why_not:
            return f"✓ {self.part}: {self.covers}"
        return f"✗ {self.part}: {self.why_not}. {self.mend}. Otherwise this does not hold: {self.covers}"


def examine() -> Iterator[Finding]:
    """All that does not depend on the cluster."""
    yield _clock()
    yield _capabilities()
    yield _addresses()
    yield _raw_sockets()
    yield from _gate()
    yield _connections()


def examine_interfaces(names: Iterable[str]) -> Iterator[Finding]:
    """Those that are to carry floating addresses."""
    for name in names:
        why_not = ""
        try:
            with Links() as links:
                if not links.state(name).up:
                    why_not = "is there, but has no carrier"
        except OSError as error:
            why_not = "is not there" if error.errno == errno.ENODEV else error.strerror or str(error)
        mend = "Plug its cable in, switch it on, or correct `interface` in the inventory"
        yield Finding(f"interface {name}", "its floating addresses", why_not, mend)


def examine_timing(timing: Timing, tick: int | None = None) -> Finding:
    """Whether the kernel's tick is fine enough for the lease; `tick` in nanoseconds where it is known better."""
    tick = tick_ns() if tick is None else tick
    holds_ms = gate_holds_ms(timing, tick)
    made_up_ms = timing.renewal_ms + timing.retry_ms
    part = f"tick of {tick / NANOSECONDS_PER_MS:g} ms, lease of {timing.lease_ms} ms"
    why_not = f"the gate may shut {holds_ms} ms after a renewal, and what is lost is made up for after {made_up_ms} ms"
    covers = f"the gate outlives a lost renewal: it is open for at least {holds_ms} ms after the last one"
    mend = "Nobody answers twice, but a lost renewal may cost some milliseconds: take a longer lease"
    return Finding(part, covers, why_not if holds_ms < made_up_ms else "", mend)


def gate_holds_ms(timing: Timing, tick: int) -> int:
    """How long the gate stays open at least after a renewal that was granted at once (ms): the lease shortened by two ticks
    or a quarter, rounded down to ticks, the tick that has begun not counted."""
    shortened_ns = timing.lease_ns - min(2 * tick, timing.lease_ns // 4)
    return max(0, shortened_ns // tick - 1) * tick // NANOSECONDS_PER_MS


def _clock() -> Finding:
    covers = "a lease runs out while the machine sleeps, and no setting of the clock prolongs it"
    try:
        time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    except (AttributeError, OSError) as error:
        return Finding("CLOCK_BOOTTIME", covers, f"not to be read ({error})", "It needs Linux")
    return Finding("CLOCK_BOOTTIME", covers)


def _capabilities() -> Finding:
    part, covers = " and ".join(CAPABILITIES), "the agent may do what follows"
    try:
        missing = missing_capabilities()
    except (OSError, ValueError):
        return Finding(part, covers, "/proc does not tell", "It needs Linux with /proc mounted")
    return Finding(part, covers, f"{' and '.join(missing)} missing" if missing else "", f"To mend it, {AS_ROOT}")


def _addresses() -> Finding:
    covers = "addresses are put on interfaces, taken off, and missed when somebody else takes them off"
    try:
        with Links() as links:
            links.addresses()
    except (AttributeError, OSError) as error:
        return Finding("netlink", covers, str(error), "It needs Linux, and a unit that allows AF_NETLINK")
    return Finding("netlink", covers)


def _raw_sockets() -> Finding:
    covers = "neighbours are told where an address went, and foreign machines that have it are found"
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except PermissionError:
        return Finding("raw sockets", covers, "needs CAP_NET_RAW", f"To mend it, {AS_ROOT}")
    except (AttributeError, OSError) as error:
        return Finding(
            "raw sockets", covers, str(error), "It needs Linux with CONFIG_PACKET, and a unit that allows AF_PACKET"
        )
    return Finding("raw sockets", covers)


def _gate() -> Iterator[Finding]:
    """The parts of nftables, each by itself: a kernel may lack any of them."""
    inet = new_table(NFPROTO_INET, TABLE)
    arp = new_table(NFPROTO_ARP, TABLE)
    lease = new_set(NFPROTO_INET, TABLE, "lease", 1, TIME.size)
    incoming = chain(NFPROTO_INET, TABLE, "incoming", NF_INET_PRE_ROUTING, PRIORITY)
    outgoing = chain(NFPROTO_INET, TABLE, "outgoing", NF_INET_LOCAL_OUT, PRIORITY)
    answers = chain(NFPROTO_ARP, TABLE, "outgoing", NF_ARP_OUT, PRIORITY)
    opened = fill_set(NFPROTO_INET, TABLE, "lease", TIME.pack(2), TIME.pack(1))
    local = rule(NFPROTO_INET, TABLE, "incoming", fib_type(), equal(struct.pack("=I", RTN_LOCAL)), DROP)
    timed = meta(NFT_META_TIME_NS) + network_order(TIME.size) + not_in("lease", 1)
    yield _part("nftables for IPv4 and IPv6", "the kernel of a hung or killed agent falls silent", inet, incoming, outgoing)
    yield _part("nftables for ARP", "and it answers no ARP either", arp, answers)
    yield _part("sets with timeouts", "that happens when the lease ends, by the kernel's own tick", inet, lease, opened)
    yield _part(
        "rules that know the time",
        "and by the wall clock, should the agent freeze in the middle of a renewal",
        inet,
        lease,
        outgoing,
        rule(NFPROTO_INET, TABLE, "outgoing", timed, DROP),
    )
    yield _part(
        "rules that ask the routes (nft_fib)",
        "what is only routed through this machine passes meanwhile",
        inet,
        incoming,
        local,
    )
    yield _generation()


def _part(part: str, covers: str, *changes: bytes) -> Finding:
    try:
        with Netlink(NETLINK_NETFILTER) as netlink:
            netlink.commit(trial(*changes))
    except PermissionError:
        return Finding(part, covers, "needs CAP_NET_ADMIN", f"To mend it, {AS_ROOT}")
    except (AttributeError, OSError) as error:
        return Finding(part, covers, f"the kernel refuses it ({error})", MODULES)
    return Finding(part, covers)


MODULES = (
    "It needs Linux 5.4 or newer with NF_TABLES, NF_TABLES_INET, NF_TABLES_ARP and NFT_FIB_INET; look with "
    "`modprobe -a nf_tables nft_fib_inet`"
)


def _generation() -> Finding:
    part, covers = "numbered rulesets", "a firewall that flushes the ruleset is noticed with the next renewal"
    try:
        with Netlink(NETLINK_NETFILTER) as netlink:
            generation(netlink)
    except PermissionError:
        return Finding(part, covers, "needs CAP_NET_ADMIN", f"To mend it, {AS_ROOT}")
    except (AttributeError, OSError) as error:
        return Finding(part, covers, f"the kernel refuses it ({error})", MODULES)
    return Finding(part, covers)


def _connections() -> Finding:
    part, covers = "sock_diag", "TCP clients that wait for an answer are told when an address is handed over"
    try:
        connections = Connections()
    except (AttributeError, KernelError) as error:
        return Finding(part, covers, str(error), "It needs Linux with CONFIG_INET_DIAG")
    try:
        why_not = connections.why_not()
    finally:
        connections.close()
    # The kernel looks for the connection first, and only then at who asks.
    with suppress(OSError, ValueError):
        if not why_not and "CAP_NET_ADMIN" in missing_capabilities():
            return Finding(part, covers, "needs CAP_NET_ADMIN", f"To mend it, {AS_ROOT}")
    return Finding(part, covers, why_not, "It needs CONFIG_INET_DIAG_DESTROY; without it, clients need TCP keepalives")
