"""The part `system` of a recipe: time, place, language, watchdog, and what spares the card (docs/provisioning.md: why).

A guest gets its clock set and kept, and nothing else of this.
"""

from __future__ import annotations

from collections.abc import Iterator

from picluster.provision.resources import Line, Resource, Words, ours
from picluster.provision.scene import COMMAND_LINE, TIME_SERVERS, VENDOR_WATCHDOG, WATCHDOG, Scene
from picluster.provision.services import Effect, Service
from picluster.provision.settings import Locale, Sysctl, TimeZone
from picluster.provision.steps import run, unit

__all__ = ["packages", "resources"]

PART = "system"
TIMESYNCD = "systemd-timesyncd"
WATCHDOG_DROP_IN = "/etc/systemd/system.conf.d/99-picluster.conf"
"""Drop-ins of all directories are sorted by name, and the last one wins (man 5 systemd-system.conf)."""
WATCHDOG_TEXT = "[Manager]\nRuntimeWatchdogSec=1min\nRebootWatchdogSec=2min\n"
"""What Raspberry Pi OS has. Shorter ones have reset slow boards in the midst of `systemctl daemon-reload`."""
JOURNAL_DROP_IN = "/etc/systemd/journald.conf.d/99-picluster.conf"
JOURNAL_TEXT = "[Journal]\nStorage=volatile\nRuntimeMaxUse=32M\n"
SWAP_DROP_IN = "/etc/rpi/swap.conf.d/90-picluster.conf"
SWAP_TEXT = "[Main]\nMechanism=zram\n"
SWAPPINESS = ("vm.swappiness", "1")
SWAPPINESS_FILE = "/etc/sysctl.d/90-picluster-card.conf"
MEMORY_WORDS = ("cgroup_enable=memory", "cgroup_memory=1")
"""The device tree of a Pi's kernel hands it `cgroup_disable=memory`; what stands in cmdline.txt comes later, and wins."""
DEBIAN_COMMAND_LINE = "/etc/default/raspi-extra-cmdline"
"""From which Debian's raspi-firmware makes cmdline.txt anew with each kernel."""


def resources(scene: Scene) -> Iterator[Resource]:
    if not scene.guest:
        yield from _place(scene)
    yield Service(PART, _time_server(scene), may_idle=True)
    if scene.board:
        yield from _watchdog(scene)
        yield from _card(scene)
        yield from _memory(scene)


def packages(scene: Scene) -> Iterator[str]:
    if _time_server(scene) == f"{TIMESYNCD}.service":
        yield TIMESYNCD
    wishes = scene.inventory.system
    if wishes.time_zone and not scene.guest:
        yield "tzdata"
    if wishes.locale and wishes.locale != scene.facts.locale and not scene.guest:
        yield "locales"


def _place(scene: Scene) -> Iterator[Resource]:
    wishes = scene.inventory.system
    if wishes.time_zone:
        yield TimeZone(PART, wishes.time_zone)
    if wishes.locale:
        yield Locale(PART, wishes.locale)


def _time_server(scene: Scene) -> str:
    """Somebody's choice is respected; systemd's is what there is otherwise."""
    chosen = (name for package, name in TIME_SERVERS.items() if package in scene.facts.packages)
    return next(chosen, f"{TIMESYNCD}.service")


def _watchdog(scene: Scene) -> Iterator[Resource]:
    """Only where there is one that nobody has armed. Once ours has, it looks armed, so our own file counts too."""
    files = scene.facts.files
    idle = scene.text(WATCHDOG).strip() == "inactive" and VENDOR_WATCHDOG not in files
    if idle or WATCHDOG_DROP_IN in files:
        drop_in = ours(PART, WATCHDOG_DROP_IN, WATCHDOG_TEXT)
        again = run("systemctl", "daemon-reexec")
        yield drop_in
        yield Effect(PART, "watchdog", "is not armed", "watchdog", (drop_in,), (again,))


def _card(scene: Scene) -> Iterator[Resource]:
    """What is written again and again goes to memory."""
    journal = ours(PART, JOURNAL_DROP_IN, JOURNAL_TEXT)
    again = (unit("systemd-journald.service", state="restarted"),)
    yield journal
    yield Effect(PART, "journal", "runs with what was there before", "systemd-journald.service", (journal,), again)
    if "rpi-swap" in scene.facts.packages:
        yield ours(PART, SWAP_DROP_IN, SWAP_TEXT)
    elif "dphys-swapfile" in scene.facts.packages:
        name, value = SWAPPINESS
        yield ours(PART, SWAPPINESS_FILE, f"{name} = {value}\n")
        yield Sysctl(PART, name, value)


def _memory(scene: Scene) -> Iterator[Resource]:
    if COMMAND_LINE not in scene.facts.files:
        return
    # A kernel that had the words, and counts no memory all the same, would not do so after another reboot either.
    in_force = scene.counts_memory or set(MEMORY_WORDS) <= set(scene.facts.command_line.split())
    yield Words(PART, COMMAND_LINE, MEMORY_WORDS, in_force=in_force)
    if not scene.raspberry_pi_os and scene.facts.system == "debian":
        yield Line(PART, DEBIAN_COMMAND_LINE, " ".join(MEMORY_WORDS))
