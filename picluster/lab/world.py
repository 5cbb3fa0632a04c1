"""What one can do to a stack of virtual Pis, whatever it is made of.

A power cut kills everything on a Pi in one blow, and nothing on it gets to say goodbye. A frozen Pi is one whose agent does
not run any more (SIGSTOP), while its kernel and its service do: a hang, a swap storm, a bug; frozen as a whole, none of its
programs runs, and its kernel alone goes on. A partition cuts the network between two groups of machines and leaves every
carrier up.
"""

from __future__ import annotations

import enum
import shutil
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from picluster.adapters.control import ask
from picluster.agent.configuration import read_inventory, read_keyring
from picluster.agent.entry import open_observer
from picluster.agent.observer import Feed
from picluster.errors import ControlError, LabError
from picluster.lab.programs import ClientFeed, kill, start
from picluster.lab.stack import Stack, agent_command

__all__ = ["Fault", "World"]

CLIENT = "client"
ANSWER_S = 1.0
"""How long an agent may take to answer a question."""
ENDING_S = 5.0
"""How long an agent may take to end."""


class Fault(enum.Enum):
    """What not every world can do to a stack."""

    PARTITION = "partition"
    FREEZE = "freeze"
    LOSS = "loss"


class World(ABC):
    """A stack of virtual Pis under power. What it cannot show is in `cannot`, each with the reason; what comes out
    differently than on real Pis is in `remarks`."""

    description: str
    """What the Pis are made of, for people."""
    cannot: Mapping[Fault, str]
    remarks: Mapping[Fault, str] = {}
    client: ClientFeed
    observer_hosts: tuple[str, ...] = ()
    """Where an observer has to listen; empty: everywhere."""
    switch: int | None = None
    """Port of the relay that everything between the Pis passes; None where there is a network."""

    def __init__(self, stack: Stack, directory: Path) -> None:
        """The directory is the lab's own, and empty. Its files have to be written before the first Pi is plugged in."""
        self.stack = stack
        self.directory = directory
        self.cannot = {}
        self.frozen: set[str] = set()
        self.apart: frozenset[str] = frozenset()
        """The Pis on the far side of a partition."""
        self.loss_percent = 0
        self._powered: dict[str, list[subprocess.Popen[bytes]]] = {}
        """The programs of each Pi that has power; the agent is the last of them."""
        self._agentless: set[str] = set()
        """Pis with power whose agent was ended on purpose."""

    @property
    def powered(self) -> Collection[str]:
        return self._powered.keys()

    @property
    def running(self) -> Collection[str]:
        """The Pis that have power, and an agent that was not ended on purpose."""
        return [name for name in self._powered if name not in self._agentless]

    def run_dir(self, name: str) -> Path:
        """Where the control socket of a Pi's agent is."""
        return self.directory / name

    def log(self, name: str) -> Path:
        """What a Pi's programs have said, over all its lives."""
        return self.directory / f"{name}.log"

    @property
    def logs(self) -> tuple[Path, ...]:
        return tuple(map(self.log, (*self.stack.names, CLIENT)))

    def observe(self) -> Feed:
        """A new observer of the cluster, as `picluster watch` has one."""
        inventory = read_inventory(self.directory / "cluster.toml")
        keyring = read_keyring(self.directory / "cluster.key")
        return Feed(open_observer(inventory, keyring, self.observer_hosts, self.switch))

    def status(self, name: str) -> dict[str, str]:
        """The state of every node in the eyes of this one. Raises ControlError where its agent does not answer."""
        answer = ask(self.run_dir(name), {"do": "status"}, timeout_s=ANSWER_S)
        match answer:
            case {"status": {"cluster": {"nodes": [*nodes]}}}:
                return {str(node["name"]): str(node["state"]) for node in nodes if isinstance(node, dict)}
        raise ControlError(f"the agent of {name} answers what this lab does not understand: {answer}")

    def plug(self, name: str) -> None:
        """Put the power cable in: the Pi boots, and its agent is a new incarnation."""
        self._powered[name] = self._boot(name)
        if self.apart:
            # Its cable is a new one, and the partition goes by cables.
            self._part(self.apart)

    def cut(self, name: str) -> None:
        """Pull the power cable out."""
        self._cut(name, self._powered.pop(name))
        self.frozen.discard(name)
        self._agentless.discard(name)

    def freeze(self, name: str, *, whole: bool = False) -> None:
        """The agent stops running, between two instructions, and everything else goes on; with `whole` all programs stop,
        and the kernel alone goes on."""
        for program in self._powered[name] if whole else self._powered[name][-1:]:
            program.send_signal(signal.SIGSTOP)
        self.frozen.add(name)

    def thaw(self, name: str) -> None:
        """All goes on with the next instruction, and knows nothing of the time between."""
        for program in self._powered[name]:
            program.send_signal(signal.SIGCONT)
        self.frozen.discard(name)

    def end_agent(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the agent a signal that ends it, and wait for its end; returns its exit code. The Pi keeps its power."""
        agent = self._powered[name][-1]
        self._agentless.add(name)
        agent.send_signal(number)
        return agent.wait(ENDING_S)

    def start_agent(self, name: str) -> None:
        """Start an agent that was ended: another incarnation, on a Pi that was up all the time."""
        self._powered[name][-1] = self._restart_agent(name)
        self._agentless.discard(name)

    def part(self, names: Collection[str]) -> None:
        """These Pis hear each other, and nobody else hears them: neither the other Pis nor the client."""
        self._part(names)
        self.apart = frozenset(names)

    def heal(self) -> None:
        self._part(())
        self.apart = frozenset()

    def lose(self, percent: int) -> None:
        """So many percent of what the Pis send each other is lost, in each direction. The client is spared: it judges."""
        self._lose(percent)
        self.loss_percent = percent

    def crashed(self) -> tuple[str, ...]:
        """Pis with power whose agent has ended by itself, which none should."""
        return tuple(name for name in self.running if self._powered[name][-1].poll() is not None)

    def keep_logs(self, target: Path) -> None:
        """Copy all logs there. Raises LabError where that is not possible."""
        try:
            target.mkdir(parents=True, exist_ok=True)
            for log in filter(Path.exists, self.logs):
                shutil.copy(log, target)
        except OSError as error:
            raise LabError(f"the logs cannot be kept in {target}: {error.strerror}. Name another directory") from error

    def close(self) -> None:
        """End everything that was started."""
        for name in list(self._powered):
            self.cut(name)
        kill([self.client.process])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _start_agent(self, name: str, group: int = 0) -> subprocess.Popen[bytes]:
        return start(agent_command(self.directory, name), self.log(name), group=group)

    @abstractmethod
    def _boot(self, name: str) -> list[subprocess.Popen[bytes]]:
        """Start the Pi's programs, the agent last."""

    @abstractmethod
    def _restart_agent(self, name: str) -> subprocess.Popen[bytes]: ...

    @abstractmethod
    def _cut(self, name: str, programs: list[subprocess.Popen[bytes]]) -> None:
        """Take the Pi off the network, kill its programs, leave nothing of it."""

    @abstractmethod
    def _part(self, names: Collection[str]) -> None: ...

    @abstractmethod
    def _lose(self, percent: int) -> None: ...
