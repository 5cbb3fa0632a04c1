"""The Pis of a network, in words: what they are to a cluster, and by what they can be told apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from picluster.founding.hosts import Host, Standing, is_pi, known_as, standing
from picluster.model.inventory import Inventory

__all__ = ["Found", "found_among", "told"]

HEADING = ("name", "address", "MAC", "model", "serial", "what it is")
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Found:
    """A machine that somebody may ask for."""

    host: Host
    standing: Standing
    node: str
    """What the inventory calls it; empty where there is none, or it is not in it."""

    @property
    def words(self) -> str:
        """`ours: pi1`."""
        agent = self.host.agent
        if agent is not None:
            owner = agent.node if self.standing is Standing.OURS else f"{agent.node} of cluster {agent.cluster}"
            return f"{self.standing.value}: {owner}, {agent.role.value}, version {agent.version}"
        named = f": {self.node} of the inventory" if self.node else ""
        return f"{self.standing.value}{named}"

    def as_json(self) -> dict[str, object]:
        host, agent = self.host, self.host.agent
        return {
            "name": host.name,
            "addresses": list(host.addresses),
            "mac": host.mac,
            "model": host.model,
            "serial": host.serial,
            "standing": self.standing.value,
            "cluster": agent.cluster if agent is not None else "",
            "node": self.node or (agent.node if agent is not None else ""),
            "version": agent.version if agent is not None else "",
        }


def found_among(hosts: Iterable[Host], inventory: Inventory | None) -> tuple[tuple[Found, ...], tuple[str, ...]]:
    """Pis, whatever runs an agent, and whatever the inventory knows; and the names of the other machines."""
    found: list[Found] = []
    others: list[str] = []
    for host in hosts:
        node = known_as(host, inventory) if inventory is not None else ""
        if is_pi(host) or host.agent is not None or node:
            found.append(Found(host, standing(host, inventory.cluster if inventory is not None else ""), node))
        else:
            others.append(host.name)
    return tuple(found), tuple(others)


def told(found: Sequence[Found], others: Sequence[str]) -> str:
    """A table, and what else there is in one line."""
    rows = [HEADING, *map(_row, found)] if found else []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = (zip(row, widths, strict=True) for row in rows)
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in row).rstrip() for row in cells]
    if not found:
        lines.append(
            "no Pi was heard; one that has just started needs a minute, and one on another network is not heard at all"
        )
    if others:
        lines.append(f"no Pis, as far as can be told: {', '.join(others)}")
    return "\n".join(lines)


def _row(one: Found) -> tuple[str, ...]:
    host = one.host
    cells = (host.name, host.address, host.mac, host.model, host.serial, one.words)
    return tuple(cell or NOTHING for cell in cells)
