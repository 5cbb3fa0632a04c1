"""The root file system that all virtual Pis of a machine lab boot from: a small Debian or Ubuntu with a real systemd.

It is made once, by mmdebstrap, and kept for the next lab under a name that says of what it is made:

    /var/cache/picluster/bookworm-amd64-<hash of the recipe>/          (or below $XDG_CACHE_HOME)
        root        what all Pis boot from
        packages    what apt finds on a Pi, `picluster.lab.packages`: in a lab there is no internet

Release and mirrors are this machine's own, as its apt knows them. So nothing is fetched from where this machine would not
fetch, and its Python is the one for which the packages around this very process were most likely made.

No Pi ever writes there. What it writes goes into an overlay of its own, `picluster.lab.disk`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from picluster.errors import LabError
from picluster.lab import packages

__all__ = ["PACKAGES", "SERVED", "is_made", "place", "root_system", "served_packages", "source_lines"]

PACKAGES = (
    "avahi-daemon",
    "ca-certificates",
    "dbus",
    "iproute2",
    "iputils-arping",
    "iputils-ping",
    "network-manager",
    "nftables",
    "openssh-server",
    "procps",
    "python3",
    "python3-venv",
    "sudo",
    "systemd",
    "systemd-sysv",
    "systemd-timesyncd",
    "udev",
)
SERVED = ("locales", "rsync", "tree")
"""Packages of the distribution that a Pi may install, with what these need and it does not have."""
NO_HOST_KEYS = 'rm --force "$1"/etc/ssh/ssh_host_*'
"""Each Pi makes its own; here they would be everybody's."""
DOWNLOAD = (
    'rm --force "$1"/var/cache/apt/archives/*.deb; '
    'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --yes --download-only --no-install-recommends install {names} && '
    'mv "$1"/var/cache/apt/archives/*.deb {target}'
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
    return target / "root"


def served_packages() -> Path:
    """The repository of packages beside it."""
    return place() / "packages"


def is_made() -> bool:
    return place().is_dir()


def place() -> Path:
    """Where both are, or would be."""
    made_of = (*PACKAGES, *SERVED, *LEFT_OUT, NO_HOST_KEYS, DOWNLOAD, *packages.RECIPE)
    recipe = hashlib.sha256(" ".join(made_of).encode()).hexdigest()[:12]
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
    for part in ("root", "packages"):
        (unfinished / part).mkdir(parents=True)
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
    packages.complete(unfinished / "packages")
    unfinished.rename(target)


def _command(target: Path) -> Sequence[str]:
    """`-` makes it read apt's lines from its standard input."""
    without = [f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT]
    included = f"--include={','.join(PACKAGES)}"
    download = DOWNLOAD.format(names=" ".join(SERVED), target=shlex.quote(str(target / "packages")))
    hooks = [f"--customize-hook={hook}" for hook in (NO_HOST_KEYS, download)]
    what = [_release(), str(target / "root"), "-"]
    return ["mmdebstrap", "--variant=minbase", "--format=directory", included, *without, *hooks, *what]


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
