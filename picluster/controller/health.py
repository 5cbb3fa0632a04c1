"""Is the stack well? What each agent says of all others, and what a majority of that comes to. Pure but for the asking.

One agent's word is not enough: a node that hears nobody says of itself that it runs. So a node counts as well when a
majority of the voters hear it, and an address as held when its holder says so and a majority of the voters agree.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from picluster.controller.shell import Shell
from picluster.errors import ControlError
from picluster.model.inventory import Configuration, Inventory
from picluster.model.snapshot import NodeState

__all__ = ["Account", "Standing", "ask_account", "judge", "read_account", "sees_all_well", "spared"]

ASK = (
    "import socket; agent = socket.socket(socket.AF_UNIX); agent.settimeout(10); "
    'agent.connect("/run/picluster/agent.sock"); agent.sendall(b\'{"do": "status"}\\n\'); '
    "print(agent.makefile().readline().strip())"
)
"""Asks the control socket. Not `picluster status`, whose imports would keep a small Pi busy for seconds."""
ANSWER_S = 30.0
"""A Pi Zero takes seconds to start Python."""
NOT_HEARD = frozenset(state.value for state in (NodeState.STARTING, NodeState.LEFT, NodeState.SILENT))


@dataclass(frozen=True, slots=True)
class Account:
    """What the agent of one node says."""

    node: str
    hears: frozenset[str]
    """Nodes that are there, by its own ears; itself too."""
    holders: Mapping[str, str]
    """Who holds which address, by what it has heard."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What all accounts come to."""

    unheard: Mapping[str, int]
    """Nodes that no majority hears, and how many voters do."""
    holders: Mapping[str, str | None]
    """By floating address; None where it is not held, or not agreed on."""
    needed: int
    """How many voters have to hear a node."""
    accounts: int
    """How many agents were asked and answered."""

    @property
    def well(self) -> bool:
        return not self.unheard and None not in self.holders.values()

    def troubles(self) -> tuple[str, ...]:
        """What is not well, a sentence for each."""
        nodes = [f"{node} is heard by {count} of the {self.needed} voters needed" for node, count in self.unheard.items()]
        addresses = [f"{address} is held by nobody" for address, holder in self.holders.items() if holder is None]
        return (*nodes, *addresses)


def ask_account(shell: Shell, node: str) -> Account:
    """Ask the agent there. Raises ControlError where it does not answer, AccessError where the node does not."""
    lines: list[str] = []
    code = shell.run(f"python3 -c {shlex.quote(ASK)} 2>&1", lines.append, root=True, timeout_s=ANSWER_S)
    try:
        return read_account(node, json.loads(lines[-1])["status"])
    except (ValueError, TypeError, LookupError) as error:
        said = lines[-1] if lines else f"nothing, and exit code {code}"
        raise ControlError(f"its agent does not tell how it is: {said}") from error


def read_account(node: str, words: Mapping[str, object]) -> Account:
    """Of the status that an agent tells. Raises ValueError, TypeError or LookupError for anything else."""
    cluster = words["cluster"]
    if not isinstance(cluster, dict):
        raise TypeError("no cluster in it")
    states = {str(one["name"]): str(one["state"]) for one in cluster["nodes"]}
    hears = frozenset(name for name, state in states.items() if state not in NOT_HEARD) | {node}
    holders = {str(one["name"]): str(one["holder"]) for one in cluster["addresses"] if one["holder"]}
    return Account(node, hears, holders)


def judge(inventory: Inventory, accounts: Mapping[str, Account]) -> Standing:
    """`accounts` by node, of those whose agents have answered."""
    configuration = inventory.configuration
    needed = min(configuration.majority, len(configuration.voters))
    heard = {name: _heard_by(configuration, accounts, name) for name in inventory.node_names}
    return Standing(
        unheard={name: count for name, count in heard.items() if count < needed},
        holders={one.name: _holder(configuration, accounts, one.name, needed) for one in configuration.addresses},
        needed=needed,
        accounts=len(accounts),
    )


def sees_all_well(inventory: Inventory, account: Account) -> bool:
    """Whether one agent hears all nodes and knows a holder of every address."""
    held = all(one.name in account.holders for one in inventory.configuration.addresses)
    return held and account.hears.issuperset(inventory.node_names)


def spared(inventory: Inventory, accounts: Mapping[str, Account], missing: Collection[str]) -> str:
    """Why these nodes cannot be spared: no majority of the voters would be left. Empty where they can, or where there is no
    majority with them either, and so nothing to lose."""
    configuration, standing = inventory.configuration, judge(inventory, accounts)
    there = [voter for voter in configuration.voters if voter not in standing.unheard]
    left = [voter for voter in there if voter not in missing]
    had, has = (len(some) + configuration.tie_breaker >= configuration.majority for some in (there, left))
    if has or not had:
        return ""
    names, others = " and ".join(voter for voter in there if voter in missing), ", ".join(left) or "nobody"
    needed = configuration.majority
    return f"without {names} no majority of the voters is left: {needed} are needed, and there would be {others}"


def _heard_by(configuration: Configuration, accounts: Mapping[str, Account], name: str) -> int:
    """How many voters hear it."""
    return sum(voter in accounts and name in accounts[voter].hears for voter in configuration.voters)


def _holder(configuration: Configuration, accounts: Mapping[str, Account], address: str, needed: int) -> str | None:
    """The holder by its own word and that of a majority of the voters."""
    for name, account in accounts.items():
        if account.holders.get(address) != name:
            continue
        agreeing = sum(voter in accounts and accounts[voter].holders.get(address) == name for voter in configuration.voters)
        if agreeing >= needed:
            return name
    return None
