"""`make bench`: picluster and its peers on the same virtual Pis, one after the other, and what a client saw of each.

    make bench                                   everything, some 15 minutes
    make bench ARGS=--quick                      picluster and keepalived, some 3 minutes
    make bench ARGS="--only pacemaker/cut"       a system and a scenario, or either of both, with * as in file names
    make bench ARGS="--only */load --minutes 10"  every core busy for ten minutes, and nobody asks for a move
    make bench ARGS="--json FILE --svg FILE"     the results for programs, and as a picture
    make bench ARGS="--from FILE --svg FILE"     table and picture of an earlier run

Ratios are what counts: milliseconds depend on the machine, which should have nothing else to do. The exit code is 0 where
all goals that were measured are met, 1 where not, and 2 where nothing could be measured.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import packages
from benchmarks.chart import chart
from benchmarks.goals import verdicts
from benchmarks.plan import Part, plan
from benchmarks.results import Results, load
from benchmarks.runner import Manner, run
from benchmarks.table import table
from picluster import __version__
from picluster.errors import LabError
from picluster.lab.mode import namespaces_refused

MET, NOT_MET, NOT_MEASURED = 0, 1, 2


def main() -> int:
    arguments = read_arguments()
    try:
        results = load(arguments.earlier) if arguments.earlier else measured(arguments)
    except LabError as error:
        print(error, file=sys.stderr)
        return NOT_MEASURED
    print(table(results))
    if arguments.json:
        arguments.json.write_text(results.as_json() + "\n", encoding="utf-8")
    if arguments.svg:
        arguments.svg.write_text(chart(results), encoding="utf-8")
    failed = any(finding.failure for finding in results.findings)
    return NOT_MET if failed or any(not one.met for one in verdicts(results) if one.value is not None) else MET


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="picluster and keepalived, and fewer of everything")
    parser.add_argument("--only", action="append", default=[], metavar="SYSTEM/SCENARIO", help="may be repeated")
    parser.add_argument("--minutes", type=float, metavar="N", help="how long the scenario load lasts; else seconds")
    parser.add_argument("--real-time", action="store_true", help="give all but the load real-time priority; needs root")
    parser.add_argument("--logs", type=Path, metavar="DIRECTORY", help="keep what the daemons have said")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the results")
    parser.add_argument("--from", type=Path, metavar="FILE", dest="earlier", help="measure nothing, read what --json wrote")
    parser.add_argument("--no-install", action="store_true", help="do without peers that are not installed")
    return parser.parse_args()


def measured(arguments: argparse.Namespace) -> Results:
    """Raises LabError where virtual Pis cannot be had here, or nothing is left to be measured."""
    refused = namespaces_refused()
    if refused:
        raise LabError(f"virtual Pis in namespaces cannot be had: {refused}")
    if arguments.real_time and os.getuid():
        raise LabError("only root can give real-time priority. Run it as root, or without --real-time")
    load_s = None if arguments.minutes is None else 60 * arguments.minutes
    parts = plan(arguments.only, quick=arguments.quick, load_s=load_s)
    missing = brought(parts, install=not arguments.no_install)
    playable = [part for part in parts if packages.playable(part.system)]
    findings = run(playable, Progress().say, Manner(arguments.real_time, arguments.logs))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"
    machine += ", real-time priority" if arguments.real_time else ""
    versions = [f"picluster {__version__}", *packages.versions(part.system for part in playable)]
    return Results(machine, time.strftime("%Y-%m-%d"), versions, findings, missing)


def brought(parts: Sequence[Part], *, install: bool) -> list[str]:
    """Install what is missing where that can be done; returns what stays missing, as sentences."""
    wanted = packages.missing(part.system for part in parts)
    refused = packages.why_not(wanted) if install else f"not installed: {' '.join(wanted)}"
    if wanted and not refused:
        print(f"installing {' '.join(wanted)}", file=sys.stderr)
        packages.install(wanted)
    left_out = [part.system.title for part in parts if not packages.playable(part.system)]
    return [f"{', '.join(left_out)}: {refused}"] if left_out else []


class Progress:
    """Where it has got to, a line for each step, with the time since the beginning."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()

    def say(self, words: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._began_s), 60)
        print(f"{minutes:>3}:{seconds:02} {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
