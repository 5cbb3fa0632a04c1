"""Agents from afar: whatever their control sockets can be asked on the node itself, asked by way of a shell.

`picluster.agent.control` has the requests. Here too it is not the program `picluster` that asks, whose imports would keep a
small Pi busy for seconds, but a line of Python with the standard library alone.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from typing import Any

from picluster.controller.health import read_account
from picluster.controller.shell import Shell
from picluster.errors import ControlError

__all__ = ["ask_agent", "stand_by"]

ASK = (
    "import socket, sys; agent = socket.socket(socket.AF_UNIX); agent.settimeout(10); "
    'agent.connect("/run/picluster/agent.sock"); agent.sendall(sys.argv[1].encode() + b"\\n"); '
    "print(agent.makefile().readline().strip())"
)
ANSWER_S = 30.0
"""A Pi Zero takes seconds to start Python."""
LOOK_S = 0.2
LETTING_GO_S = 15.0
"""How long a node that goes on standby may take to let go: milliseconds, unless its kernel refuses."""


def ask_agent(shell: Shell, **request: str) -> dict[str, Any]:
    """The agent's answer to one request. Raises ControlError, with its own words, where it refuses, and where it does not
    answer; AccessError where the node does not."""
    lines: list[str] = []
    line = f"python3 -c {shlex.quote(ASK)} {shlex.quote(json.dumps(request))} 2>&1"
    code = shell.run(line, lines.append, root=True, timeout_s=ANSWER_S)
    said = lines[-1] if lines else f"nothing, and exit code {code}"
    try:
        answer = json.loads(said)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ControlError(f"its agent does not answer: {said}")
    if not answer.get("ok"):
        raise ControlError(str(answer.get("error", "its agent says no, and not why")))
    return answer


def stand_by(shell: Shell, node: str, pause: Callable[[float], None] = time.sleep) -> tuple[str, ...]:
    """Have this node hold nothing, and come back when that is so; the addresses that it held. One on which no agent answers
    holds none: its kernel has shut the gate. Raises ControlError where it goes on holding."""
    try:
        held = _holds(shell, node)
    except ControlError:
        return ()
    ask_agent(shell, do="standby")
    deadline = time.monotonic() + LETTING_GO_S
    while holds := _holds(shell, node):
        if time.monotonic() > deadline:
            raise ControlError(f"it still holds {' and '.join(holds)}; see picluster logs {node}")
        pause(LOOK_S)
    return held


def _holds(shell: Shell, node: str) -> tuple[str, ...]:
    """By its own word."""
    try:
        account = read_account(node, ask_agent(shell, do="status")["status"])
    except (TypeError, ValueError, LookupError) as error:
        raise ControlError("its agent does not tell what it holds") from error
    return tuple(name for name, holder in account.holders.items() if holder == node)
