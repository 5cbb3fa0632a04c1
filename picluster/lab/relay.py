"""The switch of the portable world: a program through which the agents of one machine send each other everything.

    python -m picluster.lab.relay 40000 40001 40002 40003

It listens on the first port of 127.0.0.1; the others are the Pis'. `picluster.adapters.switched` says what a frame is: the
relay reads for whom it is, writes whose it is in the same place, and passes it on, or drops it where a partition or a loss
says so. Those two concern Pis alone: what the dashboard tells and hears always passes.

Orders come as lines on its standard input, and each is answered by a line once it is in force. When the input ends, the
relay ends.

    part 40001       these Pis and all others no longer hear each other; without a port, everybody hears everybody
    lose 20          so many percent of all frames between Pis are lost
"""

from __future__ import annotations

import random
import selectors
import socket
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from picluster.adapters.switched import HOST, LONGEST_FRAME, PORT

__all__ = ["Rules", "main"]

RECEIVE_BUFFER_BYTES = 1024 * 1024
"""A burst of ten Pis fits: what is lost here is to be lost on purpose."""


@dataclass(slots=True)
class Rules:
    """Which frames pass."""

    pis: Collection[int]
    """Their ports."""
    apart: Collection[int] = ()
    """The Pis on the far side of a partition."""
    loss_percent: int = 0

    def passes(self, source: int, target: int, chance: random.Random) -> bool:
        if source not in self.pis or target not in self.pis:
            return True
        if (source in self.apart) != (target in self.apart):
            return False
        return chance.random() * 100 >= self.loss_percent

    def obey(self, order: str) -> None:
        word, *numbers = order.split()
        if word == "part":
            self.apart = frozenset(map(int, numbers))
        else:
            self.loss_percent = int(numbers[0])


def pass_on(own: socket.socket, rules: Rules, chance: random.Random) -> None:
    """Everything that waits."""
    while True:
        try:
            frame, (_, source) = own.recvfrom(LONGEST_FRAME + 1)
        except BlockingIOError:
            return
        except ConnectionError:
            continue  # some systems tell here that an earlier frame found nobody
        if len(frame) < PORT.size:
            continue
        target: int = PORT.unpack_from(frame)[0]
        if rules.passes(source, target, chance):
            deliver(own, PORT.pack(source) + frame[PORT.size :], target)


def deliver(own: socket.socket, frame: bytes, target: int) -> None:
    try:
        own.sendto(frame, (HOST, target))
    except OSError:
        return  # nobody is there, or its queue is full


def main(arguments: Sequence[str]) -> None:
    port, *pis = map(int, arguments)
    rules, chance = Rules(frozenset(pis)), random.Random()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own, selectors.DefaultSelector() as selector:
        own.setblocking(False)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        own.bind((HOST, port))
        selector.register(own, selectors.EVENT_READ)
        # Unbuffered: a line that waits in a buffer of ours would never wake the selector.
        with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as orders:
            selector.register(orders, selectors.EVENT_READ)
            print("ready", flush=True)
            while True:
                waiting = {key.fileobj for key, _ in selector.select()}
                if own in waiting:
                    pass_on(own, rules, chance)
                if orders in waiting:
                    line = orders.readline()
                    if not line:
                        return
                    rules.obey(line.decode("ascii"))
                    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
