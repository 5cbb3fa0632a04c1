"""A Python environment of its own, without pip and without a network: a directory, and wheels unpacked into it.

What makes a directory a virtual environment is a link to Python and a file `pyvenv.cfg` (PEP 405). So no more is needed than
that, and `picluster.remote.wheels`. The distribution's packages are seen in it too, after the wheels: lgpio, and on 32 bits
what has no wheels, comes from there.

It is built beside its place, tried, forced to the disk, and only then has its name: what has the name is whole. Nothing in
it carries the name of the place where it was built.
"""

from __future__ import annotations

import compileall
import shutil
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from picluster.remote.commands import CommandFailed
from picluster.remote.failure import Failure, unwritable
from picluster.remote.files import make_parents
from picluster.remote.manifest import synced
from picluster.remote.wheels import Wheel
from picluster.remote.work import Work

__all__ = ["make_environment", "part_of"]

TRYING_S = 120.0
SCRIPT = """#!{python}
import sys

from {module} import {name}

sys.exit({call}())
"""


def make_environment(work: Work, step: dict[str, Any]) -> bool:
    """The step `environment`. Raises Failure where a wheel is damaged or does not fit, and then nothing has changed."""
    path, program = str(step["path"]), str(step["program"])
    place = work.node.at(path)
    if place.is_dir() and _why_not(work, place, program) is None:
        return False
    part = part_of(place)
    try:
        make_parents(work, path)
        work.manifest.add({"kind": "environment", "name": path})
        shutil.rmtree(part, ignore_errors=True)
        _build(work, part, path, step["wheels"], program)
        if place.exists():
            shutil.rmtree(place)  # made for a Python that is gone by now
        part.replace(place)
        synced(place.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    _forget_other_wheels(work, {wheel["digest"] for wheel in step["wheels"]})
    return True


def part_of(place: Path) -> Path:
    """Where the next one is built."""
    return place.with_name(f".{place.name}.part")


def _build(work: Work, part: Path, path: str, wheels: list[dict[str, str]], program: str) -> None:
    python = f"{path}/bin/python3"
    site = _empty_environment(part)
    script = ""
    for request in wheels:
        blob = work.node.state("blobs") / request["digest"]
        with closing(Wheel(blob, request["digest"], request["name"])) as wheel:
            wheel.unpack(site, part / "bin", python)
            script = wheel.scripts().get(program, script)
    if not script:
        raise Failure(f"none of the wheels has a program {program}")
    _write_script(part / "bin" / program, script, python)
    compileall.compile_dir(site, quiet=2)
    trouble = _why_not(work, part, program)
    if trouble is not None:
        raise Failure(f"{program} does not run with these wheels: {trouble}")
    work.node.commands.run("sync", "--file-system", str(part))


def _empty_environment(part: Path) -> Path:
    """Returns the directory that its packages belong into."""
    python = Path(getattr(sys, "_base_executable", "") or sys.executable)
    major, minor, micro = sys.version_info[:3]
    site = part / "lib" / f"python{major}.{minor}" / "site-packages"
    site.mkdir(parents=True)
    (part / "bin").mkdir()
    (part / "bin" / "python3").symlink_to(python)
    (part / "bin" / "python").symlink_to("python3")
    words = f"home = {python.parent}\ninclude-system-site-packages = true\nversion = {major}.{minor}.{micro}\n"
    (part / "pyvenv.cfg").write_text(words, encoding="utf-8")
    return site


def _write_script(place: Path, entry: str, python: str) -> None:
    """A console script; `entry` is its `module:name` (the entry points specification)."""
    module, _, call = entry.partition("[")[0].strip().partition(":")
    words = SCRIPT.format(python=python, module=module.strip(), name=call.strip().partition(".")[0], call=call.strip())
    place.write_text(words, encoding="utf-8")
    place.chmod(0o755)


def _why_not(work: Work, environment: Path, program: str) -> str | None:
    """What is wrong with the program in it; None where it runs."""
    python, script = environment / "bin" / "python3", environment / "bin" / program
    try:
        work.node.commands.run(str(python), str(script), "--version", most_s=TRYING_S)
    except CommandFailed as failure:
        return failure.lines[-1] if failure.lines else str(failure)
    return None


def _forget_other_wheels(work: Work, digests: set[str]) -> None:
    """What no environment is made of any more would only fill the card."""
    with suppress(OSError):
        for blob in work.node.state("blobs").iterdir():
            if blob.name not in digests:
                blob.unlink()
