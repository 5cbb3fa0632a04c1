"""The whole demo by its command line: real agents, real kernel, real signals."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from picluster.cli.demo import play_script, save
from picluster.errors import LabError
from picluster.lab.mode import Choice, Mode, memory_place
from picluster.lab.namespaces import NamespaceWorld
from picluster.lab.programs import started
from picluster.lab.stack import SERVICE_PORT, Stack
from tests.adapters.isolation import isolated, reason_to_skip
from tests.lab.stand_ins import filters_refused
from tests.patience import until

MARK = "PICLUSTER_TEST_RUN"
ALL_MODES = [
    pytest.param(
        "namespaces",
        marks=pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip() or "has namespaces"),
    ),
    "loopback",
]


def demo(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "picluster.cli.main", "demo", *arguments]


@pytest.fixture
def place() -> Iterator[Path]:
    """For temporary files; its path is shorter than that of `tmp_path`, since Unix sockets are to have room below it."""
    with tempfile.TemporaryDirectory(prefix="lab-") as directory:
        yield Path(directory)


@contextmanager
def running(place: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The demo in a session of its own, and a mark that all its processes carry in their environment."""
    mark = f"{MARK}={uuid.uuid4()}"
    name, value = mark.split("=")
    process = subprocess.Popen(
        demo(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, name: value, "TMPDIR": str(place)},
        start_new_session=True,
    )
    try:
        yield process, mark
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def marked(mark: str) -> list[str]:
    """The command lines of all processes that carry the mark."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def read_until(process: subprocess.Popen[bytes], word: bytes) -> None:
    assert process.stdout is not None
    seen = b""
    deadline = time.monotonic() + 30
    while word not in seen:
        assert time.monotonic() < deadline, f"it did not say {word!r} in time, but {seen!r}"
        if select.select([process.stdout], [], [], 0.2)[0]:
            data = os.read(process.stdout.fileno(), 4_096)
            assert data, f"it ended without saying {word!r}, and said {seen!r}"
            seen += data


def until_nothing_is_left(mark: str, directory: Path) -> None:
    def left() -> list[str]:
        return [*marked(mark), *map(str, directory.iterdir())]

    until(lambda: not left(), lambda: f"all is gone, but for {left()}")


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc, which only Linux has")
@pytest.mark.parametrize("mode", ALL_MODES)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.scenario
def test_nothing_is_left_behind_however_the_demo_is_ended(place: Path, mode: str, number: signal.Signals) -> None:
    with running(place, "--script", "--mode", mode) as (process, mark):
        read_until(process, b"ready after")
        assert len(marked(mark)) >= 5
        process.send_signal(number)
        assert process.wait(timeout=10) in (-number, 128 + number, 128 + signal.SIGTERM)
        until_nothing_is_left(mark, place)


@pytest.mark.parametrize("mode", ALL_MODES)
def test_ctrl_c_ends_it_quietly(place: Path, mode: str) -> None:
    with running(place, "--script", "--mode", mode) as (process, _):
        read_until(process, b"virtual Pis")
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout is not None
        said = process.stdout.read()
        assert process.wait(timeout=10) == 130
        assert b"Traceback" not in said


# In loopback mode it takes as long again.
@pytest.mark.parametrize("mode", [ALL_MODES[0], pytest.param("loopback", marks=pytest.mark.scenario)])
def test_the_script_ends_well_and_no_two_nodes_ever_answer(tmp_path: Path, mode: str) -> None:
    logs, picture = tmp_path / "logs", tmp_path / "dashboard.svg"
    command = demo("--json", "--mode", mode, "--keep-logs", str(logs), "--picture", str(picture))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert (result["ok"], result["mode"], result["nodes"], result["failures"]) == (True, mode, 3, [])
    assert [scene["scene"] for scene in result["scenes"]] == ["cut", "return", "partition", "freeze"]
    shown = [scene for scene in result["scenes"] if not scene["skipped"]]
    assert len(shown) == (4 if mode == "loopback" or not filters_refused() else len(shown))
    for scene in shown:
        assert scene["double_ms"] == 0
        assert scene["requests"] > 0
    cut = shown[0]
    assert cut["took_over"] not in (None, cut["held"])
    assert cut["lost"] > 0
    assert all(scene["skipped"] for scene in result["scenes"] if scene not in shown)
    assert_drawn(picture, mode, cut)
    moved = [scene["scene"] for scene in shown if scene["took_over"] != scene["held"]]
    assert {"cut", *(scene["scene"] for scene in shown if scene["scene"] == "partition")} <= set(moved)
    if mode == "loopback":
        freeze = shown[-1]
        assert freeze["outage_ms"] > 1_000
        assert "keeps its port" in freeze["remark"]
    assert {"client.log", "pi1.log", "pi2.log", "pi3.log"} <= {log.name for log in logs.iterdir()}
    assert "taken" in (logs / f"{cut['took_over']}.log").read_text(encoding="utf-8")


def assert_drawn(picture: Path, mode: str, cut: dict[str, Any]) -> None:
    """The dashboard as it stood after the power cut, with what the client said of it."""
    words = re.sub(r"<[^>]*>|&#160;|\s", "", picture.read_text(encoding="utf-8"))
    told = re.search(rf"{cut['held']}→{cut['took_over']}in(\d+)ms,[\d,]+of1,000requestslost", words)
    assert told is not None
    # Two judges with the same books, of whom one began to look a little earlier: a request that was lost just before counts.
    assert abs(int(told[1]) - cut["outage_ms"]) <= 25
    assert f"answeredby{cut['took_over']}" in words
    assert "nopower" in words
    assert f"{mode}mode" in words


def test_a_picture_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="Name another file"):
        save(tmp_path / "nowhere" / "dashboard.svg", "<svg/>")


class HauntedWorld(NamespaceWorld):
    """In the moment of the power cut a machine appears on the wire that has the address and obeys no rule."""

    def cut(self, name: str) -> None:
        super().cut(name)
        if "ghost" in self._machines:
            return
        self._machines["ghost"] = self._plugged_in("ghost", "02:00:00:00:00:99", ("10.77.0.99/24", "10.77.0.100/32"))
        with self._machines["ghost"].entered():
            started("picluster.lab.responder", ["ghost", str(SERVICE_PORT), "10.77.0.100"], self.log("ghost"))


@isolated
def test_the_script_fails_where_two_nodes_answer() -> None:
    stack = Stack(3)
    with HauntedWorld(stack, memory_place()) as world:
        code = play_script(world, Choice(Mode.NAMESPACES, "of the test"), as_json=False)
    assert code == 1


def test_too_many_pis_are_refused_with_what_to_do() -> None:
    done = subprocess.run(demo("--nodes", "11"), capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert "Name 3 to 10" in done.stderr
