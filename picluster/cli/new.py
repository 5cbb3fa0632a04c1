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
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from picluster.adapters.browser import browse
from picluster.adapters.ssh_keys import make_key_pair
from picluster.adapters.surroundings import neighbours, occupied, time_zone, uplink
from picluster.agent.configuration import read_inventory
from picluster.cli.watching import tell, typed
from picluster.controller.secrets import make_secrets, place_of
from picluster.errors import AccessError, KernelError, PiclusterError
from picluster.founding.draft import Draft, NewAddress, NewNode, named, written
from picluster.founding.hosts import KINDS, Host, gathered
from picluster.founding.proposal import free_address, proposed
from picluster.inventory import load
from picluster.model.surroundings import Uplink
from picluster.wire import Keyring

Answer = TypeVar("Answer", NewNode, NewAddress)

LISTEN_S = 2.0
ASK_S = 0.6


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
    hosts, way = ([], None) if arguments.no_look else look()
    draft = answered(proposal(arguments.name, way, hosts), arguments)
    if not (arguments.yes or arguments.json or arguments.dry_run):
        draft = asked(draft)
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


def look() -> tuple[Sequence[Host], Uplink | None]:
    tell(f"looking around for {LISTEN_S:g} s …")
    try:
        services = browse(KINDS, LISTEN_S)
    except KernelError as error:
        tell(f"no Pi can be found by mDNS: {error}")
        services = []
    return gathered(services, neighbours()), uplink()


def proposal(name: str, way: Uplink | None, hosts: Sequence[Host]) -> Draft:
    taken = {address for host in hosts for address in host.addresses}
    candidates = free_address(way, taken)
    floating = ""
    if way is not None and candidates:
        found, by_arp = occupied(way.interface, candidates, ASK_S)
        floating = str(next((one for one in candidates if one not in found), ""))
        how = "asked by ARP" if by_arp else "by this machine's neighbour table; ARP itself takes root"
        tell(f"nobody has {floating} ({how})" if floating else "no free address was found high in the subnet")
    return proposed(name.removesuffix(".toml"), way, hosts, floating, time_zone() or "")


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def answered(draft: Draft, arguments: argparse.Namespace) -> Draft:
    """What was said on the command line replaces what was proposed."""
    members = [node_of(word) for word in arguments.node]
    if arguments.nodes is not None:
        members += [NewNode(f"pi{number}") for number in range(1, arguments.nodes + 1)]
    witnesses = [NewNode(*named(word), witness=True) for word in arguments.witness]
    nodes = (*(members or draft.members), *witnesses)
    addresses = tuple(floating_of(word) for word in arguments.address) or draft.addresses
    said = {"subnet": arguments.subnet, "gateway": arguments.gateway, "interface": arguments.interface}
    said |= {"user": arguments.user, "time_zone": arguments.time_zone}
    voters = tuple(filter(None, (arguments.voters or "").split(",")))
    kept = {key: value for key, value in said.items() if value is not None}
    return replace(draft, nodes=nodes, addresses=addresses, voters=voters, **kept)


def asked(draft: Draft) -> Draft:
    """Ask a person; Enter takes what is proposed. Raises PiclusterError where there is nobody."""
    tell(f"A new cluster, {draft.cluster}. Enter takes what stands in brackets.")
    subnet = ask("Your home network", draft.subnet)
    gateway = ask("Your router", draft.gateway)
    members = ask_each("The Pis, NAME or NAME=ADDRESS each", draft.members, node_of)
    witnesses = tuple(node for node in draft.nodes if node.witness)
    addresses = ask_each("The floating address", draft.addresses, floating_of)
    user = ask("The login on their cards", draft.user)
    zone = ask("Their time zone", draft.time_zone)
    return replace(
        draft,
        subnet=subnet,
        gateway=gateway,
        nodes=(*members, *witnesses),
        addresses=addresses,
        user=user,
        time_zone=zone,
    )


def ask(question: str, proposal: str) -> str:
    shown = f" [{proposal}]" if proposal else ""
    try:
        return typed(f"{question}{shown}: ", secret=False) or proposal
    except AccessError as error:
        raise PiclusterError(
            "there is no terminal to ask at: take what is proposed with --yes, or name it (--help)"
        ) from error


def ask_each(question: str, proposal: Sequence[Answer], read: Callable[[str], Answer]) -> tuple[Answer, ...]:
    """Several in one line. What was proposed and is named again keeps what else is known of it."""
    line = ask(question, " ".join(one.answer for one in proposal))
    kept = {one.answer: one for one in proposal}
    return tuple(kept.get(word) or read(word) for word in line.replace(",", " ").split())


def node_of(word: str) -> NewNode:
    return NewNode(*named(word))


def floating_of(word: str) -> NewAddress:
    """`web=192.168.1.200`, or the address alone."""
    name, address = named(word)
    return NewAddress(name, address) if address else NewAddress("web", name)
