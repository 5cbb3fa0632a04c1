"""The stack on the bench: which virtual Pis there are, and the files that their agents read.

The inventory names no node's address. As on a real bench, the agents find each other by mDNS.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from picluster.errors import LabError

__all__ = ["FEWEST_PIS", "FLOATING", "MOST_PIS", "SERVICE_PORT", "Stack", "VirtualPi", "write_files"]

FEWEST_PIS, MOST_PIS = 3, 10
SERVICE_PORT = 7777
"""UDP port of the service behind the floating address."""
FLOATING = {"web": "10.77.0.100", "db": "10.77.0.101"}
"""The floating addresses; small stacks have the first only."""
PIS_FOR_TWO_ADDRESSES = 5
ENOUGH_VOTERS = 5


@dataclass(frozen=True, slots=True)
class VirtualPi:
    """One board. `number` counts from 1 and gives it its addresses."""

    number: int

    @property
    def name(self) -> str:
        return f"pi{self.number}"

    @property
    def mac(self) -> str:
        """dc:a6:32 is the Raspberry Pi foundation's."""
        return f"dc:a6:32:00:00:{self.number:02x}"

    @property
    def addresses(self) -> tuple[str, str]:
        """IPv4 and IPv6, with their prefixes."""
        return f"10.77.0.{10 + self.number}/24", f"fd77::{10 + self.number}/64"


@dataclass(frozen=True, slots=True)
class Stack:
    """All boards of the bench."""

    size: int
    cluster: str = "lab"

    def __post_init__(self) -> None:
        if not FEWEST_PIS <= self.size <= MOST_PIS:
            raise LabError(f"a lab of {self.size} Pis cannot be had. Name {FEWEST_PIS} to {MOST_PIS}: --nodes {FEWEST_PIS}")

    @property
    def pis(self) -> tuple[VirtualPi, ...]:
        return tuple(VirtualPi(number) for number in range(1, self.size + 1))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(pi.name for pi in self.pis)

    @property
    def voters(self) -> tuple[str, ...]:
        """The first three or five: more would make every renewal wait for more answers."""
        most = min(self.size, ENOUGH_VOTERS)
        return self.names[: most if most % 2 else most - 1]

    @property
    def floating(self) -> Mapping[str, str]:
        """Address by name."""
        return FLOATING if self.size >= PIS_FOR_TWO_ADDRESSES else {"web": FLOATING["web"]}

    def pi(self, name: str) -> VirtualPi:
        return next(pi for pi in self.pis if pi.name == name)

    def inventory(self, ports: Mapping[str, int] | None = None) -> str:
        """The cluster's inventory as TOML. `ports`: UDP port by node, where all nodes share one host."""
        voters = ", ".join(f'"{name}"' for name in self.voters)
        lines = [
            "[cluster]",
            f'name = "{self.cluster}"',
            "",
            "[network]",
            'subnet = "10.77.0.0/24"',
            'interface = "eth0"',
            "",
        ]
        lines += ["[quorum]", f"voters = [{voters}]", ""]
        for name, address in self.floating.items():
            lines += [f"[addresses.{name}]", f'address = "{address}"', ""]
        for name in self.names:
            lines += [f"[nodes.{name}]", 'lights = { board = "traffic-light" }']
            lines += [f"port = {ports[name]}"] if ports else []
        return "\n".join(lines) + "\n"


def write_files(
    stack: Stack, directory: Path, ports: Mapping[str, int] | None = None, agent_lines: Mapping[str, str] | None = None
) -> None:
    """Write inventory, key, and for each Pi its configuration and run directory, `DIRECTORY/pi1`.

    The run directory outlives a power cut here. On a real Pi /run is empty after one, and the short uptime tells the voter
    how long to keep silent; the machine that virtual Pis run on has been up for long, so only the record can.
    """
    agent_lines = agent_lines or {}
    (directory / "cluster.toml").write_text(stack.inventory(ports), encoding="utf-8")
    key = directory / "cluster.key"
    key.touch(mode=0o600)
    key.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
    for name in stack.names:
        home = directory / name
        home.mkdir(mode=0o700)
        lines = [f'node = "{name}"', 'inventory = "../cluster.toml"', 'key_file = "../cluster.key"', 'run_dir = "."']
        lines += [agent_lines[name]] if name in agent_lines else []
        (home / "agent.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def agent_command(directory: Path, name: str) -> list[str]:
    """The command line that starts a Pi's agent, as its owner would type it."""
    return [sys.executable, "-m", "picluster.cli.main", "agent", "--config", str(directory / name / "agent.toml")]
