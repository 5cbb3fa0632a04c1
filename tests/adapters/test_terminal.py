"""The terminal is as it was, whatever ends the program that used it. All of it on real pseudo-terminals."""

from __future__ import annotations

import os
import signal
import sys
import termios
from pathlib import Path

import pytest

from picluster.adapters.terminal import ENTER, LEAVE, KeyDecoder, Terminal
from tests.adapters.pty_jobs import Job, job

LOCAL_MODES = 3
PROGRAM = """
import signal, sys
from picluster.adapters.terminal import Terminal
{before}
with Terminal() as terminal:
    while not terminal.closed:
        if terminal.take_redraw():
            columns, rows = terminal.size
            terminal.write(f"[{{columns}}x{{rows}}]")
        for key in terminal.keys(0.05):
            terminal.write(f"<{{key}}>")
            if key == "q":
                sys.exit(7)
            if key == "x":
                raise RuntimeError("as wanted")
{after}
"""


def program(before: str = "", after: str = "") -> list[str]:
    return [sys.executable, "-c", PROGRAM.format(before=before, after=after)]


def is_raw(running: Job) -> bool:
    return not running.modes()[LOCAL_MODES] & (termios.ICANON | termios.ECHO)


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"aQ1?", ["a", "Q", "1", "?"]),
        (b"\x1b[A\x1b[B\x1bOC\x1bOD", ["up", "down", "right", "left"]),
        (b"\x1b[5~\x1b[6~\x1b[H\x1b[4~", ["page-up", "page-down", "home", "end"]),
        (b"\r\t\x7f \x0c", ["enter", "tab", "backspace", "space", "ctrl-l"]),
        (b"\x1b[1;5A\x1b[200~\x1b[<0;3;4Mz", ["z"]),
        (b"\x1bq", ["escape", "q"]),
        ("é→".encode(), ["é", "→"]),
    ],
)
def test_keys_are_named_however_their_bytes_are_cut(data: bytes, keys: list[str]) -> None:
    for cut in range(len(data) + 1):
        decoder = KeyDecoder()
        assert decoder.feed(data[:cut]) + decoder.feed(data[cut:]) == keys
        assert not decoder.waiting


def test_a_lone_escape_is_a_key_once_nothing_follows() -> None:
    decoder = KeyDecoder()
    assert decoder.feed(b"\x1b") == []
    assert decoder.waiting
    assert decoder.flush() == ["escape"]
    assert decoder.feed(b"\x1b[") == []
    assert decoder.flush() == []
    assert decoder.feed(b"A") == ["A"]


def test_the_screen_is_taken_and_given_back_at_the_end() -> None:
    with job(program()) as running:
        running.shows(ENTER)
        running.shows("[80x24]")
        assert is_raw(running)
        running.type(b"\x1b[A")
        running.shows("<up>")
        running.type(b"\x1b")
        running.shows("<escape>")
        running.type(b"q")
        assert running.hears("ended ") == "7"
        running.shows(LEAVE)
        assert running.modes() == running.before


def test_an_exception_gives_the_terminal_back_before_its_traceback() -> None:
    with job(program()) as running:
        running.shows("[80x24]")
        running.type(b"x")
        assert running.hears("ended ") == "1"
        running.shows(LEAVE)
        running.shows("RuntimeError: as wanted")
        assert running.modes() == running.before


def test_ctrl_c_gives_the_terminal_back() -> None:
    with job(program()) as running:
        running.shows("[80x24]")
        running.type(b"\x03")
        assert running.hears("ended ") == str(-signal.SIGINT)
        running.shows(LEAVE)
        assert running.modes() == running.before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_the_program_gives_the_terminal_back(number: signal.Signals) -> None:
    with job(program()) as running:
        running.shows("[80x24]")
        running.signal(number)
        assert running.hears("ended ") == str(128 + number)
        running.shows(LEAVE)
        assert running.modes() == running.before


def test_the_programs_own_handler_finds_the_terminal_given_back() -> None:
    before = "signal.signal(signal.SIGTERM, lambda *_: print('cleaning up', flush=True))"
    with job(program(before, "print('the end')")) as running:
        running.shows("[80x24]")
        running.signal(signal.SIGTERM)
        assert running.hears("ended ") == "0"
        running.shows(LEAVE)
        running.shows("cleaning up")
        running.shows("the end")
        assert running.modes() == running.before


def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again() -> None:
    with job(program()) as running:
        running.shows("[80x24]")
        for _ in range(2):
            running.type(b"\x1a")
            running.hears("stopped")
            running.shows(LEAVE)
            assert running.modes() == running.before
            running.continue_()
            running.shows(ENTER)
            running.shows("[80x24]")
            assert is_raw(running)
        running.type(b"q")
        assert running.hears("ended ") == "7"
        assert running.modes() == running.before


def test_after_sigstop_the_screen_is_taken_again() -> None:
    with job(program()) as running:
        running.shows("[80x24]")
        running.signal(signal.SIGSTOP)
        running.hears("stopped")
        running.continue_()
        running.shows(ENTER)
        running.shows("[80x24]")
        running.type(b"q")
        running.hears("ended ")
        assert running.modes() == running.before


def test_the_death_of_the_parent_ends_the_program_and_gives_the_terminal_back() -> None:
    middle = "import subprocess, sys; subprocess.run(sys.argv[1:], check=False)"
    with job([sys.executable, "-c", middle, *program()]) as running:
        running.shows("[80x24]")
        running.signal(signal.SIGKILL)
        running.hears("ended ")
        running.shows(LEAVE)
        running.until(lambda: running.modes() == running.before, "restored modes")


def test_a_resize_asks_for_a_new_drawing_at_once() -> None:
    with job(program()) as running:
        running.shows("[80x24]")
        running.resize(132, 43)
        running.shows("[132x43]")


def test_pipes_are_no_terminal() -> None:
    with Path(os.devnull).open("rb") as nothing:
        assert not Terminal.usable(nothing.fileno(), nothing.fileno())
