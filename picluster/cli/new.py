"""Begin a cluster: asks a few questions, proposes what it finds on the network, writes a commented inventory, and makes the
cluster's secrets beside it.

    picluster new home                                    asks; Enter takes what is proposed
    picluster new home --yes                              takes all that is proposed
    picluster new home --node pi1 --node pi2 --witness nas --address web=192.168.1.200 --yes
    picluster new home --dry-run                          prints the inventory, and writes nothing

Looks for Pis by mDNS and in this machine's neighbour table, for its own subnet and router, and for an address that nobody
has. Nothing is ever overwritten: where the inventory is there already, only secrets that are missing are made.

Exit code 0: done; 2: the answers make no inventory, or nobody is there to be asked.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from picluster.adapters.browser import browse
from picluster.adapters.ssh_keys import make_key_pair
from picluster.adapters.surroundings import neighbours, occupied, time_zone, uplink
from picluster.agent.configuration import read_inventory
from picluster.cli.watching import tell, typed
from picluster.controller.secrets import make_secrets, place_of
from picluster.errors import KernelError, PiclusterError
from picluster.founding.draft import Draft, NewNode, written
from picluster.founding.hosts import KINDS, Host, gathered
from picluster.founding.proposal import free_addresses, fresh_pis, proposed, with_address
from picluster.founding.questions import (
    Question,
    address_of,
    complaints,
    node_of,
    open_questions,
    with_members,
    with_witnesses,
)
from picluster.inventory import load
from picluster.model.surroundings import Uplink
from picluster.wire import Keyring

LISTEN_S = 2.0
ASK_S = 0.6
MOST_TRIES = 5
"""A terminal that has gone away answers nothing, and at once."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the cluster's name, such as home; its inventory is inventory/NAME.toml")
    parser.add_argument("--directory", type=Path, metavar="DIR", help="where to write it (default: ./inventory, or here)")
    parser.add_argument("--nodes", type=int, metavar="N", help="so many Pis: pi1, pi2, …")
    parser.add_argument("--node", action="append", default=[], metavar="NAME[=ADDRESS]", help="a Pi; may be repeated")
    parser.add_argument(
        "--witness", action="append", default=[], metavar="NAME[=ADDRESS]", help="only votes; may be repeated"
    )
    parser.add_argument("--address", action="append", default=[], metavar="NAME=ADDRESS", help="a floating address")
    parser.add_argument("--subnet", metavar="NETWORK", help="such as 192.168.1.0/24")
    parser.add_argument("--gateway", metavar="ADDRESS", help="your router")
    parser.add_argument("--interface", metavar="NAME", help="of the Pis, where the floating address goes (default: eth0)")
    parser.add_argument("--user", metavar="NAME", help="the login on the cards (default: pi)")
    parser.add_argument("--time-zone", metavar="ZONE", help="of all nodes, such as Europe/Berlin")
    parser.add_argument("--voters", metavar="NODES", help="who votes, such as pi1,pi2,pi3 (default: as many as are good)")
    parser.add_argument("--no-look", action="store_true", help="do not look around on the network")
    parser.add_argument("--dry-run", action="store_true", help="print what would be written")
    parser.add_argument("--json", action="store_true", help="print what was written as JSON; asks nothing")
    parser.add_argument("-y", "--yes", action="store_true", help="ask nothing, take what is proposed")


def run(arguments: argparse.Namespace) -> int:
    path = place(arguments)
    if path.exists():
        return complete(path, arguments)
    # A name that cannot be is told before anybody is asked anything.
    load(written(Draft(path.stem, nodes=(NewNode("pi1"),))), str(path))
    around = Around((), None) if arguments.no_look else look()
    draft = answered(proposed(path.stem, around.way, around.hosts, time_zone() or ""), arguments)
    draft = completed(draft, around, tuple(given(arguments)), arguments)
    text = written(draft)
    inventory = load(text, str(path))
    if arguments.dry_run:
        shown = {"inventory": str(path), "secrets": str(place_of(path)), "text": text}
        print(json.dumps(shown, indent=2) if arguments.json else text, end="\n" if arguments.json else "")
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    # The secrets first: whoever finds the inventory finds them too.
    made = make_secrets(path, inventory.node_names, Keyring.fresh, make_key_pair)
    write(path, text)
    report(arguments, path, made)
    return 0


def place(arguments: argparse.Namespace) -> Path:
    name: str = arguments.name
    if Path(name).name != name or name.startswith("."):
        raise PiclusterError(f"{name!r} cannot be a cluster's name; write one such as home, and --directory for the place")
    usual = Path("inventory")
    directory = arguments.directory or (usual if usual.is_dir() else Path())
    return Path(directory) / f"{name.removesuffix('.toml')}.toml"


def complete(path: Path, arguments: argparse.Namespace) -> int:
    """The inventory is there: only secrets may be missing."""
    inventory = read_inventory(path)
    if arguments.dry_run:
        tell(f"{path} is there already and would be kept; of its secrets those that are missing would be made")
        return 0
    made = make_secrets(path, inventory.node_names, Keyring.fresh, make_key_pair)
    tell(f"{path} is there already and is kept")
    report(arguments, path, made)
    return 0


def write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise PiclusterError(f"{path} cannot be written: {error.strerror}") from error


def report(arguments: argparse.Namespace, path: Path, made: Sequence[Path]) -> None:
    if arguments.json:
        print(json.dumps({"inventory": str(path), "secrets": [str(file) for file in made]}, indent=2))
        return
    print(f"{path}  the inventory: look it over, and change what is not yours")
    print(f"{place_of(path)}/  {len(made)} files made: keys that nobody else may read" if made else "all secrets are there")
    print(f"Next: picluster check {path}, then picluster up {path}")


# ── looking around ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Around:
    """What was found around this machine."""

    hosts: Sequence[Host]
    way: Uplink | None


def look() -> Around:
    tell(f"looking around for {LISTEN_S:g} s …")
    try:
        services = browse(KINDS, LISTEN_S)
    except KernelError as error:
        tell(f"no Pi can be found by mDNS: {error}")
        services = []
    found = Around(gathered(services, neighbours()), uplink())
    number = len(fresh_pis(found.hosts))
    tell(
        f"{number} fresh Pis were found" if number else "no fresh Pi was found: what is named are cards still to be written"
    )
    for host in found.hosts:
        if host.agent is not None:
            tell(f"left out: {host.address}, on which the agent of {host.agent.node} of cluster {host.agent.cluster} runs")
    return found


def addressed(draft: Draft, around: Around) -> Draft:
    """With a floating address that nobody has, as far as can be told; as it is where it has one or none is found."""
    candidates = free_addresses(draft, around.way, around.hosts)
    if draft.addresses:
        return draft
    if not candidates:
        tell("no floating address can be proposed, since the network is not known")
        return draft
    if around.way is None or str(around.way.address.network) != draft.subnet:
        return with_address(draft, candidates[0], "whether anybody has it was not asked")
    found, by_arp = occupied(around.way.interface, candidates, ASK_S)
    free = next((one for one in candidates if one not in found), None)
    how = "asked by ARP" if by_arp else "by this machine's neighbour table; to ask by ARP takes root"
    tell(f"nobody has {free} ({how})" if free else "no free address was found high in the subnet")
    return with_address(draft, free, "nobody had it when this was written") if free else draft


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def answered(draft: Draft, arguments: argparse.Namespace) -> Draft:
    """What was said on the command line replaces what was proposed."""
    members = [node_of(word) for word in arguments.node]
    if arguments.nodes is not None:
        members += enough(draft.members, arguments.nodes) if not members else named_by_number(arguments.nodes)
    if members:
        draft = with_members(draft, members)
    draft = with_witnesses(draft, [node_of(word) for word in arguments.witness])
    said = {"subnet": arguments.subnet, "gateway": arguments.gateway, "interface": arguments.interface}
    said |= {"user": arguments.user, "time_zone": arguments.time_zone}
    if arguments.subnet and arguments.subnet != draft.subnet:
        said["gateway"] = arguments.gateway or ""  # the one that was found is another network's
    voters = tuple(filter(None, (arguments.voters or "").split(",")))
    addresses = tuple(address_of(word) for word in arguments.address)
    kept = {key: value for key, value in said.items() if value is not None}
    return replace(draft, addresses=addresses, voters=voters, **kept)


def enough(found: Sequence[NewNode], number: int) -> list[NewNode]:
    """So many Pis: those that were found, and names for cards that are still to be written."""
    more = (node for node in named_by_number(number + len(found)) if node.name not in {one.name for one in found})
    return [*found, *more][:number]


def named_by_number(number: int) -> list[NewNode]:
    return [NewNode(f"pi{one}") for one in range(1, number + 1)]


def given(arguments: argparse.Namespace) -> Iterator[str]:
    """The options that answer a question."""
    if arguments.nodes is not None:
        yield "--node"
    for name in ("subnet", "gateway", "node", "witness", "address", "user", "time_zone"):
        if getattr(arguments, name):
            yield f"--{name.replace('_', '-')}"


def completed(draft: Draft, around: Around, flags: Sequence[str], arguments: argparse.Namespace) -> Draft:
    """With what is proposed, or what a person says to it. Raises PiclusterError where that is needed and nobody is there."""
    missing = [question for question in open_questions(flags, draft) if question.needed]
    if arguments.yes or arguments.json or arguments.dry_run or (not missing and not at_terminal()):
        return addressed(draft, around)
    if not at_terminal():
        draft = addressed(draft, around)
        options = " ".join(proposed_option(question, draft) for question in missing)
        raise PiclusterError(f"there is no terminal to ask at. Say {options}; or --yes: then what is found is taken")
    tell(f"A new cluster, {draft.cluster}. Enter takes what stands in brackets.")
    asked: list[str] = []
    while due := [one for one in open_questions(flags, draft) if one.flag not in asked]:
        asked.append(due[0].flag)
        draft = ask(due[0], addressed(draft, around) if due[0].flag == "--address" else draft)
    return draft


def at_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def proposed_option(question: Question, draft: Draft) -> str:
    """`--node pi1 --node pi2`."""
    return " ".join(f"{question.flag} {word}" for word in question.proposal(draft).split()) or f"{question.flag} …"


def ask(question: Question, draft: Draft) -> Draft:
    """Until the answer is good."""
    proposal = question.proposal(draft)
    shown = f" [{proposal}]" if proposal else ""
    wrong: tuple[str, ...] = ()
    for _ in range(MOST_TRIES):
        answer = typed(f"{question.words}{shown}: ", secret=False) or proposal
        following = question.answered(draft, answer)
        wrong = complaints(question, following)
        if not wrong:
            return following
        for sentence in wrong:
            tell(f"  {sentence}")
    raise PiclusterError(wrong[0])
