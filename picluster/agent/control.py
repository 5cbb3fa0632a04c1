"""What people and programs on this machine may ask the agent, as one JSON object a line.

    {"do": "status"}                              → {"ok": true, "status": {…}}
    {"do": "events"}                              → {"ok": true}, then an event a line, as they happen
    {"do": "standby"}  {"do": "active"}           → {"ok": true}
    {"do": "move", "address": "web", "to": "pi3"} → {"ok": true}, or {"ok": false, "error": "…"}
    {"do": "measure", "seconds": 60}              → {"ok": true}, {"measuring": {…}} each second, at last {"measured": {…}}
    {"do": "reload"}                              → {"ok": true}: configuration, inventory and keys were read again

`picluster.adapters.control` is the socket.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

from picluster import __version__
from picluster.agent.daemon import Agent, Logged
from picluster.agent.plain import Plain, plain
from picluster.errors import PiclusterError
from picluster.ports import Callers


class Control:
    """Answers callers."""

    def __init__(self, agent: Agent, callers: Callers, reload: Callable[[], None]) -> None:
        self.callers = callers
        self._agent = agent
        self._reload = reload
        self._listening: set[int] = set()
        agent.listeners.append(self._spread)

    def serve(self, readable: Collection[int]) -> None:
        """Answer what has been asked at these descriptors, and hand out what there is to say."""
        for caller, line in self.callers.requests(readable):
            self._say(caller, self._answer(caller, line))
        self.callers.flush()

    def _answer(self, caller: int, line: bytes) -> dict[str, Plain]:
        try:
            return {"ok": True, **self._do(caller, read_request(line))}
        except (ValueError, PiclusterError) as error:
            return {"ok": False, "error": str(error)}

    def _do(self, caller: int, request: dict[str, str]) -> dict[str, Plain]:
        agent = self._agent
        match request.get("do"):
            case "status":
                return {"status": status_of(agent)}
            case "events":
                self._listening.add(caller)
            case "standby":
                agent.set_standby(True)
            case "active":
                agent.set_standby(False)
            case "move":
                agent.move(request.get("address", ""), request.get("to", ""))
            case "measure":
                agent.measure(seconds_of(request), lambda words: self._say(caller, words))
            case "reload":
                self._reload()
            case unknown:
                known = "status, events, standby, active, move, measure, reload"
                raise ValueError(f"cannot do {unknown!r}; there are: {known}")
        return {}

    def _spread(self, logged: Logged) -> None:
        """Only noted here: an event is told in the midst of a turn, and the turn has to go on."""
        for caller in list(self._listening):
            if not self._say(caller, {"clock": logged.clock, "event": plain(logged.event)}):
                self._listening.discard(caller)

    def _say(self, caller: int, words: dict[str, Plain]) -> bool:
        # Escaped to ASCII, since what a caller wrote may come back to it, and JSON lets it write half a character.
        return self.callers.say(caller, json.dumps(words).encode())


def read_request(line: bytes) -> dict[str, str]:
    """The request's words. ValueError where it is none."""
    with suppress(ValueError, RecursionError):
        match json.loads(line):
            case dict() as request:
                return {key: str(value) for key, value in request.items()}
    raise ValueError('a request is a JSON object in one line, such as {"do": "status"}')


def seconds_of(request: Mapping[str, str]) -> float:
    """How long to measure. ValueError where that is no number."""
    word = request.get("seconds", "60")
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"{word!r} is no number of seconds") from None


def status_of(agent: Agent) -> Plain:
    """What `status` answers: this agent, and the cluster as it sees it."""
    snapshot = agent.snapshot(time.strftime("%H:%M:%S"))
    identity = agent.messenger.identity
    return {
        "node": identity.node,
        "version": __version__,
        "configuration": agent.settings.digest,
        "incarnation": f"{identity.incarnation:016x}",
        "epoch": agent.inventory.configuration.epoch,
        "standby": agent.member.standby,
        "problems": plain(agent.member.problems),
        "not_believed": plain(dict(agent.messenger.counters)),
        "health": snapshot.health.value,
        "cluster": plain(snapshot),
    }
