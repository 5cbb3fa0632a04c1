"""Messages of nf_tables, the kernel's packet filter (linux/netfilter/nf_tables.h, nfnetlink.h; man 8 nft), as bytes.

A change is a batch: a BEGIN message, the changes, an END message, sent as one datagram. The kernel does all of it or
nothing, and no packet sees a half. Numbers are big-endian here, unlike elsewhere in netlink.

A rule is a list of expressions on registers: load something into register 1, compare it, give a verdict. An expression that
does not hold ends the rule. So `ip daddr 10.0.0.5 drop` is  load(network header, offset 16, 4 bytes) · equal(…) · drop.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable

from picluster.adapters.netlink import (
    HEADER,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    Message,
    Netlink,
    attribute,
    attributes,
    message,
    nested,
    text,
)

__all__ = [
    "DROP",
    "batch",
    "chain",
    "delete_table",
    "equal",
    "fib_type",
    "fill_set",
    "flush_set",
    "generation",
    "load",
    "meta",
    "network_order",
    "new_set",
    "new_table",
    "not_in",
    "rule",
    "rules_of",
    "trial",
]

NETLINK_NETFILTER = 12
NFNL_SUBSYS_NFTABLES, NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END = 10, 16, 17
NFPROTO_INET, NFPROTO_ARP = 1, 3
NFT_MSG_NEWTABLE, NFT_MSG_GETTABLE, NFT_MSG_DELTABLE, NFT_MSG_GETRULE, NFT_MSG_GETGEN = 0, 1, 2, 7, 16
NFNL_BATCH_GENID, NFTA_GEN_ID = 1, 1
NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE, NFT_MSG_NEWSET = 3, 6, 9
NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM = 12, 14
NFTA_LIST_ELEM = 1
NFTA_HOOK_HOOKNUM, NFTA_HOOK_PRIORITY = 1, 2
NFTA_TABLE_NAME = 1
NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, NFTA_CHAIN_HOOK, NFTA_CHAIN_TYPE = 1, 3, 4, 7
NFTA_RULE_TABLE, NFTA_RULE_CHAIN, NFTA_RULE_EXPRESSIONS = 1, 2, 4
NFTA_SET_TABLE, NFTA_SET_NAME, NFTA_SET_FLAGS, NFTA_SET_KEY_TYPE, NFTA_SET_KEY_LEN, NFTA_SET_ID = 1, 2, 3, 4, 5, 10
NFT_SET_INTERVAL, NFT_SET_TIMEOUT = 0x4, 0x10
TYPE_TIME = 43
"""How `nft list` is to show the elements (nftables, include/datatype.h); the kernel does not care."""
NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_ELEMENTS = 1, 2, 3
NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_FLAGS, NFTA_SET_ELEM_TIMEOUT = 1, 3, 4
NFT_SET_ELEM_INTERVAL_END = 0x1
NFTA_EXPR_NAME, NFTA_EXPR_DATA = 1, 2
NFTA_DATA_VALUE, NFTA_DATA_VERDICT, NFTA_VERDICT_CODE = 1, 2, 1
NFT_REG_VERDICT, NFT_REG_1 = 0, 1
NFT_PAYLOAD_NETWORK_HEADER = 1
NFT_META_NFPROTO, NFT_META_TIME_NS = 15, 30
NFT_CMP_EQ = 0
NFT_LOOKUP_F_INV = 0x1
NFT_BYTEORDER_HTON = 1
NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR = 3, 0x2
NF_DROP = 0

GENERIC = struct.Struct(">BBH")
"""struct nfgenmsg: family, version, and for BEGIN and END the subsystem."""
SUBSYSTEM = GENERIC.pack(socket.AF_UNSPEC, 0, NFNL_SUBSYS_NFTABLES)
ANY_GENERATION = bytes(4)


def number(kind: int, value: int) -> bytes:
    return attribute(kind, value.to_bytes(4, "big"))


def change(kind: int, family: int, *inner: bytes) -> bytes:
    """One change of a batch."""
    body = GENERIC.pack(family, 0, 0) + b"".join(inner)
    return message(NFNL_SUBSYS_NFTABLES << 8 | kind, NLM_F_REQUEST | NLM_F_CREATE, body)


def batch(*changes: bytes, if_still: bytes = ANY_GENERATION) -> bytes:
    """The changes as one transaction, for `Netlink.commit`: the last asks for an acknowledgement.

    With `if_still`, a generation's number, the kernel refuses (ERESTART) where the ruleset has another one by now.
    """
    end = message(NFNL_MSG_BATCH_END, NLM_F_REQUEST, SUBSYSTEM)
    return trial(*changes, if_still=if_still) + end


def trial(*changes: bytes, if_still: bytes = ANY_GENERATION) -> bytes:
    """A transaction without an end. The kernel checks and answers as ever, and then takes all of it back: what
    `nft --check` does."""
    begin = message(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, SUBSYSTEM + attribute(NFNL_BATCH_GENID, if_still))
    last = bytearray(changes[-1])
    length, kind, flags, sequence, port = HEADER.unpack_from(last)
    HEADER.pack_into(last, 0, length, kind, flags | NLM_F_ACK, sequence, port)
    return begin + b"".join(changes[:-1]) + last


def generation(netlink: Netlink) -> int:
    """The number of the ruleset as it is now. Each transaction of anybody's in this network namespace adds one."""
    answers = netlink.ask(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, 0, GENERIC.pack(socket.AF_UNSPEC, 0, 0))
    return int.from_bytes(attributes(answers[0].body[GENERIC.size :])[NFTA_GEN_ID], "big")


def rules_of(netlink: Netlink, families: Iterable[int], table: str) -> list[bytes]:
    """The tables of this name, and all rules in them, each as the bytes by which the kernel describes it: equal where
    nothing has changed, whatever came and went elsewhere."""

    def dump(kind: int, family: int, wanted: bytes = b"") -> list[Message]:
        return netlink.ask(NFNL_SUBSYS_NFTABLES << 8 | kind, NLM_F_DUMP, GENERIC.pack(family, 0, 0) + wanted)

    name = text(NFTA_TABLE_NAME, table)
    found = [answer for answer in dump(NFT_MSG_GETTABLE, socket.AF_UNSPEC) if name in bytes(answer.body)]
    for family in families:
        found += dump(NFT_MSG_GETRULE, family, text(NFTA_RULE_TABLE, table))
    # The generation's number stands in the part that is left out.
    return [bytes([answer.body[0]]) + bytes(answer.body[GENERIC.size :]) for answer in found]


def new_table(family: int, name: str) -> bytes:
    """Harmless where there is one of that name."""
    return change(NFT_MSG_NEWTABLE, family, text(NFTA_TABLE_NAME, name))


def delete_table(family: int, name: str) -> bytes:
    """With all that is in it. Refused (ENOENT) where there is none."""
    return change(NFT_MSG_DELTABLE, family, text(NFTA_TABLE_NAME, name))


def new_set(family: int, table: str, name: str, set_id: int, key_bytes: int) -> bytes:
    """A set of intervals of time whose elements may have timeouts. `set_id` names it for the rules of the same batch."""
    return change(
        NFT_MSG_NEWSET,
        family,
        text(NFTA_SET_TABLE, table),
        text(NFTA_SET_NAME, name),
        number(NFTA_SET_FLAGS, NFT_SET_INTERVAL | NFT_SET_TIMEOUT),
        number(NFTA_SET_KEY_TYPE, TYPE_TIME),
        number(NFTA_SET_KEY_LEN, key_bytes),
        number(NFTA_SET_ID, set_id),
    )


def _elements(kind: int, family: int, table: str, set_name: str, *inner: bytes) -> bytes:
    where = text(NFTA_SET_ELEM_LIST_TABLE, table) + text(NFTA_SET_ELEM_LIST_SET, set_name)
    return change(kind, family, where, *inner)


def flush_set(family: int, table: str, set_name: str) -> bytes:
    """Take every element out; harmless where there is none."""
    return _elements(NFT_MSG_DELSETELEM, family, table, set_name)


def fill_set(family: int, table: str, set_name: str, end: bytes, timeout_ms: bytes) -> bytes:
    """All values from 0 up to, and without, end; for so many milliseconds (8 bytes, big-endian)."""

    def key(value: bytes) -> bytes:
        return nested(NFTA_SET_ELEM_KEY, attribute(NFTA_DATA_VALUE, value))

    opening = nested(NFTA_LIST_ELEM, key(bytes(len(end))), attribute(NFTA_SET_ELEM_TIMEOUT, timeout_ms))
    closing = nested(NFTA_LIST_ELEM, key(end), number(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END))
    elements = nested(NFTA_SET_ELEM_LIST_ELEMENTS, opening, closing)
    return _elements(NFT_MSG_NEWSETELEM, family, table, set_name, elements)


def chain(family: int, table: str, name: str, hook: int, priority: int) -> bytes:
    """A chain of filter rules at one of the kernel's hooks. What no rule drops goes on its way."""
    at = nested(NFTA_CHAIN_HOOK, number(NFTA_HOOK_HOOKNUM, hook), number(NFTA_HOOK_PRIORITY, priority & 0xFFFFFFFF))
    kind = text(NFTA_CHAIN_TYPE, "filter")
    return change(NFT_MSG_NEWCHAIN, family, text(NFTA_CHAIN_TABLE, table), text(NFTA_CHAIN_NAME, name), at, kind)


def rule(family: int, table: str, chain_name: str, *expressions: bytes) -> bytes:
    where = text(NFTA_RULE_TABLE, table) + text(NFTA_RULE_CHAIN, chain_name)
    return change(NFT_MSG_NEWRULE, family, where, nested(NFTA_RULE_EXPRESSIONS, *expressions))


def _expression(name: str, *inner: bytes) -> bytes:
    return nested(NFTA_LIST_ELEM, text(NFTA_EXPR_NAME, name), nested(NFTA_EXPR_DATA, *inner))


def load(offset: int, length: int) -> bytes:
    """Bytes of the packet's ARP, IPv4 or IPv6 header into the register."""
    values = (NFT_REG_1, NFT_PAYLOAD_NETWORK_HEADER, offset, length)
    return _expression("payload", *(number(kind, value) for kind, value in enumerate(values, start=1)))


def meta(key: int) -> bytes:
    """What the kernel knows about the packet into the register."""
    return _expression("meta", number(1, NFT_REG_1), number(2, key))


def fib_type() -> bytes:
    """The kind of route that the packet's destination has (RTN_LOCAL: this machine) into the register."""
    return _expression("fib", number(1, NFT_REG_1), number(2, NFT_FIB_RESULT_ADDRTYPE), number(3, NFTA_FIB_F_DADDR))


def network_order(size: int) -> bytes:
    """Turn the register's number of so many bytes from the machine's order into big-endian, in which sets are sorted."""
    values = (NFT_REG_1, NFT_REG_1, NFT_BYTEORDER_HTON, size, size)
    return _expression("byteorder", *(number(kind, value) for kind, value in enumerate(values, start=1)))


def equal(value: bytes) -> bytes:
    """Go on only if the register holds this."""
    return _expression("cmp", number(1, NFT_REG_1), number(2, NFT_CMP_EQ), nested(3, attribute(NFTA_DATA_VALUE, value)))


def not_in(set_name: str, set_id: int) -> bytes:
    """Go on only if the register's value is not in the set."""
    flags = number(5, NFT_LOOKUP_F_INV)
    return _expression("lookup", text(1, set_name), number(2, NFT_REG_1), number(4, set_id), flags)


DROP = _expression(
    "immediate", number(1, NFT_REG_VERDICT), nested(2, nested(NFTA_DATA_VERDICT, number(NFTA_VERDICT_CODE, NF_DROP)))
)
"""The packet ends here."""
