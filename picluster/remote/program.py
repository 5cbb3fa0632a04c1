"""The program itself: one request after another, until there is none.

What each needs is imported when it is asked for. A question about facts is answered before Python could have compiled what
installs packages.
"""

from __future__ import annotations

import os
import signal
from importlib import import_module
from io import BufferedIOBase
from typing import Any

from picluster.remote.failure import Busy, Failure
from picluster.remote.node import Node
from picluster.remote.talking import Gone, Talk

__all__ = ["main"]

SERVES = {
    "facts": "picluster.remote.looking",
    "apply": "picluster.remote.applying",
    "undo": "picluster.remote.undoing",
    "check": "picluster.remote.lock",
}
"""By request: the module that answers it, with `serve(talk, node, request)`."""
ENDINGS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def main(incoming: BufferedIOBase, outgoing: BufferedIOBase) -> int:
    """Answer requests. Returns the exit code: 1 where one was not done, by a failure or since the controller was gone."""
    os.umask(0o022)
    talk = Talk(incoming, outgoing)

    def hang_up(_number: int, _frame: object) -> None:
        talk.hung_up = True

    for number in ENDINGS:
        signal.signal(number, hang_up)
    try:
        while not talk.hung_up:
            request = _next(talk)
            if request is None:
                return 0
            served = _serve(talk, request)
            talk.end()
            if not served:
                break  # whether what still comes in would be a request, or the rest of this one, nobody knows
    except Gone:
        pass
    return 1


def _next(talk: Talk) -> dict[str, Any] | None:
    try:
        return talk.request()
    except Gone:
        return None
    except (TypeError, ValueError) as error:
        return {"do": f"({error})"}


def _serve(talk: Talk, request: dict[str, Any]) -> bool:
    """Returns whether it was done; what goes wrong is said. Raises Gone."""
    try:
        import_module(_module(request)).serve(talk, Node(str(request.get("root", "/"))), request)
    except Busy as busy:
        talk.say("busy", who=busy.who, since=busy.since)
    except Failure as failure:
        talk.failed(str(failure))
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        talk.failed(f"{type(error).__name__}: {error}. This is a mistake in picluster; please report it")
    else:
        return True
    return False


def _module(request: dict[str, Any]) -> str:
    word = str(request.get("do"))
    if word not in SERVES:
        raise Failure(f"{word} is no request; there are: {', '.join(SERVES)}")
    return SERVES[word]
