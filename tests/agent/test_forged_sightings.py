"""What anybody on the network can announce must never end an agent."""

from __future__ import annotations

from collections.abc import Collection
from random import Random

from hypothesis import example, given
from hypothesis import strategies as st

from picluster.agent.messenger import OBSERVER_HINTS, Identity, Messenger
from picluster.discovery.records import encode_text, read
from picluster.discovery.roster import MOST_OBSERVERS
from picluster.inventory import load
from picluster.model.endpoint import Endpoint
from picluster.model.inventory import Role
from picluster.model.messages import Heartbeat
from picluster.model.sighting import Sighting
from picluster.ports import EVERYTHING
from picluster.wire import Keyring

INVENTORY = load('[cluster]\nname = "home"\n[nodes.pi1]\n', "home.toml")
BEAT = Heartbeat(Role.MEMBER, 1, fit=True, standby=False, leaving=False, uptime_us=1, version="0.1.0", challenge=7)


class Outbox:
    """Datagrams that go nowhere, and are counted."""

    port = 7654

    def __init__(self) -> None:
        self.sent: list[Endpoint] = []

    def filenos(self) -> tuple[int, ...]:
        return ()

    def send(self, to: Endpoint, data: bytes) -> None:
        assert data
        self.sent.append(to)

    def receive(self, _readable: Collection[int] = EVERYTHING, /) -> list[tuple[Endpoint, bytes]]:
        return []

    def close(self) -> None:
        """Nothing is open."""


@example("o" * 33)
@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", fullmatch=True))
def test_an_observer_of_whatever_name_can_be_told_of_or_is_none(name: str) -> None:
    outbox = Outbox()
    messenger = Messenger(Identity("pi1", Role.MEMBER, 5), INVENTORY, Keyring.parse("5" * 64), outbox, Random(1))
    pairs = {"txtvers": "1", "cluster": "home", "node": name, "role": "observer", "version": "1", "run": "0" * 16}
    sighting = read(encode_text(pairs), 7654, ["10.0.0.9"])
    messenger.sighted(0, [sighting] if sighting else [])
    for link in list(messenger.links):
        messenger.send(0, link, BEAT)
    assert len(outbox.sent) == len(messenger.links) == (sighting is not None and name != "pi1")


def test_a_flood_of_invented_observers_costs_no_more_than_a_few() -> None:
    outbox = Outbox()
    messenger = Messenger(Identity("pi1", Role.MEMBER, 5), INVENTORY, Keyring.parse("5" * 64), outbox, Random(1))
    places = tuple(Endpoint(f"10.0.0.{number}", 7654) for number in range(8))
    invented = [Sighting(f"o{number}", "home", Role.OBSERVER, "1", places, number) for number in range(600)]
    messenger.sighted(0, invented)
    for link in list(messenger.links):
        messenger.send(0, link, BEAT)
    assert len(messenger.links) == MOST_OBSERVERS
    assert len(outbox.sent) == MOST_OBSERVERS * OBSERVER_HINTS
