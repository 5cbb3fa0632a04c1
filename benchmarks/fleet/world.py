"""All boards of a fleet on one switch, in virtual time."""

from __future__ import annotations

import enum
from pathlib import Path
from random import Random

from benchmarks.fleet.board import Board, Spent
from picluster.agent.configuration import AgentConfiguration
from picluster.agent.daemon import Agent
from picluster.inventory import load
from picluster.model.endpoint import Endpoint
from picluster.model.inventory import Inventory
from picluster.simulated.network import Network, Weather
from picluster.simulated.timeline import Timeline
from picluster.wire import Keyring

__all__ = ["Fleet", "Kind", "inventory"]

SWITCH = Weather(shortest_ns=100_000, spread_ns=300_000)
ADDRESSES = {"dns": "pi1", "web": "pi2"}
"""Who is to hold each, so that fleets can be compared."""
START_NS = 1_000_000_000
"""Within so long all boards are switched on."""
STEP_NS = 100_000_000
MOVED_NS = 1_000_000_000
PATIENCE_NS = 120_000_000_000


class Kind(enum.Enum):
    """What a node has to do."""

    HOLDER = "holder"
    VOTER = "voter"
    CANDIDATE = "candidate"
    """May hold and does not vote."""
    MEMBER = "member"
    """Neither."""


def inventory(nodes: int, voters: int) -> Inventory:
    """The first nodes vote. Each address has four candidates: the first two and the last two nodes."""
    names = [f"pi{number}" for number in range(1, nodes + 1)]
    candidates = list(dict.fromkeys([*names[:2], *names[-2:]]))
    lines = ["[cluster]", 'name = "fleet"', "[quorum]", f"voters = {names[:voters]}"]
    for number, address in enumerate(ADDRESSES):
        lines += [f"[addresses.{address}]", f'address = "10.77.0.{201 + number}"', f"candidates = {candidates}"]
    for number, name in enumerate(names):
        lines += [f"[nodes.{name}]", f'address = "10.77.0.{11 + number}"']
    return load("\n".join(lines).replace("'", '"'), "fleet.toml")


def held_by(agent: Agent) -> list[str]:
    return [held.address for held in agent.member.held(agent.ports.clock.now_ns())]


class Fleet:
    """Switched on within a second; `settle` waits until everybody hears everybody, and every address is held."""

    def __init__(self, nodes: int, voters: int, seed: int = 1) -> None:
        self.inventory = inventory(nodes, voters)
        self.timeline = Timeline()
        chance = Random(f"{seed} {nodes} {voters}")
        self._network = Network(chance, SWITCH)
        keyring = Keyring.parse(Keyring.fresh())
        self.boards: dict[str, Board] = {}
        self._places: dict[Endpoint, str] = {}
        self._homes: dict[str, Endpoint] = {}
        for node in self.inventory.nodes:
            settings = AgentConfiguration(node, self.inventory, keyring, Path())
            board = Board(settings, self.timeline, self._carry, Random(chance.getrandbits(64)))
            self.boards[node.name] = board
            self._homes[node.name] = Endpoint(str(node.address), node.port)
            self._places[self._homes[node.name]] = node.name
            self.timeline.at(chance.randrange(START_NS), board.start)

    def settle(self) -> float:
        """Returns how many seconds it took from the first board's start. Raises TimeoutError where it takes minutes."""
        while not self._settled():
            if self.timeline.now_ns > PATIENCE_NS:
                raise TimeoutError(f"{len(self.boards)} nodes do not all hear each other after {PATIENCE_NS / 1e9:.0f} s")
            self.go_on(STEP_NS)
        took_s = self.timeline.now_ns / 1e9
        self.go_on(2 * self.inventory.heartbeat_ns)  # until all of them have looked at what they heard
        for address, holder in ADDRESSES.items():
            self._give(address, holder)
        return took_s

    def _give(self, address: str, to: str) -> None:
        """Let whoever holds the address hand it over, as `picluster move` does."""
        held = {floating: agent for agent in self._agents() for floating in held_by(agent)}
        if held[address].messenger.identity.node != to:
            held[address].move(address, to)
            self.go_on(MOVED_NS)

    def go_on(self, duration_ns: int) -> None:
        self.timeline.run_until(self.timeline.now_ns + duration_ns, stop=lambda: False)

    def spent(self) -> dict[str, Spent]:
        """By each node, since the last call."""
        spent = {name: board.spent for name, board in self.boards.items()}
        for board in self.boards.values():
            board.spent = Spent()
        return spent

    def kind(self, name: str) -> Kind:
        configuration = self.inventory.configuration
        agent = self.boards[name].agent
        if agent is not None and held_by(agent):
            return Kind.HOLDER
        if name in configuration.voters:
            return Kind.VOTER
        candidate = any(floating.priority_of(name) is not None for floating in configuration.addresses)
        return Kind.CANDIDATE if candidate else Kind.MEMBER

    def _agents(self) -> list[Agent]:
        return [board.agent for board in self.boards.values() if board.agent is not None]

    def _settled(self) -> bool:
        agents, others = self._agents(), len(self.boards) - 1
        return (
            len(agents) == len(self.boards)
            and sum(len(held_by(agent)) for agent in agents) == len(ADDRESSES)
            and all(len(agent.messenger.heard(agent.ports.clock.now_ns())) == others for agent in agents)
        )

    def _carry(self, sender: str, to: Endpoint, data: bytes) -> None:
        receiver = self._places[to]
        for delay_ns in self._network.journeys(sender, receiver):
            self.timeline.after(delay_ns, self.boards[receiver].arrived, self._homes[sender], data)
