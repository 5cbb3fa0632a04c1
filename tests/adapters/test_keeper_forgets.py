"""Addresses that leave the inventory while the keeper is at work on them."""

from __future__ import annotations

import ipaddress

from picluster.model.inventory import FloatingAddress
from tests.adapters.isolation import isolated
from tests.adapters.scene import FLOATING, Scene

OTHER = FloatingAddress("db", ipaddress.ip_address("10.77.0.101"), "eth0", ())


@isolated
def test_an_address_that_is_forgotten_while_it_is_probed_is_no_matter_any_more() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        keeper.probe(FLOATING)
        keeper.forget(FLOATING)
        assert keeper.hold(OTHER, scene.lease(60_000))
        assert scene.client.reaches(OTHER.address)
        keeper.close()
