"""Netlink: the kernel's own wire for addresses, interfaces and firewall rules (RFC 3549; man 7 netlink).

A message is a header of 16 bytes (length, kind, flags, sequence number, port), a fixed struct that depends on the kind, and
attributes: length, kind, payload, padded to four bytes, nested at will. Numbers are in the machine's byte order, except in
nftables, whose attributes are big-endian. That is the whole format, so this module writes it with `struct`.

Why no library: `import pyroute2` costs 0.11 s and 22 MB on a desktop machine, its submodules cannot be had without the
whole, and an agent on a Pi Zero has 40 MB for everything. What is here needs nothing that the agent has not loaded anyway.

The kernel's refusals are raised as the `OSError` of their number (`FileNotFoundError` for ENOENT, `PermissionError` for
EPERM, …), as Python does for every other system call; callers that talk to people turn them into a `KernelError`.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import NamedTuple, Self

from picluster.adapters.filters import JUMP_IF_EQUAL, LOAD_HALF, PASS, REFUSE, attach, instruction

__all__ = ["Message", "Netlink", "attribute", "attributes", "message", "nested", "text"]

# linux/netlink.h
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
NLM_F_ACK_TLVS = 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLMSGERR_ATTR_MSG = 1
NLA_F_NESTED, NLA_TYPE_MASK = 0x8000, 0x3FFF
SOL_NETLINK = 270
NETLINK_ADD_MEMBERSHIP, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 1, 10, 11

HEADER = struct.Struct("=IHHII")
KIND_AT = 4
ATTRIBUTE = struct.Struct("=HH")
ERROR_NUMBER = struct.Struct("=i")
RECEIVE_BYTES = 65_536


class Message(NamedTuple):
    """One message of the kernel's. `body` is what follows the header."""

    kind: int
    flags: int
    sequence: int
    body: memoryview


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded to four bytes; the padding does not count in its length."""
    return ATTRIBUTE.pack(4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def nested(kind: int, *inner: bytes) -> bytes:
    """An attribute made of attributes."""
    return attribute(kind | NLA_F_NESTED, b"".join(inner))


def text(kind: int, value: str) -> bytes:
    """A string attribute, which the kernel wants to end in a zero byte."""
    return attribute(kind, value.encode() + b"\0")


def attributes(data: memoryview) -> dict[int, memoryview]:
    """The payloads by kind; of a kind that comes twice, the last."""
    found = {}
    at = 0
    while at + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if length < ATTRIBUTE.size:
            break
        found[kind & NLA_TYPE_MASK] = data[at + ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return found


def message(kind: int, flags: int, body: bytes, sequence: int = 0) -> bytes:
    return HEADER.pack(HEADER.size + len(body), kind, flags, sequence, 0) + body


def messages(data: memoryview) -> Iterator[Message]:
    """Split one datagram of the kernel's into its messages."""
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, flags, sequence, _ = HEADER.unpack_from(data, at)
        if length < HEADER.size:
            return
        yield Message(kind, flags, sequence, data[at + HEADER.size : at + length])
        at += (length + 3) & ~3


def refusal(answer: Message) -> OSError | None:
    """The error that an NLMSG_ERROR message carries; None where it is an acknowledgement."""
    number = -ERROR_NUMBER.unpack_from(answer.body)[0]
    if number == 0:
        return None
    words = os.strerror(number)
    if answer.flags & NLM_F_ACK_TLVS:
        extended = attributes(answer.body[ERROR_NUMBER.size + HEADER.size :]).get(NLMSGERR_ATTR_MSG)
        if extended is not None:
            words += f" ({bytes(extended).rstrip(bytes(1)).decode(errors='replace')})"
    return OSError(number, words)


class Netlink:
    """One netlink socket. It belongs for ever to the network namespace of the thread that made it."""

    def __init__(self, protocol: int, groups: Iterable[int] = ()) -> None:
        """`groups` are the multicast groups (RTNLGRP_…) whose notifications `heard` is to return."""
        self._sequence = 0
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self._socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self._socket.bind((0, 0))
        for group in groups:
            self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)

    def fileno(self) -> int:
        return self._socket.fileno()

    def ignore(self, kind: int) -> None:
        """Do not be woken by notifications of this kind."""
        # The kernel writes it in the machine's order, and filters read big-endian.
        program = instruction(LOAD_HALF, KIND_AT) + instruction(JUMP_IF_EQUAL, socket.htons(kind), 0, 1) + REFUSE + PASS
        attach(self._socket, program)

    def ask(self, kind: int, flags: int, body: bytes) -> list[Message]:
        """One request and its answers, up to the acknowledgement or the end of the dump. Raises the kernel's refusal."""
        self._sequence += 1
        wants = NLM_F_REQUEST | flags | (0 if flags & NLM_F_DUMP == NLM_F_DUMP else NLM_F_ACK)
        self._socket.send(message(kind, wants, body, self._sequence))
        answers: list[Message] = []
        while True:
            for answer in messages(memoryview(self._socket.recv(RECEIVE_BYTES))):
                if answer.sequence != self._sequence:
                    continue
                if answer.kind == NLMSG_DONE:
                    return answers
                if answer.kind == NLMSG_ERROR:
                    error = refusal(answer)
                    if error is not None:
                        raise error
                    return answers
                answers.append(answer)

    def commit(self, batch: bytes | bytearray) -> None:
        """Several messages as one transaction (nftables), the last change of which asks for an acknowledgement.

        The kernel has done, and answered, when the send returns: an error of a change, or the acknowledgement, waits first
        in the queue. Raises the refusal; then nothing of the batch was done.
        """
        self._socket.send(batch)
        answer = next(messages(memoryview(self._socket.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT))))
        error = refusal(answer)
        if error is not None:
            self.heard()
            raise error

    def heard(self) -> list[Message]:
        """Everything that waits, without blocking. Raises OSError(ENOBUFS) where notifications were lost."""
        waiting: list[Message] = []
        while True:
            try:
                data = self._socket.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return waiting
            waiting += messages(memoryview(data))

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
