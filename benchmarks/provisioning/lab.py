"""Fresh nodes for one contestant: virtual Pis that boot (`picluster.lab.fresh`), on cards that let the controller in by key.

Host keys are made beforehand, so that nobody has to believe a stranger; sudo asks for no password, which is the easiest for
all. Needs root, and whatever else virtual Pis that boot need.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from benchmarks.provisioning.contestants import Contestant, install
from benchmarks.provisioning.hosts import Host
from benchmarks.provisioning.runner import Finding, measure
from picluster.errors import LabError
from picluster.lab.card import Card
from picluster.lab.fresh import FreshWorld, run_fresh
from picluster.lab.stack import Stack

__all__ = ["measured_in_lab"]

Say = Callable[[str], None]


def measured_in_lab(contestant: Contestant, nodes: int, environments: Path, directory: Path, say: Say) -> list[Finding]:
    """`directory` is empty; what is said stays there. Raises LabError where there are no virtual Pis to be had."""
    install(contestant, environments)  # once they boot there is no internet
    stack = Stack(nodes)
    controller = _key(directory / "controller")
    keys = {name: _key(directory / f"host-{name}") for name in stack.names}
    lets_in = Path(f"{controller}.pub").read_text(encoding="ascii")
    cards = {name: Card(sudo_asks=False, host_key=key, lets_in=lets_in) for name, key in keys.items()}
    told = directory / "findings.json"

    def body(world: FreshWorld) -> int:
        world.boot_all()
        known = "".join(f"{world.address(name)} {_public(key)}\n" for name, key in keys.items())
        (directory / "known_hosts").write_text(known, encoding="ascii")
        hosts = [Host(name, world.address(name), "pi", controller, directory / "known_hosts") for name in stack.names]
        with world.controller.entered():
            findings = measure(contestant, hosts, environments, directory / "job", say)
        told.write_text(json.dumps([asdict(one) for one in findings]), encoding="utf-8")
        return 0

    code = run_fresh(stack, body, say, cards)
    if code or not told.exists():
        raise LabError(f"the lab ended with code {code}; {directory} has what was said")
    return [Finding(**one) for one in json.loads(told.read_text(encoding="utf-8"))]


def _key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "benchmark", "-f", str(path)], check=True)
    return path


def _public(key: Path) -> str:
    return " ".join(Path(f"{key}.pub").read_text(encoding="ascii").split()[:2])
