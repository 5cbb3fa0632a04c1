"""Programs of the system, run as a careful administrator would: without a shell, without input, in English, not for ever.

Which program a name means is the search path's business, so tests put programs of their own into it.

Each has a session of its own (man 2 setsid): a signal that ends the connection does not reach it, and what it began is
finished. Its time is bounded by an alarm that kills all of that session.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from picluster.remote.alarm import alarm
from picluster.remote.failure import Failure

__all__ = ["CommandFailed", "Commands"]

LOOK_S = 10.0
WORK_S = 600.0
LAST_LINES = 5
SPEECH = {
    "LC_ALL": "C.UTF-8",
    "LANGUAGE": "C",
    "TERM": "dumb",
    "SYSTEMD_PAGER": "",
    "SYSTEMD_COLORS": "0",
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    # Ubuntu's would restart services after an installation, or ask which.
    "NEEDRESTART_SUSPEND": "1",
}


class CommandFailed(Failure):
    """A program ended with another code than 0, or was ended; `lines` is the last that it said."""

    def __init__(self, words: Sequence[str], how: str, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        said = "; ".join(line for line in lines if line) or "nothing"
        super().__init__(f"{' '.join(words)} {how}. It said: {said}")


class Commands:
    def __init__(self, path: str | None = None) -> None:
        """`path` is where programs are looked for; by default, where this process would."""
        self._environment = {**os.environ, **SPEECH}
        if path is not None:
            self._environment["PATH"] = path

    def ask(self, *words: str, most_s: float = LOOK_S) -> str | None:
        """What a program says that only looks; None where there is no such program, or it fails."""
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environment,
                timeout=most_s,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.decode(errors="replace") if done.returncode == 0 else None

    def run(
        self,
        *words: str,
        tell: Callable[[str], None] | None = None,
        most_s: float = WORK_S,
        more: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Run it; each line it says is told at once, and all are returned. `more` goes into its environment. Raises
        CommandFailed."""
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**self._environment, **(more or {})},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise CommandFailed(words, f"cannot be run ({error.strerror})", ()) from error
        lines = []
        last: deque[str] = deque(maxlen=LAST_LINES)
        rang = False

        def ring() -> None:
            nonlocal rang
            rang = True
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        with process, alarm(most_s, ring):
            for raw in process.stdout or ():
                line = raw.decode(errors="replace").rstrip()
                lines.append(line)
                if line:
                    last.append(line)
                    if tell is not None:
                        tell(line)
        if rang:
            raise CommandFailed(words, f"took longer than {most_s:g} s, and was ended", last)
        if process.returncode != 0:
            raise CommandFailed(words, f"failed ({_ending(process.returncode)})", last)
        return lines


def _ending(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"signal {-code}"
