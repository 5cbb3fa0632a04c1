"""The leash: sees to it that nothing outlives the lab where no namespace does that, even if the lab is killed by SIGKILL.

    python -m picluster.lab.leash

It makes the lab's directory, says where it is, and waits for the end of its standard input: a pipe whose other end the lab
alone holds, so that the kernel closes it when the lab ends, in whatever way. Then it removes the directory and kills its own
process group, to which every program of the lab belongs. A program just being started cannot slip through: it joins the
group before it becomes anything, and a group that has died cannot be joined.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from picluster.lab.programs import environment

__all__ = ["Leash", "main"]

TRIES = 3
LONGEST_PLACE, SHORT_PLACE = 60, "/tmp"  # noqa: S108  mkdtemp makes a directory of its own in there
"""The path of a Unix socket has room for a hundred bytes or so (man 7 unix)."""


class Leash:
    """The lab's end of it. Programs started with `group` are on the leash."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "picluster.lab.leash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            process_group=0,
        )
        assert self._process.stdout is not None
        with self._process.stdout as words:
            self.directory = Path(os.fsdecode(words.readline().rstrip(b"\n")))

    @property
    def group(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """End everything on it, and take the directory away."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    place = tempfile.gettempdir()
    directory = tempfile.mkdtemp(prefix="picluster-", dir=place if len(place) <= LONGEST_PLACE else SHORT_PLACE)
    print(directory, flush=True)
    while os.read(0, 64):
        pass
    # What still runs may write a file while its directory is being removed.
    for _ in range(TRIES):
        shutil.rmtree(directory, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
