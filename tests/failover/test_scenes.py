"""Scripted scenes: what is said and done, line by line, in the order in which it happens. See `stage` for the language."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.failover.stage import Stage

SCENES = sorted(Path(__file__).with_name("scenes").glob("*.txt"))


def played(scene: str) -> str:
    """The scene with what happens now: comments and script kept, all else written anew."""
    stage, lines = Stage(), []
    for line in scene.splitlines():
        if line.startswith(">"):
            lines += [line, *stage.play(line[1:])]
        elif line.startswith("#") or not line:
            lines.append(line)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", SCENES, ids=lambda path: path.stem)
def test_scene(path: Path, request: pytest.FixtureRequest) -> None:
    written = path.read_text(encoding="utf-8")
    now = played(written)
    if request.config.getoption("--rewrite-scenes", default=False):
        path.write_text(now, encoding="utf-8")
        return
    assert now == written


def test_there_are_scenes() -> None:
    assert len(SCENES) > 20
