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

A renewal empties the set and fills it again, in one transaction that no packet sees the middle of: one datagram of 350
bytes, 0.04 ms here. It needs Linux 5.4; the stock kernels of Raspberry Pi OS have all of it, down to the Pi Zero's.
"""

from __future__ import annotations

import errno
import ipaddress
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass

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
    load,
    meta,
    network_order,
    new_set,
    new_table,
    not_in,
    rule,
)
from picluster.errors import KernelError
from picluster.model.inventory import FloatingAddress

__all__ = ["Gate", "tick_ns"]

TABLE = "picluster"
PRIORITY = -500
"""Before connection tracking (-200), address translation (-100) and whatever filters the user has (0)."""
FAMILIES = (NFPROTO_INET, NFPROTO_ARP)
NF_INET_PRE_ROUTING, NF_INET_LOCAL_OUT, NF_ARP_OUT = 0, 3, 1
NFPROTO_IPV4, NFPROTO_IPV6 = 2, 10
RTN_LOCAL = 2
CLOCK_MONOTONIC_COARSE = 6
"""linux/time.h; Python has no name for it."""
TIME = struct.Struct(">Q")
NANOSECONDS_PER_MS = 1_000_000
TRIAL = tuple(
    FloatingAddress(f"trial{version}", ipaddress.ip_address(address), "", ())
    for version, address in ((4, "192.0.2.1"), (6, "2001:db8::1"))
)
"""Covered once at the start, to learn whether the kernel has every part: addresses of documentation (RFC 5737, RFC 3849)."""
# Stand-ins in a prepared batch, found again by their bytes, which no other attribute holds.
END_MARK, TIMEOUT_MARK = b"\xfe-until-", b"\xfe-times-"


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


def _places(data: bytearray, mark: bytes) -> tuple[int, ...]:
    return tuple(at for at in range(len(data)) if data.startswith(mark, at))


def _families(floating: FloatingAddress) -> tuple[int, ...]:
    return FAMILIES if floating.address.version == 4 else (NFPROTO_INET,)


def _renewal(floating: FloatingAddress) -> Renewal:
    changes = []
    for family in _families(floating):
        changes.append(flush_set(family, TABLE, floating.name))
        changes.append(fill_set(family, TABLE, floating.name, END_MARK, TIMEOUT_MARK))
    prepared = bytearray(batch(*changes))
    return Renewal(prepared, _places(prepared, END_MARK), _places(prepared, TIMEOUT_MARK))


def _internet_rules(floating: FloatingAddress, set_id: int) -> list[bytes]:
    """The two rules for IP: nothing comes in for the address, and nothing goes out from it, outside the lease."""
    ipv4 = floating.address.version == 4
    packed = floating.address.packed
    family = meta(NFT_META_NFPROTO) + equal(bytes([NFPROTO_IPV4 if ipv4 else NFPROTO_IPV6]))
    source = load(12 if ipv4 else 8, len(packed)) + equal(packed)
    destination = load(16 if ipv4 else 24, len(packed)) + equal(packed)
    is_local = fib_type() + equal(struct.pack("=I", RTN_LOCAL))
    outside = _outside(floating, set_id)
    return [
        rule(NFPROTO_INET, TABLE, "incoming", family, destination, is_local, outside, DROP),
        rule(NFPROTO_INET, TABLE, "outgoing", family, source, outside, DROP),
    ]


def _arp_rule(floating: FloatingAddress, set_id: int) -> bytes:
    """The sender's protocol address stands at offset 14 of ARP for IPv4 on Ethernet (RFC 826)."""
    sender = load(14, 4) + equal(floating.address.packed)
    return rule(NFPROTO_ARP, TABLE, "outgoing", sender, _outside(floating, set_id), DROP)


def _outside(floating: FloatingAddress, set_id: int) -> bytes:
    """Go on only if it is not the time of the lease."""
    return meta(NFT_META_TIME_NS) + network_order(TIME.size) + not_in(floating.name, set_id)


class Gate:
    """Shut for every address that it covers, but for those that `open` has opened, until they end."""

    def __init__(self, tick: int | None = None) -> None:
        """Takes over the tables that a crashed predecessor left behind. Raises KernelError where nftables is not to be had.

        `tick` is the kernel's, in nanoseconds, where it is known better.
        """
        self._tick_ns = tick_ns() if tick is None else tick
        self._renewals: dict[str, Renewal] = {}
        self._covered: dict[str, FloatingAddress] = {}
        try:
            self._netlink = Netlink(NETLINK_NETFILTER)
        except OSError as error:
            raise KernelError(f"the kernel has no nftables ({error.strerror})") from error
        try:
            self._build(TRIAL)
            self._build(())
        except KernelError:
            self._netlink.close()
            raise

    def cover(self, floating: FloatingAddress) -> None:
        """Guard this address from now on, shut; where it is covered already, nothing changes. Raises KernelError."""
        covered = self._covered.get(floating.name)
        if covered is None or covered.address != floating.address:
            self._covered[floating.name] = floating
            self._renewals[floating.name] = _renewal(floating)
            self._build(self._covered.values())

    def open(self, floating: FloatingAddress, end_ns: int, left_ns: int) -> None:
        """Open until the wall clock shows `end_ns`, or `left_ns` have passed, whichever comes first. Raises KernelError.

        Somebody may have flushed the ruleset: then it is built anew in the same call. Other addresses that were open are
        shut by that until their own next renewal.
        """
        self.cover(floating)
        renewal = self._renewals[floating.name]
        end, timeout = TIME.pack(end_ns), TIME.pack(max(1, self._shortened_ms(left_ns)))
        for at in renewal.ends:
            renewal.batch[at : at + TIME.size] = end
        for at in renewal.timeouts:
            renewal.batch[at : at + TIME.size] = timeout
        try:
            self._netlink.commit(renewal.batch)
        except FileNotFoundError:
            self._build(self._covered.values())
            self._commit(renewal.batch)
        except OSError as error:
            raise _refused(error) from error

    def shut(self, floating: FloatingAddress) -> None:
        """At once. Harmless where it is shut or not covered. Raises KernelError."""
        if floating.name in self._covered:
            try:
                self._netlink.commit(batch(*(flush_set(family, TABLE, floating.name) for family in _families(floating))))
            except FileNotFoundError:
                self._build(self._covered.values())
            except OSError as error:
                raise _refused(error) from error

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

    def _shortened_ms(self, left_ns: int) -> int:
        return (left_ns - min(2 * self._tick_ns, left_ns // 4)) // NANOSECONDS_PER_MS

    def _build(self, addresses: Iterable[FloatingAddress]) -> None:
        """Make the tables afresh, every set empty. A table must be there to be deleted, hence made, deleted, made."""
        changes = []
        for family in FAMILIES:
            changes += [new_table(family, TABLE), delete_table(family, TABLE), new_table(family, TABLE)]
        changes.append(chain(NFPROTO_INET, TABLE, "incoming", NF_INET_PRE_ROUTING, PRIORITY))
        changes.append(chain(NFPROTO_INET, TABLE, "outgoing", NF_INET_LOCAL_OUT, PRIORITY))
        changes.append(chain(NFPROTO_ARP, TABLE, "outgoing", NF_ARP_OUT, PRIORITY))
        for set_id, floating in enumerate(addresses, start=1):
            changes += [new_set(family, TABLE, floating.name, set_id, TIME.size) for family in _families(floating)]
            changes += _internet_rules(floating, set_id)
            if floating.address.version == 4:
                changes.append(_arp_rule(floating, set_id))
        self._commit(batch(*changes))

    def _commit(self, changes: bytes | bytearray) -> None:
        try:
            self._netlink.commit(changes)
        except OSError as error:
            raise _refused(error) from error


def _refused(error: OSError) -> KernelError:
    if error.errno == errno.EPERM:
        return KernelError("may not use nftables: needs CAP_NET_ADMIN")
    if error.errno in (errno.ENOENT, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT):
        return KernelError(
            f"the kernel lacks a part of nftables ({error.strerror}): needs the modules nf_tables, with INET and ARP, "
            f"and nft_fib_inet"
        )
    return KernelError(f"nftables refuses the gate: {error.strerror}")
