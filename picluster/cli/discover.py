"""The Pis that are heard on this network: by mDNS, as Raspberry Pi OS and agents announce themselves, and by the MACs in
this machine's neighbour table.

    fresh      no agent speaks for it
    ours       an agent of the inventory's cluster runs on it
    foreign    an agent of another cluster does; without an inventory every agent's is another one

Everything here is hearsay: anybody on the network can announce anything. Nothing is sent to the Pis but mDNS questions.

Exit code 0: some were found; 1: none was; 2: mDNS does not work here, or the inventory is wrong.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from picluster.adapters.browser import browse
from picluster.adapters.surroundings import neighbours
from picluster.agent.configuration import read_inventory
from picluster.founding.hosts import KINDS, gathered
from picluster.founding.telling import found_among, told

LONGEST_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-i", "--inventory", type=Path, metavar="FILE", help="whose Pis are ours (default: nobody's)")
    parser.add_argument("--seconds", type=seconds, default=3.0, metavar="S", help="how long to listen (default: 3)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def seconds(word: str) -> float:
    """A time to listen. ValueError, which argparse reports, for what is none."""
    value = float(word)
    if not 0 < value <= LONGEST_S:
        raise ValueError(word)
    return value


def run(arguments: argparse.Namespace) -> int:
    inventory = read_inventory(arguments.inventory) if arguments.inventory else None
    services = browse(KINDS, arguments.seconds)
    found, others = found_among(gathered(services, neighbours()), inventory)
    if arguments.json:
        print(json.dumps({"found": [one.as_json() for one in found], "others": list(others)}, indent=2))
    else:
        print(told(found, others))
    return 0 if found else 1
