"""The loop: waits for descriptors and deadlines, and ends the agent gracefully when it is told to.

`select` rather than epoll: it waits with microseconds where epoll counts milliseconds, and a handful of descriptors is all
there is.
"""

from __future__ import annotations

import select
from collections.abc import Callable

from picluster.agent.control import Control
from picluster.agent.daemon import Agent
from picluster.ports import Order, Orders

LONGEST_WAIT_S = 1.0
PARTING_NS = 1_000_000_000
"""How long a stopping agent turns on for its releases to be repeated; then it goes anyway."""


def run(agent: Agent, control: Control, orders: Orders, reload: Callable[[], None], alive: Callable[[int], None]) -> None:
    """Turn until told to stop, then until everything is handed over; `alive` is told the time (ns) after each turn."""
    ports, clock, callers = agent.ports, agent.ports.clock, control.callers
    always = (*ports.datagrams.filenos(), ports.beacon.fileno(), orders.fileno())
    give_up_ns: int | None = None
    while not agent.finished and (give_up_ns is None or clock.now_ns() < give_up_ns):
        wait_s = min(max(agent.deadline_ns - clock.now_ns(), 0) / 1e9, LONGEST_WAIT_S)
        # A keeper's descriptors come and go with what it holds, and callers come and go as they like.
        calling = callers.filenos()
        watched = (*always, *ports.keeper.filenos(), *calling)
        readable, _, _ = select.select(watched, callers.waiting(), [], wait_s)
        agent.turn(readable)
        alive(clock.now_ns())
        if callers.waiting() or any(fileno in readable for fileno in calling):
            control.serve(readable)
        if orders.fileno() not in readable:
            continue
        for order in orders.given():
            if order is Order.RELOAD:
                reload()
            elif give_up_ns is None:
                give_up_ns = clock.now_ns() + PARTING_NS
                agent.stop()
