"""The cluster's own known_hosts file, and who may be talked to by it. It is never not asked.

The file lies beside the cluster's other secrets and knows nodes by name. ~/.ssh/known_hosts has no say about nodes: what is
there are addresses, and addresses move. It has the say about jump hosts, which are the user's own business.

Threads that connect side by side share one `Trust`: a person is asked about one key at a time, and what was decided about
the first of two machines with the same key is known when the second is judged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import paramiko

from picluster.adapters.files import replace_file
from picluster.errors import TrustError
from picluster.trust.host_key import HostKey
from picluster.trust.judgement import Changed, Known, New, Shared, explain, judge, kinds_of
from picluster.trust.known_hosts import KnownHosts

__all__ = ["Confirm", "NodePolicy", "Trust", "UserPolicy", "host_key_of"]

Confirm = Callable[[str, str], bool]
"""Shows a node's name and the fingerprint of the key that it offers to a person; True where they say that it is right."""


def host_key_of(key: paramiko.PKey) -> HostKey:
    return HostKey(key.get_name(), key.asbytes())


class Trust:
    """`known_hosts` need not be there yet; `pre_made` are the public keys that were made for cards, by node."""

    def __init__(self, known_hosts: Path, pre_made: Mapping[str, HostKey], confirm: Confirm) -> None:
        self.known_hosts = known_hosts
        self._pre_made, self._confirm = pre_made, confirm
        self._lock = threading.Lock()
        self.questions = 0
        """How many keys a person was asked about."""

    def kinds(self, node: str) -> tuple[str, ...]:
        """The kinds of keys by which the node can prove itself, the best first."""
        return kinds_of(self._read(), node, self._pre_made)

    def introduce(self, node: str) -> None:
        """Write down the key that was made for the node's card, for whoever reads the file without us."""
        if node in self._pre_made and not self._read().keys_of(node):
            self._remember(node, self._pre_made[node])

    def decide(self, node: str, offered: HostKey) -> None:
        """Return where this key is the node's. Raises TrustError where it is not, or where the person says no.

        Waits for a person where the key is new.
        """
        known = self._read()
        if isinstance(judge(known, node, offered, self._pre_made), Known):
            if not known.keys_of(node):
                self._remember(node, offered)
            return
        with self._lock:
            match judge(self._read(), node, offered, self._pre_made):
                case Changed() | Shared() as refused:
                    raise TrustError(explain(node, refused))
                case New(fingerprint):
                    self.questions += 1
                    if not self._confirm(node, fingerprint):
                        what = f"{fingerprint} is the host key of {node}"
                        raise RefusedError(f"nobody confirmed that {what}; nothing was said to it")
                    self._write(node, offered)

    def _read(self) -> KnownHosts:
        try:
            return KnownHosts.parse(self.known_hosts.read_text(encoding="utf-8", errors="surrogateescape"))
        except FileNotFoundError:
            return KnownHosts()

    def _remember(self, node: str, key: HostKey) -> None:
        with self._lock:
            self._write(node, key)

    def _write(self, node: str, key: HostKey) -> None:
        """With the lock held."""
        text = self._read().add(node, key).text
        self.known_hosts.touch(mode=0o600)
        replace_file(self.known_hosts, text.encode("utf-8", errors="surrogateescape"))


class RefusedError(TrustError):
    """A person looked at the key and said no: then no other address of the node is tried."""


class NodePolicy(paramiko.MissingHostKeyPolicy):
    """Asks `Trust`. paramiko calls it for every key, since it is given no known hosts of its own."""

    def __init__(self, trust: Trust, node: str) -> None:
        self._trust, self._node = trust, node

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002 (its signature)
        self._trust.decide(self._node, host_key_of(key))


class UserPolicy(paramiko.MissingHostKeyPolicy):
    """For jump hosts: whoever is not in the user's own known_hosts is refused."""

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002 (its signature)
        raise TrustError(
            f"the jump host {hostname} is not in ~/.ssh/known_hosts (it offers {host_key_of(key).fingerprint}); "
            f"log in to it once with ssh, and confirm its key there"
        )
