"""The lab that stands on this machine between two commands: one of a kind, kept by `picluster.lab.caretaker`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from picluster.adapters.control import ask
from picluster.errors import ControlError, LabError
from picluster.lab import control_groups
from picluster.lab.caretaker import RUN_DIR
from picluster.lab.machine import entrance, is_first
from picluster.lab.machines import CONTROLLER, machines_refused
from picluster.lab.programs import started
from picluster.lab.root_system import root_system
from picluster.lab.script import WELL
from picluster.lab.stack import Stack

__all__ = ["beside", "bring_up", "inside", "is_up", "take_down", "told"]

ANSWER_S = 60.0
BOOTING_S = 60.0
ENDING_S = 20.0
STEP_S = 0.1
SHELL = ("/bin/bash", "--login")


def is_up() -> bool:
    try:
        told(do="status")
    except LabError:
        return False
    return True


def told(**request: str) -> Mapping[str, Any]:
    """What the lab answers. Raises LabError where none is up, or where it refuses."""
    if not RUN_DIR.exists():
        raise LabError("no lab is up. Run: picluster lab up")
    try:
        return ask(RUN_DIR, request, timeout_s=ANSWER_S)
    except ControlError as error:
        if isinstance(error.__cause__, OSError):
            raise LabError(f"the lab does not answer ({error.__cause__}). Run: picluster lab down") from error
        raise LabError(str(error)) from error


def bring_up(size: int, tell: Callable[[str], None], *, fresh: bool = False) -> Mapping[str, Any]:
    """Boot so many Pis, and wait until all are well, or can be reached where their cards are `fresh`; returns the lab's
    status. Raises LabError where that cannot be had."""
    stack = Stack(size)
    refused = machines_refused()
    if refused:
        raise LabError(f"Pis that boot cannot be had: {refused}")
    if is_up():
        raise LabError("a lab is up already. Look at it with `picluster lab status`, or end it with `picluster lab down`")
    root_system(tell)
    tell(f"booting {size} Pis …")
    RUN_DIR.mkdir(exist_ok=True)
    try:
        started("picluster.lab.caretaker", [str(size), *(["fresh"] if fresh else [])], RUN_DIR / "log")
        return _fresh(stack) if fresh else _well(stack)
    except BaseException:
        take_down()
        raise


def take_down() -> bool:
    """Returns once nothing of it is left, and whether there was anything. Raises LabError where it does not end."""
    if not RUN_DIR.exists():
        return False
    if not is_up():
        # Killed: all else vanished with it but empty control groups.
        control_groups.sweep()
        shutil.rmtree(RUN_DIR, ignore_errors=True)
        return True
    told(do="down")
    deadline = time.monotonic() + ENDING_S
    while RUN_DIR.exists():
        if time.monotonic() > deadline:
            raise LabError(f"the lab does not end. Its log says why: {RUN_DIR / 'log'}")
        time.sleep(STEP_S)
    return True


def inside(name: str, words: Sequence[str]) -> list[str]:
    """The command that runs these words on a Pi as its root; without any, a shell."""
    for pid in _processes(name):
        if is_first(pid):
            return [*entrance(pid), *(words or SHELL)]
    raise LabError(f"{name} has not booted yet. Try again")


def beside(words: Sequence[str]) -> list[str]:
    """The command that runs these words in the network of the Pis, on the controller's place at their switch; without any, a
    shell. Files, names and rights are those of whoever runs it."""
    for pid in _processes(CONTROLLER):
        return ["nsenter", f"--net=/proc/{pid}/ns/net", "--", *(words or SHELL)]
    raise LabError("the way into the lab's network is lost. Run: picluster lab down")


def _processes(name: str) -> Iterator[int]:
    """All of a machine's, by the numbers that they have here."""
    group = Path(told(do="where", pi=name)["group"])
    for file in group.rglob("cgroup.procs"):
        yield from map(int, file.read_text(encoding="ascii").split())


def _well(stack: Stack) -> Mapping[str, Any]:
    return _until(
        lambda status: bool(status["answering"]) and all(pi["state"] in WELL for pi in status["pis"]),
        f"not all of {', '.join(stack.names)} were well",
    )


def _fresh(stack: Stack) -> Mapping[str, Any]:
    return _until(
        lambda status: all(pi["state"] for pi in status["pis"]),
        f"not all of {', '.join(stack.names)} could be reached over SSH",
    )


def _until(condition: Callable[[Mapping[str, Any]], bool], otherwise: str) -> Mapping[str, Any]:
    deadline = time.monotonic() + BOOTING_S
    while True:
        status = told(do="status")
        if condition(status):
            return status
        if time.monotonic() > deadline:
            raise LabError(f"{otherwise} within {BOOTING_S:.0f} s")
        time.sleep(STEP_S)
