"""Nodes that are to reboot or to be switched off, in an order that keeps the addresses up for as long as possible."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence

from picluster.controller.crew import Crew, Outcome
from picluster.controller.progress import Kind, Progress
from picluster.controller.rolling import Rolling, in_order, reboot, request_reboot
from picluster.controller.shell import Shell
from picluster.errors import AccessError, ProvisionError, TrustError
from picluster.model.inventory import Inventory, Node

__all__ = ["reboot_all", "reboot_rolling", "shut_down"]

DOWN_S = 120.0
"""How long a node may take to shut down: systemd gives a service that does not end 90 s."""


def reboot_all(crew: Crew, nodes: Iterable[Node], pause: Callable[[float], None] = time.sleep) -> dict[str, Outcome[None]]:
    """All at once, and until each is back."""
    return crew.each(nodes, lambda node, shell: reboot(crew, node, shell, pause), math.inf)


def reboot_rolling(
    rolling: Rolling, crew: Crew, nodes: Iterable[Node], pause: Callable[[float], None] = time.sleep
) -> dict[str, Outcome[None]]:
    """One after the other; each is back and heard before the next one goes."""
    return rolling.one_by_one(nodes, lambda node, shell: reboot(crew, node, shell, pause), math.inf, "rebooting")


def shut_down(
    crew: Crew,
    inventory: Inventory,
    nodes: Sequence[Node],
    holders: Iterable[str],
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Outcome[None]]:
    """Those that do not vote first, then voters, whoever holds an address last; each group at once. Comes back when none of
    them answers any more."""
    voters, holding = inventory.configuration.voters, frozenset(holders)
    ordered = in_order(inventory, nodes, holding)
    groups = [
        [node for node in ordered if node.name not in voters and node.name not in holding],
        [node for node in ordered if node.name in voters and node.name not in holding],
        [node for node in ordered if node.name in holding],
    ]
    outcomes: dict[str, Outcome[None]] = {}
    for group in filter(None, groups):
        outcomes |= crew.each(group, lambda node, shell: _switch_off(crew, node, shell, pause), math.inf)
    return {node.name: outcomes[node.name] for node in nodes}


def _switch_off(crew: Crew, node: Node, shell: Shell, pause: Callable[[float], None]) -> None:
    """In the node's thread."""
    request_reboot(shell, "poweroff")
    crew.hang_up(node.name)
    crew.desk.tell(Progress(node.name, Kind.STAGE, "shutting down"))
    deadline = time.monotonic() + DOWN_S
    while time.monotonic() < deadline:
        pause(1.0)
        try:
            crew.shell(node)
        except TrustError:
            raise
        except AccessError:
            return
        crew.hang_up(node.name)
    raise ProvisionError(f"still answers {DOWN_S:.0f} s after it was told to shut down; look at it before you pull its plug")
