"""A switch with this machine and three boards on it, which announce themselves by real mDNS."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from zeroconf import ServiceInfo, Zeroconf

from picluster.adapters.browser import browse
from picluster.adapters.links import Links
from picluster.adapters.namespaces import NetworkNamespace
from picluster.adapters.netlink import NLM_F_CREATE, Netlink, attribute
from picluster.discovery.records import Announcement
from picluster.founding.hosts import KINDS
from picluster.model.inventory import Role
from picluster.model.surroundings import Service
from tests.patience import until

OWN, ROUTER = "10.77.0.9", "10.77.0.1"
PI, BOARD, BOX = "dc:a6:32:00:00:01", "b8:27:eb:00:00:02", "52:54:00:00:00:03"
PLACES = {PI: "10.77.0.11", BOARD: "10.77.0.12", BOX: "10.77.0.13"}
RTM_NEWROUTE, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY = 24, 4, 5, 6
ROUTE = struct.Struct("=8BI")
"""struct rtmsg: family, lengths of target and source, service, table, protocol, scope, type; flags."""


@contextmanager
def switch_with_boards() -> Iterator[Mapping[str, NetworkNamespace]]:
    """This machine on a switch, and a board for each MAC."""
    with ExitStack() as stack:
        links = stack.enter_context(Links())
        links.up("lo")
        links.add_bridge("eth0")
        links.add_address("eth0", f"{OWN}/24")
        links.up("eth0")
        boards = {}
        for number, (mac, address) in enumerate(PLACES.items()):
            board = boards[mac] = stack.enter_context(NetworkNamespace.create())
            links.add_veth(f"port{number}", "eth0", peer_namespace=board, peer_mac=mac)
            links.attach(f"port{number}", "eth0")
            with Links(board) as inside:
                inside.add_address("eth0", f"{address}/24")
                inside.up("eth0")
        yield boards


@contextmanager
def announced(board: NetworkNamespace, mac: str, *services: ServiceInfo) -> Iterator[None]:
    with board.entered():
        responder = Zeroconf(interfaces=[PLACES[mac]])
    try:
        for service in services:
            responder.register_service(service, cooperating_responders=True)
        yield
    finally:
        responder.close()


def service(kind: str, instance: str, host: str, mac: str, text: dict[str, str] | None = None) -> ServiceInfo:
    kind = f"{kind}.local."
    name, server = f"{instance}.{kind}", f"{host}.local."
    return ServiceInfo(kind, name, port=22, properties=text or {}, server=server, parsed_addresses=[PLACES[mac]])


def agent(cluster: str, mac: str) -> ServiceInfo:
    """As an agent of that cluster announces itself."""
    said = Announcement(cluster, "pi1", Role.MEMBER, "0.1.0", 7, 7654)
    kind = f"{KINDS[-1]}.local."
    return ServiceInfo(
        kind, said.instance, port=said.port, properties=said.text, server=said.host, parsed_addresses=[PLACES[mac]]
    )


def heard_from(*hosts: str) -> list[Service]:
    """Listen until these are heard, for longer than a second at a time: what has just been said is not said again before
    (RFC 6762 section 6)."""
    heard: list[Service] = []

    def listen() -> None:
        heard[:] = browse(KINDS, 2.0)

    listen()
    until(lambda: {*hosts} <= {one.host for one in heard}, lambda: heard, meanwhile=listen)
    return heard


def add_default_route(gateway: str, interface: str, metric: int) -> None:
    body = ROUTE.pack(socket.AF_INET, 0, 0, 0, 254, 4, 0, 1, 0)
    for kind, value in (
        (RTA_GATEWAY, socket.inet_aton(gateway)),
        (RTA_OIF, socket.if_nametoindex(interface).to_bytes(4, sys.byteorder)),
        (RTA_PRIORITY, metric.to_bytes(4, sys.byteorder)),
    ):
        body += attribute(kind, value)
    with Netlink(0) as route:
        route.ask(RTM_NEWROUTE, NLM_F_CREATE, body)
