"""What the verb prints of what nodes say: in order, and no more than was asked for."""

from __future__ import annotations

import json

import pytest

from picluster.agent.journal import line_of
from picluster.cli.events import Teller
from picluster.controller.progress import Kind, Progress
from picluster.model.events import Event, EventKind, Severity
from tests.controller.shells import nodes_of
from tests.patience import until


def said(node: str, at_s: int, text: str) -> Progress:
    message = line_of(Event(EventKind.TOOK, Severity.INFO, text))
    return Progress(node, Kind.OUTPUT, json.dumps({"__REALTIME_TIMESTAMP": f"{at_s}000000", "MESSAGE": message}))


def test_the_last_ones_of_all_nodes_are_told_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    teller = Teller(nodes_of("pi1", "pi10"), 2, follow=False, as_json=False)
    for progress in (said("pi10", 3, "third"), said("pi1", 1, "first"), said("pi1", 2, "second")):
        teller.hear(progress)
    teller.hear(Progress("pi10", Kind.OUTPUT, "Traceback"))
    teller.hear(Progress("pi10", Kind.FAILED, "no answer"))
    teller.tick()
    assert capsys.readouterr() == ("", "pi10: no answer\n")
    teller.end()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(None, 2)[2] for line in lines] == ["pi1   · second", "pi10  · third"]


def test_what_happens_is_told_as_it_comes_and_what_is_left_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    teller = Teller(nodes_of("pi1"), 50, follow=True, as_json=True)
    teller.hear(said("pi1", 1, "first"))
    told: list[str] = []

    def heard() -> bool:
        teller.tick()
        told.extend(capsys.readouterr().out.splitlines())
        return bool(told)

    until(heard, "it is told")
    assert json.loads(told[0])["text"] == "first"
    teller.hear(said("pi1", 2, "second"))
    teller.interrupted(())
    assert json.loads(capsys.readouterr().out)["text"] == "second"
