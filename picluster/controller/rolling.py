"""One node after the other, so that the addresses stay up: the next one's turn comes when the last one is back and heard.

Those that do not vote go first, then voters, and whoever holds an address goes last, so that it moves once and not at every
step. Where a node does not come back, the rest is left as it is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

from picluster.controller.crew import Crew, Outcome, Task
from picluster.controller.health import Account, Standing, ask_account, judge, spared
from picluster.controller.progress import Kind, Progress
from picluster.controller.shell import Shell
from picluster.errors import AccessError, PiclusterError, ProvisionError, TrustError
from picluster.model.inventory import Inventory, Node

__all__ = ["Rolling", "in_order", "reboot"]

Value = TypeVar("Value")

LOOK_S = 0.5
ANSWER_S = 60.0
"""Silence of a node that was only asked how it is."""
AGENTS_S = 60.0
"""How long agents may take until they hear each other and hold the addresses: seconds, more on the smallest Pis."""
START_S = 5.0
"""How long an agent may take from its start until it can be asked."""
BOOT_S = 300.0
"""How long a node may take to boot: half a minute, and minutes where it checks its file system."""
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


def in_order(inventory: Inventory, nodes: Iterable[Node], holders: Iterable[str]) -> list[Node]:
    """Whose turn comes when. Within a group the inventory's order stays."""
    voters, holding = inventory.configuration.voters, frozenset(holders)
    return sorted(nodes, key=lambda node: (node.name in holding, node.name in voters))


class Rolling:
    """Looks at the whole stack while its nodes are worked on one by one."""

    def __init__(
        self,
        crew: Crew,
        inventory: Inventory,
        pause: Callable[[float], None] = time.sleep,
        patience_s: float = AGENTS_S,
    ) -> None:
        self._crew, self._inventory = crew, inventory
        self._pause, self._patience_s = pause, patience_s
        self._lost: set[str] = set()
        """Nodes that are not reached: each is tried once, and does not hold up every look after that."""
        self.silent: dict[str, str] = {}
        """Nodes that did not say how they are when they were asked last, and why."""

    def accounts(self) -> dict[str, Account]:
        """What the agents of all nodes say that are reached and run one."""
        asked = [node for node in self._inventory.nodes if node.name not in self._lost]
        outcomes = self._crew.each(asked, lambda node, shell: ask_account(shell, node.name), ANSWER_S, quietly=True)
        self._lost |= {name for name, outcome in outcomes.items() if isinstance(outcome.failure, AccessError)}
        self.silent |= {name: str(outcome.failure) for name, outcome in outcomes.items()}
        for name, outcome in outcomes.items():
            if outcome.ok:
                del self.silent[name]
        return {name: outcome.value for name, outcome in outcomes.items() if outcome.value is not None}

    def until_well(self, nodes: Iterable[Node], dark: Collection[str] = ()) -> Standing:
        """How the stack stands, as soon as these nodes are heard and all addresses are held, or when patience is over.
        Addresses that are `dark` anyway are not waited for."""
        names = frozenset(node.name for node in nodes)
        voters = self._inventory.configuration.voters
        began_s = time.monotonic()
        while True:
            accounts = self.accounts()
            standing = judge(self._inventory, accounts)
            if not names & standing.unheard.keys() and dark_in(standing) <= frozenset(dark):
                return standing
            # Where too few agents run for a majority, others have to be set up first: waiting will not help.
            hopeless = sum(voter in accounts for voter in voters) < standing.needed
            if time.monotonic() - began_s > min(self._patience_s, START_S if hopeless else math.inf):
                return standing
            self._pause(LOOK_S)

    def one_by_one(
        self, nodes: Iterable[Node], task: Task[Value], silence_s: float, stage: str
    ) -> dict[str, Outcome[Value]]:
        """Do the task with one after the other. After the first that fails or is not heard again, the others are refused.

        What was not well before is not asked for afterwards: a stack that is down can be mended one by one, too.
        """
        outcomes: dict[str, Outcome[Value]] = {}
        failed = ""
        accounts = self.accounts()
        for node in in_order(self._inventory, nodes, holders_of(judge(self._inventory, accounts))):
            before = judge(self._inventory, accounts)
            why_not = f"{failed} did not come back well" if failed else self._needed(accounts, node)
            if why_not:
                outcomes[node.name] = self._refusal(node, ProvisionError(f"left as it was: {why_not}"))
                continue
            outcomes |= self._crew.each([node], task, silence_s, stage)
            if outcomes[node.name].ok and not self._is_back(node, before):
                late = (
                    f"its agent is not heard by a majority within {self._patience_s:.0f} s; see picluster logs {node.name}"
                )
                outcomes[node.name] = self._refusal(node, ProvisionError(late))
            if not outcomes[node.name].ok:
                failed = node.name
            accounts = self.accounts()
        return outcomes

    def _refusal(self, node: Node, error: PiclusterError) -> Outcome[Value]:
        self._crew.desk.watcher.hear(Progress(node.name, Kind.FAILED, str(error)))
        return Outcome(node.name, 0.0, failure=error)

    def _needed(self, accounts: Mapping[str, Account], node: Node) -> str:
        """Why this one cannot be spared now; empty where it can. Where all voters are there, nothing better is to be had: a
        stack of two voters cannot spare any."""
        missing = [voter for voter in self._inventory.configuration.voters if voter not in accounts]
        why_not = spared(self._inventory, accounts, [node.name]) if missing else ""
        return f"{why_not}; bring back {' and '.join(missing)} first" if why_not else ""

    def _is_back(self, node: Node, before: Standing) -> bool:
        """As well as it was before its turn."""
        self._lost.discard(node.name)
        return node.name in before.unheard or node.name not in self.until_well([node], dark_in(before)).unheard


def dark_in(standing: Standing) -> frozenset[str]:
    """Addresses that nobody holds."""
    return frozenset(address for address, holder in standing.holders.items() if holder is None)


def holders_of(standing: Standing) -> tuple[str, ...]:
    return tuple(holder for holder in standing.holders.values() if holder is not None)


def reboot(crew: Crew, node: Node, shell: Shell, pause: Callable[[float], None] = time.sleep) -> None:
    """In the node's thread: reboot it, and come back when it is there again. Raises AccessError where it is not in time."""
    before = boot_id(shell)
    request_reboot(shell, "reboot")
    crew.hang_up(node.name)
    crew.desk.tell(Progress(node.name, Kind.STAGE, "rebooting"))
    deadline = time.monotonic() + BOOT_S
    while True:
        pause(1.0)
        try:
            if boot_id(crew.shell(node)) != before:
                return
            why = "it has not gone down yet"
        except TrustError:
            raise
        except AccessError as error:
            crew.hang_up(node.name)
            why = str(error)
        if time.monotonic() > deadline:
            raise AccessError(f"not back {BOOT_S:.0f} s after it was told to reboot: {why}")


def request_reboot(shell: Shell, verb: str) -> None:
    """Tell systemd to `reboot` or `poweroff`. The connection may go before the answer comes."""
    lines: list[str] = []
    try:
        code = shell.run(f"systemctl {verb} 2>&1", lines.append, root=True, timeout_s=30.0)
    except TrustError:
        raise
    except AccessError:
        return
    if code:
        raise ProvisionError(f"systemctl {verb} ended with {code}: {' '.join(lines)}")


def boot_id(shell: Shell) -> str:
    """Another one with every boot (random(4))."""
    lines: list[str] = []
    shell.run(BOOT_ID, lines.append, timeout_s=ANSWER_S)
    return "".join(lines).strip()
