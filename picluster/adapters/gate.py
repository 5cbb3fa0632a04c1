"""The gate: the kernel's own copy of each lease, which ends whether or not this process ever runs again.

nftables drops, on this machine, whatever hears or speaks for a floating address outside its lease:

    table inet picluster {
        set web { type time; flags interval, timeout; elements = { 0 - <the lease's end> timeout 142ms } }
        chain incoming { type filter hook prerouting priority -500;
            ip daddr 10.0.0.5 fib daddr type local meta time != @web drop }
        chain outgoing { type filter hook output priority -500;
            ip saddr 10.0.0.5 meta time != @web drop }
    }
    table arp picluster {
        chain outgoing { type filter hook output priority -500; arp saddr ip 10.0.0.5 meta time != @web drop }
    }

Why these hooks
- *They see every interface.* Linux answers ARP for any of its addresses on any interface (arp_ignore = 0), so a Pi with
  cable and Wi-Fi in one network would go on answering on the one that a rule for `eth0` does not see. Nor does a hook of a
  protocol care when an interface goes and another of the same name comes, as a hook of a device does.
- *ARP is gated on its way out.* Dropping incoming ARP for the address would also drop the announcement of the next holder,
  and with it this machine's way to it. Outgoing ARP covers answers, and the kernel's own questions, whose sender field
  would turn the neighbours' traffic here. Neighbour advertisements (IPv6) leave with the address as their source.
- *prerouting* comes before the address translation of containers, and `fib daddr type local` spares what this machine merely
  routes to the present holder.
- *output* also drops the answer that a service was slow to give.

Two locks on one door. The set's element is the lease as an interval of time, and it has a timeout:
- The interval is absolute, by the wall clock (`meta time`, nanoseconds). A process that was frozen between reading the
  clocks and calling the kernel, for however long, leaves nothing open when it thaws. A clock set back would keep this lock
  open.
- The timeout is relative, by the kernel's tick, and no setting of clocks touches it. A process frozen just there would get
  it started too late.
So the door is open too long only if the process is frozen within those microseconds *and* the clock is set back meanwhile.
A clock set forward, as a Pi without a battery does once after boot, shuts the gate until the next renewal.

Both locks are early, never late. The interval ends with the lease. The timeout is rounded down to ticks by the kernel,
counted from the tick before; two more ticks are taken off in case a tick is late, yet never more than a quarter, so that a
lease of a few ticks is worth having.

A renewal empties the set and fills it again, in one transaction that no packet sees the middle of: one datagram of 360
bytes. It needs Linux 5.4; the stock kernels of Raspberry Pi OS have all of it, down to the Pi Zero's.

Somebody else may flush the ruleset (`nft flush ruleset` is the first line of many a firewall's file), or only our table.
The kernel numbers the generations of its ruleset, and a transaction may say which one it is meant for. So every renewal
names the one that the last left behind, at no cost, and nobody has to listen: where anybody has changed anything, it is
refused, and then we look whether our rules stand as we made them. If not, they are made anew, and every address whose lease
lasts is opened in the same transaction. (Notifications, NFNLGRP_NFTABLES, would come sooner; but once somebody listens, the
kernel writes one for each renewal of ours, too.)
"""

from __future__ import annotations

import errno
import ipaddress
import struct
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple, Self

from picluster.adapters.netlink import Netlink
from picluster.adapters.nftables import (
    DROP,
    NETLINK_NETFILTER,
    NFPROTO_ARP,
    NFPROTO_INET,
    NFT_META_NFPROTO,
    NFT_META_TIME_NS,
    batch,
    chain,
    delete_table,
    equal,
    fib_type,
    fill_set,
    flush_set,
    generation,
    load,
    meta,
    network_order,
    new_set,
    new_table,
    not_in,
    rule,
    rules_of,
)
from picluster.errors import KernelError
from picluster.model.inventory import FloatingAddress
from picluster.model.timing import NANOSECONDS_PER_MS

__all__ = ["Gate", "Moment", "tick_ns"]

TABLE, TRIAL_TABLE = "picluster", "picluster-trial"
PRIORITY = -500
"""Before connection tracking (-200), address translation (-100) and whatever filters the user has (0)."""
FAMILIES = (NFPROTO_INET, NFPROTO_ARP)
NF_INET_PRE_ROUTING, NF_INET_LOCAL_OUT, NF_ARP_OUT = 0, 3, 1
NFPROTO_IPV4, NFPROTO_IPV6 = 2, 10
RTN_LOCAL = 2
CLOCK_MONOTONIC_COARSE = 6
"""linux/time.h; Python has no name for it."""
TIME = struct.Struct(">Q")
TRIAL = tuple(
    FloatingAddress(f"trial{version}", ipaddress.ip_address(address), "", ())
    for version, address in ((4, "192.0.2.1"), (6, "2001:db8::1"))
)
"""Covered once at the start, to learn whether the kernel has every part: addresses of documentation (RFC 5737, RFC 3849)."""
# Stand-ins in a prepared batch, found again by their bytes, which no other attribute holds.
END_MARK, TIMEOUT_MARK, GENERATION_MARK = b"\xfe-until-", b"\xfe-times-", b"\xfe-g-"
NUMBER = struct.Struct(">I")
LAST_GENERATION = 0xFFFFFFFF
UNKNOWN_GENERATION = 0
"""The kernel leaves this number out, and takes it for "whichever"."""
ATTEMPTS = 3
"""How often a renewal finds that the ruleset has changed since it looked, before it goes through regardless."""


class Moment(NamedTuple):
    """One moment by both clocks, nanoseconds."""

    wall_ns: int
    boot_ns: int
    """CLOCK_BOOTTIME."""

    @classmethod
    def now(cls) -> Self:
        """The wall clock first: a process that is frozen between the two shuts too early, not too late."""
        wall_ns = time.time_ns()
        return cls(wall_ns, time.clock_gettime_ns(time.CLOCK_BOOTTIME))


def tick_ns() -> int:
    """The length of the kernel's tick: what CLOCK_MONOTONIC_COARSE advances by (4 ms where CONFIG_HZ is 250)."""
    return round(time.clock_getres(CLOCK_MONOTONIC_COARSE) * 1e9)


@dataclass(slots=True)
class Renewal:
    """The batch that opens the gate for one address, ready but for its numbers."""

    batch: bytearray
    ends: tuple[int, ...]
    """Where the end of the lease goes, eight bytes each."""
    timeouts: tuple[int, ...]
    generation: int
    """Where the number of the ruleset's generation goes, four bytes."""

    def fill(self, end: bytes, timeout_ms: bytes) -> None:
        for at in self.ends:
            self.batch[at : at + TIME.size] = end
        for at in self.timeouts:
            self.batch[at : at + TIME.size] = timeout_ms


def _places(data: bytearray, mark: bytes) -> tuple[int, ...]:
    return tuple(at for at in range(len(data)) if data.startswith(mark, at))


def _families(floating: FloatingAddress) -> tuple[int, ...]:
    return FAMILIES if floating.address.version == 4 else (NFPROTO_INET,)


def _renewal(floating: FloatingAddress) -> Renewal:
    changes = []
    for family in _families(floating):
        changes.append(flush_set(family, TABLE, floating.name))
        changes.append(fill_set(family, TABLE, floating.name, END_MARK, TIMEOUT_MARK))
    prepared = bytearray(batch(*changes, if_still=GENERATION_MARK))
    (generation_at,) = _places(prepared, GENERATION_MARK)
    return Renewal(prepared, _places(prepared, END_MARK), _places(prepared, TIMEOUT_MARK), generation_at)


def _internet_rules(floating: FloatingAddress, set_id: int, table: str) -> list[bytes]:
    """The two rules for IP: nothing comes in for the address, and nothing goes out from it, outside the lease."""
    ipv4 = floating.address.version == 4
    packed = floating.address.packed
    family = meta(NFT_META_NFPROTO) + equal(bytes([NFPROTO_IPV4 if ipv4 else NFPROTO_IPV6]))
    source = load(12 if ipv4 else 8, len(packed)) + equal(packed)
    destination = load(16 if ipv4 else 24, len(packed)) + equal(packed)
    is_local = fib_type() + equal(struct.pack("=I", RTN_LOCAL))
    outside = _outside(floating, set_id)
    return [
        rule(NFPROTO_INET, table, "incoming", family, destination, is_local, outside, DROP),
        rule(NFPROTO_INET, table, "outgoing", family, source, outside, DROP),
    ]


def _arp_rule(floating: FloatingAddress, set_id: int, table: str) -> bytes:
    """The sender's protocol address stands at offset 14 of ARP for IPv4 on Ethernet (RFC 826)."""
    sender = load(14, 4) + equal(floating.address.packed)
    return rule(NFPROTO_ARP, table, "outgoing", sender, _outside(floating, set_id), DROP)


def _outside(floating: FloatingAddress, set_id: int) -> bytes:
    """Go on only if it is not the time of the lease."""
    return meta(NFT_META_TIME_NS) + network_order(TIME.size) + not_in(floating.name, set_id)


def _rules(floating: FloatingAddress, set_id: int, table: str = TABLE) -> list[bytes]:
    rules = _internet_rules(floating, set_id, table)
    return [*rules, _arp_rule(floating, set_id, table)] if floating.address.version == 4 else rules


class Gate:
    """Shut for every address that it covers, but for those that `open` has opened, until they end."""

    def __init__(self, tick: int | None = None) -> None:
        """Leaves the tables of a killed predecessor alone until `cover` puts others in their place: they keep its addresses
        shut, which may still be configured. Raises KernelError where nftables is not to be had.

        `tick` is the kernel's, in nanoseconds, where it is known better.
        """
        self._tick_ns = tick_ns() if tick is None else tick
        self._renewals: dict[str, Renewal] = {}
        self._covered: dict[str, FloatingAddress] = {}
        self._until_ns: dict[str, int] = {}
        """When the leases of the addresses that are open end (CLOCK_BOOTTIME), by name."""
        self._generation = UNKNOWN_GENERATION
        """The ruleset's number after our last transaction."""
        self._standing: list[bytes] = []
        """Our rules as the kernel described them when they were made."""
        self._restored = False
        try:
            self._netlink = Netlink(NETLINK_NETFILTER)
        except OSError as error:
            raise KernelError(f"the kernel has no nftables ({error.strerror})") from error
        try:
            unmade = (delete_table(family, TRIAL_TABLE) for family in FAMILIES)
            self._netlink.commit(batch(*self._tables(TRIAL, Moment.now(), TRIAL_TABLE), *unmade))
        except OSError as error:
            self._netlink.close()
            raise _refused(error) from error

    def cover(self, *addresses: FloatingAddress) -> None:
        """Guard these addresses from now on, shut, all from one moment; where one is covered already, nothing changes for
        it. Raises KernelError."""
        fresh = [floating for floating in addresses if not self._covers(floating)]
        for floating in fresh:
            self._until_ns.pop(floating.name, None)
            self._covered[floating.name] = floating
            self._renewals[floating.name] = _renewal(floating)
        if fresh:
            self._build(self._covered.values())

    def uncover(self, floating: FloatingAddress) -> None:
        """This address is none of ours any more: whoever has it may use it. Raises KernelError."""
        if self._covered.pop(floating.name, None) is not None:
            self._until_ns.pop(floating.name, None)
            del self._renewals[floating.name]
            self._build(self._covered.values())

    def open(self, floating: FloatingAddress, now: Moment, until_ns: int) -> None:
        """Open until the wall clock has moved on by what is left of the lease, or that has passed, whichever comes first.
        `until_ns` is the lease's end (CLOCK_BOOTTIME). Raises KernelError.

        Somebody may have flushed the ruleset: then it is built anew in the same call, with all that was open.
        """
        self.cover(floating)
        self._until_ns[floating.name] = until_ns
        self._renewals[floating.name].fill(*self._interval(now, until_ns))
        self._renew(floating, now)

    def shut(self, floating: FloatingAddress) -> None:
        """At once. Harmless where it is shut or not covered. Raises KernelError."""
        if floating.name in self._covered:
            self._until_ns.pop(floating.name, None)
            # An interval that ended with 1970 has the same form as any other, and counts as a change where nothing was open.
            self._renewals[floating.name].fill(TIME.pack(1), TIME.pack(1))
            self._renew(floating, None)

    def restored(self) -> bool:
        """Whether somebody else had taken our rules away since the last call, and they are back."""
        restored, self._restored = self._restored, False
        return restored

    def close(self) -> None:
        """Take our tables away, and nothing else."""
        for family in FAMILIES:
            try:
                self._netlink.commit(batch(delete_table(family, TABLE)))
            except FileNotFoundError:
                continue
            except OSError as error:
                raise _refused(error) from error
        self._netlink.close()

    def _renew(self, floating: FloatingAddress, now: Moment | None) -> None:
        """Commit the address's renewal, in a ruleset in which our rules stand."""
        renewal = self._renewals[floating.name]
        for attempt in range(1, ATTEMPTS + 1):
            if self._generation == UNKNOWN_GENERATION and not self._stands():
                self._build(self._covered.values(), now)
                self._restored = True
            expected = self._generation if attempt < ATTEMPTS else UNKNOWN_GENERATION
            NUMBER.pack_into(renewal.batch, renewal.generation, expected)
            try:
                self._netlink.commit(renewal.batch)
            except OSError as error:
                self._generation = UNKNOWN_GENERATION
                if error.errno not in (errno.ERESTART, errno.ENOENT) or attempt == ATTEMPTS:
                    raise _refused(error) from error
            else:
                self._generation = expected % LAST_GENERATION + 1 if expected else UNKNOWN_GENERATION
                return

    def _stands(self) -> bool:
        """Whether our rules are there as we made them; never, where they were gone before they could be read. The generation
        is asked first: what changes after that is noticed by the renewal."""
        try:
            self._generation = generation(self._netlink)
            return rules_of(self._netlink, FAMILIES, TABLE) == self._standing != []
        except OSError as error:
            raise _refused(error) from error

    def _interval(self, now: Moment, until_ns: int) -> tuple[bytes, bytes]:
        """End by the wall clock, and timeout in milliseconds."""
        left_ns = until_ns - now.boot_ns
        shortened_ms = (left_ns - min(2 * self._tick_ns, left_ns // 4)) // NANOSECONDS_PER_MS
        return TIME.pack(now.wall_ns + left_ns), TIME.pack(max(1, shortened_ms))

    def _covers(self, floating: FloatingAddress) -> bool:
        covered = self._covered.get(floating.name)
        return covered is not None and covered.address == floating.address

    def _tables(self, addresses: Collection[FloatingAddress], now: Moment, table: str = TABLE) -> list[bytes]:
        """What makes the tables afresh, with what was open open until its own lease's end. A table must be there to be
        deleted, hence made, deleted, made."""
        changes = []
        for family in FAMILIES:
            changes += [new_table(family, table), delete_table(family, table), new_table(family, table)]
        changes.append(chain(NFPROTO_INET, table, "incoming", NF_INET_PRE_ROUTING, PRIORITY))
        changes.append(chain(NFPROTO_INET, table, "outgoing", NF_INET_LOCAL_OUT, PRIORITY))
        changes.append(chain(NFPROTO_ARP, table, "outgoing", NF_ARP_OUT, PRIORITY))
        for set_id, floating in enumerate(addresses, start=1):
            changes += [new_set(family, table, floating.name, set_id, TIME.size) for family in _families(floating)]
            changes += _rules(floating, set_id, table)
            until_ns = self._until_ns.get(floating.name, 0)
            if until_ns > now.boot_ns:
                interval = self._interval(now, until_ns)
                changes += [fill_set(family, table, floating.name, *interval) for family in _families(floating)]
        return changes

    def _build(self, addresses: Collection[FloatingAddress], now: Moment | None = None) -> None:
        try:
            self._netlink.commit(batch(*self._tables(addresses, Moment.now() if now is None else now)))
            self._remember(sum(len(_rules(floating, 1)) for floating in addresses))
        except OSError as error:
            raise _refused(error) from error

    def _remember(self, rules: int) -> None:
        """What stands now is what has to stand from now on; unless somebody was there so quickly that it does not."""
        self._generation = generation(self._netlink)
        self._standing = rules_of(self._netlink, FAMILIES, TABLE)
        if len(self._standing) != len(FAMILIES) + rules:
            self._generation, self._standing = UNKNOWN_GENERATION, []


def _refused(error: OSError) -> KernelError:
    if error.errno == errno.EPERM:
        return KernelError("may not use nftables: needs CAP_NET_ADMIN")
    if error.errno in (errno.ENOENT, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT):
        return KernelError(
            f"the kernel lacks a part of nftables ({error.strerror}): needs the modules nf_tables, with INET and ARP, "
            f"and nft_fib_inet"
        )
    return KernelError(f"nftables refuses the gate: {error.strerror}")
