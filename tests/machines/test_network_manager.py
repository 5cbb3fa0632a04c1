"""NetworkManager, as on Raspberry Pi OS: whenever it configures an interface anew, it takes every address away that it did
not put there itself. On these Pis it switches `eth0` on at boot, and owns it.

What is tried with it is what people and cables do. Nothing rests on when a thing happens, only on how many requests were
lost in all: an address that stays lost fails, and a busy machine does not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from picluster.lab.machine import Machine
from tests.machines.stage import WEB, MachineStage, machines

PROFILE = "Wired connection 1"
TAKEOVER_LOST = 1_000
"""Requests, one a millisecond. A takeover loses about 150 of them, the lease."""
STAYS_LOST = 500
DARK_S = 10.0
"""NetworkManager gives an interface up that has had no carrier for 6 s (carrier-wait-timeout, man 5 NetworkManager.conf)."""


def own_network(pi: Machine) -> tuple[set[str], set[str]]:
    """The Pi's own addresses, its link-local one and its hardware address included, and its routes."""
    words = pi.run("ip", "-brief", "address", "show", "dev", "eth0").split()[2:]
    mac = pi.run("cat", "/sys/class/net/eth0/address")
    routes = pi.run("ip", "route").splitlines() + pi.run("ip", "-6", "route").splitlines()
    return {mac, *words} - {f"{WEB}/32"}, set(routes)


def profiles(pi: Machine) -> set[str]:
    """What NetworkManager knows to bring up, its own inventions included."""
    return set(pi.run("nmcli", "--get-values", "NAME", "connection", "show").splitlines())


def restored(stage: MachineStage, name: str) -> int:
    """How often its agent said that something took the address away, and that it is back."""
    return stage.pi(name).run("journalctl", "--unit=picluster", "--output=cat").count("warning restored address=web")


def holds(stage: MachineStage, name: str) -> bool:
    """Whether the address is on the Pi's interface."""
    return WEB in stage.pi(name).run("ip", "-brief", "address", "show", "to", WEB)


def stays(stage: MachineStage, title: str, deed: Callable[[], object], *, takes_it: bool) -> None:
    """The holder goes on, whether or not NetworkManager takes the address from it."""
    held = stage.holder
    before, network = restored(stage, held), own_network(stage.pi(held))
    outage = stage.play(title, deed, moves=False)
    assert outage.lost <= STAYS_LOST
    assert restored(stage, held) == before + takes_it
    assert own_network(stage.pi(held)) == network
    stage.all_well()


@machines(network_manager=True)
def test_the_holder_has_no_carrier_for_ten_seconds(stage: MachineStage) -> None:
    held = stage.holder
    pi = stage.pi(held)
    network = own_network(pi)
    without = partial(stage.machines.carrier, held, up=False)
    outage = stage.play("no carrier at the holder for 10 s", without, moves=True, for_s=DARK_S)
    assert outage.lost <= TAKEOVER_LOST
    stage.until(lambda: len(own_network(pi)[0]) == 1, "NetworkManager has taken every address away")
    outage = stage.play("it has a carrier again", lambda: stage.machines.carrier(held, up=True), moves=False)
    assert outage.lost <= STAYS_LOST
    stage.wait_for(held)
    assert own_network(pi) == network
    assert not holds(stage, held)


@machines(network_manager=True)
def test_the_holders_interface_is_configured_anew(stage: MachineStage) -> None:
    pi = stage.pi(stage.holder)
    reapply = partial(pi.run, "nmcli", "device", "reapply", "eth0")
    modify = partial(pi.run, "nmcli", "device", "modify", "eth0", "connection.mdns", "no")
    stays(stage, "nmcli device reapply on the holder", reapply, takes_it=True)
    stays(stage, "nmcli device modify on the holder", modify, takes_it=True)


@machines(network_manager=True)
def test_the_holders_connection_is_brought_up_again(stage: MachineStage) -> None:
    """For some milliseconds it has no address at all. Its lease outlives them, unless the machine is very busy."""
    held = stage.holder
    pi = stage.pi(held)
    network, before = own_network(pi), restored(stage, held)
    up = partial(pi.run, "nmcli", "connection", "up", PROFILE)
    outage = stage.play("nmcli connection up on the holder", up, moves=None)
    assert outage.lost <= TAKEOVER_LOST
    stage.wait_for(held)
    assert own_network(pi) == network
    assert restored(stage, held) > before


@machines(network_manager=True)
def test_the_holders_interface_is_disconnected_and_connected(stage: MachineStage) -> None:
    """Its link stays up, and it has no address to speak from."""
    held = stage.holder
    pi = stage.pi(held)
    network = own_network(pi)
    known = profiles(pi)
    disconnect = partial(pi.run, "nmcli", "device", "disconnect", "eth0")
    outage = stage.play("nmcli device disconnect on the holder", disconnect, moves=True)
    assert outage.lost <= TAKEOVER_LOST
    stage.until(lambda: not holds(stage, held), "the address is off the old holder")
    assert profiles(pi) == known, "it has made a profile of the floating address"
    connect = partial(pi.run, "nmcli", "device", "connect", "eth0")
    outage = stage.play("nmcli device connect", connect, moves=False)
    assert outage.lost <= STAYS_LOST
    stage.wait_for(held)
    assert own_network(pi) == network
    assert pi.run("nmcli", "--get-values", "GENERAL.CONNECTION", "device", "show", "eth0") == PROFILE


@machines(network_manager=True)
def test_network_manager_is_restarted_and_switched_off_on_the_holder(stage: MachineStage) -> None:
    held = stage.holder
    pi = stage.pi(held)
    stays(stage, "NetworkManager restarts", lambda: pi.run("systemctl", "restart", "NetworkManager"), takes_it=False)
    stays(stage, "NetworkManager reloads", lambda: pi.run("systemctl", "reload", "NetworkManager"), takes_it=False)
    outage = stage.play("nmcli networking off", lambda: pi.run("nmcli", "networking", "off"), moves=True)
    assert outage.lost <= TAKEOVER_LOST
    outage = stage.play("nmcli networking on", lambda: pi.run("nmcli", "networking", "on"), moves=False)
    assert outage.lost <= STAYS_LOST
    stage.wait_for(held)
    assert not holds(stage, held)


@machines(network_manager=True)
def test_a_holder_that_loses_its_own_address_and_is_still_heard_gives_up(stage: MachineStage) -> None:
    """As after the end of a DHCP lease: the other family remains, and over that its peers hear it."""
    held = stage.holder
    pi = stage.pi(held)
    network = own_network(pi)
    modify = partial(pi.run, "nmcli", "device", "modify", "eth0")
    stage.play(
        "the holder loses its IPv4 address", lambda: modify("ipv4.method", "disabled", "ipv4.addresses", ""), moves=True
    )
    assert not holds(stage, held)
    stage.play("it has one again", lambda: pi.run("nmcli", "device", "reapply", "eth0"), moves=False)
    pi.run("nmcli", "connection", "up", PROFILE)
    stage.wait_for(held)
    assert own_network(pi) == network
