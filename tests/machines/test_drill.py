"""A drill as it is typed, on Pis that really boot: the holder is cut by its own kernel, and everything else follows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

from tests.machines.fresh import FreshStage, fresh
from tests.machines.test_life import up

DRILL_S = 90.0


def finished(stage: FreshStage, *words: str) -> tuple[int, str]:
    """What becomes of `picluster …` without a terminal. Whoever waits for it has to let the world turn: Pis boot."""
    command = [sys.executable, "-m", "picluster.cli.main", *words]
    said = stage.desk / "said"
    with stage.world.controller.entered(), said.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=stage.desk,
            env=stage.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        stage.until(lambda: process.poll() is not None, "the command ends", DRILL_S)
    finally:
        process.kill()
        process.wait()
    return process.returncode, said.read_text()


def answered(stage: FreshStage, *words: str) -> Any:
    """What a command prints as JSON."""
    code, said = finished(stage, *words, "--json")
    assert code == 0, said
    return json.loads(said)


@fresh(3, most_s=240.0)
def test_the_holder_is_cut_another_one_takes_over_and_it_comes_back(stage: FreshStage) -> None:
    up(stage, *stage.names)
    before = answered(stage, "drill", "--dry-run")
    assert before["troubles"] == []
    refused = stage.picluster("drill", answers=[(r"Type \S+ to cut it: ", "somebody else")])
    assert "nothing was done" in refused.text
    code, said = finished(stage, "drill", "--yes")
    assert code in {0, 1}, said  # how long it takes is not for a test to judge on a machine that is busy
    for words in ("the first request without an answer", "the next answer", "is back", "a majority hears its agent"):
        assert words in said
    [(holder, cut)] = re.findall(r"(\S+) holds web: taken from (\S+) \(silence\)", said)
    assert (cut, holder in before["heirs"]) == (before["cut"], True)
    [remembered] = answered(stage, "drill", "--history")
    assert (remembered["cut"], remembered["holder"]) == (cut, holder)
    check_events(stage, cut, holder)


def check_events(stage: FreshStage, cut: str, holder: str) -> None:
    """The same story, by the agents."""
    code, said = finished(stage, "events", "--json")
    assert code == 0, said
    events = [json.loads(line) for line in said.splitlines()]
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    assert {event["told_by"] for event in events} == set(stage.names)
    [took] = [event for event in events if event["kind"] == "took" and event["reason"] == "silence"]
    assert (took["told_by"], took["node"]) == (holder, cut)
    after = events[events.index(took) :]
    assert [event["told_by"] for event in after if event["kind"] == "started"] == [cut], "it has booted since"
