"""Another firewall that flushes the ruleset between two steps of the gate's."""

from __future__ import annotations

from picluster.adapters.gate import FAMILIES, TABLE, Gate, Moment
from picluster.adapters.netlink import Netlink
from picluster.adapters.nftables import NETLINK_NETFILTER, batch, delete_table
from tests.adapters.isolation import isolated
from tests.adapters.scene import FLOATING, Scene, tables


class OvertakenGate(Gate):
    """Somebody takes its tables away as soon as they are made, so many times."""

    times = 1

    def _remember(self, rules: int) -> None:
        if self.times:
            self.times -= 1
            with Netlink(NETLINK_NETFILTER) as somebody:
                somebody.commit(batch(*(delete_table(family, TABLE) for family in FAMILIES)))
        super()._remember(rules)


@isolated
def test_rules_that_are_gone_before_they_can_be_read_are_made_again() -> None:
    with Scene() as scene:
        gate = OvertakenGate()
        gate.cover(FLOATING)
        assert tables() == []
        gate.open(FLOATING, Moment.now(), scene.lease(60_000))
        assert len(tables()) == len(FAMILIES)
        assert gate.restored()
        gate.close()
