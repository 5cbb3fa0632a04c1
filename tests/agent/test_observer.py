"""An observer among nodes that say what the test tells them to: what it shows, and what it says where it hears nobody."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Collection
from dataclasses import replace
from random import Random

import pytest

from picluster.agent.messenger import Identity, Messenger
from picluster.agent.observer import Feed, Observer, ObserverPorts
from picluster.model.endpoint import Endpoint
from picluster.model.inventory import Role
from picluster.model.messages import Cause, Heartbeat, Held
from picluster.model.sighting import Sighting
from picluster.model.snapshot import NodeState
from picluster.ports import EVERYTHING
from picluster.wire import Keyring
from tests import patience
from tests.agent.workbench import HOMES, KEYRING, MS, SECOND, Beacon, Clock, Datagrams, inventory

PLACE = Endpoint("10.77.0.1", 40_000)
SIGHTING = Sighting("observer-1", "bench", Role.OBSERVER, "1", (PLACE,), 1)
STRANGE = Keyring.parse(Keyring.fresh())


class Table:
    """An observer, and pi1, pi2 and pi3."""

    def __init__(self, keyring: Keyring = KEYRING) -> None:
        self.clock, self.datagrams, self.beacon = Clock(), Datagrams([]), Beacon()
        ports = ObserverPorts(self.clock, self.datagrams, self.beacon)
        self.observer = Observer(Identity("observer-1", Role.OBSERVER, 1), inventory(), keyring, ports, Random(1))
        self.wires = {name: Datagrams([]) for name in ("pi1", "pi2", "pi3")}
        self.nodes = {
            name: Messenger(Identity(name, Role.MEMBER, number), inventory(), KEYRING, wire, Random(number))
            for number, (name, wire) in enumerate(self.wires.items(), start=11)
        }
        for node in self.nodes.values():
            node.sighted(self.clock.ns, [SIGHTING])
        for _ in range(3):
            self.say()

    def say(self, **holds: Held) -> None:
        """Everybody named says that it holds this, and everybody else that it holds nothing; the observer beats, too."""
        self.pass_by(200 * MS)
        self.tell({name: (holds[name],) if name in holds else () for name in self.nodes})

    def tell(self, holds: dict[str, tuple[Held, ...]]) -> None:
        for name, held in holds.items():
            node, wire = self.nodes[name], self.wires[name]
            wire.waiting = [(PLACE, data) for to, data in self.datagrams.sent if to == HOMES[name]]
            list(node.receive(self.clock.ns))
            beat = Heartbeat(Role.MEMBER, 1, True, False, False, 9_000_000, "1", node.links["observer-1"].challenge)
            node.send(self.clock.ns, "observer-1", replace(beat, holds=held))
            self.datagrams.waiting += [(HOMES[name], data) for _, data in wire.sent]
            wire.sent.clear()
        self.datagrams.sent.clear()
        self.observer.turn()

    def pass_by(self, duration_ns: int) -> None:
        self.clock.ns += duration_ns


def web(held_ms: int, previous: str = "") -> Held:
    return Held("web", 100_000, held_ms * 1_000, previous, Cause.SILENCE, 150_000)


def test_a_dead_holder_is_not_shown_again_when_its_heir_loses_its_majority() -> None:
    table = Table()
    table.say(pi1=web(5_000))
    assert table.observer.snapshot().addresses[0].holder == "pi1"
    table.pass_by(3 * SECOND)
    table.say(pi1=web(8_000))
    # pi1 and pi3 lose their power; pi2 takes web with the last vote of pi3, and loses it for want of another.
    for held in ((web(10, "pi1"),), ()):
        table.pass_by(100 * MS)
        table.tell({"pi2": held})
        shown = table.observer.snapshot()
        assert shown.addresses[0].holder == ("pi2" if held else None)
        assert [node.name for node in shown.nodes if node.state is NodeState.HOLDER] == (["pi2"] if held else [])
    told = [event.text for event in table.observer.snapshot().events if event.text.startswith("web")]
    assert told == ["web → pi2 after 150 ms: pi1 fell silent"]


@pytest.mark.parametrize(("keyring", "told"), [(KEYRING, False), (STRANGE, True)])
def test_a_wrong_key_is_told_of_as_long_as_somebody_is_missing(keyring: Keyring, told: bool) -> None:
    table = Table(keyring)
    assert any("another key" in notice for notice in table.observer.snapshot().notices) == told


def test_who_does_not_belong_here_is_told_of_as_long_as_it_is_sighted() -> None:
    table = Table()
    strangers = [
        Sighting("pi9", "bench", Role.MEMBER, "1", (Endpoint("10.77.0.9", 7654),), 9),
        Sighting("pi1", "lab", Role.MEMBER, "1", (Endpoint("10.77.0.8", 7654),), 8),
        Sighting("pi1", "bench", Role.MEMBER, "1", (HOMES["pi1"],), 7),
        replace(SIGHTING, node="observer-2", incarnation=6),
    ]
    table.beacon.waiting = strangers
    table.say()
    assert table.observer.snapshot().notices == (
        "pi9 says it belongs to this cluster, and the inventory does not have it",
        "another cluster, lab, is on this network",
    )
    table.beacon.waiting = [replace(sighting, endpoints=()) for sighting in strangers]
    table.say()
    assert table.observer.snapshot().notices == ()


def test_what_a_part_has_to_say_is_an_event_and_nothing_on_the_screen(capfd: pytest.CaptureFixture[str]) -> None:
    table = Table()
    beacon = threading.Thread(
        target=logging.getLogger("picluster.adapters.mdns").warning,
        args=(
            "discovery: %s",
            "no way",
        ),
    )
    beacon.start()
    beacon.join()
    assert [event.text for event in table.observer.snapshot().events if "discovery" in event.text] == ["discovery: no way"]
    assert [event.text for event in table.observer.snapshot().events if "discovery" in event.text] == ["discovery: no way"]
    table.observer.close()
    assert "discovery" not in capfd.readouterr().err


class Unplugged(Datagrams):
    """Sockets of an interface that is gone: always readable, and what they have to say is an error."""

    def __init__(self) -> None:
        super().__init__([])
        self._readable, writable = os.pipe()
        os.close(writable)

    def filenos(self) -> tuple[int, ...]:
        return (self._readable,)

    def receive(self, _readable: Collection[int] = EVERYTHING, /) -> list[tuple[Endpoint, bytes]]:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

    def close(self) -> None:
        os.close(self._readable)


class Unheard(Beacon):
    """Nobody is ever sighted: a descriptor of its own that nothing is written to."""

    def __init__(self) -> None:
        super().__init__()
        self._readable, self._writable = os.pipe()

    def fileno(self) -> int:
        return self._readable

    def close(self) -> None:
        os.close(self._readable)
        os.close(self._writable)


def test_an_observer_that_has_ended_is_no_calm_cluster() -> None:
    ports = ObserverPorts(Clock(), Unplugged(), Unheard())
    feed = Feed(Observer(Identity("observer-1", Role.OBSERVER, 1), inventory(), KEYRING, ports, Random(1)))

    def ended() -> bool:
        try:
            feed.latest()
        except OSError as error:
            return error.errno == errno.ENODEV
        return False

    patience.until(ended, "the end of the observer is told")
    feed.close()
