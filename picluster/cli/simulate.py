"""The failover rules under seeded faults: a whole cluster in memory, with clocks that drift, a network that loses, delays
and repeats, machines that freeze, crash and lose power, people who move addresses about, and voters that come and go.

    picluster simulate --seeds 2000              2,000 worlds, and what became of them
    picluster simulate --seed 17 --transcript    one of them, told line by line

Never may two nodes answer for one address, and once faults stop every address has to be held within the promised time. Exit
code 1 if any world saw it otherwise; its seed is named, and plays it again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from picluster.errors import PiclusterError
from picluster.lab import simulation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=count, default=200, metavar="N", help="how many worlds (default: 200)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the first seed (default: 0)")
    parser.add_argument("--jobs", type=count, metavar="N", help="processes (default: one for each processor)")
    parser.add_argument("--json", action="store_true", help="the report for programs")
    parser.add_argument("--seed", type=int, metavar="N", help="only this one world")
    parser.add_argument("--transcript", action="store_true", help="with --seed: tell what happens, line by line")


def count(word: str) -> int:
    """A number from 1 on. ValueError, which argparse reports, for what is none."""
    value = int(word)
    if value < 1:
        raise ValueError(word)
    return value


def run(arguments: argparse.Namespace) -> int:
    if arguments.transcript and arguments.seed is None:
        raise PiclusterError("a transcript tells of one world; say which with --seed")
    report = simulation.Report()
    if arguments.seed is not None:
        report.add(simulation.transcript(arguments.seed, print) if arguments.transcript else simulation.play(arguments.seed))
    else:
        _play_all(arguments, report)
    print(json.dumps(simulation.as_dictionary(report), indent=2) if arguments.json else simulation.table(report))
    return 1 if report.failed else 0


def _play_all(arguments: argparse.Namespace, report: simulation.Report) -> None:
    live, began = sys.stderr.isatty(), time.monotonic()
    for outcome in simulation.outcomes(arguments.first, arguments.seeds, arguments.jobs):
        report.add(outcome)
        if live:
            progress = f"{report.seeds}/{arguments.seeds} worlds, {report.virtual_hours:.2f} virtual hours"
            print(f"\r{progress}, {len(report.failed)} violations", end="", file=sys.stderr, flush=True)
    if live:
        print(f", {time.monotonic() - began:.0f} s", file=sys.stderr)
