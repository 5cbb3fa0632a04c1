"""Control groups, as far as a virtual Pi needs them: to freeze all of it between two instructions, to kill all of it in one
blow, and to let it have only so much memory (man 7 cgroups; Documentation/admin-guide/cgroup-v2.rst).

A group is made below that of this process, in the hierarchy of version 2, and beside it in those of version 1 that matter
where a machine has both: systemd's own, which a systemd inside needs, and the one for memory.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from picluster.errors import LabError

__all__ = ["ControlGroup", "sweep", "why_not"]

JOIN = 'program=$0; while [ "$1" != -- ]; do echo $$ >"$1"; shift; done; shift; exec "$program" "$@"'
"""For `sh -c`: enter the groups that are named, then become the program."""
MOUNTS, OWN = Path("/proc/self/mountinfo"), Path("/proc/self/cgroup")
PREFIX = "picluster-lab-"
NO_MEMORY_CONTROLLER = "this system gives the memory controller of control groups to nobody below its own"
ENDING_S = 5.0
STEP_S = 0.005


class ControlGroup:
    """One group, in all hierarchies that matter. Whoever makes it removes it."""

    def __init__(self, name: str) -> None:
        """Raises OSError where this machine forbids it."""
        self._unified, *others = (place / f"{PREFIX}{name}" for place in _places())
        self._all = (self._unified, *others)
        for place in self._all:
            place.mkdir()

    @property
    def path(self) -> Path:
        """Its directory in the hierarchy of version 2."""
        return self._unified

    def command(self, program: str, *arguments: str) -> list[str]:
        """What runs the program within the group: a process belongs to it once it has written its number into each of these
        files."""
        entrances = (str(place / "cgroup.procs") for place in self._all)
        return ["sh", "-c", JOIN, program, *entrances, "--", *arguments]

    def freeze(self) -> None:
        """All stop running. In force when this returns."""
        (self._unified / "cgroup.freeze").write_text("1", encoding="ascii")
        _until(lambda: "frozen 1" in (self._unified / "cgroup.events").read_text(encoding="ascii"))

    def thaw(self) -> None:
        (self._unified / "cgroup.freeze").write_text("0", encoding="ascii")

    def kill(self) -> None:
        """SIGKILL to all at once, frozen ones too, before any of them can run another instruction in peace."""
        (self._unified / "cgroup.kill").write_text("1", encoding="ascii")

    @property
    def memory_limit(self) -> Path | None:
        """The file that takes the limit; None where this machine does not give its memory controller away."""
        files = (place / name for place in self._all for name in ("memory.max", "memory.limit_in_bytes"))
        return next(filter(Path.exists, files), None)

    def limit_memory(self, size_bytes: int) -> None:
        """They get no more than this, what they have already included. Raises LabError where there is no such limit here."""
        if self.memory_limit is None:
            raise LabError(f"memory cannot be limited: {NO_MEMORY_CONTROLLER}")
        self.memory_limit.write_text(str(size_bytes), encoding="ascii")

    def remove(self) -> None:
        """Once nothing runs in it any more, which is waited for."""
        for place in self._all:
            _until(partial(_removed, place))


def why_not(*, memory: bool = False) -> str:
    """Why groups cannot be made here, or their `memory` not be limited, as a sentence's end; empty where they can."""
    try:
        group = ControlGroup(f"trial-{os.getpid()}")
        limited = group.memory_limit is not None
        group.remove()
    except OSError as error:
        return f"this system refuses control groups ({error})"
    return NO_MEMORY_CONTROLLER if memory and not limited else ""


def sweep() -> None:
    """Remove the groups of labs that were killed; those of living ones are not empty, and stay."""
    with suppress(OSError):
        for place in _places():
            for group in place.glob(f"{PREFIX}*"):
                _removed(group)


def _places() -> list[Path]:
    """The directories of this process's own groups: version 2 first. Raises OSError where there is none of that."""
    own = dict(_own_groups())
    found: dict[str, Path] = {}
    for line in MOUNTS.read_text(encoding="utf-8").splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        kinds = {"cgroup2": [""], "cgroup": options.split(",")}.get(kind, [])
        for name in {"", "name=systemd", "memory"}.intersection(kinds):
            if name in own:
                found.setdefault(name, Path(fields.split(" ")[4]) / own[name])
    if "" not in found:
        raise OSError(0, "there is no hierarchy of version 2")
    return [found.pop(""), *found.values()]


def _own_groups() -> list[tuple[str, str]]:
    """By hierarchy: its controllers (empty for version 2), and the path of this process's group in it."""
    groups = []
    for line in OWN.read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        groups += [(controller, path.lstrip("/")) for controller in controllers.split(",")]
    return groups


def _removed(group: Path) -> bool:
    """Remove it with all that is below it; False where something still runs there."""
    try:
        for directory, _, _ in os.walk(group, topdown=False):
            Path(directory).rmdir()
    except OSError:
        return not group.exists()
    return True


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + ENDING_S
    while not condition():
        if time.monotonic() > deadline:
            raise LabError("a control group does not do as it was told. What runs in it hangs in the kernel; see ps")
        time.sleep(STEP_S)
