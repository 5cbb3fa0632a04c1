"""Real mDNS between real beacons: on a loopback, and on switches made of namespaces."""

from __future__ import annotations

import asyncio
import itertools
import logging
import select
import socket
import struct
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path

from picluster.adapters.beacon import MOST_WAITING, Mailbox, ZeroconfBeacon
from picluster.adapters.links import Links
from picluster.adapters.mdns import Session, Sessions
from picluster.adapters.namespaces import NetworkNamespace
from picluster.adapters.own_addresses import AddressWatch, OwnInterface, own_interfaces
from picluster.discovery.records import SERVICE_TYPE, Announcement, encode_text
from picluster.discovery.roster import Roster
from picluster.model.inventory import IPAddress, Role
from picluster.model.sighting import Sighting
from tests.adapters.isolation import isolated

PATIENCE_S = 15.0
NODES = ("pi1", "pi2", "pi3")
HONEST = {"txtvers": "1", "cluster": "home", "node": "pi2", "role": "member", "version": "0.1.0", "run": "f" * 16}
runs = itertools.count(1)


class Ear:
    """A node's beacon and roster, and everything that the beacon has told."""

    def __init__(
        self, node: str, interfaces: Collection[str] = (), leave_out: Collection[IPAddress] = (), cluster: str = "home"
    ) -> None:
        announcement = Announcement(cluster, node, Role.MEMBER, "0.1.0", next(runs), 7654 + int(node[-1]))
        self.node, self.run = node, announcement.incarnation
        self.beacon = ZeroconfBeacon(announcement, interfaces=interfaces, leave_out=leave_out)
        self.roster = Roster(cluster, node, NODES)
        self.told: list[Sighting] = []

    def listen(self) -> None:
        for sighting in self.beacon.sightings():
            self.told.append(sighting)
            self.roster.observe(sighting, 0)

    def hosts(self, node: str) -> set[str]:
        """Where this one would look for the node; link-local addresses are left out."""
        return {hint.host for hint in self.roster.hints(node, 0) if not hint.host.startswith("fe80")}


def until(condition: Callable[[], bool], *ears: Ear) -> None:
    """Listen until it is so; the deadline only ends a test that fails."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, [ear.told for ear in ears]
        for ready in select.select([ear.beacon for ear in ears], [], [], 0.05)[0]:
            next(ear for ear in ears if ear.beacon is ready).listen()


@contextmanager
def ears_of(*ears: Ear) -> Iterator[tuple[Ear, ...]]:
    try:
        yield ears
    finally:
        for ear in ears:
            ear.beacon.close()


class Switch:
    """A bridge with boards on it; a board's interface can be pulled and plugged in again."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        self.links = stack.enter_context(Links())
        self.links.add_bridge(name)
        self.name = name
        self.stack = stack

    def board(self, *, ipv6: bool) -> NetworkNamespace:
        board = self.stack.enter_context(NetworkNamespace.create())
        if not ipv6:
            with board.entered():
                for scope in ("all", "default"):
                    Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1", encoding="ascii")
        return board

    def plug(self, board: NetworkNamespace, port: str, interface: str, *addresses: str) -> None:
        self.links.add_veth(port, interface, peer_namespace=board)
        self.links.attach(port, self.name)
        with Links(board) as inside:
            for address in addresses:
                inside.add_address(interface, address)
            inside.up(interface)


@contextmanager
def switch_with(*addresses: str, ipv6: bool = True) -> Iterator[tuple[Switch, list[NetworkNamespace]]]:
    """A switch, and for each address a board that has it on eth0 and is plugged into port1, port2, …

    With IPv6 a board gets a link-local address a second or two later, and its beacon a new session."""
    with ExitStack() as stack:
        switch = Switch("switch", stack)
        boards = []
        for number, address in enumerate(addresses, start=1):
            boards.append(switch.board(ipv6=ipv6))
            switch.plug(boards[-1], f"port{number}", "eth0", address)
        yield switch, boards


def ear_on(board: NetworkNamespace, node: str, leave_out: Collection[IPAddress] = ()) -> Ear:
    with board.entered():
        return Ear(node, leave_out=leave_out)


def send_records(board: NetworkNamespace, source: str, *records: bytes) -> None:
    """Multicast an answer with these records from this address of a board, as a forger would."""
    with board.entered():
        forger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with forger:
        forger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        forger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        forger.bind((source, 5353))
        forger.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
        forger.sendto(struct.pack("!6H", 0, 0x8400, 0, len(records), 0, 0) + b"".join(records), ("224.0.0.251", 5353))


def record(name: str, kind: int, data: bytes, ttl_s: int = 120) -> bytes:
    """A resource record (RFC 1035 section 3.2.1)."""
    return encode_name(name) + struct.pack("!HHIH", kind, 1, ttl_s, len(data)) + data


def encode_name(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".")) + b"\0"


def forged(label: str, text: bytes, host: str) -> list[bytes]:
    """The records of a service: PTR, SRV, TXT, A."""
    name, target = f"{label}.{SERVICE_TYPE}", f"{label}.local."
    return [
        record(SERVICE_TYPE, 12, encode_name(name)),
        record(name, 33, struct.pack("!3H", 0, 0, 7654) + encode_name(target)),
        record(name, 16, text),
        record(target, 1, socket.inet_aton(host)),
    ]


def test_two_on_one_machine_find_each_other_on_its_loopback() -> None:
    # Other tests may be on this loopback at the same time; the name of the cluster keeps them apart.
    cluster = f"test-{time.monotonic_ns():x}"
    with ears_of(*(Ear(node, ["127.0.0.1"], cluster=cluster) for node in ("pi1", "pi2"))) as (one, two):
        until(lambda: one.hosts("pi2") == two.hosts("pi1") == {"127.0.0.1"}, one, two)
        two.beacon.close()
        until(lambda: not one.hosts("pi2"), one)


@isolated
def test_three_on_a_switch_find_each_other_and_say_goodbye() -> None:
    # Addresses that stay as they are: a goodbye between two sessions of its listener would go unheard.
    with (
        switch_with("10.77.0.1/24", "10.77.0.2/24", "10.77.0.3/24", ipv6=False) as (_, boards),
        ears_of(*map(ear_on, boards, NODES)) as (one, two, three),
    ):
        ears = (one, two, three)
        until(lambda: all(ear.hosts(n) == {f"10.77.0.{n[-1]}"} for ear in ears for n in NODES if n != ear.node), *ears)
        assert {(told.node, told.cluster, told.role, told.version) for told in one.told} == {
            (node, "home", Role.MEMBER, "0.1.0") for node in ("pi2", "pi3")
        }
        one.beacon.close()
        until(lambda: not two.hosts("pi1") and not three.hosts("pi1"), two, three)
        assert two.hosts("pi3") == {"10.77.0.3"}
        assert not two.roster.twins(0)


def test_told_to_stop_while_a_session_ends_it_opens_another_one_to_say_goodbye() -> None:
    ending, stop = socket.socketpair()
    goodbyes: list[bool] = []

    class Recorded(Session):
        async def close(self, *, goodbye: bool) -> None:
            goodbyes.append(goodbye)
            ending.close()
            while not sessions.stopping:
                await asyncio.sleep(0)

    class Restless(Sessions):
        """Its addresses change all the time."""

        async def _open(self, interfaces: tuple[OwnInterface, ...]) -> Session:
            return Recorded(announcement, interfaces, mailbox)

        async def _until_changed(self, interfaces: tuple[OwnInterface, ...], patience_s: float | None) -> None:
            """At once."""

    announcement, mailbox = Announcement("home", "pi1", Role.MEMBER, "0.1.0", next(runs), 7654), Mailbox()
    sessions = Restless(announcement, ["127.0.0.1"], [], mailbox)
    asyncio.run(asyncio.wait_for(sessions.run(stop), PATIENCE_S))
    stop.close()
    mailbox.close()
    assert goodbyes == [False, True]


@isolated
def test_a_changed_address_is_followed_and_the_old_one_forgotten() -> None:
    with switch_with("10.77.0.1/24", "10.77.0.2/24") as (_, boards), ears_of(*map(ear_on, boards, NODES)) as (one, two):
        until(lambda: one.hosts("pi2") == {"10.77.0.2"}, one, two)
        with Links(boards[1]) as links:
            links.remove_address("eth0", "10.77.0.2/24")
            links.add_address("eth0", "10.77.0.99/24")
        until(lambda: one.hosts("pi2") == {"10.77.0.99"}, one, two)
        assert all(told.endpoints for told in one.told)
        assert not one.roster.twins(0)


@isolated
def test_a_second_interface_is_announced_once_it_is_there() -> None:
    with switch_with("10.77.0.1/24", "10.77.0.2/24") as (switch, boards), ExitStack() as stack:
        second = Switch("second", stack)
        with ears_of(*map(ear_on, boards, NODES)) as (one, two):
            until(lambda: one.hosts("pi2") == {"10.77.0.2"}, one, two)
            for number, board in enumerate(boards, start=1):
                second.plug(board, f"more{number}", "eth1", f"10.88.0.{number}/24")
            until(lambda: one.hosts("pi2") == {"10.77.0.2", "10.88.0.2"}, one, two)
            # Through either switch alone, news still comes in.
            switch.links.down("port1")
            with Links(boards[1]) as links:
                links.add_address("eth1", "10.88.0.22/24")
            until(lambda: "10.88.0.22" in one.hosts("pi2"), one, two)


@isolated
def test_with_ipv6_alone_link_local_addresses_carry_their_zone() -> None:
    with switch_with("fd77::1/64", "fd77::2/64") as (_, boards), ears_of(*map(ear_on, boards, NODES)) as (one, two):
        until(lambda: one.hosts("pi2") == {"fd77::2"}, one, two)
        until(lambda: any(hint.host.endswith("%eth0") for hint in one.roster.hints("pi2", 0)), one, two)


@isolated
def test_no_network_at_the_start_is_waited_for() -> None:
    with switch_with("10.77.0.1/24") as (switch, boards):
        late = switch.board(ipv6=True)
        with ears_of(ear_on(boards[0], "pi1"), ear_on(late, "pi2")) as (one, two):
            switch.plug(late, "port2", "eth0", "10.77.0.2/24")
            until(lambda: one.hosts("pi2") == {"10.77.0.2"} and two.hosts("pi1") == {"10.77.0.1"}, one, two)


@isolated
def test_a_cable_that_is_plugged_in_again_brings_the_news_of_both_sides() -> None:
    with switch_with("10.77.0.1/24", "10.77.0.2/24") as (switch, boards), ears_of(*map(ear_on, boards, NODES)) as (one, two):
        until(lambda: one.hosts("pi2") == {"10.77.0.2"}, one, two)
        switch.links.down("port2")
        with Links(boards[0]) as links:
            links.remove_address("eth0", "10.77.0.1/24")
            links.add_address("eth0", "10.77.0.11/24")
        with Links(boards[1]) as links:
            links.remove_address("eth0", "10.77.0.2/24")
            links.add_address("eth0", "10.77.0.22/24")
        switch.links.up("port2")
        until(lambda: one.hosts("pi2") == {"10.77.0.22"} and two.hosts("pi1") == {"10.77.0.11"}, one, two)


@isolated
def test_a_floating_address_is_never_announced() -> None:
    floating = ip_address("10.77.0.200")
    with switch_with("10.77.0.1/24", "10.77.0.2/24") as (_, boards), Links(boards[1]) as links:
        links.add_address("eth0", f"{floating}/32")
        with ears_of(ear_on(boards[0], "pi1"), ear_on(boards[1], "pi2", [floating])) as (one, two):
            until(lambda: one.hosts("pi2") == {"10.77.0.2"}, one, two)
            links.remove_address("eth0", f"{floating}/32")
            links.add_address("eth0", f"{floating}/32")
            links.add_address("eth0", "10.77.0.22/24")
            until(lambda: one.hosts("pi2") == {"10.77.0.2", "10.77.0.22"}, one, two)
            assert not any(endpoint.host == str(floating) for told in one.told for endpoint in told.endpoints)


@isolated
def test_two_machines_under_one_name_are_noticed_and_a_crash_is_not_mistaken_for_them() -> None:
    with (
        switch_with("10.77.0.1/24", "10.77.0.2/24", "10.77.0.3/24", "10.77.0.4/24") as (switch, boards),
        ears_of(*map(ear_on, boards[:3], ("pi1", "pi2", "pi3"))) as (one, two, three),
    ):
        until(lambda: bool(one.hosts("pi2") and one.hosts("pi3") and two.hosts("pi1")), one, two, three)
        switch.links.down("port3")  # its power is gone: it says no goodbye
        with ears_of(ear_on(boards[3], "pi3"), ear_on(boards[3], "pi2")) as (risen, twin):
            until(lambda: one.roster.twins(0) == ("pi2",) == two.roster.twins(0), one, two, risen, twin)
            assert next(iter(one.roster.hints("pi3", 0))).host == "10.77.0.4"


@isolated
def test_forged_records_are_refused_or_of_no_consequence() -> None:
    with switch_with("10.77.0.1/24", "10.77.0.66/24") as (_, boards), ears_of(ear_on(boards[0], "pi1")) as (one,):

        def told_after(cluster: str, *forgeries: list[bytes]) -> bool:
            """Whether another cluster's honest announcement is told of, which is sent right after the forgeries."""
            for records in (*forgeries, forged(cluster, encode_text(HONEST | {"cluster": cluster}), "10.77.0.66")):
                send_records(boards[1], "10.77.0.66", *records)
            return cluster in one.roster.other_clusters(0)

        # Sent anew until it is heard: the beacon may not have joined the group yet.
        until(lambda: told_after("first"), one)
        forgeries = [
            forged("noise", b"\xff\x00\x01garbage", "10.77.0.66"),
            forged("escape", encode_text(HONEST | {"node": "\x1b[2J"}), "10.77.0.66"),
            forged("nowhere", encode_text(HONEST), "127.0.0.1"),
            forged("sp ace", encode_text(HONEST), "10.77.0.66"),
            [b"\x00" * 40],
        ]
        until(lambda: told_after("second", *forgeries), one)
        assert {told.cluster for told in one.told} == {"first", "second"}
        assert not one.roster.hints("pi2", 0)


@isolated
def test_an_answer_that_was_queued_before_a_goodbye_brings_nobody_back() -> None:
    alive = forged("late", encode_text(HONEST), "10.77.0.66")
    goodbye = record(SERVICE_TYPE, 12, encode_name(f"late.{SERVICE_TYPE}"), ttl_s=0)
    another = forged("later", encode_text(HONEST | {"node": "pi3", "run": "e" * 16}), "10.77.0.66")
    with switch_with("10.77.0.1/24", "10.77.0.66/24") as (_, boards), ears_of(ear_on(boards[0], "pi1")) as (one,):

        def hears(node: str, *records: bytes) -> bool:
            send_records(boards[1], "10.77.0.66", *records)
            return bool(one.hosts(node))

        until(lambda: hears("pi2", *alive), one)
        send_records(boards[1], "10.77.0.66", goodbye)
        send_records(boards[1], "10.77.0.66", *reversed(alive))
        send_records(boards[1], "10.77.0.66", goodbye)
        until(lambda: hears("pi3", *another), one)
        assert not one.hosts("pi2")


@isolated
def test_own_interfaces_are_those_with_a_carrier_and_without_what_is_left_out() -> None:
    with switch_with("10.77.0.1/24") as (_, boards), boards[0].entered(), Links() as links:
        links.add_address("eth0", "10.77.0.200/32")
        links.add_address("eth0", "fd77::1/64")
        links.add_veth("eth1", "unplugged")
        links.add_address("eth1", "10.88.0.1/24")
        own, floating = ip_address("10.77.0.1"), ip_address("10.77.0.200")

        def reachable(*wanted: str) -> list[tuple[str, set[IPAddress]]]:
            found = own_interfaces(wanted, [floating])
            return [(each.name, {address for address in each.addresses if not address.is_link_local}) for each in found]

        assert reachable() == reachable("eth0", "eth1") == [("eth0", {own, ip_address("fd77::1")})]
        assert own_interfaces(["10.77.0.1"], [floating]) == (OwnInterface("eth0", (own,)),)
        assert reachable("lo") == []
        links.up("lo")
        assert reachable("127.0.0.1") == [("lo", {ip_address("127.0.0.1")})]
        links.up("eth1")
        assert [name for name, _ in reachable()] == ["eth0"]
        links.up("unplugged")
        until(lambda: ("eth1", {ip_address("10.88.0.1")}) in reachable())


@isolated
def test_ports_of_a_bridge_do_not_count_unless_they_are_named_or_have_an_address_of_their_own() -> None:
    with switch_with("10.77.0.1/24") as (switch, _):
        switch.links.add_address("switch", "10.77.0.100/24")

        def names(*wanted: str) -> list[str]:
            return [each.name for each in own_interfaces(wanted, [])]

        until(lambda: names("port1") == ["port1"])
        assert names() == ["switch"]
        switch.links.add_address("port1", "10.77.0.101/24")
        assert set(names()) == {"switch", "port1"}


@isolated
def test_a_port_that_another_program_keeps_to_itself_is_said_once_and_tried_again() -> None:
    said: list[str] = []

    class Journal(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logging.getLogger("picluster").addHandler(Journal())
    with switch_with("10.77.0.1/24", "10.77.0.2/24") as (_, boards), ExitStack() as stack:
        with boards[0].entered():
            keeper = stack.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
        keeper.bind(("::", 5353))
        one, two = stack.enter_context(ears_of(*map(ear_on, boards, NODES)))
        until(lambda: any("Address already in use" in line for line in said), one, two)
        with Links(boards[0]) as links:
            for number in range(11, 14):
                links.add_address("eth0", f"10.77.0.{number}/24")
        keeper.close()
        with Links(boards[0]) as links:
            links.add_address("eth0", "10.77.0.14/24")
        until(lambda: one.hosts("pi2") == {"10.77.0.2"}, one, two)
        assert sum("Address already in use" in line for line in said) == 1


@isolated
def test_the_watch_is_silent_about_what_is_left_out() -> None:
    floating = ip_address("10.77.0.200")
    with Links() as links:
        links.up("lo")
        watch = AddressWatch([floating])
        watch.changed()
        for address, matters in ((f"{floating}/32", False), ("10.77.0.9/24", True)):
            links.add_address("lo", address)
            links.remove_address("lo", address)
            assert select.select([watch], [], [], PATIENCE_S)[0]
            assert watch.changed() is matters
        watch.close()


def test_the_mailbox_keeps_the_latest_of_each_run_and_no_more_than_its_bound() -> None:
    mailbox = Mailbox()
    for version in ("1", "2"):
        for run in range(MOST_WAITING + 10):
            mailbox.put(Sighting("pi1", "home", Role.MEMBER, version, (), incarnation=run))
    assert select.select([mailbox], [], [], 0)[0]
    taken = mailbox.take()
    assert [(each.version, each.incarnation) for each in taken] == [("2", run) for run in range(10, MOST_WAITING + 10)]
    assert not select.select([mailbox], [], [], 0)[0]
    mailbox.close()
    mailbox.put(taken[0])
