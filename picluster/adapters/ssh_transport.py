"""The connection under a login: a socket, or a program in its place, and paramiko's transport with what it lacks.

Three things are added to what paramiko does:

- **Small writes leave at once.** paramiko leaves Nagle's algorithm on, which holds the second of two small packets back
  until the first is acknowledged, and the other side delays that by 40 ms (RFC 9293 section 3.7.4): 48 ms for a command
  that is done in 4.
- **A dead node ends every wait.** paramiko's keepalives ask for no answer, so they notice nothing. These ask, as
  OpenSSH's do (`ServerAliveInterval`), and whoever is silent for too long has hung up. The transport's own thread sees to
  it. The kernel is told the same bound (TCP_USER_TIMEOUT, man 7 tcp), for writes that nobody acknowledges.
- **The handshake's timer is put away** when the thread ends: it is no daemon, and would hold up the end of the program.

A `ProxyCommand` runs on one end of a socket pair, so that to paramiko it is a socket like any other. Its own `ProxyCommand`
reads a pipe in a loop that, once the program has ended, never ends itself and takes a whole core
(https://github.com/paramiko/paramiko/issues/1277).
"""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

import paramiko
from paramiko.common import cMSG_GLOBAL_REQUEST
from paramiko.packet import Packetizer

__all__ = ["Patience", "Proxy", "WatchedTransport", "dial"]

ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
"""Signatures by kind of key, where they are not named alike (RFC 8332): SHA-1 is over."""
BROKEN = ("cbc", "md5", "sha1")
SIGNS_OF_LIFE = 5
"""A node is asked for one so many times before it counts as dead."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what may take."""

    connect_s: float = 6.0
    """Until TCP is connected, for each address."""
    handshake_s: float = 15.0
    """Until the server has said who it is, and again until keys are agreed on."""
    login_s: float = 30.0
    """Until a key or a password is judged: PAM may ask others."""
    silence_s: float = 15.0
    """Until a node from which nothing is heard counts as dead."""
    start_s: float = 60.0
    """Until a program that was asked for runs: sudo may wait for a name server that does not answer."""


def dial(host: str, port: int, patience: Patience) -> socket.socket:
    """TCP to the first address of the host that answers. Raises OSError."""
    connection = socket.create_connection((host, port), timeout=patience.connect_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(patience.silence_s * 1000))
    return connection


class Proxy:
    """A program of the user's (`ProxyCommand`) whose standard input and output are the connection."""

    def __init__(self, command: str) -> None:
        self.socket, theirs = socket.socketpair()
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as this
        ends = ((theirs.fileno(), 0), (theirs.fileno(), 1), (self._errors.fileno(), 2))
        actions = [(os.POSIX_SPAWN_DUP2, ours, standard) for ours, standard in ends]
        with theirs:
            self._pid = os.posix_spawn("/bin/sh", ["sh", "-c", f"exec {command}"], os.environ, file_actions=actions)

    def said(self) -> str:
        """The last line of its standard error."""
        lines = os.pread(self._errors.fileno(), 4096, 0).decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def close(self) -> None:
        """Hang up, and see to it that it ends. Harmless where it has been closed already."""
        if self._errors.closed:
            return
        self._errors.close()
        self.socket.close()
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self._pid, signal.SIGTERM)
            deadline = time.monotonic() + 1.0
            while os.waitpid(self._pid, os.WNOHANG) == (0, 0):
                if time.monotonic() > deadline:
                    os.kill(self._pid, signal.SIGKILL)
                time.sleep(0.005)


class _Packets(Packetizer):
    """Remembers when something was last heard, and whether somebody is in the middle of a write."""

    heard_s = 0.0
    writing = False

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        data = super().read_all(n, check_rekey)
        self.heard_s = time.monotonic()
        return data

    def write_all(self, out: bytes) -> None:
        self.writing = True
        super().write_all(out)
        self.writing = False


class WatchedTransport(paramiko.Transport):
    """`kinds` are the kinds of host keys that are asked for first."""

    def __init__(
        self,
        sock: socket.socket,
        disabled_algorithms: dict[str, Sequence[str]] | None = None,
        *,
        kinds: Sequence[str] = (),
        patience: Patience,
    ) -> None:
        super().__init__(sock, disabled_algorithms=disabled_algorithms, packetizer_class=_Packets)
        self.banner_timeout = self.handshake_timeout = patience.handshake_s
        self.auth_timeout = patience.login_s
        self.channel_timeout = patience.silence_s
        self._silence_s = patience.silence_s
        options = self.get_security_options()
        options.ciphers = [cipher for cipher in options.ciphers if not cipher.split("@")[0].endswith(BROKEN)]
        options.digests = [digest for digest in options.digests if not any(word in digest for word in BROKEN)]
        first = [algorithm for kind in kinds for algorithm in ALGORITHMS.get(kind, (kind,))]
        options.key_types = sorted(options.key_types, key=lambda kind: first.index(kind) if kind in first else len(first))

    def watch(self) -> None:
        """From now on, a node that is silent for too long has hung up. Only after the login: before it, a server may take a
        sign of life for an offence."""
        self.packetizer.heard_s = time.monotonic()
        self.packetizer.set_keepalive(self._silence_s / SIGNS_OF_LIFE, self._nothing_said)

    def run(self) -> None:
        try:
            super().run()
        finally:
            self.packetizer.complete_handshake()

    def _nothing_said(self) -> None:
        """The transport's own thread calls this whenever nothing was written for a while and nothing waits to be read."""
        silent_s = time.monotonic() - self.packetizer.heard_s
        if silent_s > self._silence_s * (1 - 1 / SIGNS_OF_LIFE):
            raise EOFError(f"nothing was heard for {silent_s:.0f} s")
        if self.clear_to_send.is_set() and not self.packetizer.writing:
            self._send_user_message(_sign_of_life())


def _sign_of_life() -> paramiko.Message:
    """A request that no server knows, and every server has to answer (RFC 4254 section 4)."""
    message = paramiko.Message()
    message.add_byte(cMSG_GLOBAL_REQUEST)
    message.add_string("keepalive@openssh.com")
    message.add_boolean(True)
    return message
