"""The live dashboard of a running cluster: who holds what, who is well, what happened.

It joins the cluster as an observer and hears what the nodes tell each other. Without a terminal it prints the picture again
at every change. `q` ends it, `?` explains it.
"""

from __future__ import annotations

import argparse

from picluster.agent.observer import Feed
from picluster.cli.joining import add_cluster, join
from picluster.dashboard.live import run as show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cluster(parser)


def run(arguments: argparse.Namespace) -> int:
    feed = Feed(join(arguments))
    try:
        show(feed.latest)
    finally:
        feed.close()
    return 0
