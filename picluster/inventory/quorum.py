"""The section `[quorum]`: whose grants count. A majority of the voters decides, so their number should be odd: the fourth
voter lets no more of them fail than the third did. Yet voters come and go one at a time, one in each epoch, so between two
odd numbers there is an even one: from the second epoch on it is taken where the voters are named.

With two voters a majority is both. A witness as the third makes that safe; without one, `two_node = "gateway"` lets the
gateway's answer to ARP break the tie, with the limits that docs/inventory.md names.
"""

from __future__ import annotations

from collections.abc import Mapping

from picluster.inventory.network import Network
from picluster.inventory.reader import Table, quoted, suggestion
from picluster.model.inventory import MOST_VOTERS, Node, Role

TIE_BREAKERS = ("gateway",)
FIRST_EPOCH = 1


def read_quorum(section: Table, nodes: Mapping[str, Node], network: Network, epoch: int) -> tuple[tuple[str, ...], bool]:
    """The voters in the order of the file, and whether the gateway breaks their tie."""
    mistakes_before = len(section.findings.mistakes)
    named = section.names("voters")
    voters = tuple(nodes) if named is None else named
    gateway_decides = "two_node" in section and section.choice("two_node", TIE_BREAKERS, TIE_BREAKERS[0]) == "gateway"
    if not nodes or len(section.findings.mistakes) > mistakes_before:
        return voters, gateway_decides
    _check_voters(section, voters, nodes)
    if gateway_decides:
        _check_two_node(section, voters, nodes, network)
    else:
        on_the_way = named is not None and epoch > FIRST_EPOCH
        _check_number(section, voters, by_default=named is None, on_the_way=on_the_way)
    return voters, gateway_decides


def _check_voters(section: Table, voters: tuple[str, ...], nodes: Mapping[str, Node]) -> None:
    for name in voters:
        if name not in nodes:
            section.add("voters", f"{quoted(name)} names no node", suggestion(name, tuple(nodes)))
    for name, node in nodes.items():
        if voters and node.role is Role.WITNESS and name not in voters:
            section.add(
                "voters", f"the witness {name} is no voter, so it does nothing", f"Add {name}, or delete [nodes.{name}]"
            )


def _check_number(section: Table, voters: tuple[str, ...], *, by_default: bool, on_the_way: bool) -> None:
    number = len(voters)
    source = "every node votes where voters are not named, and " if by_default else ""
    example = ", ".join(quoted(name) for name in voters[: min(number - 1, 5) | 1])
    if not voters:
        section.add(
            "voters", "there are no voters", "Name an odd number of nodes, three or five; or leave the key out: all vote"
        )
    elif number > MOST_VOTERS:
        wrong = f"{source}{number} voters are too many: each renewal waits for a majority of them"
        section.add("voters", wrong, f"Name {MOST_VOTERS} at most, such as voters = [{example}]")
    elif on_the_way:
        return
    elif number == 2:
        wrong = f"{source}two voters agree on nothing once one of them is silent"
        mend = 'Add a witness ([nodes.NAME] with role = "witness") as the third, or write two_node = "gateway"'
        section.add("voters", wrong, mend)
    elif number % 2 == 0:
        wrong = f"{source}{number} voters let no more of them fail than {number - 1}"
        section.add("voters", wrong, f"Name an odd number, such as voters = [{example}], or add a witness")


def _check_two_node(section: Table, voters: tuple[str, ...], nodes: Mapping[str, Node], network: Network) -> None:
    if len(voters) != 2:
        wrong = f"it is for exactly two voters, and there are {len(voters)}"
        section.add("two_node", wrong, "Leave it out, or name two voters")
        return
    witnesses = [name for name in voters if name in nodes and nodes[name].role is Role.WITNESS]
    if witnesses:
        wrong = f"{witnesses[0]} is a witness, so one candidate is left and nothing to decide"
        section.add("two_node", wrong, "Leave two_node out and let both Pis and the witness vote")
    if not network.names_gateway:
        section.add(
            "two_node", "no gateway is named that could break the tie", 'Add gateway = "192.168.1.1" or so to [network]'
        )
    for name in voters:
        if name in nodes and network.gateway is not None and nodes[name].address == network.gateway:
            wrong = f"the gateway {network.gateway} is the voter {name}, and nobody breaks a tie that it is part of"
            section.add("two_node", wrong, "Name another machine as network.gateway, or add a witness as third voter")
