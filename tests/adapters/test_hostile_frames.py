"""Frames that no honest neighbour sends, and queues that take none: they must cost a little, and nothing else."""

from __future__ import annotations

import socket
from contextlib import suppress

from picluster.adapters.addresses import Addresses
from picluster.adapters.keeper import KernelAddressKeeper
from picluster.adapters.neighbours import ARP, ARP_REPLY, ETH_P_ARP, MOST_AT_ONCE, Line, Neighbours, arp_frame
from picluster.ports import ForeignClaim, Observation
from tests.adapters.isolation import isolated
from tests.adapters.scene import FLOATING, INTRUDER, Scene
from tests.patience import until

MAC = bytes.fromhex(INTRUDER.replace(":", ""))
CLAIM = arp_frame(ARP_REPLY, MAC, FLOATING.address.packed, MAC, FLOATING.address.packed)


def voice(scene: Scene) -> socket.socket:
    """Lets the intruder send any frame."""
    with scene.intruder.namespace.entered():
        speaking = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        speaking.bind(("eth0", ETH_P_ARP))
    return speaking


@isolated
def test_arp_that_is_cut_short_or_of_another_network_is_passed_over() -> None:
    with Scene() as scene, voice(scene) as speaking:
        ears = Neighbours()
        ears.listen("eth0", [FLOATING.address])
        speaking.send(CLAIM[:32])
        fields = list(ARP.unpack_from(CLAIM, 14))
        speaking.send(CLAIM[:14] + ARP.pack(24, *fields[1:]))
        speaking.send(CLAIM)
        heard = []

        def something() -> bool:
            heard.extend(ears.heard())
            return bool(heard)

        until(something, "the whole frame is heard")
        assert [speech.mac for speech in heard] == [INTRUDER]
        ears.close()


@isolated
def test_a_flood_is_heard_in_portions() -> None:
    with Scene() as scene, voice(scene) as speaking:
        ears = Neighbours()
        ears.listen("eth0", [FLOATING.address])
        portions: list[int] = []
        for _ in range(MOST_AT_ONCE + 20):
            speaking.send(CLAIM)

        def all_heard() -> bool:
            portions.append(len(ears.heard()))
            return sum(portions) > MOST_AT_ONCE

        until(all_heard, lambda: f"{portions} were heard")
        assert max(portions) <= MOST_AT_ONCE
        ears.close()


def test_a_frame_for_which_a_queue_has_no_room_is_lost_and_no_error() -> None:
    full, far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with full, far_end:
        full.setblocking(False)
        with suppress(BlockingIOError):
            while full.send(CLAIM):
                pass
        Neighbours._send(Line(1, full), CLAIM)


class CountedAddresses(Addresses):
    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def own_macs(self) -> set[str]:
        self.looks += 1
        return super().own_macs()


class CountedKeeper(KernelAddressKeeper):
    """Counts how often the kernel is asked for all its interfaces."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene.clock)
        self._addresses.close()
        self.counted = self._addresses = CountedAddresses()


@isolated
def test_a_flood_of_claims_costs_one_look_at_the_interfaces_for_each_portion() -> None:
    with Scene() as scene, voice(scene) as speaking:
        keeper = CountedKeeper(scene)
        assert keeper.hold(FLOATING, scene.lease(60_000))
        portions: list[list[Observation]] = []
        for _ in range(MOST_AT_ONCE):
            speaking.send(CLAIM)

        def all_told() -> bool:
            portions.append(keeper.observations())
            return sum(map(len, portions)) >= MOST_AT_ONCE

        until(all_told, lambda: f"{portions} were told")
        assert {one for portion in portions for one in portion} == {ForeignClaim(FLOATING.name, INTRUDER)}
        assert keeper.counted.looks == sum(bool(portion) for portion in portions)
        keeper.close()
