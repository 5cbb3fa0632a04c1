"""The part `network` of a recipe: what a floating address needs of the kernel, and what Wi-Fi needs to be heard at all.

NetworkManager needs nothing for the address itself (docs/kernel-lease.md). A guest is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from picluster.provision.resources import Lived, Resource, TextFile, Words, ours
from picluster.provision.scene import COMMAND_LINE, Scene
from picluster.provision.services import Effect
from picluster.provision.settings import Sysctl
from picluster.provision.steps import run, unit

__all__ = ["packages", "resources"]

PART = "network"
SYSCTLS = {
    # An address is answered for by the interface that has it, and by no other one in the same network.
    "net.ipv4.conf.all.arp_ignore": "1",
    # Nor does another interface speak in its name.
    "net.ipv4.conf.all.arp_announce": "2",
    # When an interface loses an address, others of its subnet stay.
    "net.ipv4.conf.all.promote_secondaries": "1",
}
"""linux/Documentation/networking/ip-sysctl.rst; `all` holds for interfaces that come later, too."""
SYSCTL_FILE = "/etc/sysctl.d/90-picluster-network.conf"
NETWORK_MANAGER_DROP_IN = "/etc/NetworkManager/conf.d/zz-picluster.conf"
"""Read after Debian's default-wifi-powersave-on.conf: the later file wins (man 5 NetworkManager.conf)."""
POWER_SAVE_OFF = "[connection-picluster]\nmatch-device=type:wifi\nwifi.powersave=2\n"
UDEV_RULE = "/etc/udev/rules.d/90-picluster-wifi.rules"
UDEV_TEXT = 'ACTION=="add", SUBSYSTEM=="net", KERNEL=="wl*", RUN+="/usr/sbin/iw dev %k set power_save off"\n'
COUNTRY_WORD = "cfg80211.ieee80211_regdom="
COUNTRY_FILE = "/etc/modprobe.d/picluster-wifi.conf"


def resources(scene: Scene) -> Iterator[Resource]:
    if scene.guest:
        return
    if scene.candidate:
        yield ours(PART, SYSCTL_FILE, "".join(f"{name} = {value}\n" for name, value in SYSCTLS.items()))
        yield from (Sysctl(PART, name, value) for name, value in SYSCTLS.items())
    if scene.wireless:
        yield from _country(scene)
        yield from _power_save(scene)


def packages(scene: Scene) -> Iterator[str]:
    if scene.wireless and not scene.guest:
        yield "iw"


def _country(scene: Scene) -> Iterator[Resource]:
    """Until it knows its country a Pi keeps its Wi-Fi off."""
    country = scene.inventory.system.wifi_country
    if not country:
        return
    kept: Lived
    if COMMAND_LINE in scene.facts.files:
        kept = Words(PART, COMMAND_LINE, (f"{COUNTRY_WORD}{country}",), instead_of=COUNTRY_WORD)
    else:
        kept = ours(PART, COUNTRY_FILE, f"options cfg80211 ieee80211_regdom={country}\n")
    yield kept
    on = (run("nmcli", "radio", "wifi", "on"),) if scene.network_manager else ()
    yield Effect(PART, "Wi-Fi country", "is not in force", "wifi-country", (kept,), (run("iw", "reg", "set", country), *on))


def _power_save(scene: Scene) -> Iterator[Resource]:
    """A Pi that saves power on Wi-Fi loses multicast, and with it mDNS."""
    off = [
        run("iw", "dev", one.name, "set", "power_save", "off") for one in scene.facts.interfaces if one.wireless and one.up
    ]
    kept: TextFile
    if scene.network_manager:
        kept = ours(PART, NETWORK_MANAGER_DROP_IN, POWER_SAVE_OFF)
        steps = (unit("NetworkManager.service", state="reloaded"), *off)
    else:
        kept = ours(PART, UDEV_RULE, UDEV_TEXT)
        steps = (run("udevadm", "control", "--reload"), *off)
    yield kept
    yield Effect(PART, "Wi-Fi power saving", "is on", "wifi-power-save", (kept,), steps)
