"""What the controller needs of a node: talk with the program there, run a command, hang up.

`picluster.adapters.ssh` fulfils it over SSH. Everything in this package is handed shells; so it is tested with the program
of `picluster.remote` as a child process, and with shells that fail, dawdle or hang.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from picluster.model.inventory import Node
from picluster.provision.steps import Blob

__all__ = ["Answer", "Opener", "Shell"]

Answer = dict[str, Any]
"""One object of the node program's JSON lines; `kind` says which."""


class Shell(Protocol):
    """One node, logged in. One thing at a time, except that anybody may hang up."""

    def talk(self, request: Mapping[str, object], blobs: Sequence[Blob] = ()) -> Iterator[Answer]:
        """Start the node program as root, hand it the request and then the blobs, and yield its answers as they come, up to
        and without `end`. Raises AccessError where the connection, the login or the program ends before."""
        ...

    def run(self, command: str, tell: Callable[[str], None], *, root: bool = False, timeout_s: float | None = None) -> int:
        """Run a line of shell. `tell` gets each line of either output as it comes, without its end; the exit code is what
        returns. Raises AccessError where the connection is lost, or the time is over."""
        ...

    def close(self) -> None:
        """Hang up; as often as one likes, and from any thread. Whoever waits in `talk` or `run` gets an AccessError."""
        ...


Opener = Callable[[Node], Shell]
"""Logs in on a node. Raises AccessError, within bounded time."""
