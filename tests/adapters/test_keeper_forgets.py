"""Addresses that come into the inventory, or leave it, while the keeper is at work."""

from __future__ import annotations

import ipaddress

import pytest

from picluster.errors import KernelError
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


@isolated
def test_a_machine_s_own_address_that_comes_to_float_is_left_alone() -> None:
    """A slip in a new inventory must not cut a machine off from its network."""
    own = FloatingAddress("slip", ipaddress.ip_address("10.77.0.1"), "eth0", ())
    with Scene() as scene:
        keeper = scene.keeper()
        for attempt in (keeper.probe, lambda floating: keeper.hold(floating, scene.lease(60_000))):
            with pytest.raises(KernelError, match="ordinary address"):
                attempt(own)
        assert scene.client.reaches(own.address)
        assert scene.configured().count("10.77.0.1/24") == 1
        assert "10.77.0.1/32" not in scene.configured()
        keeper.forget(own)
        keeper.close()
        assert scene.client.reaches(own.address)
