"""The agent's software, as wheels that fit a node: picluster itself and the libraries that it imports.

No node needs the internet, or a compiler. What it gets is decided here, once for all nodes of a platform:

    picluster       made from this very installation, in a moment: what the controller runs is what the nodes run
    its libraries   in the version that the controller itself imports, on every node; for each platform
                    1  what was kept from the last time
                    2  the controller's own copy, as it was installed, where it fits the node's platform
                    3  the wheel of the package index for that platform, by the user's pip
                    4  the controller's own copy without its compiled parts, which fits every node

So only 3 asks the network, at most once for a platform and version; and without one, 4 is what a node gets. With a directory
given (`--wheels`) the network is never asked: what it lacks comes from 2 or 4. All wheels are packed anew, so that the same
content is the same bytes from wherever it came: `picluster.provision.archive`.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import picluster
from picluster.adapters.package_index import fetch
from picluster.errors import ProvisionError
from picluster.provision import archive
from picluster.provision.facts import Facts
from picluster.provision.steps import Blob
from picluster.provision.wheels import (
    LIBRARIES,
    OLDEST_PYTHON,
    PLAIN_TAG,
    Library,
    Platform,
    WheelName,
    best,
    newest,
    platform_of,
    why_not,
)

__all__ = ["cache_directory", "own_wheel", "wheels_for"]

NAME = "picluster-toolkit"
PROGRAMS = b"[console_scripts]\npicluster = picluster.cli.main:main\n"
DATA = ("py.typed", "agent/systemd/*")
"""What of the package is no Python, as in pyproject.toml."""
BUILT_HERE = "-linux_"
"""In the tag of what was compiled on this machine, against its own libraries."""

Files = dict[str, bytes]
Tell = Callable[[str], None]


def own_wheel() -> Blob:
    """picluster as it is installed here. Its version has a digest of its content: 0.1.0+src0a1b2c3d4e5f."""
    house = Path(picluster.__file__).parent
    paths = {path for pattern in ("**/*.py", *DATA) for path in house.glob(pattern) if path.is_file()}
    files = {f"{house.name}/{path.relative_to(house).as_posix()}": path.read_bytes() for path in sorted(paths)}
    version = f"{picluster.__version__}+src{_digest(files)[:12]}"
    folder = f"{NAME.replace('-', '_')}-{version}.dist-info"
    needs = [f"{library.name}>={library.at_least}" for library in LIBRARIES]
    python = ">=" + ".".join(map(str, OLDEST_PYTHON))
    files[f"{folder}/METADATA"] = archive.metadata(NAME, version, python, needs)
    files[f"{folder}/WHEEL"] = archive.wheel_file((PLAIN_TAG,))
    files[f"{folder}/entry_points.txt"] = PROGRAMS
    return archive.pack(files)


def wheels_for(
    facts: Mapping[str, Facts], directory: Path | None, tell: Tell, environment: Mapping[str, str] = os.environ
) -> dict[str, tuple[Blob, ...]]:
    """All wheels of a node's environment, picluster's own first, by the node's name.

    Nodes on which nothing of ours runs (`picluster.provision.wheels.why_not`) are left out. `tell` is told, in a line, what
    takes long and what is second best. `environment` says where wheels are kept (XDG_CACHE_HOME), and is pip's.
    Raises ProvisionError where a library cannot be had at all.
    """
    platforms = {node: platform_of(one) for node, one in facts.items() if not why_not(one)}
    own = own_wheel()
    source = _Index(cache_directory(environment), tell, environment) if directory is None else _Directory(directory, tell)
    ordered = sorted(set(platforms.values()), key=str)
    chosen = {platform: (own, *(source.wheel(library, platform) for library in LIBRARIES)) for platform in ordered}
    return {node: chosen[platform] for node, platform in platforms.items()}


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Where wheels are kept: a folder for each platform in it."""
    base = environment.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "picluster" / "wheels"


class _Index:
    """Wheels in the versions of this installation, with the package index behind it."""

    def __init__(self, cache: Path, tell: Tell, environment: Mapping[str, str]) -> None:
        self._cache = cache
        self._tell = tell
        self._environment = environment

    def wheel(self, library: Library, platform: Platform) -> Blob:
        version = _installed_version(library)
        place = self._cache / str(platform)
        kept = _kept(place, library.name, version, platform)
        if kept is not None:
            return kept
        own = _installed(library.name)
        wheel = _fitting(own, library, platform) or self._fetched(library, version, platform, own)
        _keep(place, wheel)
        return wheel

    def _fetched(self, library: Library, version: str, platform: Platform, own: Files | None) -> Blob:
        self._tell(f"fetching {library.name} {version} for {platform}")
        with tempfile.TemporaryDirectory() as empty:
            directory = Path(empty)
            reason = fetch(library.name, version, platform, directory, self._environment)
            name = best(_names(directory), library.name, version, platform.tags)
            if name is not None:
                return archive.pack(_read(directory / name))
        if own is None:
            raise ProvisionError(_how_to_help(library, version, platform, reason or "pip has fetched another one"))
        where = self._cache / str(platform)
        self._tell(f"{library.name} {version} goes in plain Python to {platform}: {reason}. To try again, remove {where}")
        return archive.pack(archive.plain(own))


class _Directory:
    """Wheels that somebody has laid there, in the newest version that is among them."""

    def __init__(self, directory: Path, tell: Tell) -> None:
        if not directory.is_dir():
            raise ProvisionError(f"--wheels {directory}: there is no such directory")
        self._directory = directory
        self._names = _names(directory)
        self._tell = tell

    def wheel(self, library: Library, platform: Platform) -> Blob:
        version = newest(self._names, library)
        if version is None:
            return self._own(library, platform)
        name = best(self._names, library.name, version, platform.tags)
        if name is not None:
            return archive.pack(_read(self._directory / name))
        self._tell(f"{library.name} {version} goes in plain Python to {platform}: {self._directory} has no wheel that fits")
        return archive.pack(archive.plain(_read(self._directory / self._any(library, version))))

    def _own(self, library: Library, platform: Platform) -> Blob:
        own = _installed(library.name)
        if own is None:
            reason = f"{self._directory} has none that is {library.at_least} or newer"
            raise ProvisionError(_how_to_help(library, _installed_version(library), platform, reason))
        return _fitting(own, library, platform) or archive.pack(archive.plain(own))

    def _any(self, library: Library, version: str) -> str:
        wheels = {name: WheelName.read(name) for name in self._names}
        return next(
            name for name, wheel in wheels.items() if wheel and (wheel.library, wheel.version) == (library.name, version)
        )


def _installed_version(library: Library) -> str:
    try:
        return metadata.version(library.name)
    except metadata.PackageNotFoundError as error:
        mend = f"{library.name}>={library.at_least}"
        raise ProvisionError(
            f"this Python has no {library.name}, which the nodes need. Run: pip install '{mend}'"
        ) from error


def _installed(library: str) -> Files | None:
    """The files of the wheel from which it was installed; None where they are not, or no longer, as the wheel had them: a
    distribution's package keeps no digests, and an editable one is elsewhere."""
    files = {}
    distribution = metadata.distribution(library)
    for file in distribution.files or ():
        path = str(file)
        if path.startswith("../") or archive.is_of_installer(path):
            continue  # scripts are made from the metadata
        try:
            files[path] = Path(str(distribution.locate_file(file))).read_bytes()
        except OSError:
            return None
        if file.hash is None or (file.hash.mode, file.hash.value) != ("sha256", archive.digest_of(files[path])):
            return None
    return files if f"{library}/__init__.py" in files else None


def _fitting(files: Files | None, library: Library, platform: Platform) -> Blob | None:
    """As a wheel, where it fits the platform, and has compiled parts if there are any to be had."""
    if files is None:
        return None
    second_best = (BUILT_HERE, PLAIN_TAG) if library.compiled else (BUILT_HERE,)
    tags = {tag for tag in archive.tags_of(files) if not any(word in tag for word in second_best)}
    return None if tags.isdisjoint(platform.tags) else archive.pack(files)


def _kept(place: Path, library: str, version: str, platform: Platform) -> Blob | None:
    """From the last time; what is damaged goes."""
    name = best(_names(place), library, version, platform.tags)
    if name is None:
        return None
    data = (place / name).read_bytes()
    try:
        archive.unpack(data)
    except ValueError:
        (place / name).unlink(missing_ok=True)
        return None
    return Blob(data, name)


def _keep(place: Path, wheel: Blob) -> None:
    """Whoever reads at the same time finds all of it or nothing."""
    beside = place / f".{wheel.name}.{secrets.token_hex(4)}"
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside.write_bytes(wheel.data)
        beside.replace(place / wheel.name)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise ProvisionError(f"wheels cannot be kept: {error}. XDG_CACHE_HOME can name another place") from error


def _read(path: Path) -> Files:
    try:
        return archive.unpack(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ProvisionError(f"{path} cannot be read: {error}. Fetch it again") from error


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*.whl"))


def _digest(files: Mapping[str, bytes]) -> str:
    """Of paths and content, in order, each with its length before it."""
    digest = hashlib.sha256()
    for path, content in files.items():
        digest.update(f"{path}\n{len(content)}\n".encode() + content)
    return digest.hexdigest()


def _how_to_help(library: Library, version: str, platform: Platform, reason: str) -> str:
    command = f"pip download --no-deps --only-binary=:all: --dest WHEELS {library.name}=={version}"
    why = f"{library.name} {version} cannot be had for {platform}: {reason}"
    return f"{why}. Where there is internet, run `{command}`, and name that directory here: --wheels WHEELS"
