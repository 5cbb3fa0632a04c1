"""The client: asks the service behind a floating address 1,000 times a second, and writes down who answered when.

    python -m picluster.lab.client 10.77.0.100 7777 --nodes pi1 pi2 pi3 [--audit WIRE ANSWERS]

It is the only judge of an outage, so it never talks to an agent, and it writes down facts alone: records of
`picluster.lab.ledger`, on its standard output. All judging is done there.

It wakes up once a millisecond, does everything that is due, and sleeps again: waking up for every answer as well would cost
twice as much. Requests that are late go out at once; where it was not let run for longer than `MOST_LATE_NS`, those that it
missed are never sent.

With `--audit` it is the auditor too. It is handed two sockets that stand in another corner of the network: WIRE, a packet
socket (man 7 packet) that sends any frame and hears ARP, and ANSWERS, a UDP socket for what comes back.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
from collections.abc import Sequence

from picluster.lab.frames import arp_question, arp_speaker, broadcast_request
from picluster.lab.ledger import (
    ANSWERED,
    ARP_ANSWERED,
    ARP_EVERY,
    AUDIT_ANSWERED,
    NOBODY,
    PERIOD_NS,
    SENT,
    STRANGER,
    record,
)

__all__ = ["main"]

MOST_LATE_NS = 20 * PERIOD_NS
REPORT_EVERY = 20
"""Requests between two writes to the standard output."""
NUMBER_BYTES = 8
PI_MACS = bytes.fromhex("dca6320000")
"""How the hardware addresses of virtual Pis begin; the last byte is the Pi's number."""


class Reporter:
    """Hands records on without ever waiting for the reader: what does not fit into the pipe now, goes with the next."""

    def __init__(self, output: int) -> None:
        os.set_blocking(output, False)
        self._output = output
        self._pending = bytearray()

    def note(self, kind: int, node: int, number: int, at_ns: int) -> None:
        self._pending += record(kind, node, number, at_ns)

    def flush(self) -> None:
        """Raises BrokenPipeError once nobody reads any more."""
        try:
            del self._pending[: os.write(self._output, self._pending)]
        except BlockingIOError:
            return


class Asker:
    """The ordinary client: a UDP socket, and whatever the kernel's ARP cache makes of the address."""

    def __init__(self, target: tuple[str, int], nodes: dict[bytes, int], reporter: Reporter) -> None:
        self._target = target
        self._nodes = nodes
        self._reporter = reporter
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def ask(self, number: int) -> None:
        self._reporter.note(SENT, NOBODY, number, time.monotonic_ns())
        try:
            self._socket.sendto(number.to_bytes(NUMBER_BYTES, "big"), self._target)
        except OSError:
            return  # no route, a full buffer, a refused port: sent and lost

    def listen(self) -> None:
        read_answers(self._socket, ANSWERED, self._nodes, self._reporter)


class Auditor:
    """Puts each question to everybody on the wire."""

    def __init__(
        self,
        wire: socket.socket,
        answers: socket.socket,
        target: tuple[str, int],
        nodes: dict[bytes, int],
        reporter: Reporter,
    ) -> None:
        self._wire, self._answers = wire, answers
        self._host = target[0]
        self._nodes = nodes
        self._reporter = reporter
        self._arp_number = 0
        own: tuple[str, int] = answers.getsockname()
        mac: bytes = wire.getsockname()[4]
        self._request = broadcast_request(mac, own, target, NUMBER_BYTES)
        self._question = arp_question(mac, own[0], self._host)

    def ask(self, number: int) -> None:
        try:
            self._wire.send(self._request + number.to_bytes(NUMBER_BYTES, "big"))
            if number % ARP_EVERY == 0:
                self._arp_number = number
                self._wire.send(self._question)
        except OSError:
            return  # the network is down, or its queue is full: one question less

    def listen(self) -> None:
        read_answers(self._answers, AUDIT_ANSWERED, self._nodes, self._reporter)
        while True:
            try:
                frame = self._wire.recv(128)
            except OSError:
                return
            speaker = arp_speaker(frame, self._host)
            if speaker is not None:
                node = speaker[-1] - 1 if speaker.startswith(PI_MACS) else STRANGER
                self._reporter.note(ARP_ANSWERED, node, self._arp_number, time.monotonic_ns())


def read_answers(own: socket.socket, kind: int, nodes: dict[bytes, int], reporter: Reporter) -> None:
    """Everything that has arrived on the socket."""
    while True:
        try:
            answer = own.recv(64)
        except BlockingIOError:
            return
        except OSError:
            continue  # an ICMP error of an earlier request
        node = nodes.get(answer[NUMBER_BYTES:], STRANGER)
        reporter.note(kind, node, int.from_bytes(answer[:NUMBER_BYTES], "big"), time.monotonic_ns())


def run(askers: Sequence[Asker | Auditor], reporter: Reporter) -> None:
    """Until nobody reads the records any more."""
    due_ns = time.monotonic_ns()
    number = 0
    while True:
        now_ns = time.monotonic_ns()
        if now_ns - due_ns > MOST_LATE_NS:
            due_ns = now_ns
        for asker in askers:
            asker.listen()
        while due_ns <= now_ns:
            for asker in askers:
                asker.ask(number)
            number += 1
            due_ns += PERIOD_NS
            if number % REPORT_EVERY == 0:
                reporter.flush()
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="picluster.lab.client")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--nodes", nargs="+", required=True)
    parser.add_argument("--audit", nargs=2, type=int)
    parsed = parser.parse_args(arguments)
    nodes = {name.encode(): index for index, name in enumerate(parsed.nodes)}
    target = (parsed.host, parsed.port)
    reporter = Reporter(sys.stdout.fileno())
    askers: list[Asker | Auditor] = [Asker(target, nodes, reporter)]
    if parsed.audit:
        wire, answers = (socket.socket(fileno=descriptor) for descriptor in parsed.audit)
        wire.setblocking(False)
        answers.setblocking(False)
        askers.append(Auditor(wire, answers, target, nodes, reporter))
    try:
        run(askers, reporter)
    except BrokenPipeError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
