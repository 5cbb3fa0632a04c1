"""What mDNS says about where an agent may be."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.model.endpoint import Endpoint
from picluster.model.inventory import Role


@dataclass(frozen=True, slots=True)
class Sighting:
    """mDNS says that an agent may be there. It may lie, and it says nothing about being alive."""

    node: str
    cluster: str
    role: Role
    version: str
    endpoints: tuple[Endpoint, ...]
    """Empty when it said goodbye."""
    incarnation: int = 0
    """Which run of the node's agent: tells a restart from two machines under one name. 0 where it is not known."""
