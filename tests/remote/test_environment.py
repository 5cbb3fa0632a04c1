"""An environment is made of wheels alone, is whole or not there, and takes nothing from a wheel that it should not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from picluster.provision.steps import Blob, environment, remove
from picluster.remote.environment import part_of
from picluster.remote.failure import Failure
from picluster.remote.node import STATE
from tests.remote.stage import Pretended, make_wheel

PROGRAM = """
import sys
import helper

class Application:
    @staticmethod
    def main():
        print("app", helper.NUMBER, sys.argv[1:], sys.prefix)
        return 0
"""
APP = {"app.py": PROGRAM, "app-1.0.dist-info/entry_points.txt": "[console_scripts]\nApp = app:Application.main\n"}
HELPER: dict[str, bytes | str] = {
    "helper-1.0.data/purelib/helper.py": "NUMBER = 42\n",
    "helper-1.0.data/scripts/help-me": "#!python -E\nimport helper; print(helper.NUMBER)\n",
    "native/part.so": b"\x7fELF",
}
PLACE = "/opt/app-1"
SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


def wheels(node: Pretended) -> list[Blob]:
    return [node.have(make_wheel("app", APP)), node.have(make_wheel("helper", HELPER))]


def said(place: Path, *words: str) -> str:
    """By a program of the environment. Its own first line names a place that this root stands before."""
    command = [str(place / "bin" / "python3"), str(place / "bin" / words[0]), *words[1:]]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def test_the_program_runs_in_it_and_finds_the_wheels(node: Pretended) -> None:
    assert node.do(environment(PLACE, wheels(node), "App")) == [True]
    place = node.at(PLACE)
    assert said(place, "App", "x") == f"app 42 ['x'] {place}"
    assert (place / "bin" / "App").read_text().startswith(f"#!{PLACE}/bin/python3\n")
    assert said(place, "help-me") == "42"
    assert (place / "bin" / "help-me").read_text().startswith(f"#!{PLACE}/bin/python3\n")
    assert os.access(place / "bin" / "help-me", os.X_OK)
    assert (place / SITE / "native" / "part.so").read_bytes() == b"\x7fELF"
    assert list((place / SITE).rglob("app.*.pyc")), "whoever runs it may not write there"


def test_nothing_in_it_names_the_place_where_it_was_built(node: Pretended) -> None:
    node.do(environment(PLACE, wheels(node), "App"))
    part = part_of(node.at(PLACE))
    assert not part.exists()
    texts = [
        file for file in node.at(PLACE).rglob("*") if file.is_file() and not file.is_symlink() and file.suffix != ".pyc"
    ]
    assert texts
    assert not any(part.name.encode() in file.read_bytes() for file in texts)


def test_one_that_runs_is_left_alone_and_one_that_does_not_is_made_again(node: Pretended) -> None:
    step = environment(PLACE, wheels(node), "App")
    assert node.do(step, step) == [True, False]
    (node.at(PLACE) / SITE / "helper.py").write_text("raise SystemExit(3)\n")
    assert node.do(step, step) == [True, False]


def test_what_a_cut_left_is_swept_up(node: Pretended) -> None:
    node.put(f"{part_of(Path(PLACE))}/bin/half", "x")
    assert node.do(environment(PLACE, wheels(node), "App")) == [True]
    assert not (node.at(PLACE) / "bin" / "half").exists()


def test_wheels_that_are_needed_no_more_are_forgotten_and_environments_can_go(node: Pretended) -> None:
    other = node.have(Blob(b"old", "old.whl"))
    own = wheels(node)
    assert node.do(environment(PLACE, own, "App"), remove(PLACE)) == [True, True]
    assert not node.at(PLACE).exists()
    kept = {blob.name for blob in node.at(f"{STATE}/blobs").iterdir()}
    assert kept == {blob.digest for blob in own}
    assert other.digest not in kept


def refused(node: Pretended, *blobs: Blob, program: str = "App") -> str:
    with pytest.raises(Failure) as caught:
        node.do(environment(PLACE, [node.have(blob) for blob in blobs], program))
    assert not node.at(PLACE).exists()
    assert not part_of(node.at(PLACE)).exists()
    return str(caught.value)


def test_a_wheel_that_does_not_fit_is_told_in_pythons_words(node: Pretended) -> None:
    assert "App does not run with these wheels: ModuleNotFoundError" in refused(node, make_wheel("app", APP))


def test_what_is_no_wheel_is_refused(node: Pretended) -> None:
    assert "no wheel: File is not a zip file" in refused(node, Blob(b"hello", "hello.whl"))
    assert "none of the wheels has a program Other" in refused(node, make_wheel("app", APP), program="Other")


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"../outside.py": ""}, "would leave the environment"),
        ({"/etc/passwd": ""}, "would leave the environment"),
        ({"app-1.0.data/purelib/../../../x": ""}, "would leave the environment"),
        ({"app-1.0.data/data/etc/app": ""}, "nobody knows where"),
        ({"app-1.0.data/stray": ""}, "nobody knows where"),
    ],
)
def test_a_wheel_stays_in_its_place(node: Pretended, files: dict[str, str], complaint: str) -> None:
    assert complaint in refused(node, make_wheel("app", {**APP, **files}))


@pytest.mark.parametrize("record", ["", "app.py,,\n", "app.py,sha256=AAAA,3\n"])
def test_a_file_that_the_record_does_not_vouch_for_is_refused(node: Pretended, record: str) -> None:
    assert "is not what its RECORD says" in refused(node, make_wheel("app", APP, record=record))


def test_a_wheel_that_was_damaged_on_the_disk_is_asked_for_again(node: Pretended) -> None:
    wheel = node.have(make_wheel("app", APP))
    place = node.at(f"{STATE}/blobs/{wheel.digest}")
    place.write_bytes(wheel.data[:-1])
    step = environment(PLACE, [wheel], "App")
    with pytest.raises(Failure, match="was damaged"):
        node.do(step)
    with pytest.raises(Failure, match="is not on the node"):
        node.do(step)
