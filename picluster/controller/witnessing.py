"""What an agent says of the whole stack, in more detail than `health` needs: how each node is, and how addresses moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from picluster.controller.agents import ask_agent
from picluster.controller.health import Account, read_account
from picluster.controller.outage import Move
from picluster.controller.shell import Shell
from picluster.errors import ControlError

__all__ = ["Testimony", "ask_testimony"]


@dataclass(frozen=True, slots=True)
class Testimony:
    """The word of one agent."""

    account: Account
    states: Mapping[str, str]
    """By node, a value of `picluster.model.snapshot.NodeState`."""
    moves: Mapping[str, Move]
    """By address, how it came to its holder last."""


def ask_testimony(shell: Shell, node: str) -> Testimony:
    """Ask the agent there. Raises ControlError where it does not answer, AccessError where the node does not."""
    try:
        return _read(node, ask_agent(shell, do="status")["status"])
    except (ValueError, TypeError, LookupError) as error:
        raise ControlError("its agent does not tell how it is; is it of another version than this command?") from error


def _read(node: str, words: Mapping[str, Any]) -> Testimony:
    account = read_account(node, words)
    nodes, addresses = words["cluster"]["nodes"], words["cluster"]["addresses"]
    states = {str(one["name"]): str(one["state"]) for one in nodes}
    moves = {str(one["name"]): _move(one["last_move"]) for one in addresses if one.get("last_move")}
    return Testimony(account, states, moves)


def _move(words: Mapping[str, Any]) -> Move:
    return Move(str(words["previous"]), str(words["holder"]), str(words["cause"]), float(words["outage_ms"]))
