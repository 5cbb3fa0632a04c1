"""Pull the plug of whoever holds a floating address, and measure how long nobody answers. It asks first.

    picluster drill                     the only address: what would happen; type the node's name, and it does
    picluster drill --address web -y    nobody is asked
    picluster drill --dry-run           only look whether it could be done
    picluster drill --history           what came of it the last times

The holder reboots that instant, without a goodbye, by the kernel's magic key `b`. From here the address is asked 500 times a
second. The verdict is what the lease promises against what was seen. It refuses where the address, or all addresses, would
stay dark, and where something is not well already, unless --force is given. docs/drill.md tells all of it.

Exit code 0: the outage was no longer than promised, and the node is back; 1: not so; 2: nothing was done.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import nullcontext
from pathlib import Path

from picluster.adapters.prober import PORT, TcpProber
from picluster.agent.configuration import read_inventory
from picluster.cli.controlling import Session, alone, find_inventory, session
from picluster.cli.watching import Lines, Quiet, tell, typed
from picluster.controller import drill_telling as telling
from picluster.controller.drill import Drill, Prospect
from picluster.controller.history import history_of, read, remember
from picluster.errors import AccessError, PiclusterError
from picluster.inventory.reader import suggestion
from picluster.model.inventory import FloatingAddress, Inventory

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    help_text = "a TOML file (default: the only one, here or in inventory/, with its secrets beside it)"
    parser.add_argument("inventory", type=Path, nargs="?", help=help_text)
    parser.add_argument("--address", metavar="NAME", help="which floating address (default: the only one)")
    parser.add_argument(
        "--port", type=port, default=PORT, metavar="N", help="TCP port to ask, open or closed (default: %(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="even where something is not well already")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--history", action="store_true", help="show the drills so far")
    parser.add_argument("--json", action="store_true", help="print what came of it as JSON (needs --yes)")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask before anything is done")


def port(word: str) -> int:
    """ValueError, which argparse reports, for what is no port."""
    value = int(word)
    if not 0 < value < 1 << 16:
        raise ValueError(word)
    return value


def run(arguments: argparse.Namespace) -> int:
    if arguments.json and not (arguments.yes or arguments.dry_run or arguments.history):
        raise PiclusterError(
            "with --json nobody is asked; say --yes to have it done, or --dry-run to see whether it could be"
        )
    path = find_inventory(arguments.inventory)
    inventory = read_inventory(path)
    if arguments.history:
        return show_history(path, as_json=arguments.json)
    floating = chosen_address(inventory, arguments.address)
    # Lines and no picture: what draws would keep the prober from asking in time.
    watcher = Quiet(inventory.nodes) if arguments.json else Lines(inventory.nodes)
    with nullcontext() if arguments.dry_run else alone(path, "drill"), session(path, inventory, watcher) as opened:
        return Work(opened, arguments).run(floating)


def show_history(path: Path, *, as_json: bool) -> int:
    entries = read(history_of(path), "drill")
    if as_json:
        print(json.dumps(entries, indent=2))
    else:
        print("\n".join(telling.history_lines(entries)) or "there was none yet")
    return 0


def chosen_address(inventory: Inventory, name: str | None) -> FloatingAddress:
    """Raises PiclusterError where it is not clear which one is meant."""
    addresses = inventory.configuration.addresses
    names = [one.name for one in addresses]
    if not addresses:
        raise PiclusterError("the inventory has no floating address")
    if name is None and len(addresses) > 1:
        raise PiclusterError(f"which address? There are {', '.join(names)}; name one with --address")
    floating = addresses[0] if name is None else inventory.configuration.floating(name)
    if floating is None:
        raise PiclusterError(f"there is no floating address {name}. {suggestion(str(name), names)}")
    return floating


class Work:
    """One run of the verb."""

    def __init__(self, opened: Session, arguments: argparse.Namespace) -> None:
        self._session, self._arguments = opened, arguments
        own_boot_id = BOOT_ID.read_text(encoding="ascii").strip() if BOOT_ID.exists() else ""
        self._drill = Drill(opened.inventory, opened.crew, own_boot_id)

    def run(self, floating: FloatingAddress) -> int:
        prospect = self._drill.survey(floating)
        self._say(telling.intention(prospect))
        if prospect.troubles and not self._arguments.force:
            troubles = "; ".join(prospect.troubles)
            raise PiclusterError(f"not all is well, so a drill would say little: {troubles}. --force does it all the same")
        if self._arguments.dry_run:
            if self._arguments.json:
                print(json.dumps(telling.prospect_json(prospect), indent=2))
            return 0
        if not self._agreed(prospect):
            tell("nothing was done")
            return 0
        return self._carry_out(prospect)

    def _agreed(self, prospect: Prospect) -> bool:
        """`--yes`, or a person types whom it will hit."""
        if self._arguments.yes:
            return True
        name = prospect.holder.name
        try:
            return typed(f"Type {name} to cut it: ", secret=False) == name
        except AccessError as error:
            raise PiclusterError(f"there is no terminal to ask at whether {name} is to be cut. Say so with --yes") from error

    def _carry_out(self, prospect: Prospect) -> int:
        with TcpProber(prospect.floating.address, self._arguments.port) as prober:
            measured = self._drill.measure(prospect, prober)
        told = telling.entry(prospect, measured, time.time())
        remember(history_of(self._session.path), told)
        self._say(telling.timeline(prospect, measured))
        returned = self._drill.wait_for_return(prospect, measured, prober.now_ns)
        self._say([*telling.return_lines(prospect, returned), telling.verdict_line(measured)])
        if self._arguments.json:
            print(json.dumps(telling.as_json(prospect, measured, returned, told), indent=2))
        return 0 if measured.verdict.met and returned.well else 1

    def _say(self, lines: list[str]) -> None:
        if not self._arguments.json:
            self._session.watcher.leave()
            print("\n".join(lines), flush=True)
