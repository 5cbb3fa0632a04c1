"""The switch of the lab: a bridge in a network namespace of its own, with a cable to each machine.

Cutting the network in two and losing frames is done by nftables in the bridge's forwarding path, so no port loses its
carrier: no machine can see that anything happened but by what no longer arrives. netem would do for the losses, if kernels
could be relied upon to have it.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Sequence

from picluster.adapters.links import Links
from picluster.adapters.namespaces import NetworkNamespace
from picluster.adapters.netlink import Netlink, attribute, nested, text
from picluster.adapters.nftables import (
    DROP,
    NETLINK_NETFILTER,
    batch,
    chain,
    delete_table,
    equal,
    meta,
    network_order,
    new_table,
    number,
    rule,
)

__all__ = ["Switch"]

BRIDGE = "switch"
ADDRESSES = ("10.77.0.1/24", "fd77::1/64")
"""The switch's own, as a managed switch has them: the dashboard sits there."""

# linux/netfilter.h, linux/netfilter_bridge.h, linux/netfilter/nf_tables.h
NFPROTO_BRIDGE, NF_BR_FORWARD, NF_ACCEPT = 7, 2, 1
NFT_META_IIF, NFT_META_OIF = 4, 5
NFTA_LIST_ELEM, NFTA_EXPR_NAME, NFTA_EXPR_DATA = 1, 1, 2
NFT_REG_VERDICT, NFT_REG_1 = 0, 1
NFT_NG_RANDOM, NFT_CMP_LT = 1, 2
NFTA_DATA_VALUE, NFTA_DATA_VERDICT, NFTA_VERDICT_CODE = 1, 2, 1

INDEX = struct.Struct("=I")
CHAIN = "forward"


def _expression(name: str, *inner: bytes) -> bytes:
    return nested(NFTA_LIST_ELEM, text(NFTA_EXPR_NAME, name), nested(NFTA_EXPR_DATA, *inner))


def _in_percent_of_cases(percent: int) -> bytes:
    """A random number below 100, and go on only if it is below this."""
    register, modulus, kind, order, limit = 1, 2, 3, 2, 3
    drawn = _expression("numgen", number(register, NFT_REG_1), number(modulus, 100), number(kind, NFT_NG_RANDOM))
    below = nested(limit, attribute(NFTA_DATA_VALUE, percent.to_bytes(4, "big")))
    return drawn + network_order(4) + _expression("cmp", number(register, NFT_REG_1), number(order, NFT_CMP_LT), below)


ACCEPT = _expression(
    "immediate", number(1, NFT_REG_VERDICT), nested(2, nested(NFTA_DATA_VERDICT, number(NFTA_VERDICT_CODE, NF_ACCEPT)))
)
"""The frame goes on its way, whatever later rules of this chain say."""


class Switch:
    """Ports go by the name of who is plugged into them. Made within `run_isolated`, in the calling thread's namespace."""

    def __init__(self) -> None:
        self._links = Links()
        self._links.up("lo")
        self._links.add_bridge(BRIDGE)
        for address in ADDRESSES:
            self._links.add_address(BRIDGE, address)
        self._links.up(BRIDGE)
        self._filter = Netlink(NETLINK_NETFILTER)
        self._spliced: set[str] = set()

    def plug(self, port: str, machine: NetworkNamespace, mac: str, addresses: Iterable[str]) -> None:
        """A cable from the port to the machine's `eth0`, with the carrier up and its own addresses on it."""
        self._links.add_veth(port, "eth0", peer_namespace=machine, peer_mac=mac)
        with Links(machine) as board:
            board.up("lo")
            for address in addresses:
                board.add_address("eth0", address)
            board.up("eth0")
        self._links.attach(port, BRIDGE)

    def down(self, port: str) -> None:
        """The far end sees its carrier go."""
        self._links.down(port)

    def up(self, port: str) -> None:
        """The far end sees its carrier come back."""
        self._links.up(port)

    def unplug(self, port: str) -> None:
        """The cable is taken away, both ends of it."""
        if port in self._spliced:
            self.mend(port)
        self._links.remove(port)

    def splice(self, port: str) -> tuple[str, str]:
        """Cut the cable in its middle; returns the names of the two interfaces here that whoever stands in for it has to
        join: the one towards the machine, and the one towards the switch."""
        self._links.detach(port)
        inner, outer = _stump(port, "in"), _stump(port, "out")
        self._links.add_veth(inner, outer)
        self._links.attach(inner, BRIDGE)
        self._links.up(outer)
        self._spliced.add(port)
        return port, outer

    def mend(self, port: str) -> None:
        """The cable is whole again."""
        self._spliced.discard(port)
        self._links.remove(_stump(port, "in"))
        self._links.attach(port, BRIDGE)

    def refuses_filters(self) -> str:
        """Why frames cannot be dropped here, as a sentence's end; empty where they can."""
        try:
            self.lose(1, [BRIDGE])
            self.lose(0)
        except OSError as error:
            return f"this kernel has no nf_tables for bridges ({error.strerror})"
        return ""

    def part(self, ones: Collection[str], others: Collection[str]) -> None:
        """From now on nothing passes between the ports of the one side and of the other. Whoever is on neither side reaches
        both. Replaces what was parted before; with an empty side nothing is."""
        pairs = [(one, other) for one in ones for other in others]
        self.block(pairs + [(other, one) for one, other in pairs])

    def block(self, ways: Iterable[tuple[str, str]]) -> None:
        """From now on nothing passes from the first port of each of these to the second; the way back is one of its own.
        Replaces what was blocked or parted before."""
        rules = [_came_from(self._index(one)) + _goes_to(self._index(other)) + DROP for one, other in ways]
        self._replace("partition", rules)

    def lose(self, percent: int, spared: Collection[str] = ()) -> None:
        """So many percent of the frames are lost on their way through, in each direction, but for those from and to the
        spared ports. 0 ends it."""
        indices = [self._index(port) for port in spared]
        rules = [way(index) + ACCEPT for index in indices for way in (_came_from, _goes_to)]
        rules.append(_in_percent_of_cases(percent) + DROP)
        self._replace("loss", rules if percent else [])

    def close(self) -> None:
        self._filter.close()
        self._links.close()

    def _index(self, port: str) -> int:
        return self._links.state(_stump(port, "in") if port in self._spliced else port).index

    def _replace(self, table: str, rules: Sequence[bytes]) -> None:
        """In one transaction: no frame sees the table half made. A table has to be there to be deleted."""
        changes = [new_table(NFPROTO_BRIDGE, table), delete_table(NFPROTO_BRIDGE, table)]
        if rules:
            changes += [new_table(NFPROTO_BRIDGE, table), chain(NFPROTO_BRIDGE, table, CHAIN, NF_BR_FORWARD, 0)]
            # A new rule goes before those that are there.
            changes += [rule(NFPROTO_BRIDGE, table, CHAIN, expressions) for expressions in reversed(rules)]
        self._filter.commit(batch(*changes))


def _stump(port: str, side: str) -> str:
    return f"{port}-{side}"


def _came_from(index: int) -> bytes:
    return meta(NFT_META_IIF) + equal(INDEX.pack(index))


def _goes_to(index: int) -> bytes:
    return meta(NFT_META_OIF) + equal(INDEX.pack(index))
