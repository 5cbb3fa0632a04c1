"""The sealed envelope around a body: who it is for is told before it is believed, and believed before it is read.

    offset  bytes  field
         0      3  magic, b1 50 69: no text, no DNS, no IP header begins so
         3      1  version of all that follows, 1
         4      8  cluster tag: BLAKE2b of the cluster's name
        12      4  key id: which key sealed it (`picluster.wire.keys`)
        16      n  body (`picluster.wire.body`), at most 1,168 bytes
    16 + n     16  seal: BLAKE2b keyed with the cluster's key, over everything before it

The header of all datagrams that one key seals is the same 16 bytes. So the hash is keyed, personalised and fed with them
once; a datagram costs a copy of that state and its body. For the same reason opening starts with one look-up of the first
16 bytes: only where that fails is it worth asking what is wrong with them.

Keyed BLAKE2b is a MAC by itself and needs no HMAC around it (RFC 7693). `person` keeps seals and key ids, which
share the key, apart. 16 bytes of it leave a forger a chance of 2^-128 with each datagram.
"""

from __future__ import annotations

import hashlib
import hmac
import struct

from picluster.errors import WireError
from picluster.wire.faults import WireFault
from picluster.wire.keys import Keyring, key_id

LONGEST_DATAGRAM = 1_200
"""Bytes. It passes every link unfragmented: IPv6 promises 1,280 (RFC 8200 section 5), less IP and UDP headers, less a
tunnel's; QUIC settled on the same number (RFC 9000 section 14)."""
MAGIC = b"\xb1Pi"
VERSION = 1
SEAL_BYTES = 16
_HEADER = struct.Struct("!3sB8s4s")
HEADER_BYTES = _HEADER.size
LONGEST_BODY = LONGEST_DATAGRAM - HEADER_BYTES - SEAL_BYTES


def cluster_tag(name: str) -> bytes:
    """Eight bytes that tell clusters apart. It hides nothing: mDNS announces the name itself."""
    return hashlib.blake2b(name.encode(), digest_size=8, person=b"picluster name").digest()


class Seal:
    """Closes and opens the datagrams of one cluster with the keys that are valid now."""

    def __init__(self, cluster: str, keyring: Keyring) -> None:
        self._tag = cluster_tag(cluster)
        self._states: dict[bytes, hashlib.blake2b] = {}
        for key in keyring.keys:
            header = _HEADER.pack(MAGIC, VERSION, self._tag, key_id(key))
            state = hashlib.blake2b(header, key=key, digest_size=SEAL_BYTES, person=b"picluster seal")
            self._states[header] = state
        self._first_header, self._first_state = next(iter(self._states.items()))

    def close(self, body: bytes) -> bytes:
        """The datagram that carries this body, sealed with the first key."""
        state = self._first_state.copy()
        state.update(body)
        return b"".join((self._first_header, body, state.digest()))

    def open(self, datagram: bytes) -> bytes:
        """The body of a datagram whose seal fits; raises `WireError` for any other."""
        if len(datagram) > LONGEST_DATAGRAM:
            raise WireError(WireFault.TOO_LONG, f"more than {LONGEST_DATAGRAM} bytes")
        if len(datagram) < HEADER_BYTES + SEAL_BYTES:
            raise WireError(WireFault.TOO_SHORT, f"{len(datagram)} bytes")
        known = self._states.get(datagram[:HEADER_BYTES])
        if known is None:
            raise self._stranger(datagram)
        state = known.copy()
        body = datagram[HEADER_BYTES:-SEAL_BYTES]
        state.update(body)
        if not hmac.compare_digest(state.digest(), datagram[-SEAL_BYTES:]):
            raise WireError(WireFault.FORGED, "the seal does not fit")
        return body

    def _stranger(self, datagram: bytes) -> WireError:
        """What is wrong with a header that none of our keys makes."""
        magic, version, tag, sealed_by = _HEADER.unpack_from(datagram)
        if magic != MAGIC:
            return WireError(WireFault.NOT_OURS, "it does not begin as ours do")
        if version != VERSION:
            return WireError(WireFault.VERSION, f"version {version} of the format, and this node speaks version {VERSION}")
        if tag != self._tag:
            return WireError(WireFault.OTHER_CLUSTER, f"cluster tag {tag.hex()}")
        return WireError(WireFault.OTHER_KEY, f"key id {sealed_by.hex()}")
