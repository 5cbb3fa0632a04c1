"""The root file system that all virtual Pis of a machine lab boot from: a small Debian or Ubuntu with a real systemd.

It is made once, by mmdebstrap, and kept for the next lab under a name that says of what it is made:

    /var/cache/picluster/bookworm-amd64-<hash of the package list>     (or below $XDG_CACHE_HOME)

Release and mirrors are this machine's own, as its apt knows them. So nothing is fetched from where this machine would not
fetch, and its Python is the one for which the packages around this very process were most likely made.

No Pi ever writes there. What it writes goes into an overlay of its own, `picluster.lab.disk`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from picluster.errors import LabError

__all__ = ["PACKAGES", "is_made", "place", "root_system", "source_lines"]

PACKAGES = (
    "dbus",
    "iproute2",
    "iputils-arping",
    "iputils-ping",
    "network-manager",
    "nftables",
    "python3",
    "systemd",
    "systemd-sysv",
    "udev",
)
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*")
CACHE = Path("/var/cache")
LAST_LINES = 8


def root_system(tell: Callable[[str], None]) -> Path:
    """Where it is; where it is missing it is made first, and each step of that is told. Raises LabError."""
    target = place()
    if not is_made():
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target.parent / f"{target.name}.lock"):
            if not is_made():
                _make(target, tell)
    return target


def is_made() -> bool:
    return place().is_dir()


def place() -> Path:
    """Where it is, or would be."""
    recipe = hashlib.sha256(" ".join((*PACKAGES, *LEFT_OUT)).encode()).hexdigest()[:12]
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else CACHE) / "picluster" / f"{_release()}-{platform.machine()}-{recipe}"


def source_lines(indices: str, release: str) -> list[str]:
    """Lines for apt, of what `apt-get indextargets` says about this machine: the release, its updates and its security, and
    nothing from elsewhere. Each of its lines is the site, the suite, the component and the kind of index."""
    found = set()
    for line in indices.splitlines():
        site, suite, component, kind = line.split(" ")
        if kind == "Packages" and (suite == release or suite.startswith(f"{release}-")):
            found.add(f"deb {site} {suite} {component}")
    return sorted(found)


def _make(target: Path, tell: Callable[[str], None]) -> None:
    if shutil.which("mmdebstrap") is None:
        raise LabError("there is no mmdebstrap to make the Pis' root file system with. Run: apt install mmdebstrap")
    unfinished = target.with_name(f"{target.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    tell(f"making the root file system of the Pis, once: {target}")
    words: list[str] = []
    with subprocess.Popen(
        _command(unfinished), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write("\n".join(_sources()) + "\n")
        process.stdin.close()
        for line in process.stderr:
            words.append(line)
            if line.startswith("I: "):
                tell(line[3:].strip())
    if process.returncode != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise LabError(f"mmdebstrap could not make the Pis' root file system. It says:\n{''.join(words[-LAST_LINES:])}")
    unfinished.rename(target)


def _command(target: Path) -> Sequence[str]:
    """`-` makes it read apt's lines from its standard input."""
    without = [f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT]
    included = f"--include={','.join(PACKAGES)}"
    return ["mmdebstrap", "--variant=minbase", "--format=directory", included, *without, _release(), str(target), "-"]


def _sources() -> list[str]:
    """Mirrors that need a key of their own are none of a release's: mmdebstrap finds the release's keys by itself."""
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(CREATED_BY)"
    try:
        asked = subprocess.run(["apt-get", "indextargets", "--format", form], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise LabError(f"this machine's apt does not tell its mirrors ({error}). The lab needs Debian or Ubuntu") from error
    lines = source_lines(asked.stdout, _release())
    if not lines:
        raise LabError(f"this machine's apt knows no mirror of {_release()}. Add one to its sources")
    return lines


def _release() -> str:
    """The code name of what this machine runs."""
    try:
        name = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        name = ""
    if not name:
        raise LabError("this machine does not say which release it runs. A lab of booted Pis needs Debian or Ubuntu")
    return name


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Two labs that start at once make it once."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
