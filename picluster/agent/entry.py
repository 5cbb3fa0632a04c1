"""Where the agent gets its ports: the only place in `picluster.agent` that chooses adapters."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom

from picluster import __version__
from picluster.adapters.beacon import ZeroconfBeacon
from picluster.adapters.boot import FileBootRecord
from picluster.adapters.clock import BootClock
from picluster.adapters.datagrams import UdpDatagrams
from picluster.agent.configuration import AgentConfiguration, Mode, read_configuration
from picluster.agent.control import ControlServer
from picluster.agent.daemon import Agent, Ports
from picluster.agent.journal import Journal
from picluster.agent.loop import Signals, run
from picluster.discovery.records import Announcement
from picluster.errors import PiclusterError
from picluster.model.events import Event, EventKind, Severity
from picluster.ports import AddressKeeper, Clock

SERIAL_FILE = Path("/proc/device-tree/serial-number")


def run_agent(path: Path) -> None:
    """Run the agent of this machine until it is told to stop. Raises PiclusterError where it cannot start."""
    settings = read_configuration(path)
    check_board(settings)
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    incarnation = secrets.randbits(64)
    journal = Journal()
    agent = Agent(settings, open_ports(settings, incarnation), incarnation, SystemRandom(), journal.log)
    reload = reloader(agent, path)
    control = ControlServer(settings.run_dir, agent, reload)
    agent.start()
    try:
        run(agent, control, Signals(), lambda: reload_or_tell(agent, reload))
    finally:
        control.close()
        agent.close()
        journal.close()


def open_ports(settings: AgentConfiguration, incarnation: int) -> Ports:
    clock = BootClock()
    datagrams = UdpDatagrams(settings.node.port, settings.hosts)
    announcement = Announcement(
        settings.inventory.cluster, settings.node.name, settings.node.role, __version__, incarnation, datagrams.port
    )
    floating = [floating.address for floating in settings.inventory.configuration.addresses]
    return Ports(
        clock,
        datagrams,
        ZeroconfBeacon(announcement, interfaces=settings.hosts, leave_out=floating),
        open_keeper(settings, clock),
        FileBootRecord(settings.run_dir, clock),
    )


def open_keeper(settings: AgentConfiguration, clock: Clock) -> AddressKeeper:
    """Each kind of keeper is imported only where it is wanted: netlink exists on Linux alone."""
    if settings.mode is Mode.LOOPBACK:
        from picluster.adapters.loopback import LoopbackAddressKeeper  # noqa: PLC0415

        return LoopbackAddressKeeper(clock, settings.node.name, settings.loopback_ports)
    from picluster.adapters.keeper import KernelAddressKeeper  # noqa: PLC0415

    return KernelAddressKeeper(clock)


def check_board(settings: AgentConfiguration, serial_file: Path = SERIAL_FILE) -> None:
    """An agent refuses to start on a board that was not provisioned under its name: a card that was copied or swapped."""
    expected = settings.node.serial
    if expected is None or not serial_file.exists():
        return
    found = serial_file.read_text(encoding="ascii", errors="replace").strip("\0\n ")
    if found.lstrip("0").lower() != expected.lstrip("0").lower():
        raise PiclusterError(
            f"this board's serial number is {found}, and {settings.node.name} was provisioned for {expected}: "
            "a card that was copied, or put into another Pi. Mend `serial` in the inventory if this board is to be it"
        )


def reloader(agent: Agent, path: Path) -> Callable[[], None]:
    def reload() -> None:
        agent.reconfigure(read_configuration(path).inventory)

    return reload


def reload_or_tell(agent: Agent, reload: Callable[[], None]) -> None:
    """After SIGHUP nobody waits for an answer, so a refusal goes into the log."""
    try:
        reload()
    except PiclusterError as error:
        agent.tell(Event(EventKind.RECONFIGURED, Severity.BAD, f"the configuration stays as it was: {error}"))
