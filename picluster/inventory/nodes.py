"""The sections `[nodes.NAME]`: who belongs to the cluster, where to reach it, what is wired to its pins."""

from __future__ import annotations

import re
from collections.abc import Mapping

from picluster.inventory.access import read_own_access
from picluster.inventory.network import Network
from picluster.inventory.reader import Table, quoted
from picluster.model.boards import BOARDS, COLOURS, HIGHEST_PIN
from picluster.model.inventory import Access, IPAddress, Node, Role, Wiring

MOST_NODES = 100
SERIAL = re.compile(r"[0-9A-Za-z._:-]{1,64}")
ROLES = (Role.MEMBER.value, Role.WITNESS.value)
NOTHING_WIRED = Wiring("none")


def read_nodes(sections: Mapping[str, Table], network: Network, access: Access, root: Table) -> dict[str, Node]:
    """All nodes by name, in the order of the file."""
    if not sections:
        root.add("nodes", "no node is named", "Add a section such as [nodes.pi1] for each Pi; it may be empty")
    if len(sections) > MOST_NODES:
        root.add("nodes", f"{len(sections)} nodes are too many", f"A cluster has at most {MOST_NODES}: make two of it")
    nodes = {name: _read_node(name, section, network, access) for name, section in sections.items()}
    _check_unique(sections, nodes)
    return nodes


def _read_node(name: str, section: Table, network: Network, access: Access) -> Node:
    return Node(
        name=name,
        role=Role(section.choice("role", ROLES, Role.MEMBER.value)),
        address=_read_address(section, network),
        port=section.whole("port", 1, 65_535, network.port),
        serial=_read_serial(section),
        wiring=_read_lights(section),
        access=read_own_access(section, access),
    )


def _read_address(section: Table, network: Network) -> IPAddress | None:
    address = section.address("address", network.example_host)
    if address is None or not network.accepts(section, "address", address):
        return None
    return address


def _read_serial(section: Table) -> str | None:
    """Serial numbers of Pis are hexadecimal; they are compared in lower case, as the kernel prints them."""
    example = '"10000000abcdef01"'
    found = section.text("serial", example)
    if found is None:
        return None
    if not SERIAL.fullmatch(found):
        mend = f"Write what /proc/device-tree/serial-number says on that Pi, such as serial = {example}"
        section.add("serial", f"{quoted(found)} is no serial number", mend)
        return None
    return found.lower()


def _read_lights(section: Table) -> Wiring:
    lights = section.table("lights")
    if lights is None:
        return NOTHING_WIRED
    if "board" not in lights:
        lights.missing("board", f'"leds"; known are {", ".join(BOARDS)}')
        return NOTHING_WIRED
    kind = lights.choice("board", tuple(BOARDS), "leds")
    pins = lights.numbers("pins", 0, HIGHEST_PIN, "{ green = 17, red = 27 }, with BCM numbers")
    _check_pins(lights, kind, pins)
    return Wiring(kind, pins)


def _check_pins(lights: Table, kind: str, pins: Mapping[str, int]) -> None:
    board = BOARDS[kind]
    if board.pins and "pins" in lights:
        lights.add("pins", f"{board.title} has its pins fixed", "Leave pins out")
    if not board.pins and "pins" not in lights:
        lights.missing("pins", "{ green = 17, red = 27 }")
    used: dict[int, str] = {}
    for colour, pin in pins.items():
        if colour not in COLOURS:
            lights.add("pins", f"{quoted(colour)} is no colour that picluster shows", f"Write one of: {', '.join(COLOURS)}")
        if pin in used:
            lights.add("pins", f"GPIO {pin} lights both {used[pin]} and {colour}", "Give each colour a pin of its own")
        used.setdefault(pin, colour)


def _check_unique(sections: Mapping[str, Table], nodes: Mapping[str, Node]) -> None:
    serials: dict[str, str] = {}
    for name, node in nodes.items():
        if node.serial is None:
            continue
        if node.serial in serials:
            wrong = f"{serials[node.serial]} has the same serial number"
            sections[name].add(
                "serial", wrong, "Every board has its own: read it on that Pi from /proc/device-tree/serial-number"
            )
        serials.setdefault(node.serial, name)
