"""The distribution's packages, by apt-get and dpkg.

Fresh nodes install updates of their own as soon as they have a network, so dpkg's lock is often taken: this waits, and says
for whom. A dpkg that was cut off is mended first. Lists are fetched where there are none, where they are more than a day
old, or where apt does not find with them what it needs.

What comes with a package is known only to apt, so apt tells: before dpkg unpacks anything, apt runs a command of ours with a
list of what is new on its input (DPkg::Pre-Install-Pkgs, man 5 apt.conf). The list is synced before that command ends. It is
read into the manifest afterwards, or by the next run, if this one is cut. `remove_packages` takes away no more than that:
dpkg, other than apt, refuses to remove what somebody needs, and removes the rest.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any

from picluster.remote.commands import CommandFailed
from picluster.remote.dpkg import Packages, holder_of_lock
from picluster.remote.failure import Failure
from picluster.remote.manifest import Entry, private
from picluster.remote.work import Work

__all__ = ["collect", "install", "remove_packages"]

LOCKED_S = 600.0
LOOKING_S = 0.5
"""Between two looks at a lock."""
INSTALLING_S = 3_600.0
DAY_S = 86_400.0
INCOMING = "incoming"
LISTS = ("/var/lib/apt/lists", "/var/lib/apt/lists/partial", "/var/cache/apt/pkgcache.bin")
"""What changes when lists are fetched."""
STALE = ("Unable to locate", "no installation candidate", "404", "Failed to fetch", "Unable to fetch")
"""What apt says where newer lists may help."""


def install(work: Work, step: dict[str, Any]) -> bool:
    """The step `packages`. Raises Failure with what apt says."""
    names = [str(name) for name in step["names"]]
    collect(work)
    now = Packages(work.node)
    if not _missing(now, names) and not now.broken:
        return False
    _wait_for_lock(work)
    _mend(work)
    missing = _missing(Packages(work.node), names)
    try:
        if missing:
            _get(work, missing)
    finally:
        collect(work)
    missing = _missing(Packages(work.node), names)
    if missing:
        raise Failure(f"apt-get says nothing is wrong, yet {', '.join(missing)} is not installed")
    return True


def collect(work: Work) -> None:
    """Read into the manifest what apt has told, now or in a run that was cut."""
    told = work.node.state(INCOMING)
    if told.exists():
        lines = [line.split(" ") for line in told.read_text(encoding="utf-8", errors="replace").splitlines()]
        new = dict.fromkeys(fields[0] for fields in lines if fields[1:3] == ["-", "<"])
        work.manifest.add(*({"kind": "package", "name": name} for name in new))
        told.unlink()


def remove_packages(work: Work, entries: Sequence[Entry]) -> bool:
    """Purge those that are there; what somebody else needs by now stays, and is told."""
    there = _known(work, entries)
    if not there:
        return False
    _wait_for_lock(work)
    failure = None
    try:
        work.node.commands.run("dpkg", "--purge", *there, tell=work.tell, most_s=INSTALLING_S)
    except CommandFailed as failed:
        failure = failed
    now = Packages(work.node)
    left = [name for name in there if name in now.known]
    if failure is not None and (not left or any(name not in now.installed for name in left)):
        raise failure
    for name in left:
        work.tell(f"the package {name} stays: others need it")
    return len(left) < len(there)


def _known(work: Work, entries: Sequence[Entry]) -> list[str]:
    known = Packages(work.node).known
    return [entry["name"] for entry in entries if entry["name"] in known]


def _missing(now: Packages, names: Collection[str]) -> list[str]:
    return [name for name in names if name not in now.installed]


def _wait_for_lock(work: Work) -> None:
    """Raises Failure where it takes too long, or nobody is there any more who wants it."""
    deadline = time.monotonic() + LOCKED_S
    told = ""
    while True:
        holder = holder_of_lock(work.node)
        if not holder:
            return
        if time.monotonic() > deadline:
            raise Failure(f"{holder} has had dpkg's lock for {LOCKED_S:.0f} s; see what it does, then run this again")
        if work.gone():
            raise Failure("the connection ended while waiting for dpkg's lock")
        if holder != told:
            work.wait(f"{holder} has dpkg's lock")
            told = holder
        time.sleep(LOOKING_S)


def _mend(work: Work) -> None:
    """What was left half-way."""
    if not Packages(work.node).broken:
        return
    try:
        work.node.commands.run("dpkg", "--force-confold", "--configure", "-a", tell=work.tell, most_s=INSTALLING_S)
    except CommandFailed as failure:
        work.tell(f"{failure}; apt-get tries to mend it")
    if Packages(work.node).broken:
        _apt_get(work, "--fix-broken", "install")


def _get(work: Work, names: Sequence[str]) -> None:
    fetched = _lists_are_old(work)
    if fetched:
        _update(work)
    try:
        _apt_get(work, "install", *names)
    except CommandFailed as failure:
        if fetched or not any(sign in line for sign in STALE for line in failure.lines):
            raise
        _update(work)
        _apt_get(work, "install", *names)


def _update(work: Work) -> None:
    """One source of several that does not answer is no reason to give up: what is needed may be in another."""
    try:
        _apt_get(work, "update")
    except CommandFailed as failure:
        work.tell(str(failure))


def _apt_get(work: Work, *words: str) -> None:
    options = [
        "--yes",
        "--quiet",
        "--no-install-recommends",
        "Dpkg::Use-Pty=0",
        "Dpkg::Options::=--force-confdef",
        "Dpkg::Options::=--force-confold",
        # For whoever takes the lock between our look and apt's.
        "DPkg::Lock::Timeout=60",
        "Acquire::Retries=2",
        "Acquire::http::Timeout=30",
        "Acquire::https::Timeout=30",
        f"DPkg::Pre-Install-Pkgs::=dd of={private(work.node, '') / INCOMING} oflag=append conv=notrunc,fsync status=none",
        "DPkg::Tools::Options::dd::Version=2",
    ]
    given = [option if option.startswith("-") else f"--option={option}" for option in options]
    work.node.commands.run("apt-get", *given, *words, tell=work.tell, most_s=INSTALLING_S)


def _lists_are_old(work: Work) -> bool:
    """Or missing. A clock that is behind makes them look as if from the future; then apt has to say whether they do."""
    lists = work.node.at(LISTS[0])
    if not any(True for _ in lists.glob("*_Packages*")) and not any(True for _ in lists.glob("*_InRelease")):
        return True
    found = [work.node.at(path) for path in LISTS]
    newest = max((path.stat().st_mtime for path in found if path.exists()), default=0.0)
    return time.time() - newest > DAY_S
