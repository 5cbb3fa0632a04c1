"""A wheel as bytes: written so that the same content is always the same bytes, and read back with every file checked.

A wheel is a zip file with a package, its metadata in NAME-VERSION.dist-info, and a RECORD there of all files and their
SHA-256 (packaging.python.org, binary distribution format). Nodes know software by its digest, so what came from an index,
what was installed by pip and what was made here have to become one: files in a fixed order, all with the same date and mode,
a RECORD written anew, and nothing of what an installer adds.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Iterable, Mapping

from picluster.provision.steps import Blob
from picluster.provision.wheels import PLAIN_TAG, expand

__all__ = ["digest_of", "is_of_installer", "metadata", "pack", "plain", "tags_of", "unpack", "wheel_file"]

BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a zip file can name."""
UNIX = 3
MODE = 0o100644 << 16
"""A regular file that all may read, where a zip file made on Unix keeps it."""
OF_INSTALLERS = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json")
"""What pip writes into .dist-info, or writes anew."""
COMPILED = (".so", ".pxd")
"""Compiled parts, and the types that they were compiled with."""


def pack(files: Mapping[str, bytes]) -> Blob:
    """All files but RECORD, by their path in the wheel; name, version and tags are in .dist-info."""
    folder = _folder(files)
    record = io.StringIO()
    lines = csv.writer(record, lineterminator="\n")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        # Metadata comes last: who reads a zip file begins at its end.
        for path in sorted(files, key=lambda path: (path.startswith(f"{folder}/"), path)):
            archive.writestr(_entry(path), files[path])
            lines.writerow((path, f"sha256={digest_of(files[path])}", len(files[path])))
        lines.writerow((f"{folder}/RECORD", "", ""))
        archive.writestr(_entry(f"{folder}/RECORD"), record.getvalue())
    return Blob(data.getvalue(), f"{folder.removesuffix('.dist-info')}-{_compressed(tags_of(files))}.whl")


def unpack(data: bytes) -> dict[str, bytes]:
    """What `pack` was given. Raises ValueError for what is no wheel, or has a file that its RECORD does not describe."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = {entry.filename: archive.read(entry) for entry in archive.infolist() if not entry.is_dir()}
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise ValueError(f"no wheel: {error}") from error
    record = files.pop(f"{_folder(files)}/RECORD", b"").decode()
    described = {row[0]: row[1] for row in csv.reader(io.StringIO(record)) if len(row) == 3}
    for path, content in files.items():
        if described.get(path) != f"sha256={digest_of(content)}":
            raise ValueError(f"{path} is not what its RECORD says")
    return {path: content for path, content in files.items() if not is_of_installer(path)}


def plain(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same without its compiled parts: for every machine, and every Python that its source is for."""
    description = f"{_folder(files)}/WHEEL"
    kept = {path: content for path, content in files.items() if not path.endswith(COMPILED)}
    return {**kept, description: wheel_file((PLAIN_TAG,))}


def tags_of(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Complete tags, by the file WHEEL."""
    lines = files[f"{_folder(files)}/WHEEL"].decode().splitlines()
    compressed = [line.removeprefix("Tag:").strip() for line in lines if line.startswith("Tag:")]
    return tuple(sorted({tag for one in compressed for tag in expand(one)}))


def metadata(name: str, version: str, python: str, needs: Iterable[str]) -> bytes:
    """The file METADATA. `python` and `needs` are what it requires: `>=3.11`, `ifaddr>=0.2`."""
    required = "".join(f"Requires-Dist: {one}\n" for one in needs)
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Python: {python}\n{required}".encode()


def wheel_file(tags: Iterable[str]) -> bytes:
    """The file WHEEL, of what has no compiled parts."""
    named = "".join(f"Tag: {tag}\n" for tag in tags)
    return f"Wheel-Version: 1.0\nGenerator: picluster\nRoot-Is-Purelib: true\n{named}".encode()


def is_of_installer(path: str) -> bool:
    """Whether such a file is there because a wheel was installed, and not because it was in it."""
    folder, _, name = path.rpartition("/")
    return path.endswith(".pyc") or (folder.endswith(".dist-info") and name in OF_INSTALLERS)


def digest_of(content: bytes) -> str:
    """SHA-256 as RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _folder(files: Mapping[str, bytes]) -> str:
    """The wheel's own .dist-info."""
    folders = {path.partition("/")[0] for path in files if path.partition("/")[0].endswith(".dist-info")}
    if len(folders) != 1:
        raise ValueError(f"no wheel: {len(folders)} folders of metadata")
    folder = folders.pop()
    if f"{folder}/WHEEL" not in files or f"{folder}/METADATA" not in files:
        raise ValueError(f"no wheel: {folder} has no WHEEL or no METADATA")
    return folder


def _compressed(tags: Iterable[str]) -> str:
    """The inverse of `expand`, for tags that are all the combinations of their parts, as those of one wheel are."""
    parts = zip(*(tag.split("-") for tag in tags), strict=True)
    return "-".join(".".join(sorted(set(part))) for part in parts)


def _entry(path: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path, BEGINNING)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = UNIX
    entry.external_attr = MODE
    return entry
