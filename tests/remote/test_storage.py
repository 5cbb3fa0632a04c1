"""A disk that is full, or cannot be written to: one clear word, and the old file is whole."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from picluster.adapters.namespaces import limit_memory, mount_memory, read_only
from picluster.provision.steps import Blob, environment, write
from tests.adapters.isolation import isolated
from tests.remote.stage import OWN, Pretended, Session, everything, make_wheel

APP = {"app.py": "def main(): print(1)\n", "app-1.0.dist-info/entry_points.txt": "[console_scripts]\napp = app:main\n"}
PAGE = 4_096
DISK = Path("/mnt")
"""Nobody sees what is mounted there but the test that did it."""


def filled(node: Pretended) -> None:
    """Not a page is left."""
    with (node.root / "var" / "rubbish").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * PAGE)


def files(node: Pretended) -> dict[str, object]:
    """All but our own."""
    return {path: about for path, about in everything(node.root).items() if not path.startswith(("run", "var"))}


@isolated
def test_a_full_disk_leaves_the_old_file_whole_and_the_next_run_goes_on() -> None:
    mount_memory(DISK)
    node = Pretended(DISK)
    node.put("/etc/app.conf", "theirs\n" * 1_000)
    limit_memory(DISK, 4 << 20)
    before = files(node)
    step = write("/etc/app.conf", b"ours\n" * 1_000, owner=OWN)
    filled(node)
    with Session({"PATH": str(node.programs)}) as session:
        failed = session.apply(node.root, [step])[-1]
    assert failed["kind"] == "failed"
    assert failed["step"] == 0
    assert "there is no space left; free some" in failed["error"]
    assert files(node) == before
    (node.root / "var" / "rubbish").unlink()
    with Session({"PATH": str(node.programs)}) as session:
        assert session.apply(node.root, [step])[-1]["changed"]
        session.ask({"do": "undo", "root": str(node.root)})
    assert files(node) == before


@isolated
def test_a_disk_that_fills_up_under_an_environment_has_its_space_back() -> None:
    mount_memory(DISK)
    node = Pretended(DISK)
    wheel = make_wheel("app", {**APP, "big": bytes(2 << 20)})
    limit_memory(DISK, 2 << 20)
    before = files(node)
    with Session({"PATH": str(node.programs)}) as session:
        failed = session.apply(node.root, [environment("/opt/app-1", [wheel], "app")])[-1]
    assert failed["step"] == 0
    assert "no space left" in failed["error"]
    assert files(node) == before


@isolated
def test_a_blob_that_does_not_fit_is_told_before_any_step() -> None:
    mount_memory(DISK)
    node = Pretended(DISK)
    limit_memory(DISK, 1 << 20)
    blob = Blob(os.urandom(2 << 20), "big.whl")
    with Session({"PATH": str(node.programs)}) as session:
        session.send({"do": "apply", "root": str(node.root), "who": "me", "steps": []})
        session.send({"blob": blob.digest, "size": len(blob.data)})
        with suppress(BrokenPipeError):  # it says why, and does not listen any more
            session.outgoing.write(blob.data)
            session.outgoing.flush()
        (failed,) = session.answers()
    assert "step" not in failed
    assert "no space left" in failed["error"]
    assert not any(place.is_file() for place in node.at("/var/lib/picluster").rglob("*"))


@isolated
def test_a_read_only_file_system_is_named_and_facts_are_told_nevertheless() -> None:
    with TemporaryDirectory() as directory:
        node = Pretended(Path(directory))
        node.put("/etc/app.conf", "theirs")
        (node.root / "run" / "picluster-provision.lock").touch()
        before = files(node)
        with read_only(node.root / "etc"), Session({"PATH": str(node.programs)}) as session:
            failed = session.apply(node.root, [write("/etc/app.conf", b"ours", owner=OWN)])[-1]
        assert failed["step"] == 0
        assert "/etc/app.conf cannot be written: the file system is read-only" in failed["error"]
        with read_only(node.root), Session({"PATH": str(node.programs)}) as session:
            (told,) = session.ask({"do": "facts", "root": str(node.root), "question": {"files": ["/etc/app.conf"]}})
            (refused,) = session.apply(node.root, [write("/etc/app.conf", b"ours", owner=OWN)])
        assert told["facts"]["read_only"] is True
        assert told["facts"]["files"]["/etc/app.conf"]["content"]
        assert "the file system is read-only" in refused["error"]
        assert "step" not in refused
        assert files(node) == before
        assert json.dumps(told)
