"""Clients after a heal: whatever their neighbour table says, they reach the right node within a second.

A client on the side of the old holder missed the announcements of the new one. Its kernel would trust its table for up to a
minute, unless somebody tells it better.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from picluster.adapters.namespaces import NetworkNamespace
from picluster.lab.namespaces import CLIENT
from picluster.lab.neighbours import Belief, NeighbourTable
from picluster.lab.stack import SERVICE_PORT
from tests.scenarios.stage import WEB, Setting, Stage, both_ways, scenario

WEB6 = "fd77::100"
BOTH = Setting(3, also={"web6": WEB6})
FAMILIES = {WEB: socket.AF_INET, WEB6: socket.AF_INET6}
WITHIN_S = 1.0
SILENCE_S = 4.0
"""Longer than the announcements of a takeover go on: nothing that was said then helps the clients."""


@dataclass
class Reader:
    """A client with a belief of its own."""

    name: str
    machine: NetworkNamespace

    def believe(self, address: str, mac: str, belief: Belief) -> None:
        table = NeighbourTable(self.machine)
        table.believe(address, mac, belief)
        table.close()

    def mac_of(self, address: str) -> str:
        table = NeighbourTable(self.machine)
        try:
            return table.mac_of(address)
        finally:
            table.close()

    def reach(self, stage: Stage, address: str) -> tuple[str, float]:
        """Who answers, and after how many seconds; the name is empty where nobody does for long."""
        with self.machine.entered():
            asking = socket.socket(FAMILIES[address], socket.SOCK_DGRAM)
        with asking:
            asking.settimeout(0.005)
            began = time.monotonic()
            while (waited := time.monotonic() - began) < 3 * WITHIN_S:
                asking.sendto(bytes(8), (address, SERVICE_PORT))
                try:
                    return asking.recv(64)[8:].decode(), waited
                except TimeoutError:
                    stage.world.client.pump()
            return "", waited


def readers(stage: Stage) -> list[Reader]:
    found = []
    for number, name in enumerate(("warm", "stale", "wrong"), start=21):
        addresses = (f"10.77.0.{number}/24", f"fd77::{number}/64")
        found.append(Reader(name, stage.world.join(name, f"02:00:00:00:00:{number}", addresses)))
    return found


def mislead(stage: Stage, clients: list[Reader], old: str, third: str) -> None:
    """Each believes what it may believe after a partition."""
    old_mac, third_mac = stage.world.stack.pi(old).mac, stage.world.stack.pi(third).mac
    for address in FAMILIES:
        for client, mac, belief in zip(
            clients, (old_mac, old_mac, third_mac), (Belief.WARM, Belief.STALE, Belief.WARM), strict=True
        ):
            client.believe(address, mac, belief)


def all_reach(stage: Stage, clients: list[Reader], what: str) -> None:
    """From now on each within a second, and each table names the node that answered."""
    began = time.monotonic()
    slowest = 0.0
    for client in clients:
        for address in FAMILIES:
            name, _ = client.reach(stage, address)
            waited = time.monotonic() - began
            slowest = max(slowest, waited)
            assert name, f"{what}: the client with a {client.name} entry reaches nobody at {address}"
            assert waited < WITHIN_S, f"{what}: the client with a {client.name} entry took {waited:.1f} s to reach {address}"
            assert client.mac_of(address) == stage.world.stack.pi(name).mac, f"{client.name} {address}"
    stage.rows.append(
        (f"{what}: three clients, IPv4 and IPv6", "", "all reach it", slowest * 1e3, 0, stage.ledger.double_ms)
    )


def healed(stage: Stage, what: str, part: Callable[[str, list[str], list[str]], None], heal: Callable[[], None]) -> None:
    """Something happens to the holder and to the clients on its side; then all is whole again."""
    clients = readers(stage)
    held = stage.holder
    others = stage.others()
    stage.play(what, lambda: part(held, others, [client.name for client in clients]), moves=True, for_s=SILENCE_S)
    third = next(name for name in others if name != stage.holder)
    mislead(stage, clients, held, third)
    heal()
    all_reach(stage, clients, "it heals")


@scenario(BOTH)
def test_clients_on_the_old_holders_side_of_a_partition(stage: Stage) -> None:
    def part(held: str, others: list[str], clients: list[str]) -> None:
        stage.world.block(both_ways([held, *clients], [*others, CLIENT]))

    healed(stage, "partition, clients on the old holder's side", part, stage.world.heal)


@scenario(BOTH)
def test_clients_that_heard_both_sides_of_a_partition(stage: Stage) -> None:
    def part(held: str, others: list[str], _clients: list[str]) -> None:
        stage.world.block(both_ways([held], others))

    healed(stage, "partition, clients reach both sides", part, stage.world.heal)


@scenario(BOTH)
def test_clients_after_the_old_holder_has_come_back(stage: Stage) -> None:
    def part(held: str, _others: list[str], _clients: list[str]) -> None:
        stage.world.carrier(held, up=False)

    held = stage.holder
    healed(stage, "the holder's cable is out", part, lambda: stage.world.carrier(held, up=True))


@scenario(BOTH)
def test_a_takeover_corrects_the_clients_at_once(stage: Stage) -> None:
    """No heal: the clients are where the new holder is, and hear its announcement."""
    clients = readers(stage)
    held, (first, second) = stage.holder, stage.others()
    mislead(stage, clients, held, second)
    stage.play(
        "the address is moved by hand", lambda: stage.tell(held, do="move", address="web", to=first), moves=True, for_s=0.1
    )
    began = time.monotonic()
    for client in clients:
        name, _ = client.reach(stage, WEB)
        assert name == first
        assert time.monotonic() - began < WITHIN_S
        assert client.mac_of(WEB) == stage.world.stack.pi(first).mac
