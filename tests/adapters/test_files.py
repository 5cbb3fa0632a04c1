"""A file that matters is replaced as a whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from picluster.adapters.files import replace_file


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_the_new_one_takes_its_place_and_the_old_one_stays_beside(tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    path.write_bytes(b"old\r\n")
    path.chmod(0o640)
    old = replace_file(path, b"new")
    assert (path.read_bytes(), old.read_bytes()) == (b"new", b"old\r\n")
    assert {stat.S_IMODE(one.stat().st_mode) for one in (path, old)} == {0o640}
    assert path.stat().st_uid == os.geteuid()
    replace_file(path, b"newer")
    assert names(tmp_path) == ["cluster.toml", old.name]
    assert old.read_bytes() == b"new"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "cluster.toml", tmp_path / "cluster.toml"
    real.write_text("old")
    link.symlink_to(real)
    assert replace_file(link, b"new").parent == real.parent
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_where_it_cannot_be_written_nothing_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    path.write_text("old")
    (tmp_path / "cluster.toml.old").mkdir()
    with pytest.raises(OSError, match=r"cluster\.toml"):
        replace_file(path, b"new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["cluster.toml", "cluster.toml.old"]
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "missing", b"new")
