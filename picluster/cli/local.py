"""What verbs share that speak to the agent of this machine through its control socket."""

from __future__ import annotations

import argparse
from pathlib import Path

from picluster.adapters.control import ask
from picluster.agent.plain import Plain

RUN_DIR = Path("/run/picluster")


def add_run_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run-dir", type=Path, default=RUN_DIR, help="where the agent's control socket is (default: %(default)s)"
    )


def tell_agent(arguments: argparse.Namespace, **request: str) -> dict[str, Plain]:
    run_dir: Path = arguments.run_dir
    return ask(run_dir, request)
