"""What is measured: each system under its name, with the packages that it takes and the system that it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.systems.keepalived import KeepalivedMachines
from benchmarks.systems.machines import Machines
from benchmarks.systems.pacemaker import PacemakerMachines
from benchmarks.systems.picluster import PiclusterMachines
from benchmarks.systems.ucarp import UcarpMachines

__all__ = ["SYSTEMS", "System", "system"]

Make = Callable[[int, Path], Machines]


@dataclass(frozen=True, slots=True)
class System:
    key: str
    """What it is called on the command line and in the results."""
    title: str
    make: Make = field(compare=False)
    against: str = ""
    """Key of the system that its figures are divided by; empty: nobody."""
    nodes: int = 3
    needs: Mapping[str, str] = field(default_factory=dict)
    """Debian's package by the program that has to be there."""
    calm_s: float = 1.5
    """How long after a boot until every node surely takes part again."""
    slow: bool = False
    """Whether an outage lasts for seconds, so that fewer of them have to do."""
    without: tuple[str, ...] = ()
    """Scenarios that are left out."""

    @property
    def is_ours(self) -> bool:
        return not self.needs


KEEPALIVED = {"keepalived": "keepalived"}
UCARP = {"ucarp": "ucarp"}
PACEMAKER = {
    "corosync": "corosync",
    "pacemakerd": "pacemaker",
    "crm_node": "pacemaker",
    "crm_resource": "pacemaker-cli-utils",
    "/usr/lib/ocf/resource.d/heartbeat/IPaddr2": "resource-agents",
}
FEW = ("stop", "standby", "partition", "freeze", "loss", "load", "flapping")
"""What ten nodes are not asked to do: it takes them as long as three, and shows the same."""

SYSTEMS = (
    System(
        "picluster-wired",
        "picluster, wired (default)",
        lambda size, place: PiclusterMachines(size, place, "wired"),
        against="keepalived-0.1s",
    ),
    System(
        "keepalived-0.1s",
        "keepalived, advert 0.1 s",
        lambda size, place: KeepalivedMachines(size, place, 0.1),
        needs=KEEPALIVED,
        without=("standby",),
    ),
    System(
        "picluster-sprint",
        "picluster, sprint",
        lambda size, place: PiclusterMachines(size, place, "sprint"),
        against="keepalived-0.01s",
    ),
    System(
        "keepalived-0.01s",
        "keepalived, advert 0.01 s",
        lambda size, place: KeepalivedMachines(size, place, 0.01),
        needs=KEEPALIVED,
        without=("standby",),
    ),
    System(
        "picluster-wired-10",
        "picluster, wired, 10 nodes",
        lambda size, place: PiclusterMachines(size, place, "wired"),
        against="keepalived-0.1s-10",
        nodes=10,
        calm_s=2.5,
        without=FEW,
    ),
    System(
        "keepalived-0.1s-10",
        "keepalived, 0.1 s, 10 nodes",
        lambda size, place: KeepalivedMachines(size, place, 0.1),
        nodes=10,
        needs=KEEPALIVED,
        without=FEW,
    ),
    System(
        "keepalived-1s",
        "keepalived, default (1 s)",
        lambda size, place: KeepalivedMachines(size, place, 1.0),
        against="keepalived-0.1s",
        needs=KEEPALIVED,
        slow=True,
        calm_s=4.0,
        without=("standby", "load", "flapping"),
    ),
    System(
        "pacemaker",
        "Corosync + Pacemaker",
        PacemakerMachines,
        against="keepalived-0.1s",
        needs=PACEMAKER,
        slow=True,
        calm_s=8.0,
        without=("load", "flapping"),
    ),
    System(
        "pacemaker-300ms",
        "Pacemaker, token 300 ms",
        lambda size, place: PacemakerMachines(size, place, 300),
        against="keepalived-0.1s",
        needs=PACEMAKER,
        slow=True,
        calm_s=8.0,
        without=("standby", "load", "flapping"),
    ),
    System(
        "ucarp",
        "ucarp",
        UcarpMachines,
        against="keepalived-0.1s",
        needs=UCARP,
        slow=True,
        calm_s=4.0,
        without=("stop", "standby", "loss", "load", "flapping"),
    ),
)


def system(key: str) -> System:
    return next(one for one in SYSTEMS if one.key == key)
