"""Units of systemd: how they are, and how they should be (man 1 systemctl).

`enabled` is about the next boot, `state` about now. Whether a unit's files are newer than what systemd has read it says
itself (`NeedDaemonReload`), but not of units that it has never heard of; so it is told after unit files were written, once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from picluster.remote.commands import CommandFailed
from picluster.remote.failure import Failure
from picluster.remote.node import Node

if TYPE_CHECKING:  # looking needs none
    from picluster.remote.work import Work

__all__ = ["change_unit", "look_at_units", "reload_units", "restore_unit"]

PROPERTIES = "--property=LoadState,UnitFileState,ActiveState,NeedDaemonReload"
ENABLED = {"enabled", "static", "indirect", "generated", "alias"}
"""What is started at boot, or by somebody else, whatever is done to it."""
RUNS = {"active", "reloading"}
STOPPED = {"inactive", "failed"}
STARTING_S = 180.0
UNKNOWN = {"LoadState": "not-found", "UnitFileState": "", "ActiveState": "inactive", "NeedDaemonReload": "no"}


def look_at_units(node: Node, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """The properties of each, with one question; nothing where there is no systemd."""
    asked = list(names)
    said = node.commands.ask("systemctl", "show", PROPERTIES, "--", *asked) if asked else None
    if said is None:
        return {}
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in said.split("\n\n")]
    return {name: {**UNKNOWN, **block} for name, block in zip(asked, blocks)}  # noqa: B905  strict= came with Python 3.10


def change_unit(work: Work, step: dict[str, Any]) -> bool:
    """The step `unit`."""
    name, enabled, state = str(step["name"]), step["enabled"], str(step["state"])
    now = _look(work.node, name)
    stale = work.units_written or now["NeedDaemonReload"] == "yes"
    if stale:
        _control(work, "daemon-reload")
        work.units_written = False
        now = _look(work.node, name)
    verbs = [*_for_boot(now, enabled), *_for_now(now, state)]
    if verbs:
        work.manifest.remember_unit(name, now)
    for verb in verbs:
        _control(work, verb, name)
    return stale or bool(verbs)


def restore_unit(work: Work, entry: dict[str, Any]) -> bool:
    """As it was before the first change."""
    name, now = entry["name"], _look(work.node, entry["name"])
    if now["LoadState"] == "not-found":
        return False
    state = "started" if entry["active"] in RUNS else "stopped"
    boot = None if entry["enabled"] in ENABLED - {"enabled"} else entry["enabled"] == "enabled"
    verbs = [*_for_boot(now, boot), *_for_now(now, state)]
    for verb in verbs:
        _control(work, verb, name)
    return bool(verbs)


def reload_units(work: Work, names: Iterable[str]) -> bool:
    """Units that are not ours read again what was put back; those that do not run have nothing to read. One that refuses is
    told of: its files are as they were, so what it lacks is not ours."""
    if work.units_written:
        _control(work, "daemon-reload")
        work.units_written = False
    running = [name for name in names if _look(work.node, name)["ActiveState"] in RUNS]
    for name in running:
        try:
            _control(work, "reload-or-restart", name)
        except Failure as failure:
            work.tell(str(failure))
    return bool(running)


def _look(node: Node, name: str) -> dict[str, str]:
    return look_at_units(node, [name]).get(name) or dict(UNKNOWN)


def _for_boot(now: dict[str, str], enabled: bool | None) -> list[str]:
    if enabled and now["UnitFileState"] not in ENABLED:
        return ["enable"]
    return ["disable"] if enabled is False and now["UnitFileState"].startswith("enabled") else []


def _for_now(now: dict[str, str], state: str) -> list[str]:
    runs = now["ActiveState"] in RUNS
    if state == "restarted":
        return ["restart"]
    if state == "started" and not runs:
        return ["start"]
    if state == "reloaded" and runs:
        return ["reload-or-restart"]
    return ["stop"] if state == "stopped" and now["ActiveState"] not in STOPPED else []


def _control(work: Work, *words: str) -> None:
    """Raises Failure with what the unit itself said at last."""
    try:
        work.node.commands.run("systemctl", "--no-ask-password", "--quiet", *words, tell=work.tell, most_s=STARTING_S)
    except CommandFailed as failure:
        said = work.node.commands.ask(
            "journalctl", f"--unit={words[-1]}", "--lines=5", "--output=cat", "--no-pager", "--quiet"
        )
        lines = "; ".join((said or "").splitlines())
        raise Failure(f"{failure}{f' Its journal ends: {lines}' if lines else ''}") from failure
