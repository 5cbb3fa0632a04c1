"""Envelopes to datagrams and back: the seal around the body."""

from __future__ import annotations

from picluster.model.messages import Envelope
from picluster.wire.body import read_body, write_body
from picluster.wire.keys import Keyring
from picluster.wire.seal import LONGEST_BODY, Seal


class Codec:
    """Speaks for one cluster with the keys that are valid now. It has no state: a change of keys is a new one.

    >>> from picluster.model.messages import Grant
    >>> codec = Codec("home", Keyring.parse(Keyring.fresh()))
    >>> grant = Envelope("pi2", incarnation=7, receiver="pi1", sequence=1, echo=0, message=Grant("web", number=12))
    >>> codec.decode(codec.encode(grant)) == grant
    True
    """

    def __init__(self, cluster: str, keyring: Keyring) -> None:
        self._seal = Seal(cluster, keyring)

    def encode(self, envelope: Envelope) -> bytes:
        """The datagram, at most 1,200 bytes, sealed with the first key. It never fails because a cluster is big: what does
        not fit into a heartbeat is told by a later one (`picluster.wire.heartbeat`).

        Raises ValueError for a field that is out of its range, which is a bug here."""
        return self._seal.close(write_body(envelope, LONGEST_BODY))

    def decode(self, datagram: bytes) -> Envelope:
        """What the datagram says. Raises `WireError`, and nothing else, for one that must not be believed."""
        return read_body(self._seal.open(datagram))
