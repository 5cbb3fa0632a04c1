"""Where a recipe is cooked: one node of an inventory, what is brought along for it, and what it answered.

What a node is, is asked of the node and not of the inventory: whether it is a Pi, has Wi-Fi, runs NetworkManager.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from picluster.model.inventory import Inventory, Node, Role
from picluster.provision.facts import Facts, Question
from picluster.provision.steps import Blob

__all__ = ["COMMAND_LINE", "LOOKED_AT", "Account", "Material", "Scene"]

COMMAND_LINE = "/boot/firmware/cmdline.txt"
"""What the firmware of a Pi starts its kernel with; on a card of Raspberry Pi OS, Debian and Ubuntu alike."""
CONTROLLERS = "/sys/fs/cgroup/cgroup.controllers"
OLD_CONTROLLERS = "/proc/cgroups"
WATCHDOG = "/sys/class/watchdog/watchdog0/state"
VENDOR_WATCHDOG = "/usr/lib/systemd/system.conf.d/40-rpi-enable-watchdog.conf"
NETWORK_MANAGER = "NetworkManager.service"
SSHD_CONFIG = "/etc/ssh/sshd_config"
USUAL_KEYS = frozenset({".ssh/authorized_keys", "%h/.ssh/authorized_keys"})
TIME_SERVERS = {"chrony": "chrony.service", "ntpsec": "ntpsec.service", "openntpd": "openntpd.service"}
"""Packages that set the clock, and their units, where somebody chose another one than systemd's."""
LOOKED_AT = Question(
    files=("/etc/passwd", "/etc/group", COMMAND_LINE, CONTROLLERS, OLD_CONTROLLERS, WATCHDOG, VENDOR_WATCHDOG, SSHD_CONFIG),
    packages=("raspberrypi-sys-mods", "rpi-swap", "dphys-swapfile", "tzdata", *TIME_SERVERS),
    units=(NETWORK_MANAGER, "ssh.service", "avahi-daemon.service"),
)
"""What decides on the recipe itself."""


@dataclass(frozen=True, slots=True)
class Material:
    """What the controller brings along."""

    cluster_key: bytes = field(repr=False)
    """The content of the key file: `picluster.wire.keys`."""
    inventory_text: bytes = field(repr=False)
    """The inventory as its user wrote it."""
    authorized_key: str
    """The controller's public key, a line of authorized_keys (man 8 sshd)."""
    unit: str = field(repr=False)
    """picluster.service."""
    sysusers: str = field(repr=False)
    """sysusers.conf, which describes the agent's user."""
    wheels: tuple[Blob, ...] = ()
    """The agent's software, for this node. Not needed to know what to ask."""
    software: str = ""
    """A digest of those wheels, hexadecimal."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user as whom the controller logs in."""

    name: str
    home: str
    owner: str
    """`user:group`."""


@dataclass(frozen=True, slots=True)
class Scene:
    inventory: Inventory
    node: Node
    material: Material
    facts: Facts
    now_s: float
    """The controller's time."""

    @property
    def board(self) -> bool:
        """Whether it is a Pi: it says so, or boots as one."""
        return self.facts.model.startswith("Raspberry Pi") or COMMAND_LINE in self.facts.files

    @property
    def guest(self) -> bool:
        """Somebody else's machine that has a vote: a laptop, a NAS. It gets what its vote needs, and stays what it is."""
        return self.node.role is Role.WITNESS and not self.board

    @property
    def raspberry_pi_os(self) -> bool:
        """Its os-release says `debian` where it is of 64 bit, so it is known by its own package."""
        return "raspberrypi-sys-mods" in self.facts.packages

    @property
    def candidate(self) -> bool:
        """Whether it may hold a floating address."""
        return any(self.node.name in floating.candidate_names for floating in self.inventory.configuration.addresses)

    @property
    def wireless(self) -> tuple[str, ...]:
        return tuple(interface.name for interface in self.facts.interfaces if interface.wireless)

    @property
    def network_manager(self) -> bool:
        return self.active(NETWORK_MANAGER)

    @property
    def counts_memory(self) -> bool:
        """Whether the kernel has control groups count memory: by its list of controllers, or the older one."""
        old = (line.split() for line in self.text(OLD_CONTROLLERS).splitlines())
        return "memory" in self.text(CONTROLLERS).split() or ["memory", "1"] in ([*words[:1], *words[3:]] for words in old)

    @property
    def account(self) -> Account:
        """As /etc/passwd and /etc/group describe it (man 5 passwd); where they do not, as they usually do."""
        user = self.node.access.user
        for fields in self._records("/etc/passwd"):
            if fields[0] == user and len(fields) == 7:
                group = next((name for name, _, number, *_ in self._records("/etc/group") if number == fields[3]), user)
                return Account(user, fields[5], f"{user}:{group}")
        return Account(user, "/root" if user == "root" else f"/home/{user}", f"{user}:{user}")

    @property
    def keys_elsewhere(self) -> bool:
        """Whether sshd was told to look for keys in other places than users' own: then it would not see the controller's."""
        lines = (line.split() for line in self.text(SSHD_CONFIG).splitlines())
        places = [words[1:] for words in lines if words and words[0].lower() == "authorizedkeysfile"]
        return any(not USUAL_KEYS.intersection(words) for words in places)

    def active(self, unit: str) -> bool:
        found = self.facts.units.get(unit)
        return found is not None and found.active == "active"

    def text(self, path: str) -> str:
        """What a file says; empty where it is not there."""
        found = self.facts.files.get(path)
        return (found.content or b"").decode(errors="replace") if found else ""

    def _records(self, path: str) -> list[list[str]]:
        return [fields for line in self.text(path).splitlines() if len(fields := line.split(":")) >= 4]
