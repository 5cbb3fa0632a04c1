"""From a route to an open login: dialling, jump hosts, and as many connections as a login takes.

`fabric.Connection` carries each login and leads one through another. Whatever it would find out by itself is given to it:
its reading of ~/.ssh/config, and its policy to accept any host key, are never asked.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import paramiko
from fabric import Config, Connection

from picluster.adapters.ssh_configuration import Configuration, Route
from picluster.adapters.ssh_login import Credentials, KeysRefused, LoginByKeys, LoginByPassword
from picluster.adapters.ssh_transport import Patience, Proxy, WatchedTransport, dial
from picluster.adapters.ssh_trust import NodePolicy, Trust, UserPolicy
from picluster.errors import AccessError, TrustError

__all__ = ["Caller", "Line", "UnreachableError"]

MOST_CONNECTIONS = 4
"""For one login: by keys, by password, and each once more where a person took so long that the server hung up."""
MOST_JUMPS_DEEP = 8


class UnreachableError(AccessError):
    """Nobody there, or nobody who speaks SSH. Another address may do."""


@dataclass(frozen=True, slots=True)
class Line:
    """An open login, and everything that leads to it."""

    transport: WatchedTransport
    ends: ExitStack
    """Closes all of it, the login first."""


@dataclass(frozen=True, slots=True)
class _Guard:
    """Who decides whether the machine that answers is the right one."""

    policy: paramiko.MissingHostKeyPolicy
    kinds: Sequence[str]
    files: Sequence[Path]
    """What paramiko itself compares with; the policy is asked about whoever is not in there."""


@dataclass(frozen=True, slots=True)
class _Way:
    """What a login goes through: the last jump host, or else a socket."""

    gateway: Connection | None = None
    socket: socket.socket | None = None
    said: Callable[[], str] = str
    """What a program in between has complained of last."""


class Caller:
    """Logs in along routes."""

    def __init__(self, credentials: Credentials, trust: Trust, configuration: Configuration, patience: Patience) -> None:
        self._credentials, self._trust = credentials, trust
        self._configuration, self._patience = configuration, patience

    def call(self, node: str, route: Route) -> Line:
        """Log in on a node. Raises UnreachableError, or another AccessError where another address would not help either."""
        guard = _Guard(NodePolicy(self._trust, node), self._trust.kinds(node), ())
        connection, ends = self._log_in(route, guard, self._credentials, 0)
        return Line(connection.transport, ends)

    def _log_in(self, route: Route, guard: _Guard, credentials: Credentials, depth: int) -> tuple[Connection, ExitStack]:
        login: type[LoginByKeys | LoginByPassword] = LoginByKeys
        for _ in range(MOST_CONNECTIONS):
            questions = self._questions()
            with ExitStack() as ends:
                try:
                    return self._open(ends, route, guard, login(route, credentials), depth), ends.pop_all()
                except KeysRefused:
                    login = LoginByPassword
                except AccessError:
                    raise
                except paramiko.BadHostKeyException as error:
                    raise TrustError(_another_jump_host(route)) from error
                except (paramiko.SSHException, EOFError, OSError) as error:
                    if self._questions() == questions:
                        raise UnreachableError(_no_login(route, error)) from error
        raise UnreachableError(f"{route.host} port {route.port} hangs up whenever somebody logs in as {route.user}")

    def _questions(self) -> int:
        """Grows whenever a person is asked anything, and so may take longer than a server waits."""
        return self._credentials.questions + self._credentials.for_jumps.questions + self._trust.questions

    def _open(
        self, ends: ExitStack, route: Route, guard: _Guard, login: LoginByKeys | LoginByPassword, depth: int
    ) -> Connection:
        way = self._way(ends, route, depth)
        transport = partial(WatchedTransport, kinds=guard.kinds, patience=self._patience)
        connection = Connection(
            route.host,
            user=route.user,
            port=route.port,
            gateway=way.gateway,
            # Neither ~/.fabric.yaml nor ~/.ssh/config: the route has it all.
            config=Config(lazy=True, ssh_config=paramiko.SSHConfig()),
            connect_kwargs={"auth_strategy": login, "transport_factory": transport, "sock": way.socket},
        )
        for file in guard.files:
            with suppress(OSError):
                connection.client.load_system_host_keys(str(file))
        connection.client.set_missing_host_key_policy(guard.policy)
        ends.callback(connection.client.close)
        try:
            connection.open()
        except Exception as error:
            if said := way.said():
                error.add_note(said)
            raise
        connection.transport.watch()
        return connection

    def _way(self, ends: ExitStack, route: Route, depth: int) -> _Way:
        if route.jumps:
            return _Way(gateway=self._jump(ends, route, depth))
        if route.command:
            proxy = Proxy(route.command)
            ends.callback(proxy.close)
            return _Way(socket=proxy.socket, said=proxy.said)
        try:
            way = dial(route.host, route.port, self._patience)
        except OSError as error:
            raise UnreachableError(_no_answer(route, error, self._patience)) from error
        ends.callback(way.close)
        return _Way(socket=way)

    def _jump(self, ends: ExitStack, route: Route, depth: int) -> Connection:
        """The login on the last of the route's jump hosts, through those before it."""
        if depth == MOST_JUMPS_DEEP:
            raise AccessError(f"~/.ssh/config: the jump hosts of {route.name} lead in a circle")
        hop = self._configuration.jump(route.jumps[-1])
        if before := route.jumps[:-1]:
            hop = replace(hop, jumps=before, command="")
        guard = _Guard(UserPolicy(), (), self._configuration.known_hosts)
        try:
            gateway, more = self._log_in(hop, guard, self._credentials.for_jumps, depth + 1)
        except UnreachableError as error:
            raise UnreachableError(f"the jump host does not let us through: {error}") from error
        ends.push(more)
        return gateway


def _no_answer(route: Route, error: OSError, patience: Patience) -> str:
    where = f"{route.host} port {route.port}"
    if isinstance(error, TimeoutError):
        return f"no answer from {where} within {patience.connect_s:g} s; is it switched on, and in this network?"
    if isinstance(error, ConnectionRefusedError):
        return f"{where} is refused: the machine is there, and no SSH server; enable SSH on it"
    if isinstance(error, socket.gaierror):
        return f"nobody knows the name {route.host} ({error.strerror}); is it switched on, and in this network?"
    return f"no way to {where}: {error.strerror or error}"


def _no_login(route: Route, error: Exception) -> str:
    notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
    why = str(error) or "it hung up"
    return f"{route.host} port {route.port} takes the call, but no login comes of it: {why}{notes}"


def _another_jump_host(route: Route) -> str:
    return (
        f"the jump host {route.name} offers another host key than the one in ~/.ssh/known_hosts; nothing was said to it. "
        f"ssh {route.name} explains what that may mean"
    )
