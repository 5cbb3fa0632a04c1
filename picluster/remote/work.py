"""What every step is handed: the node, the memory of what was there before, and somebody to talk to."""

from __future__ import annotations

from collections.abc import Callable

from picluster.remote.manifest import Manifest
from picluster.remote.node import Node

__all__ = ["Work"]


class Work:
    def __init__(
        self, node: Node, tell: Callable[[str], None], wait: Callable[[str], None], gone: Callable[[], bool]
    ) -> None:
        """`tell` takes a line that a command says, `wait` the reason for a delay; `gone` knows whether anybody listens."""
        self.node = node
        self.tell = tell
        self.wait = wait
        self.gone = gone
        self.manifest = Manifest(node)
        self.units_written = False
        """Whether systemd has to be told that files of units have changed."""
