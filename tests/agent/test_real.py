"""Real agents on real networks: found by mDNS, judged by what is configured in the kernel and by what they say.

Each test is the story of one stack, since a stack takes a second to come up.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from functools import partial

import pytest

from picluster.adapters.links import Links
from picluster.lab.programs import environment
from tests.adapters.isolation import isolated
from tests.agent.real import PICLUSTER, RealBench, run
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.scenario

WEB = "10.77.0.100/32"
START_S = 10.0
"""A bound for a machine that has much else to do; alone an agent starts in a third of a second."""


@isolated
def test_power_cuts_and_clean_stops() -> None:
    """The agents find each other, one takes the address; it is killed, and another takes it; that one is stopped."""
    with RealBench() as bench:
        bench.pis["pi1"].start()
        until(lambda: " started " in bench.pis["pi1"].log, "the first line of the log", START_S)
        for name in ("pi2", "pi3"):
            bench.pis[name].start()
        until(bench.healthy, "a healthy cluster")
        first = bench.pis[bench.holder()]
        assert [pi.name for pi in bench.running if WEB in pi.configured()] == [first.name]

        # A second agent of the same machine is refused before it touches anything.
        with first.network.entered():
            second = run("agent", "--config", str(first.home / "agent.toml"))
        assert (second.returncode, second.stdout) == (2, "")
        assert "another agent runs with" in second.stderr
        assert WEB in first.configured()

        # SIGKILL leaves everything lying about: address, gate, socket. Only the kernel knows when the lease ends.
        first.end(signal.SIGKILL)
        second_holder = bench.pis[bench.holder(besides=first.name)]
        assert WEB in second_holder.configured()
        assert first.tables() != []

        # It comes back at once, over its own remains, with a clean slate, and takes nothing away.
        first.start()
        until(bench.healthy, "a healthy cluster again")
        assert bench.holder() == second_holder.name
        assert WEB not in first.configured()

        # A clean stop hands over at once, says goodbye and leaves nothing behind.
        assert second_holder.end(signal.SIGTERM) == 0
        assert "released address=web" in second_holder.log
        assert WEB not in second_holder.configured()
        assert second_holder.tables() == []
        # What a voter must remember until the next boot; a real /run is emptied by that.
        assert second_holder.left_behind() == ["longest-term"]
        third = bench.pis[bench.holder(besides=second_holder.name)]
        until(lambda: f"from {second_holder.name} (stopped)" in third.log, "the journal tells of it")
        assert third.node(second_holder.name)["state"] == "left"
        assert all(pi.end(signal.SIGINT) == 0 for pi in list(bench.running))
        assert "Traceback" not in "".join(pi.log for pi in bench.pis.values())


@isolated
def test_what_people_ask_of_a_cluster() -> None:
    """The verbs, on a node and from a machine that only has the inventory and the key."""
    with RealBench() as bench:
        holder = bench.pis[bench.start()]
        other, third = (pi for pi in bench.pis.values() if pi is not holder)
        for look in (holder.run("status"), run("status", str(bench.inventory))):
            assert (look.returncode, look.stderr) == (0, "")
            assert holder.name in look.stdout

        assert holder.run("move", "web", "--to", "pi9").returncode == 2
        assert other.run("move", "web", "--to", third.name).returncode == 2, "only its holder hands it over"
        assert holder.run("move", "web", "--to", third.name).returncode == 0
        assert bench.holder(besides=holder.name) == third.name

        assert third.run("standby").returncode == 0
        assert bench.holder(besides=third.name) != third.name
        until(lambda: all(pi.status().get("health") == "degraded" for pi in bench.running), "a degraded cluster to all")
        assert other.run("status").returncode == 1
        assert run("status", str(bench.inventory), "--json").returncode == 1
        counters = json.loads(holder.run("status", "--json").stdout)["not_believed"]
        assert counters.keys() <= {"not-believed", "replayed", "stranger"}
        assert third.run("active").returncode == 0
        until(bench.healthy, "a healthy cluster")

        # A dashboard in a pipe shows the present state; its reader has seen enough after some lines.
        with subprocess.Popen(
            [*PICLUSTER, "watch", str(bench.inventory)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        ) as watching:
            assert watching.stdout is not None
            assert watching.stdout.readline()
            watching.stdout.close()
            bench.pis[bench.holder()].run("standby")  # something to tell, so that it notices
            assert watching.wait(PATIENCE_S) in (0, 1)
            assert watching.stderr is not None
            assert watching.stderr.read() == b""

        for pi in list(bench.running)[:2]:
            pi.end(signal.SIGKILL)
        [last] = bench.running
        until(lambda: last.status().get("health") == "down", "the end of quorum")
        assert last.run("status").returncode == 2
        down = run("status", str(bench.inventory), "--json", "--wait", "1")
        assert (down.returncode, json.loads(down.stdout)["health"]) == (2, "down")


@isolated
def test_a_newer_inventory() -> None:
    """A reload is a safe step or none at all."""
    with RealBench() as bench:
        holder = bench.pis[bench.start()]
        bench.write_inventory(epoch=3)
        os.kill(holder.agent.pid if holder.agent else 0, signal.SIGHUP)
        until(lambda: "the configuration stays as it was" in holder.log, "the refusal of a leap")
        bench.inventory.write_text("[cluster]\nname = 5\n")
        os.kill(holder.agent.pid if holder.agent else 0, signal.SIGHUP)
        until(lambda: "name" in holder.log.rpartition("the configuration stays as it was")[2], "the mistakes")
        assert holder.status()["epoch"] == 1

        bench.write_inventory(epoch=2, more="[nodes.pi4]")
        for pi in bench.running:
            assert pi.agent is not None
            pi.agent.send_signal(signal.SIGHUP)
        until(lambda: all(pi.status().get("epoch") == 2 for pi in bench.running), "epoch 2 everywhere")
        assert bench.holder() == holder.name
        assert WEB in holder.configured()
        assert holder.log.count("taken") == 1, "and it never stopped holding"


@isolated
def test_an_address_from_dhcp_changes() -> None:
    """A Pi gets another address, and its peers follow it, with mDNS or without."""
    with RealBench(ipv6=False) as bench:
        bench.start()
        moving, watching = bench.pis["pi2"], bench.pis["pi1"]
        incarnation = moving.status()["incarnation"]

        def is_at(place: str) -> bool:
            return bool(watching.node("pi2")["endpoint"] == place)

        for last in (62, 72):
            with Links(moving.network) as links:
                links.remove_address("eth0", next(found for found in moving.configured() if found.endswith("/24")))
                links.add_address("eth0", f"10.77.0.{last}/24")
            until(partial(is_at, f"10.77.0.{last}:7654"), "pi2 is at its new address")
        assert moving.status()["incarnation"] == incarnation
        assert "pi2 is silent" not in watching.log
        until(lambda: "pi2 is at 10.77.0.72:7654 now" in watching.log, "a line that tells of it")


@isolated
def test_a_network_without_ipv4() -> None:
    with RealBench(ipv4=False, floating="fd77::100") as bench:
        first = bench.pis[bench.start()]
        assert "fd77::100/128" in first.configured()
        first.end(signal.SIGKILL)
        second = bench.pis[bench.holder(besides=first.name)]
        assert "fd77::100/128" in second.configured()
        assert second.node(first.name)["endpoint"].startswith("[")


@isolated
def test_two_cables() -> None:
    """The holder's cable for the address is pulled. It is unfit, somebody else takes over, and the other cable tells why."""
    with RealBench(ipv6=False) as bench:
        with Links() as hub:
            hub.add_bridge("hub")
            for name, pi in bench.pis.items():
                hub.add_veth(f"{name}b", "eth1", peer_namespace=pi.network)
                with Links(pi.network) as board:
                    board.add_address("eth1", f"10.78.0.{10 + pi.number}/24")
                    board.up("eth1")
                hub.attach(f"{name}b", "hub")
        holder = bench.pis[bench.start()]
        bench.switch.down(holder.name)
        others = [pi for pi in bench.running if pi is not holder]
        until(lambda: all(pi.holder() not in ("", holder.name) for pi in others), "another holder")
        assert WEB not in holder.configured()
        until(lambda: others[0].node(holder.name)["state"] == "degraded", "word by the other cable")
        view = others[0].node(holder.name)
        assert view["endpoint"].startswith("10.78.0.")
        assert view["note"] == "eth0 has no link"
