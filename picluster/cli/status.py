"""One look at a running cluster. Exit code 0: healthy; 1: degraded; 2: down, or nobody to ask.

On a node it asks the agent of this machine. With an inventory it joins the cluster as an observer for a moment.
"""

from __future__ import annotations

import argparse
import json

from picluster.agent.plain import Plain, plain, rebuilt
from picluster.cli.joining import add_cluster, join
from picluster.cli.local import add_run_dir, tell_agent
from picluster.dashboard.export import plain as drawn
from picluster.errors import ControlError
from picluster.model.snapshot import ClusterSnapshot, Health, NodeState

EXIT_CODES = {Health.HEALTHY: 0, Health.DEGRADED: 1, Health.DOWN: 2}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cluster(parser, optional=True)
    add_run_dir(parser)
    parser.add_argument(
        "--wait", type=seconds, default=3.0, metavar="S", help="how long to listen as an observer at most (default: 3)"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def seconds(word: str) -> float:
    """A time to wait. ValueError, which argparse reports, for what is none."""
    value = float(word)
    if not 0 <= value <= 3_600:
        raise ValueError(word)
    return value


def run(arguments: argparse.Namespace) -> int:
    snapshot, not_believed = observed(arguments) if arguments.inventory else told(arguments)
    whole = {"health": snapshot.health.value, "cluster": plain(snapshot), "not_believed": not_believed}
    print(json.dumps(whole, indent=2) if arguments.json else drawn(snapshot))
    return EXIT_CODES[snapshot.health]


def told(arguments: argparse.Namespace) -> tuple[ClusterSnapshot, Plain]:
    """What the agent of this machine says, and how many datagrams of which kind it did not believe."""
    status = tell_agent(arguments, do="status")["status"]
    words = status if isinstance(status, dict) else {}
    try:
        return rebuilt(ClusterSnapshot, words.get("cluster")), words.get("not_believed")
    except (TypeError, ValueError) as error:
        raise ControlError("the agent is of another version than this command; restart it after an upgrade") from error


def observed(arguments: argparse.Namespace) -> tuple[ClusterSnapshot, Plain]:
    """What an observer sees, as soon as it has heard everybody, or when its time is over; and what it did not believe."""
    observer = join(arguments)
    try:
        for _ in range(max(1, round(arguments.wait / 0.1))):
            observer.run_for(0.1)
            snapshot = observer.snapshot()
            if all(node.state is not NodeState.STARTING for node in snapshot.nodes):
                break
        return observer.snapshot(), plain(dict(observer.messenger.counters))
    finally:
        observer.close()
