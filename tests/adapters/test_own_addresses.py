"""Which of this machine's addresses are meant by the ones that a configuration names."""

from __future__ import annotations

import ipaddress

from picluster.adapters.links import Links
from picluster.adapters.own_addresses import OwnInterface, own_interfaces
from tests.adapters.isolation import isolated
from tests.patience import until

LINK_LOCAL = ipaddress.ip_address("fe80::11")


@isolated
def test_a_link_local_address_is_meant_with_its_zone_and_without() -> None:
    with Links() as links:
        for name, peer in (("eth0", "far0"), ("eth1", "far1")):
            links.add_veth(name, peer)
            links.add_address(name, f"{LINK_LOCAL}/64")
            links.up(name)
            links.up(peer)
    first, second = (OwnInterface(name, (LINK_LOCAL,)) for name in ("eth0", "eth1"))
    # An interface with a carrier is not said to run before the kernel has got round to it.
    until(lambda: own_interfaces([str(LINK_LOCAL)], []) == (first, second), "both interfaces run")
    assert own_interfaces([f"{LINK_LOCAL}%eth0"], []) == (first,)
    assert own_interfaces([f"{LINK_LOCAL}%eth1"], []) == (second,)
