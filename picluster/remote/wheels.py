"""Wheels: archives that are unpacked into an environment (the binary distribution format, PEP 427).

Most of a wheel belongs into the directory of packages as it is. `NAME.data/` holds what belongs elsewhere: `purelib` and
`platlib` are that same directory, `scripts` is the environment's `bin`. RECORD says what every file's digest has to be; what
it does not name, and what would land outside, is refused.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import stat
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import suppress
from pathlib import Path, PurePosixPath

from picluster.remote.failure import Failure, unwritable

__all__ = ["Wheel", "receive"]

UNSIGNED = ("RECORD", "RECORD.jws", "RECORD.p7s")
"""Files that a RECORD cannot vouch for."""
EXECUTABLE = 0o111


def receive(directory: Path, digest: str, chunks: Iterator[bytes]) -> None:
    """Put what comes under its digest. Raises Failure where it is something else, or there is no space for it."""
    part = directory / f"{digest[:64]}.part"
    seen = hashlib.sha256()
    try:
        with part.open("wb") as file:
            for chunk in chunks:
                seen.update(chunk)
                file.write(chunk)
        if seen.hexdigest() != digest:
            raise Failure(f"what was sent as {digest[:12]} is something else; run this again")
        part.replace(directory / digest)
    except OSError as error:
        raise unwritable(str(directory), error) from error
    finally:
        with suppress(OSError):
            part.unlink()


class _Points(ConfigParser):
    """Names stay as they are written."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


class Wheel:
    """One, open. Raises Failure with its name wherever it is not what it should be."""

    def __init__(self, blob: Path, digest: str, name: str) -> None:
        """`digest` is what its SHA-256 has to be."""
        self.name = name
        try:
            content = blob.read_bytes()
        except OSError as error:
            raise Failure(f"{name} is not on the node ({error.strerror}); run this again") from error
        if hashlib.sha256(content).hexdigest() != digest:
            blob.unlink()
            raise Failure(f"{name} was damaged on the node's disk and is gone now; run this again")
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        except zipfile.BadZipFile as error:
            raise Failure(f"{name} is no wheel: {error}") from error
        self._about = self._directory()

    def close(self) -> None:
        self._archive.close()

    def unpack(self, site: Path, scripts: Path, python: str) -> None:
        """Packages go to `site`, programs to `scripts`, where `python` is what they are run by. Raises OSError."""
        record = self._record()
        for member in self._archive.infolist():
            if member.is_dir():
                continue
            place, is_script = self._place(member, site, scripts)
            content = self._archive.read(member)
            self._check(member.filename, content, record)
            if is_script and content.startswith(b"#!python"):
                content = f"#!{python}\n".encode() + content.partition(b"\n")[2]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            if is_script or member.external_attr >> 16 & EXECUTABLE:
                place.chmod(0o755)

    def scripts(self) -> dict[str, str]:
        """Its console scripts: `module:name` by name."""
        points = _Points(delimiters=("=",), interpolation=None)
        try:
            points.read_string(self._archive.read(f"{self._about}/entry_points.txt").decode())
        except KeyError:
            return {}
        return dict(points["console_scripts"]) if points.has_section("console_scripts") else {}

    def _directory(self) -> str:
        """The name of its directory of metadata, without which it is no wheel."""
        found = [name for name in self._archive.namelist() if name.endswith(".dist-info/RECORD") and name.count("/") == 1]
        if len(found) != 1:
            raise Failure(f"{self.name} is no wheel: it has {len(found)} RECORDs")
        return found[0].rpartition("/")[0]

    def _record(self) -> dict[str, str]:
        """`sha256=…` by path."""
        text = self._archive.read(f"{self._about}/RECORD").decode()
        return {row[0]: row[1] for row in csv.reader(text.splitlines()) if len(row) > 1}

    def _check(self, path: str, content: bytes, record: dict[str, str]) -> None:
        if path in {f"{self._about}/{name}" for name in UNSIGNED}:
            return
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        if record.get(path) != f"sha256={digest}":
            raise Failure(f"{self.name}: {path} is not what its RECORD says")

    def _place(self, member: zipfile.ZipInfo, site: Path, scripts: Path) -> tuple[Path, bool]:
        """Where a file belongs, and whether it is a program."""
        path = PurePosixPath(member.filename)
        link = stat.S_ISLNK(member.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or "\\" in member.filename or link:
            raise Failure(f"{self.name}: {member.filename} would leave the environment")
        if not path.parts[0].endswith(".data"):
            return site / path, False
        scheme, rest = (path.parts[1] if len(path.parts) > 2 else ""), path.parts[2:]
        if scheme not in {"purelib", "platlib", "scripts"}:
            raise Failure(f"{self.name}: nobody knows where {member.filename} belongs")
        return (scripts if scheme == "scripts" else site).joinpath(*rest), scheme == "scripts"
