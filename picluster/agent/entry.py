"""Where the agent gets its ports: the only place in `picluster.agent` that chooses adapters."""

from __future__ import annotations

import gc
import secrets
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import SystemRandom

from picluster import __version__
from picluster.adapters.beacon import ZeroconfBeacon
from picluster.adapters.boot import FileBootRecord
from picluster.adapters.clock import BootClock
from picluster.adapters.control import ControlSocket
from picluster.adapters.datagrams import UdpDatagrams
from picluster.adapters.signals import Signals
from picluster.adapters.supervisor import Supervisor
from picluster.agent.configuration import AgentConfiguration, Mode, read_configuration
from picluster.agent.control import Control
from picluster.agent.daemon import Agent, Ports
from picluster.agent.journal import Journal
from picluster.agent.loop import run
from picluster.agent.messenger import Identity
from picluster.agent.observer import Observer, ObserverPorts
from picluster.agent.remarks import Remarks
from picluster.discovery.records import Announcement
from picluster.errors import PiclusterError
from picluster.model.events import Event, EventKind, Severity
from picluster.model.inventory import Inventory, Role
from picluster.ports import AddressKeeper, Clock, Datagrams
from picluster.wire import Keyring

SERIAL_FILE = Path("/proc/device-tree/serial-number")


def run_agent(path: Path, *, urgent: bool = False) -> None:
    """Run the agent of this machine until it is told to stop; if it is `urgent`, with real-time priority and locked memory
    where the system grants them. Raises PiclusterError where it cannot start."""
    settings = read_configuration(path)
    check_board(settings)
    with ExitStack() as last:
        # First of all the lock on the run directory: a second agent must not touch what the first one holds.
        callers = ControlSocket(settings.run_dir)
        last.callback(callers.close)
        supervisor = Supervisor()
        last.callback(supervisor.close)
        refused = become_urgent() if urgent else ()
        signals = Signals()
        identity = Identity(settings.node.name, settings.node.role, secrets.randbits(64))
        journal = Journal()
        last.callback(journal.close)
        last.callback(Remarks(lambda text: journal.log(Event(EventKind.NOT_COVERED, Severity.WARNING, text))).close)
        ports = open_ports(settings, identity, last)
        agent = Agent(settings, ports, identity, SystemRandom(), journal.log)
        last.callback(agent.close)
        agent.listeners.append(lambda logged: supervisor.status(logged.event.text))
        reload = reloader(agent, path)
        agent.start()
        for gap in refused:
            agent.tell(Event(EventKind.NOT_COVERED, Severity.WARNING, gap))
        # What lives by now lives on. Looking through it again would take longer than anything else that an agent does.
        gc.collect()
        gc.freeze()
        supervisor.ready()
        run(agent, Control(agent, callers, reload), signals, lambda: reload_or_tell(agent, reload), supervisor.alive)
        supervisor.stopping()


def clean_up(path: Path) -> None:
    """Take away what an agent that has ended left on this machine: addresses, and the gate. Raises PiclusterError, and
    touches nothing, where an agent runs."""
    settings = read_configuration(path)
    with ExitStack() as last:
        callers = ControlSocket(settings.run_dir)
        last.callback(callers.close)
        keeper = open_keeper(settings, BootClock())
        last.callback(keeper.close)
        keeper.clean_slate(settings.inventory.configuration.addresses)


def become_urgent() -> Sequence[str]:
    """Before the first other thread is begun. Returns what is refused."""
    from picluster.adapters import urgency  # noqa: PLC0415  Linux alone has it

    return tuple(urgency.become_urgent())


def open_ports(settings: AgentConfiguration, identity: Identity, last: ExitStack) -> Ports:
    """All that the agent needs; `last` closes what was opened already where the rest cannot be had."""
    clock = BootClock()
    boot = FileBootRecord(settings.run_dir, clock)
    datagrams = open_datagrams(settings.node.port, settings.hosts, settings.switch)
    last.callback(datagrams.close)
    beacon = open_beacon(settings.inventory, identity, datagrams.port, settings.hosts)
    last.callback(beacon.close)
    keeper = open_keeper(settings, clock)
    last.callback(keeper.close)  # before the beacon, which takes half a second
    return Ports(clock, datagrams, beacon, keeper, boot)


def open_observer(inventory: Inventory, keyring: Keyring, hosts: Sequence[str] = (), switch: int | None = None) -> Observer:
    """An observer under a name of its own; `hosts` are own addresses to listen on and to announce, empty for all. `switch`
    as in the agents' configuration."""
    incarnation = secrets.randbits(64)
    identity = Identity(f"observer-{incarnation & 0xFFFFFF:06x}", Role.OBSERVER, incarnation)
    datagrams = open_datagrams(0, hosts, switch)
    beacon = open_beacon(inventory, identity, datagrams.port, hosts)
    return Observer(identity, inventory, keyring, ObserverPorts(BootClock(), datagrams, beacon), SystemRandom())


def open_datagrams(port: int, hosts: Sequence[str], switch: int | None) -> Datagrams:
    """Straight to the peers, or through the relay of a lab."""
    if switch is None:
        return UdpDatagrams(port, hosts)
    from picluster.adapters.switched import SwitchedDatagrams  # noqa: PLC0415  nobody but a lab wants it

    return SwitchedDatagrams(port, switch)


def open_beacon(inventory: Inventory, identity: Identity, port: int, hosts: Sequence[str]) -> ZeroconfBeacon:
    announcement = Announcement(inventory.cluster, identity.node, identity.role, __version__, identity.incarnation, port)
    floating = [floating.address for floating in inventory.configuration.addresses]
    return ZeroconfBeacon(announcement, interfaces=hosts, leave_out=floating)


def open_keeper(settings: AgentConfiguration, clock: Clock) -> AddressKeeper:
    """Each kind of keeper is imported only where it is wanted: netlink exists on Linux alone."""
    if settings.mode is Mode.LOOPBACK:
        from picluster.adapters.loopback import LoopbackAddressKeeper  # noqa: PLC0415  one of the two is enough

        return LoopbackAddressKeeper(settings.node.name, settings.loopback_ports, clock)
    from picluster.adapters.keeper import KernelAddressKeeper  # noqa: PLC0415  Linux alone has netlink

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
        agent.reconfigure(read_configuration(path))

    return reload


def reload_or_tell(agent: Agent, reload: Callable[[], None]) -> None:
    """After SIGHUP nobody waits for an answer, so a refusal goes into the log."""
    try:
        reload()
    except PiclusterError as error:
        agent.tell(Event(EventKind.RECONFIGURED, Severity.BAD, f"the configuration stays as it was: {error}"))
