"""An inventory before it is written: the answers as people type them, and the text that they make.

Answers stay text here. Whether they are right is found out by `picluster.inventory.load`, which reads what was written,
knows every rule already, and says what is wrong and how to mend it. So there is one place for the rules, and nothing is
written that it would not accept.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from picluster.inventory.manuscript import spelled
from picluster.inventory.reader import spelled_out
from picluster.model.inventory import DEFAULT_USER, MOST_VOTERS

__all__ = ["Draft", "NewAddress", "NewNode", "named", "written"]

COMMENT_AT = 33
"""The column in which comments stand beside a value."""
USUAL_VOTERS = 5
"""With more nodes than may vote: five outlive the loss of any two."""


@dataclass(frozen=True, slots=True)
class NewNode:
    name: str
    address: str = ""
    """Empty: found by mDNS."""
    witness: bool = False
    serial: str = ""
    remark: str = ""
    """One line for people; no more than a comment can hold."""

    @property
    def answer(self) -> str:
        """As it is typed: `pi1` or `pi1=192.168.1.21`."""
        return f"{self.name}={self.address}" if self.address else self.name


@dataclass(frozen=True, slots=True)
class NewAddress:
    name: str
    address: str
    remark: str = ""

    @property
    def answer(self) -> str:
        return f"{self.name}={self.address}"


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything that goes into a new inventory. What is empty is left out."""

    cluster: str
    subnet: str = ""
    gateway: str = ""
    interface: str = "eth0"
    nodes: tuple[NewNode, ...] = ()
    addresses: tuple[NewAddress, ...] = ()
    user: str = DEFAULT_USER
    time_zone: str = ""
    voters: tuple[str, ...] = ()
    """Those that were asked for; empty: as many as are good."""

    @property
    def members(self) -> tuple[NewNode, ...]:
        return tuple(node for node in self.nodes if not node.witness)

    @property
    def gateway_decides(self) -> bool:
        """Two Pis and nobody else: the gateway breaks their tie."""
        return len(self.nodes) == len(self.members) == 2 and not self.voters and bool(self.gateway)

    @property
    def best_voters(self) -> tuple[str, ...]:
        """Who should vote; empty where all should, since then nobody need be named. Witnesses are there to vote."""
        number = len(self.nodes)
        if self.voters or number <= 2 or (number % 2 and number <= MOST_VOTERS):
            return self.voters
        most = USUAL_VOTERS if number > MOST_VOTERS else number - 1
        witnesses = tuple(node.name for node in self.nodes if node.witness)
        chosen = {*witnesses, *[node.name for node in self.members][: max(0, most - len(witnesses))]}
        return tuple(node.name for node in self.nodes if node.name in chosen)


def named(answer: str) -> tuple[str, str]:
    """`NAME=VALUE` or `NAME`, as it was typed."""
    name, _, value = answer.partition("=")
    return name.strip(), value.strip()


def written(draft: Draft) -> str:
    """The text of the inventory, with what people want to know beside it."""
    sections = (
        _head(draft),
        _network(draft),
        _quorum(draft),
        _failover(draft),
        _addresses(draft),
        _rest(draft),
        _nodes(draft),
    )
    return "\n".join("\n".join(lines) + "\n" for lines in map(list, sections) if lines)


def _head(draft: Draft) -> Iterator[str]:
    yield "# Written by `picluster new`, and yours from now on: commands that change it keep your comments and their order."
    yield "# All keys and their defaults: docs/inventory.md. What it means: `picluster check`; make it so: `picluster up`"
    yield ""
    yield "[cluster]"
    yield _line("name", draft.cluster, "tells your clusters apart; lower-case letters, digits and hyphens")


def _network(draft: Draft) -> Iterator[str]:
    yield "[network]"
    if draft.subnet:
        yield _line("subnet", draft.subnet, "your home network: lets picluster notice a slip of the pen in an address")
    if draft.gateway:
        yield _line("gateway", draft.gateway, "your router")
    yield _line("interface", draft.interface, 'where the Pis carry the floating address; "wlan0" on Wi-Fi')


def _quorum(draft: Draft) -> Iterator[str]:
    if draft.gateway_decides:
        yield "# Two Pis alone cannot tell a dead neighbour from a cut cable: the gateway's answer decides. A third one as"
        yield '# witness ([nodes.NAME] with role = "witness") is safer; then delete this section.'
        yield "[quorum]"
        yield _line("two_node", "gateway")
    elif draft.best_voters:
        yield "# An odd number: one more lets no more of them fail. Choose nodes on different power supplies."
        yield "[quorum]"
        yield f"voters = [{', '.join(map(spelled, draft.best_voters))}]"


def _failover(draft: Draft) -> Iterator[str]:
    wireless = draft.interface.startswith("wl")
    yield "[failover]"
    if wireless:
        yield _line("preset", "wifi", 'Wi-Fi stalls for hundreds of milliseconds; with cables write "wired"')
    else:
        yield _line(
            "preset", "wired", 'for one switch and cables; on Wi-Fi write "wifi". `picluster tune` measures what fits'
        )


def _addresses(draft: Draft) -> Iterator[str]:
    for number, floating in enumerate(draft.addresses):
        if number == 0:
            yield "# Whoever holds a floating address at the moment answers for it. Point your clients, DNS or your router's"
            yield "# port forwarding at it. Your router's DHCP must never give it away: look there, picluster cannot know."
        else:
            yield ""
        yield f"[{spelled_out(('addresses', floating.name))}]"
        yield _line("address", floating.address, floating.remark)


def _rest(draft: Draft) -> Iterator[str]:
    yield "# How picluster gets into the Pis, by SSH."
    yield "[access]"
    yield _line("user", draft.user, "the login that was made for the cards; a node may have a `user` of its own")
    yield ""
    yield "# What every node's system should be like. A key that is not there leaves it as it is."
    yield "[system]"
    if draft.time_zone:
        yield _line("time_zone", draft.time_zone)
    else:
        yield '# time_zone = "Europe/London"'
    yield '# locale = "en_GB.UTF-8"'
    yield '# wifi_country = "GB"'
    yield '# packages = ["htop", "tmux"]'


def _nodes(draft: Draft) -> Iterator[str]:
    everybody = "" if draft.gateway_decides or draft.best_voters else " All of them vote."
    yield f"# The nodes. An empty section is enough: mDNS finds the Pi of that name, whatever address it has.{everybody}"
    for number, node in enumerate(draft.nodes):
        if number:
            yield ""
        yield f"[{spelled_out(('nodes', node.name))}]"
        if node.witness:
            yield _line("role", "witness", "votes, never holds an address")
        if node.address:
            yield _line("address", node.address, node.remark)
        if node.serial:
            yield _line("serial", node.serial, "its board: the agent refuses to run under this name on another")


def _line(key: str, value: str, remark: str = "") -> str:
    setting = f"{key} = {spelled(value)}"
    return f"{setting:<{COMMENT_AT - 1}} # {remark}" if remark else setting


# ── what is proposed ────────────────────────────────────────────────────────────────────────────────────────────────────


def high_addresses(subnet: str, taken: Sequence[str], most: int) -> tuple[ipaddress.IPv4Address, ...]:
    """Candidates for a floating address, the best first: high in the subnet, above what DHCP servers usually give away,
    but not the very last one, where some routers are; and nothing that somebody is known to have. None for what is no
    IPv4 subnet, or a very small one."""
    try:
        network = ipaddress.IPv4Network(subnet)
    except ValueError:
        return ()
    last, lowest = int(network.broadcast_address) - 2, int(network.network_address) + max(2, network.num_addresses // 2)
    found: list[ipaddress.IPv4Address] = []
    while last >= lowest and len(found) < most:
        if str(address := ipaddress.IPv4Address(last)) not in taken:
            found.append(address)
        last -= 1
    return tuple(found)
