"""Which world this machine can have, and how the lab is entered and left.

However it ends (return, error, Ctrl-C, SIGTERM, SIGHUP, SIGKILL) nothing is left behind:

- With namespaces everything lives in a PID namespace. When its first process ends, the kernel kills all others, and the
  networks and the file system in memory vanish with them.
- Without, the programs are on a leash (`picluster.lab.leash`).
"""

from __future__ import annotations

import enum
import fcntl
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from picluster.errors import LabError
from picluster.lab.loopback import LoopbackWorld
from picluster.lab.stack import Stack
from picluster.lab.world import World

__all__ = ["Choice", "Mode", "choose", "run_lab"]

MEMORY_PLACES = ("/dev/shm", "/run", "/mnt", "/srv", "/var/tmp", "/tmp")  # noqa: S108  nothing is written to the real ones
"""Directories that every Linux has one of. A file system in memory is put over the first that hides nothing we need."""


class Mode(enum.Enum):
    AUTO = "auto"
    NAMESPACES = "namespaces"
    LOOPBACK = "loopback"


@dataclass(frozen=True, slots=True)
class Choice:
    """A mode, and why it is this one, as a sentence's end."""

    mode: Mode
    reason: str


def choose(wanted: Mode) -> Choice:
    """Raises LabError where namespaces are wanted and cannot be had."""
    if wanted is Mode.LOOPBACK:
        return Choice(wanted, "as you asked")
    refused = namespaces_refused()
    if not refused:
        return Choice(Mode.NAMESPACES, "this machine has them, without root" if os.getuid() else "this machine has them")
    if wanted is Mode.NAMESPACES:
        raise LabError(f"virtual Pis in namespaces cannot be had: {refused}. Run the demo with --mode loopback")
    return Choice(Mode.LOOPBACK, refused)


def namespaces_refused() -> str:
    """Why not, as a sentence's end; empty where everything that a namespace world needs is there. Takes some 50 ms."""
    if sys.platform != "linux":
        return f"{sys.platform} has no network namespaces"
    from picluster.adapters.namespaces import run_isolated  # noqa: PLC0415  Linux alone has it

    reading, writing = os.pipe()
    try:
        run_isolated(lambda: _try_everything(writing))
    except OSError as error:
        return f"this system forbids user namespaces ({error.strerror})"
    finally:
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as words:
            refused = words.read()
    return refused


def _try_everything(writing: int) -> int:
    from picluster.adapters.links import Links  # noqa: PLC0415  Linux alone has it
    from picluster.adapters.namespaces import NetworkNamespace  # noqa: PLC0415  Linux alone has it

    step = "a file system in memory"
    try:
        memory_place()
        step = "bridges and virtual cables"
        with NetworkNamespace.create() as machine, Links() as links:
            links.add_bridge("switch")
            links.add_veth("port", "eth0", peer_namespace=machine)
            links.attach("port", "switch")
    except OSError as error:
        os.write(writing, f"this system refuses {step} ({error.strerror})".encode())
    return 0


def run_lab(mode: Mode, stack: Stack, body: Callable[[World], int]) -> int:
    """Make a world, hand it to the body, and return its exit code once everything is gone again."""
    if mode is Mode.NAMESPACES:
        return _run_in_namespaces(lambda: _run_namespace_world(stack, body))
    return _run_loopback_world(stack, body)


def _run_namespace_world(stack: Stack, body: Callable[[World], int]) -> int:
    from picluster.lab.namespaces import NamespaceWorld  # noqa: PLC0415  Linux alone has it

    with NamespaceWorld(stack, memory_place()) as world:
        return body(world)


def _run_loopback_world(stack: Stack, body: Callable[[World], int]) -> int:
    with _orderly_end(), LoopbackWorld(stack) as world:
        return body(world)


def memory_place() -> Path:
    """An empty directory of our own, in memory, in our mount namespace."""
    from picluster.adapters.namespaces import mount_memory  # noqa: PLC0415  Linux alone has it

    needed = [Path(path).resolve() for path in (sys.prefix, sys.base_prefix, sys.executable, __file__, Path.cwd())]
    for place in map(Path, MEMORY_PLACES):
        if place.is_dir() and not any(path.is_relative_to(place) for path in needed):
            mount_memory(place)
            return place
    raise OSError(0, f"everything lies below {' '.join(MEMORY_PLACES)}")


def _run_in_namespaces(function: Callable[[], int]) -> int:
    """`run_isolated`, and the process inside gets the signals that end the one outside: they alone would have it killed
    without a chance to put the terminal in order."""
    from picluster.adapters.namespaces import run_isolated  # noqa: PLC0415  Linux alone has it

    reading, writing = os.pipe()

    def inside() -> int:
        os.close(writing)
        with _orderly_end():
            # The kernel sends this process SIGTERM as soon as there is something in the pipe, or its other end is closed.
            fcntl.fcntl(reading, fcntl.F_SETOWN, os.getpid())
            fcntl.fcntl(reading, fcntl.F_SETSIG, signal.SIGTERM)
            fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
            return function()

    def pass_on(_number: int, _frame: FrameType | None) -> None:
        os.write(writing, b".")

    # Process 1 of a PID namespace cannot be stopped from within. If Ctrl-Z stopped this one alone, the shell and the lab
    # would both believe that the terminal is theirs; so it does nothing.
    with _reacting(pass_on, signal.SIGTERM, signal.SIGHUP), _reacting(signal.SIG_IGN, signal.SIGTSTP):
        try:
            return run_isolated(inside)
        finally:
            os.close(reading)
            os.close(writing)


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Signals that would end this process on the spot run its `finally` blocks instead."""

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    with _reacting(leave, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield


@contextmanager
def _reacting(reaction: Callable[[int, FrameType | None], None] | signal.Handlers, *numbers: int) -> Iterator[None]:
    before = {number: signal.signal(number, reaction) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
