"""The terminal: one key at a time, the whole screen, and everything put back as it was.

A terminal in its normal ("canonical") mode hands over whole lines and echoes what is typed (termios(3)). A full-screen
program switches that off, draws on the alternate screen (xterm's private mode 1049) so that the shell's text survives
below, and hides the cursor. All of it outlives the process: who dies without putting it back leaves a shell that shows
nothing of what is typed. So `Terminal` puts it back

- at the end of its `with`, whatever ended it: return, exception, Ctrl-C;
- at SIGTERM and SIGHUP, before the handler that was there is called (or SystemExit is raised where there was none);
- at Ctrl-Z, before the process stops, and takes the screen again when it is continued. SIGSTOP can't be caught, so
  SIGCONT takes the screen again as well.

Only SIGKILL is beyond it: `stty sane; tput rmcup` mends that.

What a key sends is in ECMA-48 and xterm's ctlseqs: arrows and the like are an escape byte and two or more further ones, in
one read as a rule, yet over a slow line in several. A lone escape byte is the key Esc if nothing follows for a while.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import selectors
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["ESCAPE_WAIT_S", "KeyDecoder", "Terminal"]

ESCAPE_WAIT_S = 0.05
"""How long an escape byte may wait for the rest of its sequence, in seconds. Over a slower line, arrows become Esc."""

ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J\x1b[H"
"""Alternate screen, no cursor, no wrapping at the margin (a character wider than believed then costs one cell, no row)."""
LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"

_Handler = Callable[[int, FrameType | None], Any] | int | None

_PLAIN = {
    "\r": "enter",
    "\n": "enter",
    "\t": "tab",
    "\x7f": "backspace",
    "\x08": "backspace",
    " ": "space",
}
_FINAL = {"A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end", "Z": "backtab"}
_TILDE = {"1": "home", "4": "end", "5": "page-up", "6": "page-down", "7": "home", "8": "end", "3": "delete"}


class KeyDecoder:
    """Bytes in, names of keys out: a printable key is its character, others are `up`, `enter`, `escape`, `ctrl-l`, …"""

    def __init__(self) -> None:
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    @property
    def waiting(self) -> bool:
        """Whether an unfinished escape sequence is held back; call `flush` when nothing more comes."""
        return bool(self._held)

    def feed(self, data: bytes) -> list[str]:
        """The keys that are complete with these bytes. Sequences that mean nothing to us are swallowed whole."""
        self._held += self._characters.decode(data)
        keys: list[str] = []
        while self._held:
            taken, key = _first_key(self._held)
            if not taken:
                break
            self._held = self._held[taken:]
            if key:
                keys.append(key)
        return keys

    def flush(self) -> list[str]:
        """Nothing followed: the escape byte was the key Esc, and half a sequence was noise."""
        held, self._held = self._held, ""
        return ["escape"] if held == "\x1b" else []


def _first_key(text: str) -> tuple[int, str]:
    """How many characters the first key takes (0: it is not complete yet), and its name (empty: unknown)."""
    first = text[0]
    if first == "\x1b":
        return _escape_sequence(text)
    if first in _PLAIN:
        return 1, _PLAIN[first]
    if first < " ":
        return 1, f"ctrl-{chr(ord(first) + 96)}"
    return 1, first


def _escape_sequence(text: str) -> tuple[int, str]:
    if len(text) == 1:
        return 0, ""
    if text[1] == "O":  # SS3: one more character
        return (0, "") if len(text) == 2 else (3, _FINAL.get(text[2], ""))
    if text[1] != "[":  # Esc, and another key right after it
        return 1, "escape"
    for position in range(2, len(text)):
        if "@" <= text[position] <= "~":  # CSI: parameters, then one final character
            return position + 1, _control_sequence(text[2:position], text[position])
    return 0, ""


def _control_sequence(parameters: str, final: str) -> str:
    if final == "~":
        return _TILDE.get(parameters, "")
    return _FINAL.get(final, "") if not parameters else ""


class Terminal:
    """The screen and the keyboard for as long as the `with` lasts. In the main thread only: it handles signals.

    with Terminal() as terminal:
        terminal.write("press a key")
        keys = terminal.keys(timeout_s=5)
    """

    def __init__(self, keyboard: int = 0, screen: int = 1) -> None:
        self._keyboard = keyboard
        self._screen = screen
        self._decoder = KeyDecoder()
        # Two descriptors, and the one mechanism that has always worked for terminals, on macOS too.
        self._selector = selectors.SelectSelector()
        self._before: list[Any] | None = None
        self._ours: list[Any] | None = None
        self._handlers: dict[int, _Handler] = {}
        self._parent = os.getppid()
        self._wake_read, self._wake_write = os.pipe()
        self._redraw = True
        self._closed = False

    @staticmethod
    def usable(keyboard: int = 0, screen: int = 1) -> bool:
        """Whether both are terminals, and of a kind that can place its cursor."""
        return os.isatty(keyboard) and os.isatty(screen) and os.environ.get("TERM", "") not in {"", "dumb", "unknown"}

    def __enter__(self) -> Self:
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)
        self._selector.register(self._keyboard, selectors.EVENT_READ)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._before = termios.tcgetattr(self._keyboard)
        try:
            self._watch_signals()
            self._take()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._give_back()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    @property
    def closed(self) -> bool:
        """Nobody sits there any more: the keyboard is at its end, or the process that started this one has died."""
        return self._closed or os.getppid() != self._parent

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows; 80 by 24 where the terminal does not know."""
        with contextlib.suppress(OSError):
            columns, rows = os.get_terminal_size(self._screen)
            if columns > 0 and rows > 0:
                return columns, rows
        return 80, 24

    def take_redraw(self) -> bool:
        """Whether the whole screen has to be drawn anew since the last call: at first, resized, or continued."""
        redraw, self._redraw = self._redraw, False
        return redraw

    def write(self, text: str) -> None:
        """Everything, or as much as gets there before the terminal goes away. Blocks while the terminal is slow. Nothing,
        once the terminal was given back: what came after would land in the shell's text."""
        if self._ours is not None:
            self._put(text)

    def _put(self, text: str) -> None:
        data = text.encode(errors="replace")
        try:
            while data:
                data = data[os.write(self._screen, data) :]
        except OSError:
            self._closed = True

    def keys(self, timeout_s: float) -> list[str]:
        """The keys pressed, as soon as there are any; none after the timeout, or at once if a signal calls for drawing."""
        deadline = time.monotonic() + timeout_s
        while True:
            ready = self._ready(deadline - time.monotonic())
            if self._wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 512)
            keys = self._read_keys() if self._keyboard in ready else []
            if not ready and self._decoder.waiting:
                keys = self._decoder.flush()
            if keys or self._closed or self._wake_read in ready or time.monotonic() >= deadline:
                return keys

    def _ready(self, left_s: float) -> set[int]:
        """File descriptors that have something. An unfinished escape sequence gets its own, shorter time."""
        wait_s = ESCAPE_WAIT_S if self._decoder.waiting else max(0.0, left_s)
        return {key.fd for key, _ in self._selector.select(wait_s)}

    def _read_keys(self) -> list[str]:
        try:
            data = os.read(self._keyboard, 1024)
        except OSError:  # EIO: the terminal is gone, or another foreground job has it and ours is orphaned
            data = b""
        self._closed = self._closed or not data
        return self._decoder.feed(data)

    def _watch_signals(self) -> None:
        reactions: dict[int, _Handler] = {
            signal.SIGTERM: self._on_end,
            signal.SIGHUP: self._on_end,
            signal.SIGTSTP: self._on_stop,
            signal.SIGCONT: self._on_continue,
            signal.SIGWINCH: self._on_resize,
        }
        for number, reaction in reactions.items():
            self._handlers[number] = signal.signal(number, reaction)

    def _take(self) -> None:
        """From the background this stops the process (SIGTTOU) until it is in the foreground: the usual thing."""
        tty.setcbreak(self._keyboard, termios.TCSANOW)
        self._ours = termios.tcgetattr(self._keyboard)
        self._put(ENTER)
        self._redraw = True

    def _give_back(self) -> None:
        """Harmless when done twice. TCSANOW, since a terminal halted by Ctrl-S would never be drained."""
        ours, self._ours = self._ours, None
        if ours is None or self._before is None:
            return
        with _background_allowed(), contextlib.suppress(termios.error):
            # A shell that took the terminal back meanwhile (our parent was killed) may have set modes of its own.
            if self._in_foreground() or termios.tcgetattr(self._keyboard) == ours:
                self._put(LEAVE)
                termios.tcsetattr(self._keyboard, termios.TCSANOW, self._before)

    def _in_foreground(self) -> bool:
        try:
            return os.tcgetpgrp(self._keyboard) == os.getpgrp()
        except OSError:  # not the controlling terminal, so nobody does job control on it
            return True

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b".")

    def _on_resize(self, _number: int, _frame: FrameType | None) -> None:
        self._redraw = True
        self._wake()

    def _on_end(self, number: int, frame: FrameType | None) -> None:
        self._give_back()
        before = self._handlers.get(number)
        if callable(before):
            before(number, frame)
            self._closed = True
            self._wake()
        elif before != signal.SIG_IGN:
            sys.exit(128 + number)

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        # Stopped here until SIGCONT. An orphaned process group is never stopped and goes straight on (setpgid(2)).
        signal.signal(signal.SIGTSTP, self._on_stop)
        self._on_continue(signal.SIGCONT, None)

    def _on_continue(self, _number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(termios.error):
            self._take()
        self._wake()


@contextlib.contextmanager
def _background_allowed() -> Iterator[None]:
    """A background process that changes the terminal's modes is stopped by SIGTTOU, unless it blocks that signal."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
