"""`make fleet`: what one node costs in fleets of up to 100, by the number of nodes.

    make fleet                                          tables and curves, about a minute
    make fleet ARGS="--json fleet.json --svg fleet.svg"
    make fleet ARGS="--nodes 10,100 --voters 7"

It needs neither root nor a network, and beside processor time all figures are the same in every run.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path

from benchmarks.fleet.curve import picture, table
from benchmarks.fleet.survey import NODES, VOTERS, survey
from picluster import __version__


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=numbers, default=NODES, metavar="N,N", help="sizes of fleets")
    parser.add_argument("--voters", type=numbers, default=VOTERS, metavar="N,N", help="how many nodes vote")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the curves")
    arguments = parser.parse_args()
    if max(arguments.nodes) < min(arguments.voters):
        parser.error("no fleet has as many nodes as voters")
    machine = f"picluster {__version__}, {platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}"
    found = survey(machine, lambda words: print(words, file=sys.stderr), arguments.nodes, arguments.voters)
    print(table(found))
    if arguments.json:
        arguments.json.write_text(found.as_json() + "\n", encoding="utf-8")
    if arguments.svg:
        arguments.svg.write_text(picture(found), encoding="utf-8")


def numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted(map(int, text.split(","))))


if __name__ == "__main__":
    main()
