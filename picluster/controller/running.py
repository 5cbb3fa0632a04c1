"""A command on many nodes side by side: each line as it comes, and each node's exit code."""

from __future__ import annotations

import math
from collections.abc import Iterable

from picluster.controller.crew import Crew, Outcome
from picluster.controller.progress import Kind, Progress
from picluster.controller.shell import Shell
from picluster.model.inventory import Node

__all__ = ["run_everywhere", "worst"]


def run_everywhere(
    crew: Crew, nodes: Iterable[Node], command: str, *, root: bool = False, timeout_s: float | None = None
) -> dict[str, Outcome[int]]:
    """Run a line of shell on all; the values are exit codes. Lines are told as OUTPUT. A command may be silent for as
    long as it likes, up to `timeout_s`: whether the node is still there, the connection itself finds out."""

    def task(node: Node, shell: Shell) -> int:
        def tell(line: str) -> None:
            crew.desk.tell(Progress(node.name, Kind.OUTPUT, line))

        return shell.run(command, tell, root=root, timeout_s=timeout_s)

    return crew.each(nodes, task, math.inf)


def worst(outcomes: Iterable[Outcome[int]]) -> int:
    """0 where all commands ended with 0, 2 where none did, else 1."""
    good = [outcome.value == 0 for outcome in outcomes]
    return 0 if all(good) else 1 if any(good) else 2
