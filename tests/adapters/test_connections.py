"""What becomes of TCP connections when an address goes, as a real client and a real service see it."""

from __future__ import annotations

import functools
import ipaddress
import socket

import pytest

from picluster.adapters.keeper import KernelAddressKeeper
from picluster.model.inventory import FloatingAddress
from tests.adapters.isolation import isolated
from tests.adapters.scene import BOTH, FLOATING, INTRUDER, MS, Scene, ScriptedClock, host_route, points_to
from tests.patience import PATIENCE_S, until


def connected(scene: Scene, floating: FloatingAddress) -> tuple[socket.socket, socket.socket, socket.socket]:
    """The listening service on the Pi, which takes clients of both families, its end of a connection, and the client's."""
    service = socket.create_server(("", 8080), family=socket.AF_INET6, dualstack_ipv6=True)
    with scene.client.namespace.entered():
        family = socket.AF_INET if floating.address.version == 4 else socket.AF_INET6
        client = socket.socket(family, socket.SOCK_STREAM)
    client.settimeout(PATIENCE_S)
    client.connect((str(floating.address), 8080))
    served, _ = service.accept()
    served.settimeout(PATIENCE_S)
    return service, served, client


@isolated
def test_a_client_that_waits_is_told_when_the_address_goes_and_the_service_as_well() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        for floating in BOTH:
            scene.take(keeper, floating)
            service, served, client = connected(scene, floating)
            bound = socket.create_server((str(floating.address), 8081), family=client.family)
            keeper.let_go(floating)
            with pytest.raises(ConnectionResetError):
                client.recv(1)
            with pytest.raises(ConnectionAbortedError):
                served.recv(1)
            # Services go on listening for the next time, the one at this very address as well.
            scene.take(keeper, floating)
            with scene.client.namespace.entered():
                for port in (8080, 8081):
                    socket.create_connection((str(floating.address), port), timeout=PATIENCE_S).close()
            for end in (service, bound, served, client):
                end.close()


@isolated
def test_a_holder_that_waits_for_its_turn_meanwhile_spares_its_clients_the_waiting_all_the_same() -> None:
    """A busy machine takes five milliseconds from the agent, before one look at the clock or before the next."""
    with Scene() as scene:
        for reading in (4, 5):
            keeper = KernelAddressKeeper(ScriptedClock(at=reading, later_ns=5 * MS))
            scene.take(keeper, FLOATING)  # two readings, and a third for the listeners
            service, served, client = connected(scene, FLOATING)
            keeper.let_go(FLOATING)
            with pytest.raises(ConnectionResetError):
                client.recv(1)
            for end in (service, served, client):
                end.close()
            keeper.close()


@isolated
def test_other_connections_are_left_alone() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        assert keeper.hold(FLOATING, scene.lease(60_000))
        own = FloatingAddress("own", ipaddress.ip_address("10.77.0.1"), "eth0", ())
        service, served, client = connected(scene, own)
        keeper.let_go(FLOATING)
        client.send(b"still there")
        assert served.recv(100) == b"still there"
        service.close()


@isolated
def test_connections_of_a_node_that_gets_its_lease_back_go_on() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        scene.take(keeper, FLOATING)
        service, served, client = connected(scene, FLOATING)
        scene.let_lease_end(keeper, FLOATING)
        keeper.let_go(FLOATING)
        assert host_route(FLOATING) not in scene.configured()
        assert keeper.hold(FLOATING, scene.lease(60_000))
        client.send(b"still there")
        assert served.recv(100) == b"still there"
        service.close()


@isolated
def test_after_a_power_cut_the_next_holder_ends_the_connection_of_a_client_that_says_something() -> None:
    """The intruder is the next holder here: any kernel that has the address does it."""
    with Scene() as scene:
        keeper = scene.keeper()
        for floating in BOTH:
            scene.take(keeper, floating)
            _, _, client = connected(scene, floating)
            scene.switch.down("pi-eth0")
            scene.intruder.links.add_address("eth0", host_route(floating))
            with scene.intruder.namespace.entered():
                scene.intruder.neighbours().announce("eth0", floating.address)
            until(functools.partial(points_to, scene, floating, INTRUDER), "the client knows the next holder")
            client.send(b"?")
            with pytest.raises(ConnectionResetError):
                client.recv(1)
            scene.switch.up("pi-eth0")
            scene.intruder.links.remove_address("eth0", host_route(floating))
