"""A plan as people read it: nodes that are alike once, and no secret."""

from __future__ import annotations

from picluster.provision.plan import Change, NodePlan, Plan
from picluster.provision.steps import run
from picluster.provision.telling import told

STEP = run("true")
NAME = Change("system", "host name", "is raspberrypi", (STEP,), "-raspberrypi\n+pi{}")
BOOT = Change("system", "/boot/firmware/cmdline.txt", "lacks x", (STEP,), "-a\n+a x", reboot=True)


def named(number: int) -> NodePlan:
    change = Change(NAME.part, NAME.what, NAME.reason, NAME.steps, NAME.diff.format(number))
    return NodePlan(f"pi{number}", (change, BOOT), notes=("apt is busy there",))


def test_nodes_that_are_alike_are_told_once() -> None:
    plan = Plan((named(1), NodePlan("pi4"), named(2), NodePlan("pi5", problem="its disk is too full"), named(3)))
    assert told(plan) == [
        "pi1, pi2, pi3: the same 2 changes",
        "  system  host name                   is raspberrypi",
        "  system  /boot/firmware/cmdline.txt  lacks x (takes a reboot)",
        "  note: apt is busy there",
        "pi4: nothing to do",
        "pi5: cannot be changed: its disk is too full",
        "6 changes on 3 of 5 nodes; a reboot of pi1, pi2, pi3; 1 node cannot be changed",
    ]


def test_differences_are_told_with_whom_they_are_of() -> None:
    assert told(Plan((named(1), named(2))), diff=True) == [
        "pi1, pi2: the same 2 changes",
        "  system  host name                   is raspberrypi",
        "      pi1:",
        "      -raspberrypi",
        "      +pi1",
        "      pi2:",
        "      -raspberrypi",
        "      +pi2",
        "  system  /boot/firmware/cmdline.txt  lacks x (takes a reboot)",
        "      -a",
        "      +a x",
        "  note: apt is busy there",
        "4 changes on 2 of 2 nodes; a reboot of pi1, pi2",
    ]


def test_one_change_on_one_node() -> None:
    change = Change("agent", "picluster", "does not run", (STEP,))
    assert told(Plan((NodePlan("pi1", (change,)),)), diff=True) == [
        "pi1: 1 change",
        "  agent  picluster  does not run",
        "1 change on 1 of 1 node",
    ]


def test_nothing_to_do_is_one_line() -> None:
    assert told(Plan(tuple(NodePlan(f"pi{number}") for number in range(1, 4)))) == ["pi1, pi2, pi3: nothing to do"]


def test_a_long_name_pushes_its_reason_to_the_right() -> None:
    change = Change("packages", "packages " + "x" * 60, "missing", (STEP,))
    assert told(Plan((NodePlan("pi1", (change, NAME)),)))[1:3] == [
        f"  packages  packages {'x' * 60}  missing",
        f"  system    {'host name':<48}  is raspberrypi",
    ]
