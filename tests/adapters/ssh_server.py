"""An SSH server in this process, for what a real sshd would need PAM for: passwords, and asking in several ways."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from typing import Self

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_PARTIALLY_SUCCESSFUL, AUTH_SUCCESSFUL

from picluster.trust.host_key import HostKey

__all__ = ["Server"]


class _Doorman(paramiko.ServerInterface):
    """Lets in by `ways`; each try is noted."""

    def __init__(self, ways: Sequence[str], password: str, keys: Sequence[HostKey], both: bool) -> None:
        self._ways, self._password, self._keys, self._both = list(ways), password, keys, both
        self.tries: list[str] = []

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 (its signature)
        return ",".join(self._ways)

    def check_auth_none(self, username: str) -> int:  # noqa: ARG002 (its signature)
        self.tries.append("none")
        return AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:  # noqa: ARG002 (its signature)
        self.tries.append("publickey")
        if HostKey(key.get_name(), key.asbytes()) not in self._keys:
            return AUTH_FAILED
        if self._both:
            self._ways = ["password"]
            return AUTH_PARTIALLY_SUCCESSFUL
        return AUTH_SUCCESSFUL

    def check_auth_password(self, username: str, password: str) -> int:  # noqa: ARG002 (its signature)
        self.tries.append("password")
        return AUTH_SUCCESSFUL if "password" in self._ways and password == self._password else AUTH_FAILED

    def check_auth_interactive(self, username: str, submethods: str) -> int | paramiko.InteractiveQuery:  # noqa: ARG002 (its signature)
        self.tries.append("keyboard-interactive")
        return paramiko.InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        return AUTH_SUCCESSFUL if responses == [self._password] else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002 (its signature)
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=_echo, args=(channel, command), daemon=True).start()
        return True


def _echo(channel: paramiko.Channel, command: bytes) -> None:
    while channel.recv(1_024):
        pass  # its input ends once the client has heard that the command was begun
    channel.sendall(command + b"\n")
    channel.send_exit_status(0)
    channel.close()


class Server:
    """Listens on loopback, and repeats every command. With `both`, a key and then a password are wanted."""

    def __init__(self, ways: Sequence[str], password: str = "", keys: Sequence[HostKey] = (), *, both: bool = False) -> None:
        self._host_key = paramiko.ECDSAKey.generate()
        self._arguments = ways, password, keys, both
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._logins: list[paramiko.Transport] = []
        self.port = int(self._listener.getsockname()[1])
        self.doormen: list[_Doorman] = []

    @property
    def tries(self) -> list[list[str]]:
        """By connection."""
        return [doorman.tries for doorman in self.doormen]

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """On everybody who is there."""
        for login in self._logins:
            login.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            login = paramiko.Transport(connection)
            login.add_server_key(self._host_key)
            self.doormen.append(_Doorman(*self._arguments))
            self._logins.append(login)
            login.start_server(server=self.doormen[-1], event=threading.Event())
