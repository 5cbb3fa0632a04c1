"""Nodes come, go, and are replaced, while the cluster runs.

    picluster node add pi4 --address 192.168.1.24      into the inventory, then everything that `up` does, on this node
    picluster node add pi4 --voter                     and it votes; for a node that is in the inventory already, too
    picluster node remove pi3 --reset                  hands over what it holds, votes no more, is taken out and cleaned
    picluster node replace pi2                         another board, or a card that is flashed again, under the same name

The inventory is edited, and its comments stay. Voters come or go in single steps, each of which is brought to all agents and
final before the next (docs/life.md). A run that was cut is completed by the next one. Exit code 0: done; 1: done, but some
nodes were not reached, or the new one is not well; 2: not done.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picluster.adapters.files import replace_file
from picluster.adapters.ssh_keys import make_key_pair
from picluster.cli.controlling import Session, add_yes, alone, chosen, find_inventory, opened, session, who
from picluster.cli.forget_host import forget
from picluster.cli.up import Work, read
from picluster.cli.watching import confirmed, tell, watcher_for
from picluster.controller.agents import ask_agent, stand_by
from picluster.controller.dispatch import Dispatch
from picluster.controller.health import judge, spared
from picluster.controller.membership import Membership
from picluster.controller.rolling import Rolling
from picluster.controller.secrets import make_secrets, open_secrets
from picluster.controller.shell import Shell
from picluster.controller.talking import Applied, undo
from picluster.controller.up import STEPS_S
from picluster.errors import AccessError, PiclusterError, ProvisionError
from picluster.inventory.manuscript import Setting
from picluster.model.inventory import Node, Role
from picluster.model.timing import LONGEST_LEASE_MS
from picluster.wire import Keyring

HAND_OVER_S = 60.0
"""Silence of a node that is to hand over what it holds."""
NOTHING_DONE = "nothing was done"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    deeds = parser.add_subparsers(dest="do", required=True, metavar="add|remove|replace")
    add = deeds.add_parser("add", help="a node more")
    add.add_argument("node", help="its name, such as pi4")
    _add_inventory(add)
    add.add_argument("--address", help="where to reach it (default: found by mDNS)")
    add.add_argument("--user", help="the login that was made for its card (default: the inventory's)")
    add.add_argument("--voter", action="store_true", help="it votes, once it is set up")
    add.add_argument("--witness", action="store_true", help="it votes, and never holds an address")
    add.add_argument("--wheels", type=Path, metavar="DIR", help="as of `picluster up`")
    remove = deeds.add_parser("remove", help="a node less")
    remove.add_argument("node")
    _add_inventory(remove)
    remove.add_argument("--reset", action="store_true", help="take away from it everything that picluster brought there")
    remove.add_argument("--gone", action="store_true", help="it is switched off for good: nobody need wait for its vote")
    replace = deeds.add_parser("replace", help="another board or card under the same name")
    replace.add_argument("node")
    _add_inventory(replace)
    replace.add_argument("--force", action="store_true", help="even where a majority needs it, and all addresses go dark")
    for deed in (add, remove, replace):
        add_yes(deed)


def _add_inventory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inventory", type=Path, nargs="?", help="a TOML file (default: the only one with its secrets)")


def run(arguments: argparse.Namespace) -> int:
    path = find_inventory(arguments.inventory)
    deed = {"add": add_node, "remove": remove_node, "replace": replace_node}[arguments.do]
    with alone(path, f"node {arguments.do}"):
        return deed(path, arguments)


# ── add ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def add_node(path: Path, arguments: argparse.Namespace) -> int:
    name = arguments.node
    if not confirmed(f"Add {name} to {path}?", arguments):
        tell(NOTHING_DONE)
        return 0
    with at_work(path) as place:
        place.members.settle()
        place.members.announce(name, settings_of(arguments))
        missed = place.tell_missed(name)
    make_host_key(path, name)
    # Its host key is known now, so this is another session.
    if code := bring_up(path, arguments):
        vote = " It does not vote yet." if arguments.voter else ""
        tell(f"{name} is in {path}, and not set up.{vote} When it can be reached, run the same again")
        return code
    if arguments.voter and not arguments.witness:
        with at_work(path) as place:
            place.members.settle()
            place.members.give_vote(name)
            missed = place.tell_missed()
    tell_parity(path)
    return 1 if missed else 0


def settings_of(arguments: argparse.Namespace) -> Mapping[str, Setting]:
    role = Role.WITNESS.value if arguments.witness else None
    given = {"role": role, "address": arguments.address, "user": arguments.user}
    return {key: value for key, value in given.items() if value is not None}


def bring_up(path: Path, arguments: argparse.Namespace) -> int:
    """What `picluster up --limit NODE` does; its exit code."""
    inventory = read(path)[0]
    like_up = argparse.Namespace(
        limit=(arguments.node,),
        only=(),
        dry_run=False,
        diff=False,
        reboot=False,
        json=False,
        wheels=arguments.wheels,
        yes=arguments.yes,
    )
    nodes = [node for node in inventory.nodes if node.name == arguments.node]
    with session(path, inventory, watcher_for(nodes)) as there:
        return Work(there, like_up).run()


# ── remove ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def remove_node(path: Path, arguments: argparse.Namespace) -> int:
    name = arguments.node
    with at_work(path) as place:
        if arguments.gone:
            place.members.count_as_silent(name)
        place.members.settle()
        node = place.members.node(name)
        place.session.watcher.leave()
        if not confirmed(f"Take {name} out of {path}{' and clean it' if arguments.reset else ''}?", arguments):
            tell(NOTHING_DONE)
            return 0
        there = not arguments.gone and place.hand_over(node)
        place.members.take_vote(name)
        if there:
            place.take_away(node, clean=arguments.reset)
        place.members.forget(name)
        missed = place.tell_missed(name)
    forget_host_key(path, name)
    if not there:
        tell(f"{name} was not reached, so nothing was changed there; its agent must not run any more")
    tell_parity(path)
    return 1 if missed or (arguments.reset and not there) else 0


# ── replace ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def replace_node(path: Path, arguments: argparse.Namespace) -> int:
    name = arguments.node
    with at_work(path) as place:
        place.members.settle()
        node = place.members.node(name)
        place.session.watcher.leave()
        if not confirmed(f"Is {name} to be replaced? What runs under this name now is stopped.", arguments):
            tell(NOTHING_DONE)
            return 0
        if not arguments.force:
            refuse_to_break(place, node)
        place.quiet(node)
        place.members.forget_board(name)
        missed = place.tell_missed(name)
    private = forget_host_key(path, name)
    make_host_key(path, name)
    tell(f"{name} may be another board now; the one before must not be switched on again with its old card")
    tell(f"  its new host key, for the card: {private}")
    tell(f"  next: picluster up {path} --limit {name}")
    return 1 if missed else 0


def refuse_to_break(place: Place, node: Node) -> None:
    inventory = place.members.edition.inventory
    if node.name not in inventory.configuration.voters:
        return
    if why_not := spared(inventory, Rolling(place.session.crew, inventory).accounts(), [node.name]):
        raise PiclusterError(f"{why_not}, so every floating address would go dark. --force does it all the same")


# ── what they share ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Place:
    """A cluster whose members change."""

    session: Session
    members: Membership
    dispatch: Dispatch

    def hand_over(self, node: Node) -> bool:
        """Have it hold nothing; whether it was reached."""
        crew = self.session.crew
        outcome = crew.each([node], lambda one, shell: stand_by(shell, one.name), HAND_OVER_S, "handing over")[node.name]
        if isinstance(outcome.failure, AccessError):
            return False
        if outcome.failure is not None:
            raise ProvisionError(f"{node.name}: {outcome.failure}")
        return True

    def take_away(self, node: Node, *, clean: bool) -> None:
        """No agent runs there any more, and votes."""
        crew = self.session.crew

        def undone(one: Node, shell: Shell) -> Applied:
            return undo(shell, one.name, who(), crew.desk.tell)

        cleaned = crew.each([node], undone, STEPS_S, "taking away")[node.name] if clean else self.dispatch.silence(node)
        failure = cleaned.failure
        if failure is not None:
            raise ProvisionError(f"{node.name}: {failure}\nIt is in the inventory still; run the same again")
        self.members.count_as_silent(node.name)

    def quiet(self, node: Node) -> None:
        """Make sure that no agent runs under this name, and that its promises have run out."""
        if self.hand_over(node):
            self.take_away(node, clean=False)
        else:
            inventory = self.members.edition.inventory
            hearing = [
                name for name, one in Rolling(self.session.crew, inventory).accounts().items() if node.name in one.hears
            ]
            if hearing:
                heard = f"{node.name} cannot be reached, and {' and '.join(hearing)} still hear its agent"
                raise ProvisionError(f"{heard}. Two of one name would vote twice: switch it off first")
            self.members.count_as_silent(node.name)
        self.members.let_leases_pass(LONGEST_LEASE_MS)

    def tell_missed(self, expected: str = "") -> bool:
        """Whether some do not live by the inventory as it is now, but for the one that is expected not to."""
        self.session.watcher.leave()
        missed = {name: why for name, why in self.members.missed.items() if name != expected}
        for name, why in missed.items():
            tell(f"✗ {name} gets it with the next `picluster up`: {why}")
        return bool(missed)


@contextmanager
def at_work(path: Path) -> Iterator[Place]:
    inventory, content = read(path)

    def write(text: str) -> None:
        replace_file(path, text.encode())

    with session(path, inventory, watcher_for(inventory.nodes)) as there:
        dispatch = Dispatch(there.crew, who())
        key = there.secrets.cluster_key()
        yield Place(there, Membership(content.decode(), str(path), key, dispatch, write), dispatch)


def ask_there(arguments: argparse.Namespace, name: str, **request: str) -> dict[str, Any]:
    """Of the agent of one node, over SSH. Raises AccessError, and ControlError with what it says where it refuses."""
    path, inventory = opened(arguments)
    [node] = nodes = chosen(inventory, (name,))
    with session(path, inventory, watcher_for(nodes)) as there:
        outcome = there.crew.each(nodes, lambda _, shell: ask_agent(shell, **request), HAND_OVER_S)[node.name]
    if outcome.value is None:
        raise PiclusterError(f"{name}: {outcome.failure}")
    return outcome.value


def holder_of(arguments: argparse.Namespace) -> str:
    """Of the address that is to move. Raises PiclusterError where nobody holds it."""
    path, inventory = opened(arguments)
    name = arguments.address
    if inventory.configuration.floating(name) is None:
        raise PiclusterError(f"there is no floating address {name} in {path}")
    with session(path, inventory, watcher_for(inventory.nodes)) as there:
        holder = judge(inventory, Rolling(there.crew, inventory).accounts()).holders[name]
    if holder is None:
        raise PiclusterError(f"{name} is held by nobody, as far as agents say that were reached")
    return holder


def make_host_key(path: Path, name: str) -> None:
    """By which the node's card may prove who it is. Nothing happens where there is one."""
    make_secrets(path, [name], Keyring.fresh, make_key_pair)


def forget_host_key(path: Path, name: str) -> Path:
    """The one that was made for its card, and whatever it is known by; where the one for its card was."""
    private = open_secrets(path).host_key_path(name)
    private.unlink(missing_ok=True)
    Path(f"{private}.pub").unlink(missing_ok=True)
    forget(path, name)
    return private


def tell_parity(path: Path) -> None:
    configuration = read(path)[0].configuration
    number = len(configuration.voters)
    if number % 2 == 0 and not configuration.tie_breaker:
        tell(f"{number} voters let no more of them fail than {number - 1}: let another one vote, or one less")
