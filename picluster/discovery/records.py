"""What an agent announces as a DNS-SD service, and what is believed of such a service when it is read.

DNS-based service discovery (RFC 6763) describes an agent by four kinds of records:

    PTR     _picluster._udp.local.  ->  pi1-home-5f0c….  which agents there are
    SRV     pi1-home-5f0c…          ->  host and port    where its datagrams go
    TXT     pi1-home-5f0c…          ->  key=value        who it is: see `Announcement.text`
    A, AAAA pi1-home-5f0c….local.   ->  addresses

The instance name carries the incarnation, one run of the agent. So two clusters on one network may both have a `pi1`, and
two machines that run under one name by mistake are two instances that can be told apart, and not one that keeps renaming
itself (RFC 6762 section 9). The host name is the same label: the machine's own `pi1.local` belongs to avahi.

Anybody on the network can send such records, so reading is strict: what is not exactly as we would have written it, is not
an agent. Nothing that is read here reaches a terminal or a socket unchecked.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from picluster.model.endpoint import Endpoint
from picluster.model.inventory import IPAddress, Role
from picluster.model.sighting import Sighting

SERVICE_TYPE = "_picluster._udp.local."
MOST_ADDRESSES = 8
"""An agent announces no more addresses than this, and of one that does the first eight are read."""
LONGEST_TEXT = 1_300
"""Bytes; RFC 6763 section 6.2 asks to keep a TXT record below this, so that all records fit one datagram."""
TEXT_VERSION = "1"

_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
"""A host name's label as in RFC 1123 section 2.1."""
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
"""A node's or a cluster's name as inventories allow it. A longer one would not fit into a datagram to its owner."""
_VERSION = re.compile(r"[A-Za-z0-9.+~-]{1,32}")
_RUN = re.compile(r"[0-9a-f]{16}")
_ZONE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")
"""A Linux interface name: at most 15 bytes."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What one run of an agent says about itself."""

    cluster: str
    node: str
    role: Role
    version: str
    incarnation: int
    """One run of the agent: random, 64 bits; the same number as in its datagrams."""
    port: int

    @property
    def label(self) -> str:
        """The instance's name without the service type, and its host's name without `.local.`: at most 63 bytes."""
        return f"{self.node[:24]}-{self.cluster[:20]}-{self.incarnation:016x}"

    @property
    def instance(self) -> str:
        return f"{self.label}.{SERVICE_TYPE}"

    @property
    def host(self) -> str:
        return f"{self.label}.local."

    @property
    def text(self) -> bytes:
        """The TXT record's data. Its first key is the format's version; keys are short (RFC 6763 sections 6.4 and 6.7)."""
        return encode_text(
            {
                "txtvers": TEXT_VERSION,
                "cluster": self.cluster,
                "node": self.node,
                "role": self.role.value,
                "version": self.version,
                "run": f"{self.incarnation:016x}",
            }
        )


def encode_text(pairs: Mapping[str, str]) -> bytes:
    """One length byte and `key=value` for each pair (RFC 6763 section 6.1); an empty record is one zero byte."""
    strings = [f"{key}={value}".encode() for key, value in pairs.items()]
    return b"".join(bytes([len(string)]) + string for string in strings) or b"\0"


def decode_text(data: bytes) -> dict[str, str] | None:
    """The pairs of a TXT record, keys in lower case, or None if it is malformed.

    As RFC 6763 section 6.4 has it, the first of two equal keys counts, and a string without a key is skipped. Keys without
    a value are skipped too: we know none.
    """
    pairs: dict[str, str] = {}
    at = 0
    while at < len(data):
        end = at + 1 + data[at]
        key, equals, value = data[at + 1 : end].partition(b"=")
        if end > len(data) or not (key.isascii() and value.isascii()):
            return None
        if key and equals:
            pairs.setdefault(key.decode("ascii").lower(), value.decode("ascii"))
        at = end
    return pairs


def read(text: bytes, port: int, hosts: Iterable[str], *, loopback: bool = False) -> Sighting | None:
    """The sighting that a service's records amount to, or None where they are not an agent's.

    `text` is the TXT record's data, `port` comes from SRV, `hosts` are the addresses of A and AAAA, link-local ones with
    their zone (`fe80::1%eth0`). Loopback addresses count only if `loopback` says that we ourselves run on loopback.
    """
    pairs = decode_text(text) if len(text) <= LONGEST_TEXT else None
    endpoints = _endpoints(hosts, port, loopback=loopback)
    if pairs is None or not endpoints or pairs.get("txtvers") != TEXT_VERSION:
        return None
    role, run = _role(pairs.get("role", "")), pairs.get("run", "")
    node, cluster, version = pairs.get("node", ""), pairs.get("cluster", ""), pairs.get("version", "")
    names = _NAME.fullmatch(node) and _NAME.fullmatch(cluster)
    if not names or role is None or not _VERSION.fullmatch(version) or not _RUN.fullmatch(run):
        return None
    return Sighting(node, cluster, role, version, endpoints, incarnation=int(run, 16))


def is_instance(name: str) -> bool:
    """Whether a full service name is of our type, with an instance name as plain as those that we give."""
    label, dot, rest = name.partition(".")
    return bool(dot) and rest.lower() == SERVICE_TYPE and _LABEL.fullmatch(label) is not None


def worth_announcing(hosts: Iterable[str]) -> tuple[str, ...]:
    """The first eight of these addresses, those first that reach farthest: IPv4, then IPv6, then what is link-local."""

    def distance(host: str) -> tuple[bool, int]:
        address = ipaddress.ip_address(host)
        return address.is_link_local, address.version

    return tuple(sorted(dict.fromkeys(hosts), key=distance)[:MOST_ADDRESSES])


def _role(value: str) -> Role | None:
    return next((role for role in Role if role.value == value), None)


def _endpoints(hosts: Iterable[str], port: int, *, loopback: bool) -> tuple[Endpoint, ...]:
    if not 0 < port < 65_536:
        return ()
    good = dict.fromkeys(str(address) for host in hosts if (address := _reachable(host, loopback=loopback)) is not None)
    return tuple(Endpoint(host, port) for host in good)[:MOST_ADDRESSES]


def _reachable(host: str, *, loopback: bool) -> IPAddress | None:
    """The address, if a datagram to it goes to one machine, and to another one than this."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and not _well_scoped(address):
        return None
    if address.is_loopback:
        return address if loopback else None
    return None if address.is_unspecified or address.is_multicast or address.is_reserved else address


def _well_scoped(address: ipaddress.IPv6Address) -> bool:
    """A link-local address means nothing without its zone, no other has one, and a mapped IPv4 address is a disguise."""
    if address.ipv4_mapped is not None:
        return False
    zone = address.scope_id
    return bool(zone and _ZONE.fullmatch(zone)) if address.is_link_local else zone is None
