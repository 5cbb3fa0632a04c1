"""A stack of virtual Pis on this machine: real agents that find each other, elect the holder of a floating address, and move
it when you pull its power cable. Needs no Pi, no root, no configuration, and leaves nothing behind.

In a terminal it opens the dashboard; `?` explains the keys. Without one, or with --script, it pulls the plug by itself,
prints what a client saw of it, and exits 0, or 1 if two Pis ever answered at once or nobody took over.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from picluster.adapters.terminal import Terminal
from picluster.dashboard.export import svg
from picluster.dashboard.keys import Key
from picluster.dashboard.live import run as show
from picluster.dashboard.screen import View
from picluster.errors import LabError, PiclusterError
from picluster.lab import report
from picluster.lab.mode import Choice, Mode, choose, run_lab
from picluster.lab.operator import DemoOperator
from picluster.lab.script import SCENES, Director, Result, Scene
from picluster.lab.stack import FEWEST_PIS, MOST_PIS, Stack
from picluster.lab.world import World

SETTLING_S = 3.5
"""How long an observer needs until what it sees is news to it."""
LOOK_S = 0.1
PICTURE_WIDTH, PICTURE_HEIGHT = 96, 30
"""Cells and lines of the terminal that is drawn."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--nodes", type=int, default=FEWEST_PIS, help=f"how many Pis, {FEWEST_PIS} to {MOST_PIS} (default: %(default)s)"
    )
    modes = [mode.value for mode in Mode]
    parser.add_argument("--mode", choices=modes, default="auto", help="auto: namespaces where they work, else loopback")
    parser.add_argument("--script", action="store_true", help="play by itself, print the results, exit 0 or 1")
    parser.add_argument("--json", action="store_true", help="like --script; the results as JSON, for programs")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="like --script; draw the dashboard after the power cut")
    parser.add_argument("--keep-logs", type=Path, metavar="DIR", help="keep what the agents logged")


def run(arguments: argparse.Namespace) -> int:
    stack = Stack(arguments.nodes)
    choice = choose(Mode(arguments.mode))
    scripted = arguments.script or arguments.json or arguments.picture or not Terminal.usable()
    # Resolved before the lab has a file system of its own.
    picture = arguments.picture.resolve() if arguments.picture else None
    keep_logs = arguments.keep_logs.resolve() if arguments.keep_logs else None
    play = partial(play_script, as_json=arguments.json, picture=picture) if scripted else play_along

    def body(world: World) -> int:
        try:
            return play(world, choice)
        except PiclusterError as error:
            print(f"picluster demo: {error}\n{report.last_words(world.logs)}", file=sys.stderr)
            return 1
        finally:
            if keep_logs:
                world.keep_logs(keep_logs)

    return run_lab(choice.mode, stack, body)


def play_along(world: World, choice: Choice) -> int:
    """With a person at the keyboard."""
    for name in world.stack.names:
        world.plug(name)
    operator = DemoOperator(world, notices_of(world, choice))
    try:
        show(operator.snapshot, Keyboard(operator))
    finally:
        operator.close()
    return 0


def notices_of(world: World, choice: Choice) -> tuple[str, ...]:
    return (f"{choice.mode.value} mode: {world.description}",)


class Keyboard:
    """The dashboard's operator."""

    def __init__(self, operator: DemoOperator) -> None:
        self._operator = operator
        self.keys = tuple(Key(key.keys, key.word, key.meaning) for key in operator.key_meanings)

    @property
    def prompt(self) -> str:
        return self._operator.prompt

    def press(self, key: str) -> None:
        self._operator.press(key)


def photographed(scene: Scene, director: Director, operator: DemoOperator, file: Path) -> Result:
    """Play the scene while somebody looks at the dashboard, and draw what stands there after it. Raises LabError where the
    file cannot be written."""
    try:
        settled_s = time.monotonic() + SETTLING_S
        while time.monotonic() < settled_s:
            operator.snapshot()
            time.sleep(LOOK_S)
        operator.expect(director.title(scene))
        result = director.play(scene)
        drawn = svg(operator.snapshot(), PICTURE_WIDTH, PICTURE_HEIGHT, View(keys=Keyboard(operator).keys))
    finally:
        operator.close()
    save(file, drawn)
    return result


def save(file: Path, drawn: str) -> None:
    try:
        file.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise LabError(f"{file} cannot be written: {error.strerror}. Name another file") from error


def play_script(world: World, choice: Choice, *, as_json: bool, picture: Path | None = None) -> int:
    """Without one. Progress goes to standard error where the standard output is for a program."""
    out = sys.stderr if as_json else sys.stdout
    results: list[Result] = []
    started_s = 0.0
    failure = ""

    def say(words: str, end: str = "\n") -> None:
        print(words, end=end, file=out, flush=True)

    say(f"{world.stack.size} virtual Pis, {world.description}\n({choice.mode.value} mode: {choice.reason})")
    director = Director(world)
    try:
        started_s = director.start()
        say(f"ready after {started_s:.1f} s: {director.holder} holds web; a client asks 1,000 times a second\n")
        say(report.HEADING)
        for scene in SCENES:
            if out.isatty():
                say(report.progress(director.title(scene)), end="\r")
            if picture and scene.name == "cut":
                results.append(photographed(scene, director, DemoOperator(world, notices_of(world, choice)), picture))
            else:
                results.append(director.play(scene))
            say(report.row(results[-1]))
            if results[-1].failure:
                break
        say(f"\n{report.verdict(results)}")
    except PiclusterError as error:
        failure = str(error)
        say(f"FAILED  {failure}")
    failed = bool(failure) or any(result.failure for result in results)
    if failed:
        say(report.last_words(world.logs))
    if as_json:
        print(report.as_json(choice.mode.value, choice.reason, world.stack, started_s, results, failure))
    return int(failed)
