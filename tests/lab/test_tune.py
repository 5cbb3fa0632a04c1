"""`picluster tune` on real agents: measured over real sockets, written to a real inventory, and lived by."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from picluster.agent.configuration import read_inventory
from picluster.lab.loopback import LoopbackWorld
from picluster.lab.programs import environment
from picluster.lab.script import Director
from picluster.lab.stack import Stack

SECONDS = 1


@pytest.fixture
def world() -> Iterator[LoopbackWorld]:
    with LoopbackWorld(Stack(3)) as made:
        yield made


def tune(world: LoopbackWorld, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    config = str(world.directory / name / "agent.toml")
    command = [sys.executable, "-m", "picluster.cli.main", "tune", "--config", config, "--seconds", str(SECONDS), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment())


@pytest.mark.scenario
def test_measured_applied_and_in_force(world: LoopbackWorld) -> None:
    """The holder measures, also while datagrams are lost, and then lives by the lease that came of it. Any number of moves
    will do: what a busy machine can keep is not the question here."""
    Director(world).start()
    holder = world.client.ledger.answering(time.monotonic_ns())
    clean = json.loads(tune(world, holder, "--json").stdout)["measurements"][0]
    assert clean["node"] == holder
    assert clean["rounds"] > 5 * SECONDS
    assert sum(path["answered"] for path in clean["paths"]) > clean["rounds"]

    world.lose(20)
    before = read_inventory(world.directory / "cluster.toml")
    applied = tune(world, holder, "--apply", "--moves-a-year", "1e9")
    after = read_inventory(world.directory / "cluster.toml")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert "milliseconds below" in applied.stdout
    assert f"the agent of {holder} lives by it" in applied.stderr
    assert all(name in applied.stderr for name in world.stack.names if name != holder)
    assert after.configuration.timing != before.configuration.timing
    assert f"{after.configuration.timing.lease_ms} ms is the shortest lease" in applied.stdout
    assert "configuration of epoch 1 in force" in world.log(holder).read_text(encoding="utf-8")
    assert world.client.ledger.double_ms == 0
