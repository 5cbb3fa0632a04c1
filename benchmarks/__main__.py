"""`make bench`: power cuts under picluster and under keepalived, on the same virtual Pis, in one run.

Ratios are what counts: the milliseconds depend on the machine. Without keepalived (Debian: apt install keepalived) the
peer's rows are missing, and the output says so.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.cuts import Outages, measure
from benchmarks.worlds import KeepalivedWorld, PresetWorld
from picluster.adapters.namespaces import run_isolated
from picluster.errors import LabError
from picluster.lab.mode import memory_place
from picluster.lab.stack import Stack
from picluster.lab.world import World

Maker = Callable[[Stack, Path], World]
# Each subject stands beside the peer's setting that it is to be measured against.
SUBJECTS: tuple[tuple[str, str, Maker], ...] = (
    ("keepalived, advert 0.1 s", "", lambda stack, place: KeepalivedWorld(stack, place, 0.1)),
    ("picluster, wired", "keepalived, advert 0.1 s", lambda stack, place: PresetWorld(stack, place, "wired")),
    ("keepalived, advert 0.01 s", "", lambda stack, place: KeepalivedWorld(stack, place, 0.01)),
    ("picluster, sprint", "keepalived, advert 0.01 s", lambda stack, place: PresetWorld(stack, place, "sprint")),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--nodes", type=int, default=3, help="how many virtual Pis (default: 3)")
    parser.add_argument("--cuts", type=int, default=7, help="power cuts of each subject (default: 7)")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    arguments = parser.parse_args()
    with_peer = shutil.which("keepalived") is not None
    figures = {
        subject: in_a_world_of_its_own(subject, make, arguments)
        for subject, _, make in SUBJECTS
        if with_peer or not subject.startswith("keepalived")
    }
    say("")
    print(as_json(figures) if arguments.json else table(figures, arguments, with_peer=with_peer))
    return 0


def say(progress: str) -> None:
    """Where it has got to, in one line that the next one replaces; nothing where nobody looks."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{progress}", end="", file=sys.stderr, flush=True)


def in_a_world_of_its_own(subject: str, make: Maker, arguments: argparse.Namespace) -> Outages:
    """Namespaces are left by ending the process in them, so the figures come back through a pipe."""
    reading, writing = os.pipe()

    def inside() -> int:
        os.close(reading)
        with make(Stack(arguments.nodes), memory_place()) as world:
            outages = measure(subject, world, arguments.cuts, say)
        os.write(writing, json.dumps([outages.outages_ms, outages.double_ms]).encode())
        return 0

    code = run_isolated(inside)
    os.close(writing)
    with os.fdopen(reading) as results:
        if code:
            raise LabError(f"{subject} could not be measured")
        outages_ms, double_ms = json.load(results)
    return Outages(subject, tuple(outages_ms), double_ms)


def table(figures: dict[str, Outages], arguments: argparse.Namespace, *, with_peer: bool) -> str:
    lines = [
        f"power cut of the holder, {arguments.nodes} virtual Pis, {arguments.cuts} cuts each, seen by a client at 1,000/s",
        "",
        f"{'subject':<27} {'median':>9} {'worst':>9}   {'of the peer':<20}",
    ]
    for subject, peer, _ in SUBJECTS:
        if subject not in figures:
            continue
        mine, theirs = figures[subject], figures.get(peer)
        ratio = f"{mine.median_ms / theirs.median_ms:.2f} / {mine.worst_ms / theirs.worst_ms:.2f}" if theirs else ""
        lines.append(f"{subject:<27} {mine.median_ms:>6.0f} ms {mine.worst_ms:>6.0f} ms   {ratio:<20}")
    if not with_peer:
        lines += ["", "keepalived is not installed, so there is nobody to compare with: apt install keepalived"]
    return "\n".join(lines)


def as_json(figures: dict[str, Outages]) -> str:
    return json.dumps(
        {name: {"outages_ms": one.outages_ms, "double_ms": one.double_ms} for name, one in figures.items()}, indent=2
    )


if __name__ == "__main__":
    sys.exit(main())
