"""Plays on Pis that really boot, with the agent as the service that its unit makes of it; a client and an auditor count who
answers, as in `tests.scenarios.stage`.

    @machines()
    def test_the_agent_is_killed(stage: MachineStage) -> None: ...

Each has a stack of its own, that has booted and is well when it begins. At its end two must never have answered at once.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import traceback
from collections.abc import Callable
from types import FrameType
from typing import cast

import pytest

from picluster.lab import control_groups, report
from picluster.lab.machine import Machine
from picluster.lab.machines import UNIT, MachineWorld, machines_refused, run_machines
from picluster.lab.root_system import root_system
from tests.conftest import ROWS
from tests.scenarios.stage import AFTERMATH_S, WEB, Row, SceneWorld, Setting, Stage

__all__ = ["WEB", "MachineStage", "machines"]

WHOLE_S = 90.0
LOG_LINES = 60
DROP_IN = f"/run/systemd/system/{UNIT}.d/test.conf"


class MachineStage(Stage):
    """A stack of booted Pis in full view."""

    def __init__(self, world: MachineWorld) -> None:
        # A stage asks for nothing but what scenes and machines have in common: a network, a client and its ledger.
        super().__init__(cast("SceneWorld", world))
        self.machines = world

    def pi(self, name: str) -> Machine:
        return self.machines.pi(name)

    def shown(self, name: str, what: str) -> str:
        """A property of the agent's unit, as its systemd knows it; empty while that does not answer yet."""
        return self.pi(name).run("systemctl", "show", "--value", f"--property={what}", UNIT, check=False)

    def until_shown(self, name: str, what: str, value: str) -> None:
        self.until(lambda: self.shown(name, what) == value, f"{what} of {name}'s agent is {value}")

    def remains(self, name: str) -> str:
        """What there is on a Pi of addresses that float, and of gates."""
        pi = self.pi(name)
        addresses = pi.run("ip", "-oneline", "address", "show", "to", f"{WEB}/32")
        return addresses + pi.run("nft", "list", "tables")

    def drop_in(self, name: str, *lines: str) -> None:
        """From its next start the unit says this as well, until the Pi boots again; without lines, no more."""
        pi = self.pi(name)
        file = pi.inside(DROP_IN)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(["[Service]", *lines, ""]))
        pi.run("systemctl", "daemon-reload")

    def wait_for(self, name: str) -> None:
        """Until its agent is back, and well in everybody's eyes."""
        self.until_shown(name, "ActiveState", "active")
        self.all_well()


Body = Callable[[MachineStage], None]


@functools.cache
def refused(*, memory: bool) -> str:
    return machines_refused() or control_groups.why_not(memory=memory)


def machines(
    *, begins: bool = True, memory: bool = False, network_manager: bool = False
) -> Callable[[Body], Callable[[Callable[[str, object], None]], None]]:
    """Decorates a test. `begins`: whether all Pis have booted and are well when it begins; `memory`: whether it limits their
    memory; `network_manager`: whether that sees to their network."""

    def decorate(body: Body) -> Callable[[Callable[[str, object], None]], None]:
        def test(record_property: Callable[[str, object], None]) -> None:
            if refused(memory=memory):
                pytest.skip(refused(memory=memory))
            root_system(print)  # once and for all; it is not to count as a test's time
            rows, failure = _played(Setting(3), body, begins=begins, network_manager=network_manager)
            record_property(ROWS, json.dumps(rows))
            if failure:
                pytest.fail(failure, pytrace=False)

        test.__name__, test.__qualname__, test.__doc__ = body.__name__, body.__qualname__, body.__doc__
        test.__module__ = body.__module__
        return pytest.mark.machine(test)

    return decorate


def _played(setting: Setting, body: Body, *, begins: bool, network_manager: bool) -> tuple[list[Row], str]:
    with os.fdopen(os.memfd_create("machines"), "r+", encoding="utf-8") as told:
        code = run_machines(
            setting,
            lambda world: _act(world, body, told.fileno(), begins=begins),
            print,
            network_manager=network_manager,
        )
        told.seek(0)
        words = told.read()
    if not words:
        return [], f"the test ended with code {code}, and said nothing"
    rows, failure = json.loads(words)
    return rows, failure


def _act(world: MachineWorld, body: Body, told: int, *, begins: bool) -> int:
    signal.signal(signal.SIGALRM, _too_long)
    signal.setitimer(signal.ITIMER_REAL, WHOLE_S)
    stage = MachineStage(world)
    failure = ""
    try:
        if begins:
            stage.director.start()
        body(stage)
        stage.all_well()
        stage.go_on(AFTERMATH_S)
        assert stage.ledger.double_ms == 0, f"two nodes answered for {stage.ledger.double_ms:.0f} ms"
    except BaseException:  # an assertion as well as an error belongs into the report of the process outside
        failure = f"{traceback.format_exc()}\n{report.last_words(world.logs, LOG_LINES)}"
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.write(told, json.dumps([stage.rows, failure]).encode())
    return 0


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError(f"the test took more than {WHOLE_S:.0f} s")
