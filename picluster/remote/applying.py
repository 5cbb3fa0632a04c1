"""Do what is to be done, step after step. Stop at the first that fails, or when nobody is there any more who wants it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from picluster.remote.distribution import install
from picluster.remote.environment import make_environment
from picluster.remote.failure import Failure, unwritable
from picluster.remote.files import change_directory, change_link, remove, write
from picluster.remote.lock import alone
from picluster.remote.manifest import private
from picluster.remote.node import STATE, Node
from picluster.remote.system import change_host_name, change_setting, run, stamp
from picluster.remote.talking import Gone, Talk
from picluster.remote.units import change_unit
from picluster.remote.wheels import receive
from picluster.remote.work import Work

__all__ = ["apply", "serve"]

DOES: dict[str, Callable[[Work, dict[str, Any]], bool]] = {
    "write": write,
    "remove": remove,
    "directory": change_directory,
    "link": change_link,
    "packages": install,
    "unit": change_unit,
    "sysctl": change_setting,
    "host_name": change_host_name,
    "environment": make_environment,
    "run": run,
    "stamp": stamp,
}
"""By the name of the step: does it, and returns whether that changed anything. Raises Failure."""


def serve(talk: Talk, node: Node, request: dict[str, Any]) -> None:
    """The request `apply`, and the blobs that follow it."""
    with alone(node, request):
        _receive_blobs(node, talk)
        apply(Work(node, talk.output, talk.wait, talk.gone), talk, request["steps"])


def _receive_blobs(node: Node, talk: Talk) -> None:
    """Those that follow the request. Raises Failure where one cannot be kept."""
    for digest, size in talk.blobs():
        try:
            directory = private(node, "blobs")
        except OSError as error:
            raise unwritable(f"{STATE}/blobs", error) from error
        receive(directory, digest, talk.chunks(size))


def apply(work: Work, talk: Talk, steps: Sequence[dict[str, Any]]) -> None:
    """Raises Failure at the step that fails, and Gone."""
    for index, step in enumerate(steps):
        if talk.gone():
            raise Gone
        talk.begin(index)
        if step.get("do") not in DOES:
            raise Failure(f"no step is called {step.get('do')!r}; the controller is of another version than what it sent")
        talk.done(DOES[step["do"]](work, step))
