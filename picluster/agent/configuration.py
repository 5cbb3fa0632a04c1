"""The agent's own configuration file: which node of which inventory this machine is, and where its key lies.

The inventory is the same file on every node; what differs from node to node stands here. This module reads three files (the
configuration, the inventory, the key) and nothing else, and reports the mistakes of all three at once.

    node = "pi1"                  # who I am; the only key without a default
    inventory = "cluster.toml"    # paths are relative to this file
    key_file = "cluster.key"      # the cluster's secret, mode 0600
    run_dir = "/run/picluster"    # control socket and boot record
    mode = "kernel"               # or "loopback": a floating address is a UDP port on 127.0.0.1
    hosts = []                    # own addresses to listen on and to announce; empty: all
    [loopback]
    ports = { web = 18080 }       # with mode = "loopback", the port that stands for each floating address
    switch = 18000                # optional: send all datagrams through a relay on this port of 127.0.0.1

`picluster.wire.keys` says what stands in the key file.
"""

from __future__ import annotations

import enum
import hashlib
import ipaddress
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from picluster.errors import InventoryError, Mistake
from picluster.inventory import load
from picluster.inventory.reader import Findings, Schema, Table, quoted, suggestion
from picluster.inventory.syntax import parse, plain
from picluster.model.inventory import Inventory, Node
from picluster.wire.keys import Keyring

Value = TypeVar("Value")

CONFIGURATION_KEYS: Schema = {
    "": ("node", "inventory", "key_file", "run_dir", "mode", "hosts", "loopback"),
    "loopback": ("ports", "switch"),
}
LARGEST_KEY_FILE = 4_096
"""Bytes; two keys are 130, the rest is comment."""
LARGEST_FILE = 1 << 20
"""Bytes of a file that count for its digest."""


class Mode(enum.Enum):
    """What a floating address is."""

    KERNEL = "kernel"
    """An address on an interface of this machine."""
    LOOPBACK = "loopback"
    """A UDP port on 127.0.0.1 that only the holder binds: for trying things out without privileges."""


@dataclass(frozen=True, slots=True)
class AgentConfiguration:
    """Everything that one agent has to know."""

    node: Node
    """Who I am."""
    inventory: Inventory
    keyring: Keyring
    """The cluster's secret."""
    run_dir: Path
    mode: Mode = Mode.KERNEL
    hosts: tuple[str, ...] = ()
    """Own addresses to listen on and to announce, IPv6 ones perhaps with their zone; empty: all."""
    loopback_ports: Mapping[str, int] = field(default_factory=dict, hash=False)
    """UDP port by floating address; empty unless the mode is loopback."""
    switch: int | None = None
    """UDP port on 127.0.0.1 of the relay that all datagrams go through; None: they go straight to the peers."""
    inventory_file: Path = Path("cluster.toml")
    """Where the inventory was read."""
    digest: str = ""
    """Of the three files, `digest_of`: by it others can tell whether an agent lives by the files that are there now."""


def read_configuration(path: Path) -> AgentConfiguration:
    """Reads the agent's configuration file, the inventory and the key file that it names.

    Raises InventoryError with every mistake of the three; a key is never quoted.
    """
    text = plain(_read_text(path, "Name the agent's configuration file with --config"))
    findings = Findings(str(path), text, CONFIGURATION_KEYS)
    root = Table(findings, parse(text, str(path)))
    elsewhere: list[Mistake] = []
    inventory_file = _path(root, "inventory", "cluster.toml", path)
    key_file = _path(root, "key_file", "cluster.key", path)
    # Before they are read: where one changes meanwhile, the digest is that of an older state, which is to be read again.
    digest = digest_of(path, inventory_file, key_file)
    inventory = _collected(elsewhere, read_inventory, inventory_file)
    keyring = _collected(elsewhere, read_keyring, key_file)
    configuration = _assembled(root, path, inventory, keyring)
    if findings.mistakes or elsewhere or configuration is None:
        raise InventoryError([*findings.mistakes, *elsewhere])
    return replace(configuration, inventory_file=inventory_file, digest=digest)


def digest_of(*files: Path) -> str:
    """SHA-256, hexadecimal, of the hexadecimal SHA-256 digests of these files in a row; empty where one cannot be read."""
    whole = hashlib.sha256()
    for file in files:
        try:
            with file.open("rb") as stream:
                content = stream.read(LARGEST_FILE)
        except OSError:
            return ""
        whole.update(hashlib.sha256(content).hexdigest().encode())
    return whole.hexdigest()


def read_inventory(path: Path) -> Inventory:
    """Reads an inventory from its file. Raises InventoryError, also where the file cannot be read."""
    return load(_read_text(path, "Name the inventory of the cluster; docs/inventory.md shows how to write one"), str(path))


def read_keyring(path: Path) -> Keyring:
    """Reads the cluster's key file. Raises InventoryError, also where others than its owner may read it."""
    try:
        with path.open("rb") as file:
            open_to_others = stat.S_IMODE(os.fstat(file.fileno()).st_mode) & (stat.S_IRWXG | stat.S_IRWXO)
            content = file.read(LARGEST_KEY_FILE)
    except OSError as error:
        raise _unreadable(path, error, "Copy the cluster's key file there, with mode 600") from error
    if open_to_others:
        mend = f"Run: chmod 600 {path}; and if others use this machine, make a new key"
        raise InventoryError([Mistake(str(path), None, "", "the cluster key is open to others than its owner", mend)])
    return Keyring.parse(content.decode("ascii", errors="replace"), str(path))


def _assembled(root: Table, path: Path, inventory: Inventory | None, keyring: Keyring | None) -> AgentConfiguration | None:
    """The value; None where something is missing for it, which has been noted then."""
    node = _read_node(root, inventory)
    mode = Mode(root.choice("mode", tuple(mode.value for mode in Mode), Mode.KERNEL.value))
    hosts = _read_hosts(root)
    section = root.section("loopback")
    ports = _read_ports(root, section, mode, inventory)
    switch = section.whole("switch", 1, 65_535, 18_000) if "switch" in section else None
    run_dir = _path(root, "run_dir", "/run/picluster", path)
    if node is None or inventory is None or keyring is None:
        return None
    return AgentConfiguration(node, inventory, keyring, run_dir, mode, hosts, ports, switch)


def _read_node(root: Table, inventory: Inventory | None) -> Node | None:
    name = root.text("node", '"pi1"', required=True)
    if name is None or inventory is None:
        return None
    node = inventory.node(name)
    if node is None:
        root.add("node", f"{quoted(name)} is not in the inventory", suggestion(name, inventory.node_names))
    return node


def _read_hosts(root: Table) -> tuple[str, ...]:
    """In the one spelling that addresses of this machine are compared in."""
    hosts = []
    example = '["192.168.1.11"]'
    for host in root.names("hosts", example) or ():
        try:
            hosts.append(str(ipaddress.ip_address(host)))
        except ValueError:
            root.add("hosts", f"{quoted(host)} is no IP address", f"Write addresses of this machine, such as {example}")
    return tuple(hosts)


def _read_ports(root: Table, section: Table, mode: Mode, inventory: Inventory | None) -> Mapping[str, int]:
    ports = section.numbers("ports", 1, 65_535, "{ web = 18080 }")
    if mode is Mode.KERNEL:
        if "loopback" in root:
            root.add("loopback", 'it says nothing unless mode = "loopback"', "Leave it out, or change the mode")
        return {}
    names = tuple(floating.name for floating in inventory.configuration.addresses) if inventory else tuple(ports)
    for name in ports:
        if name not in names:
            section.add("ports", f"{quoted(name)} is no floating address of the inventory", suggestion(name, names))
    for name in names:
        if name not in ports:
            section.add("ports", f"floating address {name} has no port", f"Add one, such as ports = {{ {name} = 18080 }}")
    if len(set(ports.values())) < len(ports):
        section.add("ports", "two floating addresses share a port", "Give each its own")
    return ports


def _path(root: Table, key: str, default: str, path: Path) -> Path:
    named = root.text(key, quoted(default))
    if named is not None and "\0" in named:
        root.add(key, f"{quoted(named)} is no path", f"Write {key} = {quoted(default)}")
        named = None
    return path.parent / (named or default)


def _collected(mistakes: list[Mistake], read: Callable[[Path], Value], path: Path) -> Value | None:
    """What was read, or None with its mistakes added to the others."""
    try:
        return read(path)
    except InventoryError as error:
        mistakes.extend(error.mistakes)
        return None


def _read_text(path: Path, mend: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise _unreadable(path, error, mend) from error
    except UnicodeDecodeError as error:
        wrong = f"byte {error.start} is not UTF-8"
        raise InventoryError([Mistake(str(path), None, "", wrong, "Save the file as UTF-8 text")]) from error


def _unreadable(path: Path, error: OSError, mend: str) -> InventoryError:
    return InventoryError([Mistake(str(path), None, "", f"cannot be read: {error.strerror or error}", mend)])
