"""A world of Pis that really boot, with the agent as the service that it is on a Pi. It needs root.

The network between them, the client and the auditor are those of `picluster.lab.namespaces`. What is true here and not
there: systemd starts the agent from its unit, with its user, its capabilities and its sandbox, and restarts it; the watchdog
bites; a Pi shuts down and boots again; and `cgroup.freeze` stops everything on a Pi at once while its kernel answers ARP.

It lives within `run_isolated(…, users=False)`, so nothing of it outlives a lab that is killed but empty control groups,
which the next lab sweeps up.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from picluster.adapters.links import Links
from picluster.adapters.namespaces import mount_memory, run_isolated
from picluster.errors import ControlError, LabError
from picluster.lab import control_groups, disk, root_system
from picluster.lab.control_groups import ControlGroup
from picluster.lab.machine import REBOOTS, Machine
from picluster.lab.mode import memory_place
from picluster.lab.namespaces import NamespaceWorld
from picluster.lab.stack import SERVICE_PORT, Stack

__all__ = ["CONTROLLER", "MachineWorld", "machines_refused", "run_machines", "run_world"]

CONTROLLER = "controller"
"""The machine of the person at the keyboard, on the switch as all others are."""
ROUTER = "10.77.0.1"
"""The switch stands in for it; there is nothing behind."""
CONTROLLER_MAC, CONTROLLER_ADDRESSES = "02:00:00:00:00:04", ("10.77.0.4/24", "fd77::4/64")

PROGRAMS = {"systemd-nspawn": "systemd-container", "systemd-sysusers": "systemd", "nsenter": "util-linux"}
"""What is needed, and the package that has it."""
UNIT = disk.UNIT
REBOOTING_S = 30.0
STEP_S = 0.01


class MachineWorld(NamespaceWorld):
    description = "booted Debians with systemd (systemd-nspawn), on one switch"

    def __init__(self, stack: Stack, directory: Path, root: Path, *, network_manager: bool = False) -> None:
        """`root` is the system that all boot from, `picluster.lab.root_system`. With `network_manager` that, and not the
        lab, switches each Pi's `eth0` on and gives it its addresses, as on Raspberry Pi OS."""
        self._token = secrets.token_hex(4)
        self._root = root
        self._network_manager = network_manager
        self._pis: dict[str, Machine] = {}
        super().__init__(stack, directory)
        self._shared = directory / "shared"
        """The layer of their disks that all Pis have in common."""
        self._shared.mkdir(mode=0o755)
        self._write_shared()
        with Links(self.join(CONTROLLER, CONTROLLER_MAC, CONTROLLER_ADDRESSES)) as board:
            board.add_default_route("eth0", ROUTER)

    def pi(self, name: str) -> Machine:
        """A Pi that was plugged in at least once."""
        return self._pis[name]

    def run_dir(self, name: str) -> Path:
        try:
            return self._pis[name].inside("/run/picluster")
        except (KeyError, LabError):
            return self.directory / name / "without power"

    def freeze(self, name: str, *, whole: bool = False) -> None:
        if whole:
            self._pis[name].freeze()
            self.frozen.add(name)
        else:
            # Not for long: its unit has a watchdog.
            self.signal_agent(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self._pis[name].thaw()
        # The watchdog may have had another agent started meanwhile, to which this does nothing.
        self.signal_agent(name, signal.SIGCONT)
        self.frozen.discard(name)

    def signal_agent(self, name: str, number: signal.Signals) -> None:
        """What becomes of it then is the unit's business."""
        self._pis[name].run("systemctl", "kill", f"--signal={number.value}", "--kill-whom=main", UNIT)

    def end_agent(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        """As `systemctl stop` does, with a signal of choice; its exit code, negative for a signal that ended it."""
        self._agentless.add(name)
        pi = self._pis[name]
        if number is not signal.SIGTERM:
            self.signal_agent(name, number)
        pi.run("systemctl", "stop", UNIT)
        shown = pi.run("systemctl", "show", "--property=ExecMainCode,ExecMainStatus", UNIT)
        found = dict(line.split("=") for line in shown.splitlines())
        status = int(found["ExecMainStatus"])
        return status if found["ExecMainCode"] == str(os.CLD_EXITED) else -status

    def start_agent(self, name: str) -> None:
        self._pis[name].run("systemctl", "start", UNIT)
        self._agentless.discard(name)

    def reboot(self, name: str) -> None:
        """Shut it down in good order, and boot again."""
        self._pis[name].run("systemctl", "reboot")
        deadline = time.monotonic() + REBOOTING_S
        while not self.tend():
            if time.monotonic() > deadline:
                raise LabError(f"{name} does not shut down within {REBOOTING_S:.0f} s. Its log says why")
            self.client.pump(STEP_S)

    def tend(self) -> list[str]:
        """Boot those again that rebooted, and take the power from those that shut down; returns their names."""
        ended = []
        for name, (process,) in list(self._powered.items()):
            if process.poll() is None:
                continue
            ended.append(name)
            self.cut(name)
            if process.returncode == REBOOTS:
                self.plug(name)
        return ended

    def state(self, name: str) -> str:
        """What a Pi with power is in its own eyes; empty where nobody can tell, or it has not met all the others yet."""
        try:
            seen = self.status(name)
        except ControlError:
            return self._without_agent(name)
        return seen[name] if all(other in seen for other in self.powered) else ""

    def crashed(self) -> tuple[str, ...]:
        return tuple(name for name, (process,) in self._powered.items() if process.poll() not in (None, 0, REBOOTS))

    def close(self) -> None:
        super().close()
        for pi in self._pis.values():
            pi.close()

    def _boot(self, name: str) -> list[subprocess.Popen[bytes]]:
        pi = self.stack.pi(name)
        managed = self._is_managed(name)
        self._machines[name] = self._plugged_in(name, self._mac(name), () if managed else pi.addresses)
        if managed:
            with Links(self._machines[name]) as board:
                board.down("eth0")
        if name not in self._pis:
            self._pis[name] = self._installed(name)
        return [self._pis[name].boot(self._machines[name], self.log(name))]

    def _write_shared(self) -> None:
        disk.write_software(self._shared, SERVICE_PORT, self.stack.floating)

    def _without_agent(self, name: str) -> str:  # noqa: ARG002  here each has one
        """What a Pi is whose agent does not answer."""
        return ""

    def _is_managed(self, name: str) -> bool:  # noqa: ARG002  a world of cards knows each
        """Whether NetworkManager sees to a Pi's network."""
        return self._network_manager

    def _mac(self, name: str) -> str:
        return self.stack.pi(name).mac

    def _installed(self, name: str) -> Machine:
        """A Pi with its disk, before its first boot."""
        machine = self._assembled(name, self.directory / name)
        disk.add_user(machine.root)
        disk.write_files(machine.root, name, self.directory / "cluster.toml", self.directory / "cluster.key")
        if self._network_manager:
            disk.let_network_manager_run(machine.root, self.stack.pi(name).addresses)
        return machine

    def _assembled(self, name: str, home: Path) -> Machine:
        """A Pi whose disk lies below this directory, and is empty but for what all share."""
        return Machine(name, home, [self._shared, self._root], ControlGroup(f"{self._token}-{name}"))

    def _cut(self, name: str, programs: list[subprocess.Popen[bytes]]) -> None:  # noqa: ARG002  the Pi knows its process
        self._switch.down(name)
        self._pis[name].kill()
        self._switch.unplug(name)
        self._machines.pop(name).close()


AnyWorld = TypeVar("AnyWorld", bound=MachineWorld)


def machines_refused() -> str:
    """Why not, as a sentence's end; empty where all that a world of machines needs is there."""
    if os.geteuid() != 0:
        return "Pis that boot need root"
    missing = sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})
    try:
        if not root_system.is_made() and shutil.which("mmdebstrap") is None:
            missing.append("mmdebstrap")
    except LabError as error:
        return str(error)
    if missing:
        return f"programs are missing. Run: apt install {' '.join(missing)}"
    return control_groups.why_not()


def run_machines(
    stack: Stack, body: Callable[[MachineWorld], int], tell: Callable[[str], None], *, network_manager: bool = False
) -> int:
    """Make a world, hand it to the body, and return its exit code once everything is gone again. `tell` is told of each step
    that may take long. Raises LabError where it cannot be had."""

    def made(place: Path, root: Path) -> MachineWorld:
        return MachineWorld(stack, place, root, network_manager=network_manager)

    return run_world(made, body, tell)


def run_world(make: Callable[[Path, Path], AnyWorld], body: Callable[[AnyWorld], int], tell: Callable[[str], None]) -> int:
    """The same with a world of any make, which is told where it may write, and from what its Pis boot."""
    refused = machines_refused()
    if refused:
        raise LabError(f"Pis that boot cannot be had: {refused}")
    root = root_system.root_system(tell)
    control_groups.sweep()

    def inside() -> int:
        place = memory_place()
        # What nspawn notes down about its containers is not to outlive them.
        mount_memory(Path("/run"))
        with make(place, root) as world:
            return body(world)

    try:
        return run_isolated(inside, users=False)
    finally:
        control_groups.sweep()
