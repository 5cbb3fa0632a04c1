"""Getting in: keys first, then a password that a person is asked for once for all nodes, and that only memory ever holds.

Keys are tried in this order: the controller's own, which is all it takes once a node is provisioned; those that
~/.ssh/config names; what the agent holds. A server counts failed tries and hangs up after six (`MaxAuthTries`, man 5
sshd_config), so keys and passwords get a connection each: an agent with seven keys must not lock out the password of a
fresh Pi.
"""

from __future__ import annotations

import functools
import os
import socket
import threading
from collections.abc import Callable, Collection, Generator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.agent import AgentSSH
from paramiko.auth_strategy import AuthStrategy
from paramiko.pkey import UnknownKeyType

from picluster.adapters.ssh_configuration import Route
from picluster.errors import AccessError
from picluster.trust.host_key import HostKey

__all__ = ["Ask", "Credentials", "KeysRefused", "LoginByKeys", "LoginByPassword", "Password"]

Ask = Callable[[str], str]
"""Asks a person, and returns what they typed. Raises AccessError where nobody is there."""

MOST_KEYS = 5
MOST_PASSWORDS = 3
AGENT_S = 30.0
"""How long an agent may take: it may ask its owner."""
BY_PASSWORD = frozenset({"password", "keyboard-interactive"})
DEFAULT_IDENTITIES = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
NOT_A_KEY = (OSError, ValueError, TypeError, UnsupportedAlgorithm, UnknownKeyType, paramiko.SSHException)
"""What reading a private key raises: not there, encrypted with something else, a kind that paramiko lacks (FIDO)."""

HUNG_UP = (paramiko.AuthenticationException, EOFError, OSError)
"""What a login raises whose server is gone; paramiko calls an end of file a failed authentication."""


class Password:
    """Text that shows itself in no traceback and no log."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Password) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Password()"


class Credentials:
    """What the controller has to show, for all nodes. `key_file` is its private key and need not be there."""

    def __init__(self, key_file: Path | None, ask: Ask) -> None:
        self.key_file = key_file
        self._ask = ask
        self._lock = threading.Lock()
        self._passwords: list[Password] = []
        self._keys: dict[str, paramiko.PKey | None] = {}
        self._for_jumps: Credentials | None = None
        self.questions = 0
        """How many have been asked."""

    def password(self, whose: str, refused: Collection[Password]) -> Password:
        """One that is known and was not refused there, else what a person types; one is asked at a time. `whose` is such as
        `pi on pi3`. Raises AccessError where nobody answers."""
        with self._lock:
            if known := next((known for known in self._passwords if known not in refused), None):
                return known
            self.questions += 1
            answer = self._ask(f"{'That was refused. ' if refused else ''}Password of {whose}: ")
            if not answer:
                raise AccessError(f"no password was given for {whose}")
            self._passwords.append(Password(answer))
            return self._passwords[-1]

    @property
    def for_jumps(self) -> Credentials:
        """What jump hosts are shown: they are other people's machines, and get no password of a node."""
        with self._lock:
            self._for_jumps = self._for_jumps or Credentials(None, self._ask)
            return self._for_jumps

    def worked(self, password: Password) -> None:
        """Try it first from now on."""
        with self._lock:
            self._passwords.sort(key=lambda each: each != password)

    def key(self, path: str) -> paramiko.PKey | None:
        """The private key in that file, read once; None where there is none that can be used. Where it is encrypted, a
        person is asked for its passphrase, and may leave that empty."""
        with self._lock:
            if path not in self._keys:
                self._keys[path] = self._read(path)
            return self._keys[path]

    def _read(self, path: str) -> paramiko.PKey | None:
        try:
            return paramiko.PKey.from_path(path)
        except (TypeError, paramiko.PasswordRequiredException):  # cryptography and paramiko say so in their own ways
            self.questions += 1
            with suppress(AccessError, *NOT_A_KEY):
                passphrase = self._ask(f"Passphrase of {path} (empty: go on without it): ")
                return paramiko.PKey.from_path(path, passphrase.encode()) if passphrase else None
        except NOT_A_KEY:
            pass
        return None


class KeysRefused(paramiko.AuthenticationException):
    """The server takes none of the keys."""


class _Agent(AgentSSH):
    """The agent at that socket; without keys where nobody answers there."""

    def __init__(self, path: str) -> None:
        super().__init__()
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(AGENT_S)
        try:
            connection.connect(path)
            self._connect(connection)
        except (OSError, paramiko.SSHException):
            connection.close()

    def close(self) -> None:
        self._close()


class _Login(AuthStrategy):
    """Tries ways in, one after the other, and keeps in mind what the server would still accept."""

    def __init__(self, route: Route, credentials: Credentials) -> None:
        self._route, self._credentials = route, credentials
        self.accepted: frozenset[str] = frozenset({"publickey"}) | BY_PASSWORD

    def _try(self, transport: paramiko.Transport, way: Callable[[], list[str]]) -> bool:
        """Whether that was enough. Raises what ends the connection."""
        try:
            further = way()
        except paramiko.BadAuthenticationType as refusal:
            self.accepted = frozenset(refusal.allowed_types)
            return False
        except paramiko.SSHException as error:
            if not transport.is_active() or "timeout" in str(error):
                raise
            return False
        self.accepted = frozenset(further)  # empty: it is enough
        return not further


class LoginByKeys(_Login):
    """Raises KeysRefused where none is taken. A password is asked for only where the server wants a key and a password."""

    _refused = 0

    def authenticate(self, transport: paramiko.Transport) -> None:
        if not transport.is_active():
            raise EOFError("it hung up before the login")
        try:
            if self._by_keys(transport):
                return
        except (paramiko.SSHException, EOFError, OSError) as error:
            if self._refused == 0 and isinstance(error, HUNG_UP):
                raise
            raise KeysRefused(str(error)) from error  # too many tries, or an agent that would not sign
        if "publickey" in self.accepted or not self.accepted & BY_PASSWORD:
            raise KeysRefused
        by_password = LoginByPassword(self._route, self._credentials)
        by_password.accepted = self.accepted
        by_password.ask(transport)

    def _by_keys(self, transport: paramiko.Transport) -> bool:
        with closing(self._keys()) as keys:
            for key in islice(keys, MOST_KEYS):
                if self._try(transport, functools.partial(transport.auth_publickey, self._route.user, key)):
                    return True
                self._refused += 1
                if "publickey" not in self.accepted:
                    break
        return False

    def _keys(self) -> Generator[paramiko.PKey, None, None]:
        if self._credentials.key_file and (own := self._credentials.key(str(self._credentials.key_file))):
            yield own
        files = self._route.identities
        if files is None:
            files = tuple(str(Path(file).expanduser()) for file in DEFAULT_IDENTITIES)
        named = {blob for file in files if (blob := _public(file))}
        path = os.environ.get("SSH_AUTH_SOCK", "") if self._route.agent is None else self._route.agent
        with closing(_Agent(path)) as agent:
            held = sorted(agent.get_keys(), key=lambda key: key.blob not in named)
            yield from (key for key in held if key.blob in named or not self._route.only_these)
            present = {key.blob for key in held}
            yield from (key for file in files if _public(file) not in present and (key := self._credentials.key(file)))


def _public(file: str) -> bytes | None:
    """The public key of a file with a private one, without opening that; the file may be the public one itself."""
    try:
        return HostKey.parse(Path(file.removesuffix(".pub") + ".pub").read_text(encoding="utf-8")).blob
    except (OSError, ValueError):
        return None


class LoginByPassword(_Login):
    """Asks the server what it accepts before it asks a person for anything."""

    def authenticate(self, transport: paramiko.Transport) -> None:
        if not self._try(transport, functools.partial(transport.auth_none, self._route.user)):
            self.ask(transport)

    def ask(self, transport: paramiko.Transport) -> None:
        route, refused = self._route, list[Password]()
        while len(refused) < MOST_PASSWORDS and self.accepted & BY_PASSWORD:
            password = self._credentials.password(f"{route.user} on {route.name}", refused)
            if self._fits(transport, password):
                self._credentials.worked(password)
                return
            refused.append(password)
        if refused:
            raise AccessError(f"the password of {route.user} was refused; is that the user? The inventory can name another")
        raise AccessError(self._no_way_in())

    def _fits(self, transport: paramiko.Transport, password: Password) -> bool:
        return self._try(transport, lambda: transport.auth_password(self._route.user, password.reveal()))

    def _no_way_in(self) -> str:
        user, file = self._route.user, self._credentials.key_file
        which = f"{file}.pub" if file else "a public key of yours"
        mend = f"put {which} into ~{user}/.ssh/authorized_keys"
        return f"{user} is let in with none of the keys, and passwords are not accepted; {mend}"
