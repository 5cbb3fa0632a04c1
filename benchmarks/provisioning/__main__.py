"""The job, done by one contestant on fresh nodes; or the table of what several have needed.

    python -m benchmarks.provisioning lab ansible --nodes 5 --results FILE        on virtual Pis, made for it (root)
    python -m benchmarks.provisioning run ansible --hosts FILE --results FILE     on fresh nodes that somebody has made
    python -m benchmarks.provisioning table --results FILE

The findings are added to the file of results. Hosts: `benchmarks.provisioning.hosts` says how they are told. Peers are
fetched by pip into --environments, once. The exit code is 1 where a contestant has not done its job.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.provisioning.contestants import CONTESTANTS, Contestant
from benchmarks.provisioning.hosts import hosts_from
from benchmarks.provisioning.lab import measured_in_lab
from benchmarks.provisioning.runner import Finding, measure
from benchmarks.provisioning.table import table
from picluster.errors import LabError

ENVIRONMENTS = Path.home() / ".cache" / "picluster" / "benchmarks"


def main() -> int:
    arguments = read_arguments()
    kept, found = findings_in(arguments.results), []
    if arguments.what != "table":
        contestant = next(one for one in CONTESTANTS if one.key == arguments.contestant)
        try:
            found = measured(contestant, arguments)
        except LabError as error:
            print(error, file=sys.stderr)
            return 2
        arguments.results.write_text(json.dumps([asdict(one) for one in kept + found], indent=1) + "\n", encoding="utf-8")
    print(table(kept + found, {one.key: one.title for one in CONTESTANTS}))
    return 1 if any(one.failure for one in found) else 0


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.provisioning", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    whats = parser.add_subparsers(dest="what", required=True)
    lab, run, show = (whats.add_parser(what) for what in ("lab", "run", "table"))
    for one in (lab, run):
        one.add_argument("contestant", choices=[one.key for one in CONTESTANTS])
        one.add_argument("--environments", type=Path, default=ENVIRONMENTS, metavar="DIRECTORY")
    lab.add_argument("--nodes", type=int, default=5)
    run.add_argument("--hosts", type=Path, required=True, metavar="FILE")
    for one in (lab, run, show):
        one.add_argument("--results", type=Path, required=True, metavar="FILE")
    return parser.parse_args()


def measured(contestant: Contestant, arguments: argparse.Namespace) -> list[Finding]:
    """What everybody has said stays in a directory, which a failure names."""
    directory = Path(tempfile.mkdtemp(prefix=f"{contestant.key}-"))
    if arguments.what == "lab":
        return measured_in_lab(contestant, arguments.nodes, arguments.environments, directory, say)
    return measure(contestant, hosts_from(arguments.hosts), arguments.environments, directory / "job", say)


def findings_in(path: Path) -> list[Finding]:
    return [Finding(**one) for one in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
