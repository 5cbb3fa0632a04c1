"""The world of namespaces, on the real kernel, with stand-ins for the agents: does the client see what is the case?"""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest

from picluster.adapters.links import Links
from picluster.lab.neighbours import Belief, NeighbourTable
from picluster.lab.programs import kill
from tests.adapters.isolation import isolated
from tests.lab.stand_ins import StandInWorld, arrived, filters_refused, stand_in_world
from tests.patience import until

needs_filters = pytest.mark.skipif(bool(filters_refused()), reason=filters_refused() or "has them")


@isolated
def test_the_client_counts_a_cut_and_a_return() -> None:
    with stand_in_world() as world:
        world.give("pi1")
        world.until(lambda: world.answering() == "pi1")
        moment_ns = time.monotonic_ns()
        world.cut("pi1")
        world.count(100)
        world.give("pi2")
        announce(world, "pi2")
        world.until(lambda: world.answering() == "pi2")
        world.count(1_000)
        outage = world.client.ledger.aftermath(moment_ns, time.monotonic_ns())
        assert (outage.before, outage.after, outage.over) == ("pi1", "pi2", True)
        assert 100 <= outage.lost < 1_000
        assert outage.outage_ms >= 90
        assert world.client.ledger.double_ms == 0


@isolated
def test_two_nodes_with_the_address_are_seen_although_the_client_hears_one() -> None:
    with stand_in_world() as world:
        world.give("pi1")
        world.until(lambda: world.answering() == "pi1")
        world.count(100)
        assert world.client.ledger.double_ms == 0
        world.give("pi3")
        world.until(lambda: world.client.ledger.double_ms >= 50)
        world.until(lambda: world.answering() == "pi1")


@needs_filters
@isolated
def test_two_nodes_on_either_side_of_a_partition_are_seen_as_well() -> None:
    with stand_in_world() as world:
        world.give("pi1")
        world.until(lambda: world.answering() == "pi1")
        world.part(["pi1"])
        world.give("pi2")
        announce(world, "pi2")
        world.until(lambda: world.client.ledger.double_ms >= 50)
        world.until(lambda: world.answering() == "pi2")


@needs_filters
@isolated
def test_a_partition_parts_the_two_sides_and_nothing_else() -> None:
    with stand_in_world() as world:
        assert passes(world, "pi1", "pi2")
        world.part(["pi1"])
        assert blocked(world, "pi1", "pi2")
        assert blocked(world, "pi3", "pi1")
        assert blocked(world, "client", "pi1")
        assert passes(world, "pi2", "pi3")
        assert passes(world, "client", "pi2")
        assert passes(world, "auditor", "pi1")
        world.cut("pi2")
        world.plug("pi2")
        assert blocked(world, "pi1", "pi2"), "plugged in during a partition, and on its wrong side"
        world.heal()
        assert passes(world, "pi1", "pi2")
        assert world.apart == frozenset()


@needs_filters
@isolated
def test_a_way_is_blocked_in_one_direction() -> None:
    with stand_in_world() as world:
        assert passes(world, "pi1", "pi2")
        world.block([("pi1", "pi2")])
        assert blocked(world, "pi1", "pi2")
        assert passes(world, "pi1", "pi3")
        assert heard_one_way(world, "pi2", "pi1")
        world.heal()
        assert passes(world, "pi1", "pi2")


@isolated
def test_an_adapter_that_is_pulled_out_comes_back_as_the_same() -> None:
    with stand_in_world() as world:
        world.unplug("pi1")
        with Links(world.machine("pi1")) as board:
            with pytest.raises(OSError, match="No such device"):
                board.state("eth0")
            world.replug("pi1")
            assert board.state("eth0").mac == "dc:a6:32:00:00:01"
            world.carrier("pi1", up=False)
            assert not board.state("eth0").up
            world.carrier("pi1", up=True)
            assert board.state("eth0").up
        # A bridge forwards only some time after a carrier has come.
        until(lambda: not blocked(world, "pi2", "pi1"), "the adapter's datagrams pass")


@isolated
def test_an_agent_that_is_ended_on_purpose_has_not_crashed() -> None:
    with stand_in_world() as world:
        first = world._powered["pi1"][-1].pid
        assert world.end_agent("pi1", signal.SIGKILL) == -signal.SIGKILL
        assert (list(world.running), world.crashed()) == (["pi2", "pi3"], ())
        world.start_agent("pi1")
        assert sorted(world.running) == ["pi1", "pi2", "pi3"]
        assert world._powered["pi1"][-1].pid != first
        world._powered["pi1"][-1].kill()
        world.until(lambda: world.crashed() == ("pi1",))


@isolated
def test_a_guest_comes_and_goes() -> None:
    with stand_in_world() as world:
        world.give("pi1")
        feed = world.join_client("guest", "02:00:00:00:00:09", ["10.77.0.9/24"])

        def served() -> bool:
            feed.pump(0.05)
            return feed.ledger.answering(time.monotonic_ns()) == "pi1"

        world.until(served)
        kill([feed.process])
        world.leave("guest")
        assert "guest" not in [name for _, name in socket.if_nameindex()]


@needs_filters
@isolated
def test_losses_are_between_pis_and_spare_the_client() -> None:
    with stand_in_world() as world:
        assert arrived(world, "pi1", "pi2", 100) == 100
        world.lose(50)
        # The chance that this fails by bad luck is below one in a million.
        assert 20 < arrived(world, "pi1", "pi2", 100, expected=21) < 80
        assert arrived(world, "client", "pi2", 100) == 100
        world.lose(0)
        assert arrived(world, "pi1", "pi2", 100) == 100


@isolated
def test_a_power_cut_leaves_nothing_of_a_pi_and_its_next_boot_starts_anew() -> None:
    with stand_in_world() as world, Links() as switch:
        world.give("pi1")
        (world.run_dir("pi1") / "longest-term").write_text("kept over the cut", encoding="ascii")
        programs = list(world._powered["pi1"])
        world.cut("pi1")
        assert all(program.returncode == -9 for program in programs)
        assert "pi1" not in [name for _, name in socket.if_nameindex()]
        assert "pi1" not in world.powered
        world.plug("pi1")
        assert switch.state("pi1").up
        with Links(world.machine("pi1")) as board:
            found = [str(address.interface) for address in board.addresses()]
            assert board.state("eth0").mac == "dc:a6:32:00:00:01"
        assert "10.77.0.11/24" in found
        assert "fd77::11/64" in found
        assert "10.77.0.100/32" not in found
        assert (world.run_dir("pi1") / "longest-term").read_text(encoding="ascii") == "kept over the cut"


@isolated
def test_freezing_stops_the_agent_and_not_the_service() -> None:
    with stand_in_world() as world:
        world.give("pi1")
        world.until(lambda: world.answering() == "pi1")
        service, agent = world._powered["pi1"]
        world.freeze("pi1")
        until_state(agent.pid, "T")
        assert state_of(service.pid) != "T"
        world.count(150)
        world.until(lambda: world.answering() == "pi1")
        world.thaw("pi1")
        until_state(agent.pid, "S")
        world.freeze("pi1", whole=True)
        until_state(service.pid, "T")
        world.until(lambda: not world.answering())
        world.thaw("pi1")
        world.until(lambda: world.answering() == "pi1")


def announce(world: StandInWorld, name: str) -> None:
    """Gratuitous ARP, as a holder sends it."""
    with world.machine(name).entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind(("eth0", 0))
        mac = wire.getsockname()[4]
        address = socket.inet_aton("10.77.0.100")
        head = b"\xff" * 6 + mac + b"\x08\x06" + bytes.fromhex("0001080006040001")
        wire.send(head + mac + address + bytes(6) + address)


def heard_one_way(world: StandInWorld, sender: str, receiver: str) -> bool:
    """As `passes`, where the receiver cannot answer ARP: the sender is told whom to send to."""
    table = NeighbourTable(world.machine(sender))
    table.believe(f"10.77.0.1{receiver[-1]}", world.stack.pi(receiver).mac, Belief.WARM)
    table.close()
    return passes(world, sender, receiver)


def passes(world: StandInWorld, sender: str, receiver: str) -> bool:
    return arrived(world, sender, receiver, 3, expected=1) > 0


def blocked(world: StandInWorld, sender: str, receiver: str) -> bool:
    return arrived(world, sender, receiver, 3, expected=0) == 0


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


def until_state(pid: int, state: str) -> None:
    until(lambda: state_of(pid) == state, f"process {pid} comes into state {state}")
