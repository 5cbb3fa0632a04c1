"""Keeps a lab of booted Pis up between two commands, and does to it what `picluster lab` asks for.

    python -m picluster.lab.caretaker SIZE [fresh]

It says `ready` once it listens, and logs on standard error. One JSON object a line, as with an agent's control socket:

    {"do": "status"}                            → {"ok": true, "pis": […], "addresses": {…}, "answering": "pi2", …}
    {"do": "cut", "pi": "pi1"}                  → {"ok": true, "held": "pi1", "then": "pi2", "outage_ms": 134.2, …}
    {"do": "plug" | "freeze" | "thaw" | "reboot", "pi": "pi1"}     the same; freeze may have "agent": "yes"
    {"do": "flash", "pi": "pi1"}                the same, in a lab of fresh cards; it may have "secrets": a directory
    {"do": "where", "pi": "pi1"}                → {"ok": true, "group": "/sys/fs/cgroup/…"}; "controller" is somewhere too
    {"do": "down"}                              → {"ok": true}, and it ends

Everything that it starts lives in a PID namespace below it, so when it ends, however hard, all of it does.
"""

from __future__ import annotations

import json
import secrets
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from picluster.adapters.control import ControlSocket
from picluster.agent.control import read_request
from picluster.agent.plain import Plain
from picluster.errors import LabError, PiclusterError
from picluster.lab.card import Card, card_of
from picluster.lab.control_groups import ControlGroup
from picluster.lab.fresh import FreshWorld, run_fresh
from picluster.lab.machines import CONTROLLER, MachineWorld, run_machines
from picluster.lab.programs import kill, start
from picluster.lab.script import Director
from picluster.lab.stack import Stack

__all__ = ["RUN_DIR", "main"]

RUN_DIR = Path("/run/picluster-lab")
STEP_S = 0.02
AFTERMATH_S = 1.1
"""How long is looked at what came of something, at least."""
MOST_AFTERMATH_S = 8.0


class Caretaker:
    """Answers callers, until it is told to end."""

    def __init__(self, world: MachineWorld, callers: ControlSocket) -> None:
        self._world = world
        self._callers = callers
        self._director = Director(world)
        self._ending = False
        self._desk = ControlGroup(f"{secrets.token_hex(4)}-{CONTROLLER}")
        """Where one process sits in the controller's network, so that others find the way in."""

    def run(self) -> int:
        with self._world.machine(CONTROLLER).entered():
            sitter = start(self._desk.command("sleep", "infinity"), self._world.log(CONTROLLER))
        try:
            return self._run()
        finally:
            kill([sitter])
            self._desk.remove()

    def _run(self) -> int:
        for name in self._world.stack.names:
            self._world.plug(name)
        print("ready", flush=True)
        while not (self._ending and not self._callers.waiting()):
            readable, _, _ = select.select(self._callers.filenos(), self._callers.waiting(), [], STEP_S)
            for caller, line in self._callers.requests(readable):
                self._callers.say(caller, json.dumps(self._answer(line)).encode())
            self._callers.flush()
            self._world.client.pump()
            self._world.tend()
        return 0

    def _answer(self, line: bytes) -> dict[str, Plain]:
        try:
            return {"ok": True, **self._do(read_request(line))}
        except (ValueError, PiclusterError) as error:
            return {"ok": False, "error": str(error)}

    def _do(self, request: dict[str, str]) -> dict[str, Plain]:
        world, name = self._world, request.get("pi", "")
        match request.get("do"):
            case "status":
                return self._status()
            case "down":
                self._ending = True
                return {}
            case "plug":
                self._expect(name, powered=False)
                return self._watched(partial(world.plug, name))
            case "cut" | "freeze" | "thaw" | "reboot" as deed:
                self._expect(name, powered=True)
                freeze = partial(world.freeze, whole=request.get("agent") != "yes")
                deeds: dict[str, Callable[[str], object]] = {
                    "cut": world.cut,
                    "freeze": freeze,
                    "thaw": world.thaw,
                    "reboot": world.reboot,
                }
                return self._watched(partial(deeds[deed], name))
            case "flash":
                self._expect(name)
                return self._watched(partial(self._flash, name, request.get("secrets", "")))
            case "where" if name == CONTROLLER:
                return {"group": str(self._desk.path)}
            case "where":
                self._expect(name, powered=True)
                return {"group": str(world.pi(name).group)}
            case unknown:
                raise LabError(f"cannot do {unknown!r} to a lab")

    def _flash(self, name: str, secrets_of: str) -> None:
        if not isinstance(self._world, FreshWorld):
            raise LabError("these Pis have no cards to flash. Bring up a lab of fresh ones: picluster lab up --fresh")
        self._world.flash(name, card_of(Path(secrets_of), name) if secrets_of else Card())
        self._world.plug(name)
        self._world.until_reached(name)

    def _expect(self, name: str, *, powered: bool | None = None) -> None:
        names = self._world.stack.names
        if name not in names:
            raise LabError(f"there is no {name!r} in this lab. There are: {', '.join(names)}")
        if powered is not None and (name in self._world.powered) is not powered:
            raise LabError(
                f"{name} has no power. Run: picluster lab plug {name}" if powered else f"{name} has power already"
            )

    def _watched(self, deed: Callable[[], object]) -> dict[str, Plain]:
        """What the client saw of it, once somebody answers again, or nobody for long."""
        ledger, since_ns = self._world.client.ledger, time.monotonic_ns()
        held, double_ms = self._director.holder, ledger.double_ms
        deed()
        self._director.wait(lambda: False, AFTERMATH_S)
        self._director.wait(lambda: bool(self._director.holder), MOST_AFTERMATH_S)
        outage = ledger.within(since_ns, time.monotonic_ns())
        return {
            "held": held,
            "then": self._director.holder,
            "outage_ms": round(outage.outage_ms, 1),
            "lost": outage.lost,
            "double_ms": ledger.double_ms - double_ms,
        }

    def _status(self) -> dict[str, Plain]:
        return {
            "pis": [self._status_of(name) for name in self._world.stack.names],
            "addresses": dict(self._world.stack.floating),
            "answering": self._director.holder,
            "double_ms": self._world.client.ledger.double_ms,
        }

    def _status_of(self, name: str) -> dict[str, Plain]:
        runs = name in self._world.powered and name not in self._world.frozen
        state = self._world.state(name) if runs else ""
        power = "frozen" if name in self._world.frozen else "on" if name in self._world.powered else "off"
        return {"name": name, "power": power, "state": state, "addresses": list(self._world.stack.pi(name).addresses)}


def main(arguments: Sequence[str]) -> int:
    # The terminal that it was started from may go.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    callers = ControlSocket(RUN_DIR)
    size, *kind = arguments

    def keep(world: MachineWorld) -> int:
        if isinstance(world, FreshWorld):
            world.count(going=True)
        return Caretaker(world, callers).run()

    try:
        return (run_fresh if kind else run_machines)(Stack(int(size)), keep, tell)
    finally:
        callers.close()
        shutil.rmtree(RUN_DIR, ignore_errors=True)


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
