"""Make the nodes what the inventory says: shows what is to be done and why, asks, does it on all nodes side by side, and
comes back when every agent is heard by a majority and every floating address is held.

    picluster up                        everything, from fresh Pis on
    picluster up --dry-run --diff       what it would do, and what would be different in which file
    picluster up --limit pi1,pi2        only these nodes
    picluster up --only agent,ssh       only these parts
    picluster up --reboot               and reboot what waits for it, one node after the other

A node that cannot be reached, or where something fails, does not keep the others from being done; what was cut off is taken
up again by the next run. Agents that run already are restarted one after the other. docs/up.md tells all of it.

Exit code 0: all is as it should be (with --dry-run: all could be planned); 1: some nodes failed, or the stack is not well;
2: no node could be done, or it was used wrongly.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from importlib import resources
from pathlib import Path

from picluster.adapters.reach import answers
from picluster.adapters.software import wheels_for
from picluster.cli.controlling import Session, add_limit, add_yes, alone, chosen, find_inventory, names, session, who
from picluster.cli.watching import confirmed, tell, watcher_for
from picluster.controller import report as telling
from picluster.controller.blueprint import Cookbook
from picluster.controller.report import Report
from picluster.controller.up import Survey, Up
from picluster.errors import InventoryError, Mistake, PiclusterError
from picluster.inventory import load
from picluster.model.inventory import FloatingAddress, Inventory
from picluster.provision.facts import Facts
from picluster.provision.recipe import PARTS
from picluster.provision.scene import Material
from picluster.provision.steps import Blob
from picluster.provision.telling import told

REACH_S = 3.0
REDRAFTS = 5
"""How often an inventory may change under our hands."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    help_text = "a TOML file (default: the only one, here or in inventory/, with its secrets beside it)"
    parser.add_argument("inventory", type=Path, nargs="?", help=help_text)
    add_limit(parser)
    parser.add_argument("--only", type=parts, default=(), metavar="PARTS", help=f"only these parts: {', '.join(PARTS)}")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")
    parser.add_argument("--diff", action="store_true", help="show what is different in files")
    parser.add_argument("--reboot", action="store_true", help="reboot the nodes that wait for it, one after the other")
    parser.add_argument("--wheels", type=Path, metavar="DIR", help="take libraries from there; never ask a package index")
    parser.add_argument("--json", action="store_true", help="print the plan and what became of it as JSON (needs --yes)")
    add_yes(parser)


def parts(word: str) -> tuple[str, ...]:
    """ArgumentTypeError, which argparse reports, for a part that there is not."""
    chosen_parts = names(word)
    for part in chosen_parts:
        if part not in PARTS:
            raise argparse.ArgumentTypeError(f"there is no part {part!r}; there are {', '.join(PARTS)}")
    return chosen_parts


def run(arguments: argparse.Namespace) -> int:
    if arguments.json and not (arguments.yes or arguments.dry_run):
        raise PiclusterError("with --json nobody is asked; say --yes to have it done, or --dry-run to see the plan")
    path = find_inventory(arguments.inventory)
    inventory = read(path)[0]
    nodes = chosen(inventory, arguments.limit)
    with (
        nullcontext() if arguments.dry_run else alone(path, "up"),
        session(path, inventory, watcher_for(nodes, quiet=arguments.json)) as opened,
    ):
        return Work(opened, arguments).run()


def read(path: Path) -> tuple[Inventory, bytes]:
    """The inventory, and the bytes that it was made of."""
    try:
        content = path.read_bytes()
        return load(content.decode(), str(path)), content
    except (OSError, UnicodeDecodeError) as error:
        wrong = f"cannot be read: {error}"
        raise InventoryError([Mistake(str(path), None, "", wrong, "Name the cluster's inventory")]) from error


class Work:
    """One run of the verb."""

    def __init__(self, opened: Session, arguments: argparse.Namespace) -> None:
        self._session, self._arguments = opened, arguments

    def run(self) -> int:
        """Plans again where the inventory was edited meanwhile: nothing is done that nobody has seen."""
        for _ in range(REDRAFTS):
            inventory, content = read(self._session.path)
            up = self._up(inventory, content)
            survey = up.survey(chosen(inventory, self._arguments.limit), self._arguments.only)
            self._session.watcher.leave()
            if not self._arguments.json:
                print("\n".join(told(survey.plan, diff=self._arguments.diff)), flush=True)
            if self._arguments.dry_run:
                return self._planned(survey)
            if not self._agreed(survey):
                tell("nothing was done")
                return 0
            if self._session.path.read_bytes() == content:
                return self._apply(up, survey)
            tell(f"{self._session.path} has been edited since it was read; planning again")
        raise PiclusterError(f"{self._session.path} is edited all the time; run this again when it is ready")

    def _up(self, inventory: Inventory, content: bytes) -> Up:
        cookbook = Cookbook(inventory, self._material(content), self._software)
        return Up(inventory, self._session.crew, cookbook, who(), reach)

    def _material(self, content: bytes) -> Material:
        secrets = self._session.secrets
        systemd = resources.files("picluster.agent") / "systemd"
        public = Path(f"{secrets.controller_key_path}.pub")
        return Material(
            cluster_key=secrets.cluster_key(),
            inventory_text=content,
            authorized_key=public.read_text(encoding="utf-8").strip(),
            unit=(systemd / "picluster.service").read_text(encoding="utf-8"),
            sysusers=(systemd / "sysusers.conf").read_text(encoding="utf-8"),
        )

    def _software(self, facts: Mapping[str, Facts]) -> Mapping[str, tuple[Blob, ...]]:
        return wheels_for(facts, self._arguments.wheels, self._say)

    def _say(self, text: str) -> None:
        if not self._arguments.json:
            self._session.watcher.leave()
            tell(text)

    def _agreed(self, survey: Survey) -> bool:
        """Nobody is asked about nothing."""
        well = [node for node in survey.plan.nodes if not node.problem]
        changed = listed([node.node for node in well if node.steps])
        rebooted = listed([node.node for node in well if node.reboot and self._arguments.reboot])
        deeds = [f"do this on {changed}"] * bool(changed) + [f"reboot {rebooted} one after the other"] * bool(rebooted)
        return not deeds or confirmed(f"{' and '.join(deeds).capitalize()}?", self._arguments)

    def _planned(self, survey: Survey) -> int:
        if self._arguments.json:
            print(json.dumps({"plan": survey.plan.as_json()}, indent=2))
        stuck = sum(bool(node.problem) for node in survey.plan.nodes)
        return 0 if not stuck else 2 if stuck == len(survey.plan.nodes) else 1

    def _apply(self, up: Up, survey: Survey) -> int:
        report = up.apply(survey, with_reboots=self._arguments.reboot)
        self._session.watcher.leave()
        if self._arguments.json:
            print(json.dumps({"plan": survey.plan.as_json(), "report": report.as_json()}, indent=2))
        else:
            print("\n".join([*telling.lines(report), *hints(report, self._session.path)]))
        return report.exit_code


def listed(nodes: Sequence[str]) -> str:
    """A few by name, many by their number."""
    return f"{len(nodes)} nodes" if len(nodes) > 5 else ", ".join(nodes)


def reach(floating: FloatingAddress, port: int) -> bool:
    """Where it cannot be told from here, the nodes' word has to do."""
    return answers(floating.address, port, REACH_S) is not False


def hints(report: Report, path: Path) -> list[str]:
    """What to try next."""
    commands = []
    if report.failed:
        commands.append(f"picluster up {path} --limit {','.join(node.node for node in report.failed)}")
    if any(node.awaits_reboot for node in report.nodes):
        commands.append(f"picluster up {path} --reboot")
    if report.troubles:
        commands.append("picluster logs")
    if report.exit_code == 0 and report.changed:
        commands.append(f"picluster watch {path}")
    return [f"  next: {command}" for command in commands]
