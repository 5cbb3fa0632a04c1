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

from picluster.adapters.links import Links
from picluster.adapters.namespaces import mount_memory, run_isolated
from picluster.errors import LabError
from picluster.lab import control_groups, disk, root_system
from picluster.lab.control_groups import ControlGroup
from picluster.lab.machine import REBOOTS, Machine
from picluster.lab.mode import memory_place
from picluster.lab.namespaces import NamespaceWorld
from picluster.lab.stack import SERVICE_PORT, Stack

__all__ = ["MachineWorld", "machines_refused", "run_machines"]

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
        self._software = directory / "software"
        self._software.mkdir(mode=0o755)
        disk.write_software(self._software, SERVICE_PORT, stack.floating)

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

    def crashed(self) -> tuple[str, ...]:
        return tuple(name for name, (process,) in self._powered.items() if process.poll() not in (None, 0, REBOOTS))

    def close(self) -> None:
        super().close()
        for pi in self._pis.values():
            pi.close()

    def _boot(self, name: str) -> list[subprocess.Popen[bytes]]:
        pi = self.stack.pi(name)
        self._machines[name] = self._plugged_in(name, pi.mac, () if self._network_manager else pi.addresses)
        if self._network_manager:
            with Links(self._machines[name]) as board:
                board.down("eth0")
        if name not in self._pis:
            self._pis[name] = self._installed(name)
        return [self._pis[name].boot(self._machines[name], self.log(name))]

    def _installed(self, name: str) -> Machine:
        group = ControlGroup(f"{self._token}-{name}")
        machine = Machine(name, self.directory / name, [self._software, self._root], group)
        disk.add_user(machine.root)
        disk.write_files(machine.root, name, self.directory / "cluster.toml", self.directory / "cluster.key")
        if self._network_manager:
            disk.let_network_manager_run(machine.root, self.stack.pi(name).addresses)
        return machine

    def _cut(self, name: str, programs: list[subprocess.Popen[bytes]]) -> None:  # noqa: ARG002  the Pi knows its process
        self._switch.down(name)
        self._pis[name].kill()
        self._switch.unplug(name)
        self._machines.pop(name).close()


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
    refused = machines_refused()
    if refused:
        raise LabError(f"Pis that boot cannot be had: {refused}")
    root = root_system.root_system(tell)
    control_groups.sweep()

    def inside() -> int:
        place = memory_place()
        # What nspawn notes down about its containers is not to outlive them.
        mount_memory(Path("/run"))
        with MachineWorld(stack, place, root, network_manager=network_manager) as world:
            return body(world)

    try:
        return run_isolated(inside, users=False)
    finally:
        control_groups.sweep()
