"""The neighbour table of a machine, read and written."""

from __future__ import annotations

import pytest

from picluster.lab.neighbours import Belief, NeighbourTable
from tests.adapters.isolation import isolated
from tests.lab.stand_ins import stand_in_world

WRONG = "02:00:00:00:00:99"


@isolated
def test_what_a_machine_believes_is_read_and_written() -> None:
    with stand_in_world() as world:
        world.give("pi1")
        world.until(lambda: world.answering() == "pi1")
        table = NeighbourTable(world.machine("client"))
        assert table.mac_of("10.77.0.100") == world.stack.pi("pi1").mac
        for address in ("10.77.0.100", "fd77::100"):
            for belief in Belief:
                table.believe(address, WRONG, belief)
                assert table.mac_of(address) == WRONG
        assert table.mac_of("10.77.0.99") == ""
        table.close()
        with pytest.raises(OSError, match="no interface"):
            NeighbourTable(world.machine("client"), "eth9")
