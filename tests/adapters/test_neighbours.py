"""Announcements as they are on the wire, and what a neighbour makes of each."""

from __future__ import annotations

import functools
import ipaddress
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from picluster.adapters.links import Links
from picluster.adapters.neighbours import ARP, ARP_REPLY, ARP_REQUEST, Line, Neighbours, arp_frame, solicitation
from picluster.errors import KernelError
from picluster.model.inventory import IPAddress
from tests.adapters.isolation import isolated
from tests.adapters.scene import FLOATING, FLOATING6, INTRUDER, PI, Scene
from tests.patience import PATIENCE_S, until

PI_MAC = bytes.fromhex(PI.replace(":", ""))
BROADCAST = b"\xff" * 6


@isolated
def test_both_forms_of_gratuitous_arp_go_to_everybody() -> None:
    with Scene() as scene:
        with scene.client.namespace.entered():
            ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
            ear.bind(("eth0", 0x0806))
            ear.settimeout(PATIENCE_S)
        Neighbours().announce("eth0", FLOATING.address)
        floating = FLOATING.address.packed
        heard: list[tuple[object, ...]] = []
        while len(heard) < 2:
            frame = ear.recv(2_048)
            if frame[28:32] == floating:
                assert frame[:12] == BROADCAST + PI_MAC
                heard.append(ARP.unpack_from(frame, 14)[4:])
        assert heard == [
            (ARP_REQUEST, PI_MAC, floating, bytes(6), floating),
            (ARP_REPLY, PI_MAC, floating, PI_MAC, floating),
        ]


@isolated
def test_each_form_alone_rewrites_a_neighbours_entry() -> None:
    with Scene() as scene:
        voice = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        voice.bind(("eth0", 0x0806))
        floating = FLOATING.address.packed
        scene.intruder.links.add_address("eth0", f"{FLOATING.address}/32")
        for operation, target_mac in ((ARP_REQUEST, bytes(6)), (ARP_REPLY, PI_MAC)):
            assert scene.client.reaches(FLOATING.address)
            assert scene.client.neighbour_mac(FLOATING.address) == INTRUDER
            voice.send(arp_frame(operation, PI_MAC, floating, target_mac, floating))
            until(functools.partial(has_moved, scene), "the entry is rewritten")


def has_moved(scene: Scene) -> bool:
    return scene.client.neighbour_mac(FLOATING.address) == PI


def test_a_solicitation_is_what_the_standard_draws() -> None:
    asker, wanted = ipaddress.IPv6Address("fe80::1"), ipaddress.IPv6Address("2001:db8::12:3456")
    frame = solicitation(PI_MAC, asker, wanted)
    assert frame[:14] == bytes.fromhex("3333ff123456") + PI_MAC + b"\x86\xdd"
    assert frame[14:54] == bytes.fromhex("60000000 0020 3a ff") + asker.packed + bytes.fromhex(
        "ff02" + "00" * 9 + "01ff123456"
    )
    assert (frame[54], frame[62:78]) == (135, wanted.packed)
    assert frame[78:] == b"\x01\x01" + PI_MAC
    probe = solicitation(PI_MAC, ipaddress.IPv6Address(0), wanted)
    assert (probe[22:38], len(probe)) == (bytes(16), 78)


@isolated
def test_speaking_on_an_interface_that_is_not_there_is_refused_in_a_sentence() -> None:
    neighbours = Neighbours()
    for floating in (FLOATING, FLOATING6):
        with pytest.raises(KernelError, match="no interface eth0"):
            neighbours.announce("eth0", floating.address)
    neighbours.close()


class Overtaken(Neighbours):
    """Its interface is unplugged while it opens a socket there: found already, and not bound yet."""

    @staticmethod
    def _filter(line: Line, version: int, addresses: set[IPAddress]) -> None:
        Neighbours._filter(line, version, addresses)
        with Links() as links:
            links.remove("eth0")


@isolated
def test_an_interface_that_goes_just_then_is_no_interface_either() -> None:
    with Links() as links:
        for floating in (FLOATING, FLOATING6):
            links.add_veth("eth0", "far")
            neighbours = Overtaken()
            with pytest.raises(KernelError, match="no interface eth0"):
                neighbours.announce("eth0", floating.address)
            assert neighbours.filenos() == ()


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@isolated
def test_a_lack_of_descriptors_is_not_mistaken_for_the_lack_of_an_interface() -> None:
    with Links() as links:
        links.add_veth("eth0", "far")
        neighbours = Neighbours()
        neighbours.listen("eth0", [FLOATING.address])
        with no_descriptors_left():
            neighbours.announce("eth0", FLOATING.address)
            with pytest.raises(KernelError, match="Too many open files"):
                neighbours.announce("eth0", FLOATING6.address)
        neighbours.announce("eth0", FLOATING6.address)
        neighbours.close()
