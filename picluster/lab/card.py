"""A card as its owner puts it into a Pi: Raspberry Pi OS Lite as it is flashed, and nothing of ours.

What is as it is there: user `pi`, number 1000, in the groups that pins and peripherals belong to; a password, which sudo
wants too (images since April 2026) or does not; the name `raspberrypi`; no machine id; SSH host keys that the first boot
makes; and avahi, which announces the name. What is not: apt finds the lab's own packages alone; the boot files are there to
be read and changed, but no firmware reads them; and addresses are fixed, for there is no DHCP server.

Two cards are different. One that picluster has made carries a host key made beforehand, and lets a key of the controller in.
One for a witness is an ordinary Debian, for any box.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from picluster.errors import LabError
from picluster.lab.disk import let_network_manager_run, put, write_settings

__all__ = ["PASSWORD", "REPOSITORY", "WITNESS_MAC", "Card", "card_of", "write_card", "write_shared"]

PASSWORD = "sesame-and-raspberries"  # noqa: S105  printed for everybody to read: it opens virtual Pis only
REPOSITORY = ("10.77.0.1", 8000)
"""Where apt finds packages: at the switch."""
WITNESS_MAC = "52:54:00:00:00:"
"""No Raspberry Pi's; the last byte is the machine's number."""
HOST_KEY = Path("etc/ssh/ssh_host_ed25519_key")
PI_GROUPS = "adm dialout cdrom audio users sudo video games plugdev input render netdev gpio i2c spi"
OTHER_GROUPS = "sudo"
ADD_PERSON = """
for group in $2; do getent group "$group" >/dev/null || groupadd --system "$group"; done
useradd --create-home --shell /bin/bash --uid 1000 --groups "$(echo $2 | tr ' ' ,)" "$1"
chpasswd --crypt-method SHA512
"""
"""For `sh -ec`, told `name:password` on its standard input."""
SUDO_RULE = "{user} ALL=(ALL) NOPASSWD: ALL\n"
MAKE_HOST_KEYS = """[Unit]
Description=Regenerate SSH host keys
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A
[Install]
WantedBy=multi-user.target
"""
"""Debian makes them when the package is installed; on an image they would be everybody's."""
SERVICE = """[Unit]
Description=the service behind the floating address
[Service]
ExecStart=/usr/bin/python3 /usr/local/lib/responder.py {name} {port} {addresses}
DynamicUser=yes
[Install]
WantedBy=multi-user.target
"""
"""The owner's own, which was there before picluster and stays after it."""
BOOT_FILES = {
    "cmdline.txt": "console=serial0,115200 console=tty1 root=PARTUUID=4f1d7a2c-02 rootfstype=ext4 rootwait\n",
    "config.txt": "# For more options and information see\n# http://rptl.io/configtxt\ndtparam=audio=on\n\n[all]\n",
}
ISSUE = "Raspberry Pi reference 2026-06-18\n"
ITS_PACKAGE = """
Package: raspberrypi-sys-mods
Status: install ok installed
Maintainer: picluster <picluster@lab.invalid>
Architecture: all
Version: 1:20260612
Description: what tells Raspberry Pi OS from Debian
"""
"""As dpkg has it in its books."""
RESOLVER = "nameserver 10.77.0.1\n"
"""Nobody listens there: names that are nowhere are unknown at once, as at home, and not after a wait."""


@dataclass(frozen=True, slots=True)
class Card:
    """What is different from card to card."""

    user: str = "pi"
    password: str = field(default=PASSWORD, repr=False)
    sudo_asks: bool = True
    """Whether sudo wants the password."""
    host_key: Path | None = None
    """A private key in OpenSSH's format, made beforehand; its public half may lie beside it, with `.pub` at its end."""
    lets_in: str = ""
    """The line of a public key that opens it."""
    network_manager: bool = False
    """Whether that sees to the network, and not the lab."""
    raspberry: bool = True
    """Whether it is Raspberry Pi OS; an ordinary Debian otherwise."""

    @property
    def host_name(self) -> str:
        return "raspberrypi" if self.raspberry else "debian"


def card_of(secrets: Path, name: str) -> Card:
    """One that picluster has made, with what it keeps beside an inventory. Raises LabError where that lacks something."""
    host_key, controller = secrets / "hosts" / name, secrets / "controller.pub"
    for file in (host_key, controller):
        if not file.is_file():
            raise LabError(f"there is no {file}. Name the directory of secrets beside the inventory")
    return Card(host_key=host_key, lets_in=controller.read_text(encoding="utf-8"))


def write_shared(layer: Path) -> None:
    """What is the same on all cards."""
    write_settings(layer)
    address, port = REPOSITORY
    put(layer / "etc/apt/sources.list", f"deb [trusted=yes] http://{address}:{port}/ ./\n")
    put(layer / "etc/resolv.conf", RESOLVER)
    shutil.copy(Path(__file__).with_name("responder.py"), _place(layer / "usr/local/lib/responder.py"))
    _wanted(layer, "regenerate_ssh_host_keys.service", MAKE_HOST_KEYS)


def write_card(
    root: Path, card: Card, *, name: str, port: int, floating: Collection[str], addresses: Collection[str]
) -> None:
    """What is the card's own, over what all share. `name` is what its service calls itself; `port` and `floating` are where
    that listens; `addresses` are the board's."""
    put(root / "etc/hostname", f"{card.host_name}\n")
    put(root / "etc/hosts", f"127.0.0.1\tlocalhost\n::1\t\tlocalhost\n\n127.0.1.1\t{card.host_name}\n")
    _add_person(root, card)
    if card.raspberry:
        put(root / "etc/rpi-issue", ISSUE)
        for file, text in BOOT_FILES.items():
            put(root / "boot/firmware" / file, text)
        books = root / "var/lib/dpkg"
        put(books / "info/raspberrypi-sys-mods.list", "/.\n")
        put(books / "info/raspberrypi-sys-mods.md5sums", "")
        with (books / "status").open("a", encoding="utf-8") as status:
            status.write(ITS_PACKAGE)
    if card.host_key is not None:
        _copy_key(card.host_key, root / HOST_KEY)
    if card.network_manager:
        let_network_manager_run(root, addresses)
    _wanted(root, "responder.service", SERVICE.format(name=name, port=port, addresses=" ".join(floating)))


def _add_person(root: Path, card: Card) -> None:
    groups = PI_GROUPS if card.raspberry else OTHER_GROUPS
    command = ["chroot", str(root), "sh", "-ec", ADD_PERSON, "add", card.user, groups]
    words = f"{card.user}:{card.password}\n"
    added = subprocess.run(command, input=words, capture_output=True, text=True, check=False)
    if added.returncode != 0:
        raise LabError(f"the user {card.user} cannot be made on a card: {added.stderr.strip()}")
    if not card.sudo_asks:
        rule = root / "etc/sudoers.d/010_pi-nopasswd"
        put(rule, SUDO_RULE.format(user=card.user))
        rule.chmod(0o440)
    if card.lets_in:
        file = root / "home" / card.user / ".ssh/authorized_keys"
        put(file, f"{card.lets_in.strip()}\n")
        for path, mode in ((file, 0o600), (file.parent, 0o700)):
            path.chmod(mode)
            shutil.chown(path, 1000, 1000)


def _copy_key(private: Path, target: Path) -> None:
    shutil.copyfile(private, _place(target))
    target.chmod(0o600)
    public = private.with_name(f"{private.name}.pub")
    if public.exists():
        shutil.copyfile(public, target.with_name(f"{target.name}.pub"))


def _wanted(root: Path, unit: str, text: str) -> None:
    """A unit that starts at every boot."""
    units = root / "etc/systemd/system"
    put(units / unit, text)
    _place(units / "multi-user.target.wants" / unit).symlink_to(f"/etc/systemd/system/{unit}")


def _place(path: Path) -> Path:
    """The same, once its directory is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
