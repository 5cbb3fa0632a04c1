"""Take away what was brought, and put back what stood in its place: the manifest, read backwards. Nothing else is touched.

Each entry may be undone twice, so where this was cut off it is begun again. The manifest itself goes first of all that is
left at the end: what was kept is of use only with it.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from picluster.remote.accounts import remove_group, remove_member, remove_user
from picluster.remote.distribution import collect, remove_packages
from picluster.remote.environment import part_of
from picluster.remote.failure import Failure, unwritable
from picluster.remote.files import beside, note, put_file, put_link, set_about
from picluster.remote.kernel import set_setting, setting
from picluster.remote.lock import alone
from picluster.remote.manifest import Entry, synced
from picluster.remote.node import STATE, Node
from picluster.remote.talking import Gone, Talk
from picluster.remote.units import reload_units, restore_unit
from picluster.remote.work import Work

__all__ = ["serve", "undo"]


def serve(talk: Talk, node: Node, request: dict[str, Any]) -> None:
    """The request `undo`."""
    with alone(node, request):
        undo(Work(node, talk.output, talk.wait, talk.gone), talk)


def undo(work: Work, talk: Talk) -> None:
    """All of it. Raises Failure at what cannot be undone, and Gone where nobody wants it any more."""
    collect(work)
    steps = _steps(work)
    for index, (text, deed) in enumerate(steps):
        if talk.gone():
            raise Gone
        talk.begin(index, text)
        talk.done(deed())


def _steps(work: Work) -> list[tuple[str, Callable[[], bool]]]:
    """What is to be done, in order, each with its name."""
    entries = work.manifest.entries
    if not entries:
        return [("forget", lambda: _forget(work))] if work.node.at(STATE).exists() else []
    steps: list[tuple[str, Callable[[], bool]]] = []
    for kind, group in groupby(reversed(entries), lambda entry: str(entry["kind"])):
        if kind == "package":
            steps.append(_packages(work, list(group)))
        else:
            steps += [_one(work, entry) for entry in group]
    running = [entry["name"] for entry in entries if entry["kind"] == "unit" and entry["there"]]
    steps.append(("what runs reads again what was put back", lambda: reload_units(work, running)))
    steps.append(("forget", lambda: _forget(work)))
    return steps


def _packages(work: Work, entries: Sequence[Entry]) -> tuple[str, Callable[[], bool]]:
    return f"{len(entries)} packages", lambda: remove_packages(work, entries)


def _one(work: Work, entry: Entry) -> tuple[str, Callable[[], bool]]:
    deed = UNDOES[entry["kind"]]
    return f"{entry['kind'].replace('_', ' ')} {entry['name']}", lambda: deed(work, entry)


def _restore_path(work: Work, entry: Entry) -> bool:
    path, before = entry["name"], entry["before"]
    place = work.node.at(path)
    try:
        beside(place).unlink(missing_ok=True)
        changed = _take_away(work, place, path) if before is None else _put_back(work, place, before)
    except OSError as error:
        raise unwritable(path, error) from error
    if changed:
        note(work, path)
    return changed


def _take_away(work: Work, place: Path, path: str) -> bool:
    try:
        found = place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    if not stat.S_ISDIR(found.st_mode):
        place.unlink()
    elif any(True for _ in place.iterdir()):
        work.tell(f"{path} stays: there is something in it that is not ours")
        return False
    else:
        place.rmdir()
    synced(place.parent)
    return True


def _put_back(work: Work, place: Path, before: dict[str, Any]) -> bool:
    if not place.parent.is_dir():
        place.parent.mkdir(parents=True)
    if before["type"] == "link":
        if place.is_symlink() and os.fspath(place.readlink()) == before["target"]:
            return False
        put_link(place, before["target"])
        return True
    numbers = work.node.owner(before["owner"])
    if before["type"] == "directory":
        place.mkdir(exist_ok=True)
        set_about(place, before["mode"], numbers)
        return True
    content = (work.node.state("kept") / before["kept"]).read_bytes()
    put_file(place, content, before["mode"], numbers, before["mtime_ns"])
    return True


def _remove_environment(work: Work, entry: Entry) -> bool:
    place = work.node.at(entry["name"])
    there = place.exists()
    for directory in (place, part_of(place)):
        shutil.rmtree(directory, ignore_errors=True)
    if place.exists():
        raise Failure(f"{entry['name']} cannot be removed; see whether its file system is read-only")
    return there


def _restore_setting(work: Work, entry: Entry) -> bool:
    if setting(work.node, entry["name"]) in {None, entry["value"]}:
        return False
    set_setting(work.node, entry["name"], entry["value"])
    return True


def _restore_host_name(work: Work, entry: Entry) -> bool:
    if work.node.text(entry["name"]) == entry["value"]:
        return False
    work.node.commands.run("hostname", entry["value"], tell=work.tell)
    return True


def _forget(work: Work) -> bool:
    try:
        work.node.state("manifest.jsonl").unlink(missing_ok=True)
        synced(work.node.at(STATE))
        shutil.rmtree(work.node.at(STATE))
    except OSError as error:
        raise Failure(f"{STATE} cannot be removed: {error.strerror}") from error
    return True


UNDOES: dict[str, Callable[[Work, Entry], bool]] = {
    "path": _restore_path,
    "environment": _remove_environment,
    "unit": restore_unit,
    "sysctl": _restore_setting,
    "host_name": _restore_host_name,
    "user": remove_user,
    "group": remove_group,
    "member": remove_member,
}
