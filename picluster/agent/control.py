"""The control socket: people and programs on this machine ask the agent, one JSON object a line.

    {"do": "status"}                             → {"ok": true, "status": {…}}
    {"do": "events"}                             → {"ok": true}, then an event a line, as they happen
    {"do": "standby"}  {"do": "active"}          → {"ok": true}
    {"do": "move", "address": "web", "to": "pi3"} → {"ok": true}, or {"ok": false, "error": "…"}
    {"do": "reload"}                             → {"ok": true}: the inventory was read again and is in force

Mode 0600: whoever may open it may command. Nobody on it can slow the agent down: what a client does not read is dropped with
the client.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

from picluster.agent.daemon import Agent, Logged
from picluster.agent.plain import Plain, plain
from picluster.errors import ControlError, PiclusterError

LONGEST_REQUEST = 4_096
LARGEST_BACKLOG = 1 << 18
"""Bytes that may wait for a client before it is dropped."""
MOST_CLIENTS = 16
SOCKET_NAME = "agent.sock"


class Client:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.listening = False
        self.incoming = b""
        self.outgoing = b""

    def say(self, words: Plain) -> None:
        self.outgoing += json.dumps(words, ensure_ascii=False).encode() + b"\n"


class ControlServer:
    """Listens in the run directory. Its descriptors belong into the agent's loop."""

    def __init__(self, run_dir: Path, agent: Agent, reload: Callable[[], None]) -> None:
        """Raises ControlError where another agent listens there already: one agent a node."""
        self._path = run_dir / SOCKET_NAME
        self._agent = agent
        self._reload = reload
        self._clients: dict[int, Client] = {}
        self._listener = _listen(self._path)
        agent.listeners.append(self._spread)

    def filenos(self) -> tuple[int, ...]:
        return (self._listener.fileno(), *self._clients)

    def serve(self, readable: set[int]) -> None:
        """Take new clients in, read what they ask, answer as far as they read."""
        if self._listener.fileno() in readable:
            self._accept()
        for fileno, client in list(self._clients.items()):
            if fileno in readable and not self._read(client):
                self._drop(fileno)
        self._flush()

    def close(self) -> None:
        for fileno in list(self._clients):
            self._drop(fileno)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        if len(self._clients) >= MOST_CLIENTS:
            connection.close()
            return
        self._clients[connection.fileno()] = Client(connection)

    def _read(self, client: Client) -> bool:
        try:
            received = client.connection.recv(LONGEST_REQUEST)
        except BlockingIOError:
            return True
        except OSError:
            return False
        client.incoming += received
        while b"\n" in client.incoming:
            line, client.incoming = client.incoming.split(b"\n", 1)
            self._answer(client, line)
        return bool(received) and len(client.incoming) < LONGEST_REQUEST

    def _answer(self, client: Client, line: bytes) -> None:
        try:
            request = dict(json.loads(line))
            client.say({"ok": True, **self._do(client, {str(key): str(value) for key, value in request.items()})})
        except (ValueError, TypeError, PiclusterError) as error:
            client.say({"ok": False, "error": str(error)})

    def _do(self, client: Client, request: dict[str, str]) -> dict[str, Plain]:
        agent = self._agent
        match request.get("do"):
            case "status":
                return {"status": status_of(agent)}
            case "events":
                client.listening = True
            case "standby":
                agent.set_standby(True)
            case "active":
                agent.set_standby(False)
            case "move":
                agent.move(request.get("address", ""), request.get("to", ""))
            case "reload":
                self._reload()
            case unknown:
                raise ValueError(f"cannot do {unknown!r}; there are: status, events, standby, active, move, reload")
        return {}

    def _spread(self, logged: Logged) -> None:
        for client in self._clients.values():
            if client.listening:
                client.say({"clock": logged.clock, "event": plain(logged.event)})
        self._flush()

    def _flush(self) -> None:
        for fileno, client in list(self._clients.items()):
            if not client.outgoing:
                continue
            try:
                sent = client.connection.send(client.outgoing, socket.MSG_DONTWAIT)
                client.outgoing = client.outgoing[sent:]
            except BlockingIOError:
                pass
            except OSError:
                self._drop(fileno)
                continue
            if len(client.outgoing) > LARGEST_BACKLOG:
                self._drop(fileno)

    def _drop(self, fileno: int) -> None:
        self._clients.pop(fileno).connection.close()


def status_of(agent: Agent) -> Plain:
    """What `status` answers: this agent, and the cluster as it sees it."""
    snapshot = agent.snapshot(time.strftime("%H:%M:%S"))
    identity = agent.messenger.identity
    return {
        "node": identity.node,
        "incarnation": f"{identity.incarnation:016x}",
        "epoch": agent.inventory.configuration.epoch,
        "standby": agent.member.standby,
        "problems": plain(agent.member.problems),
        "not_believed": plain(dict(agent.messenger.counters)),
        "health": snapshot.health.value,
        "cluster": plain(snapshot),
    }


def ask(run_dir: Path, request: dict[str, str], timeout_s: float = 5.0) -> dict[str, Plain]:
    """Ask the agent of this machine. Raises ControlError where none answers, or it refuses."""
    path = run_dir / SOCKET_NAME
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as answers:
                line = answers.readline()
        except PermissionError as error:
            raise ControlError(f"{path} is not yours to open; try with sudo") from error
        except OSError as error:
            raise ControlError(f"no agent answers at {path} ({error}); is it running? systemctl status picluster") from error
    answer: dict[str, Plain] = json.loads(line or b'{"ok": false, "error": "the agent hung up"}')
    if not answer.pop("ok", False):
        raise ControlError(str(answer.get("error")))
    return answer


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    _clear_way(path)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise ControlError(f"cannot listen at {path}: {error}") from error
    finally:
        os.umask(before)
    listener.listen(MOST_CLIENTS)
    return listener


def _clear_way(path: Path) -> None:
    """A socket that nobody listens at was left by a run that was killed."""
    try:
        is_socket = stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return
    if not is_socket:
        raise ControlError(f"{path} is in the way and is no socket; move it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError:
            pass
    raise ControlError(f"another agent runs with {path.parent}; one agent a node, or give this one a run_dir of its own")
