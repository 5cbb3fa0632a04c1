"""What verbs share that work on nodes over SSH: which inventory, which nodes, who watches, how to get in.

The inventory is the one that is named; else the one that PICLUSTER_INVENTORY names; else the only one, here or in the
directory `inventory`, that has its secrets beside it.
"""

from __future__ import annotations

import argparse
import getpass
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picluster.adapters.ssh import Configuration, Credentials, Target, Trust, connect
from picluster.agent.configuration import read_inventory
from picluster.cli.watching import Quiet
from picluster.controller.crew import Crew, Interrupted, Outcome
from picluster.controller.desk import Desk
from picluster.controller.lock import locked
from picluster.controller.secrets import Secrets, open_secrets
from picluster.controller.shell import Shell
from picluster.errors import PiclusterError
from picluster.inventory.reader import suggestion
from picluster.model.inventory import DEFAULT_SSH_PORT, DEFAULT_USER, Inventory, Node

ENVIRONMENT = "PICLUSTER_INVENTORY"


def add_inventory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-i",
        "--inventory",
        type=Path,
        metavar="FILE",
        help="the inventory (default: the only one with its secrets beside it)",
    )


def add_limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-l", "--limit", type=names, default=(), metavar="NODES", help="only these nodes, such as pi1,pi2")


def add_yes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask before anything is done")


def names(word: str) -> tuple[str, ...]:
    """`pi1,pi2`."""
    return tuple(filter(None, (name.strip() for name in word.split(","))))


def command_of(words: Sequence[str]) -> list[str]:
    """What follows `--`."""
    return list(words[1:] if words[:1] == ["--"] else words)


def find_inventory(named: Path | None) -> Path:
    """Raises PiclusterError where it is not clear which one is meant."""
    if named is None and (said := os.environ.get(ENVIRONMENT)):
        named = Path(said)
    if named is not None:
        return named
    found = [path for place in (Path(), Path("inventory")) for path in sorted(place.glob("*.toml"))]
    own = [path for path in found if path.with_suffix(".secrets").is_dir()]
    if len(own) == 1:
        return own[0]
    if own:
        raise PiclusterError(f"which inventory? There are {', '.join(map(str, own))}; name one with --inventory FILE")
    raise PiclusterError(
        "no inventory with its secrets is here; make one with `picluster new NAME`, or name it: --inventory FILE"
    )


def chosen(inventory: Inventory, limit: Sequence[str]) -> list[Node]:
    """The nodes of that name, in the inventory's order; all where none is named. Raises PiclusterError for others."""
    for name in limit:
        if inventory.node(name) is None:
            raise PiclusterError(f"there is no node {name} in the inventory. {suggestion(name, inventory.node_names)}")
    return [node for node in inventory.nodes if not limit or node.name in limit]


def who() -> str:
    """Who works on the cluster, for others who want to, too."""
    try:
        return f"{getpass.getuser()}@{platform.node()}"
    except (KeyError, OSError):  # nobody has a name for this user
        return f"user {os.getuid()}@{platform.node()}"


# ── getting in ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Session:
    """A cluster, and the way into its nodes."""

    path: Path
    inventory: Inventory
    secrets: Secrets
    crew: Crew
    watcher: Quiet


@contextmanager
def session(path: Path, inventory: Inventory, watcher: Quiet) -> Iterator[Session]:
    """Connections are made when they are needed, and end with the session. After Ctrl-C it says what was left unfinished."""
    secrets = open_secrets(path)
    desk = Desk(watcher)
    try:
        with Crew(WayIn(inventory, secrets, desk).open, desk) as crew:
            yield Session(path, inventory, secrets, crew, watcher)
    except KeyboardInterrupt as stop:
        watcher.leave()
        watcher.interrupted(stop.unfinished if isinstance(stop, Interrupted) else ())
        raise
    finally:
        watcher.leave()


@contextmanager
def alone(path: Path, doing: str) -> Iterator[None]:
    """With the cluster to oneself. Raises ProvisionError where somebody else works on it."""
    open_secrets(path)  # which says what to do where there are none
    with locked(path.with_suffix(".secrets") / "lock", who(), doing):
        yield


class WayIn:
    """Logs in with the controller's key, else with what a person types. Who has never been seen is shown first."""

    def __init__(self, inventory: Inventory, secrets: Secrets, desk: Desk) -> None:
        pre_made = {name: key for name in inventory.node_names if (key := secrets.host_key(name)) is not None}
        self._desk = desk
        self.trust = Trust(secrets.known_hosts_path, pre_made, self._confirm)
        self.credentials = Credentials(secrets.controller_key_path, desk.ask)
        self.configuration = Configuration.load()

    def open(self, node: Node) -> Shell:
        """Raises AccessError."""
        return connect(target(node), self.credentials, self.trust, self.configuration)

    def _confirm(self, node: str, fingerprint: str) -> bool:
        question = (
            f"{node} was never seen here. It shows the host key {fingerprint}\n"
            f"If it is {node}, then `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on its own screen shows the same.\n"
            f"Is it {node}? [y/N] "
        )
        return self._desk.ask(question, secret=False).lower() in {"y", "yes"}


def target(node: Node) -> Target:
    """Where the inventory says nothing, ~/.ssh/config may."""
    return Target(
        node.name,
        hosts=() if node.address is None else (str(node.address),),
        port=None if node.access.port == DEFAULT_SSH_PORT else node.access.port,
        user=None if node.access.user == DEFAULT_USER else node.access.user,
    )


def opened(arguments: argparse.Namespace) -> tuple[Path, Inventory]:
    path = find_inventory(arguments.inventory)
    return path, read_inventory(path)


# ── results ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def outcome_lines(outcomes: Mapping[str, Outcome[Any]], done: str) -> list[str]:
    """A line for each node."""
    width = max(map(len, outcomes), default=0)
    return [
        f"{'✓' if one.ok else '✗'} {name:<{width}}  {one.took_s:>6.1f} s  {done if one.ok else one.failure}"
        for name, one in outcomes.items()
    ]


def success(outcomes: Iterable[Outcome[Any]]) -> int:
    """The exit code: 0 where all went well, 2 where none did, else 1."""
    good = [outcome.ok for outcome in outcomes]
    return 0 if all(good) else 1 if any(good) else 2
