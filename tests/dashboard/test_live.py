"""The live dashboard on a real pseudo-terminal, in a pipe, and what it sends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.color import ColorSystem

from picluster.dashboard.canvas import Line
from picluster.dashboard.example import DEMO_KEYS, HEALTHY, SILENT
from picluster.dashboard.live import Painter, gist
from picluster.dashboard.screen import View, lines
from tests.adapters.pty_jobs import DEADLINE_S, ROOT, job

LIVE = [sys.executable, "-m", "picluster.dashboard.live"]
VIEW = View(keys=DEMO_KEYS)
COLOURED = re.compile(r"\x1b\[[0-9;]*(3[0-7]|38|9[0-7])[;m]")


class Screen:
    """The few commands that the painter uses, carried out."""

    def __init__(self, columns: int, rows: int) -> None:
        self.rows = [" " * columns for _ in range(rows)]

    def take(self, sent: str) -> None:
        for number, text in re.findall(r"\x1b\[(\d+);1H((?:[^\x1b]|\x1b\[[0-9;]*m)*)", sent):
            self.rows[int(number) - 1] = re.sub(r"\x1b\[[0-9;]*m", "", text)


def text(drawn: list[Line]) -> list[str]:
    return ["".join(segment.text for segment in line) for line in drawn]


def test_only_lines_that_differ_are_sent() -> None:
    painter, screen = Painter(ColorSystem.TRUECOLOR), Screen(80, 24)
    before, after = lines(HEALTHY, 80, 24, VIEW), lines(SILENT, 80, 24, VIEW)
    first = painter.paint(before)
    assert first.count(";1H") == 24
    screen.take(first)
    assert screen.rows == text(before)
    assert painter.paint(lines(HEALTHY, 80, 24, VIEW)) == ""
    second = painter.paint(after)
    assert 0 < second.count(";1H") < 15
    screen.take(second)
    assert screen.rows == text(after)
    painter.forget()
    assert painter.paint(after).count(";1H") == 24


def test_a_calm_second_costs_a_slow_line_little() -> None:
    painter = Painter(ColorSystem.EIGHT_BIT)
    painter.paint(lines(HEALTHY, 80, 24, replace(VIEW, now_ns=0)))
    moments = [replace(VIEW, now_ns=number * 125_000_000) for number in range(1, 9)]
    assert sum(len(painter.paint(lines(HEALTHY, 80, 24, view))) for view in moments) < 4_000


def test_without_colours_bold_and_dim_remain() -> None:
    sent = Painter(ColorSystem.TRUECOLOR, colours=False).paint(lines(SILENT, 80, 24, VIEW))
    assert not COLOURED.search(sent)
    assert "\x1b[1m" in sent
    assert "\x1b[2m" in sent


def test_ages_and_counters_are_not_worth_a_new_plain_rendering() -> None:
    older = replace(HEALTHY, clock="12:03:42", nodes=tuple(replace(node, heard_s=0.5) for node in HEALTHY.nodes))
    assert gist(older) == gist(HEALTHY)
    assert gist(SILENT) != gist(HEALTHY)


def test_it_draws_listens_resizes_and_quits() -> None:
    with job(LIVE) as running:
        running.shows("every address is held")
        running.type(b"3")
        running.shows("nobody answers for web and dns")
        running.type(b"?")
        running.shows("hears no majority: it may hold nothing")
        running.type(b"\x1b")
        running.shows("floating addresses")
        running.resize(200, 50)
        running.shows("\x1b[50;1H")
        running.type(b"q")
        assert running.hears("ended ") == "0"
        running.shows("\x1b[?1049l")
        assert running.modes() == running.before


@pytest.mark.parametrize(("environment", "coloured"), [({"NO_COLOR": "1"}, False), ({"COLORTERM": "truecolor"}, True)])
def test_no_color_is_obeyed(environment: dict[str, str], coloured: bool) -> None:
    with job(LIVE, environment) as running:
        running.until(lambda: "\x1b[24;1H" in running.output, "first drawing")
        assert bool(COLOURED.search(running.output)) is coloured
        running.type(b"q")
        running.hears("ended ")


def test_an_ascii_terminal_gets_ascii() -> None:
    with job(LIVE, {"PYTHONIOENCODING": "ascii"}) as running:
        running.until(lambda: "\x1b[24;1H" in running.output, "first drawing")
        assert running.output.isascii()


def test_a_dumb_terminal_gets_plain_lines() -> None:
    with job(LIVE, {"TERM": "dumb"}) as running:
        running.shows("every address is held")
        running.shows("back as a new incarnation")
        assert "\x1b" not in running.output
        running.type(b"\x03")
        running.hears("ended ")


def test_a_pipe_gets_plain_lines_whenever_something_changes_and_may_be_closed() -> None:
    program = """
import itertools, sys
from picluster.dashboard.example import HEALTHY, SILENT
from picluster.dashboard.live import run
scenes = itertools.cycle([HEALTHY, HEALTHY, SILENT])
run(lambda: next(scenes))
"""
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environment) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        heads: list[str] = []
        while len(heads) < 2:
            line = running.stdout.readline().decode()
            assert "\x1b" not in line
            heads += [line.split()[1]] if " home  " in line else []
        running.stdout.close()
        assert heads == ["healthy", "degraded"]
        assert running.wait(DEADLINE_S) == 0
        assert running.stderr.read() == b""
