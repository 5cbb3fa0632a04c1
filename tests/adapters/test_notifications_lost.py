"""The kernel drops notifications when a socket's queue is full, and says so with ENOBUFS, at any time (man 7 netlink)."""

from __future__ import annotations

import socket

from picluster.adapters.addresses import RTNLGRP_LINK, Addresses
from picluster.adapters.links import NETLINK_ROUTE, Links
from picluster.adapters.netlink import Message, Netlink
from picluster.ports import AddressRemoved, LinkChanged
from tests.adapters.isolation import isolated
from tests.patience import until

CHANGES = 20
"""More than enough for a queue of the smallest size, which holds one or two."""


class Flooded(Netlink):
    """Its queue overflows right before each of its next so many readings."""

    def __init__(self, floods: int) -> None:
        super().__init__(NETLINK_ROUTE, (RTNLGRP_LINK,))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self.floods = floods

    def heard(self) -> list[Message]:
        if self.floods:
            self.floods -= 1
            # The kernel tells of a loss once, and again only after the queue has been empty.
            super().heard()
            with Links() as links:
                for _ in range(CHANGES):
                    links.up("other")
                    links.down("other")
        return super().heard()


class FloodedAddresses(Addresses):
    def __init__(self, floods: int) -> None:
        super().__init__()
        self._watch.close()
        self.flooded = self._watch = Flooded(floods)


@isolated
def test_a_queue_that_overflows_again_and_again_costs_another_look_and_no_more() -> None:
    with Links() as links:
        links.add_veth("eth0", "far")
        links.add_veth("other", "end")
        for floods in (1, 2, 3, 4):
            addresses = FloodedAddresses(floods)
            addresses.watch("eth0")
            seen: list[AddressRemoved | LinkChanged] = []

            def looked(addresses: FloodedAddresses = addresses, seen: list[AddressRemoved | LinkChanged] = seen) -> bool:
                seen += addresses.observations()
                return bool(seen) and not addresses.flooded.floods

            for name in ("eth0", "far"):
                links.up(name)
            until(looked, "the link is told to be up")
            assert seen == [LinkChanged("eth0", up=True)]
            for name in ("eth0", "far"):
                links.down(name)
            addresses.close()
