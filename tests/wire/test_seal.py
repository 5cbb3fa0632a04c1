"""Who is believed: keys, clusters, versions, and every kind of damage."""

from __future__ import annotations

import hashlib
import itertools

import pytest

from picluster.errors import WireError
from picluster.model.messages import Envelope
from picluster.wire import LONGEST_DATAGRAM, Codec, Keyring, WireFault
from picluster.wire.keys import key_id
from picluster.wire.seal import HEADER_BYTES, LONGEST_BODY, SEAL_BYTES, Seal, cluster_tag
from tests.wire.envelopes import CODEC, EXAMPLES, KEY, OTHER_KEY

OLD, NEW = KEY, OTHER_KEY


def fault_of(datagram: bytes, codec: Codec = CODEC) -> str:
    with pytest.raises(WireError) as caught:
        codec.decode(datagram)
    return caught.value.kind


def test_the_layout_is_the_one_in_the_table() -> None:
    datagram = Seal("home", Keyring.parse(KEY)).close(b"body")
    key = bytes.fromhex(KEY)
    tag = hashlib.blake2b(b"home", digest_size=8, person=b"picluster name").digest()
    header = b"\xb1Pi" + b"\x01" + tag + key_id(key)
    seal = hashlib.blake2b(header + b"body", key=key, digest_size=16, person=b"picluster seal").digest()
    assert (cluster_tag("home"), datagram) == (tag, header + b"body" + seal)


def test_the_longest_body_makes_the_longest_datagram() -> None:
    seal = Seal("home", Keyring.parse(KEY))
    longest = seal.close(bytes(LONGEST_BODY))
    assert len(longest) == LONGEST_DATAGRAM
    assert seal.open(longest) == bytes(LONGEST_BODY)
    assert fault_of(seal.close(bytes(LONGEST_BODY + 1))) is WireFault.TOO_LONG


@pytest.mark.parametrize("sent", EXAMPLES)
def test_any_flipped_bit_is_noticed(sent: Envelope) -> None:
    datagram = CODEC.encode(sent)
    faults = [fault_of(flip(datagram, bit)) for bit in range(8 * len(datagram))]
    assert set(faults[:24]) == {WireFault.NOT_OURS}
    assert set(faults[24:32]) == {WireFault.VERSION}
    assert set(faults[32:96]) == {WireFault.OTHER_CLUSTER}
    assert set(faults[96:128]) == {WireFault.OTHER_KEY}
    assert set(faults[128:]) == {WireFault.FORGED}


def flip(datagram: bytes, bit: int) -> bytes:
    damaged = bytearray(datagram)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


@pytest.mark.parametrize("sent", EXAMPLES)
def test_a_datagram_cut_or_extended_is_noticed(sent: Envelope) -> None:
    datagram = CODEC.encode(sent)
    for length in range(len(datagram)):
        assert fault_of(datagram[:length]) is (WireFault.TOO_SHORT if length < 32 else WireFault.FORGED)
    for more in range(1, LONGEST_DATAGRAM - len(datagram) + 1):
        assert fault_of(datagram + bytes(more)) is WireFault.FORGED
    assert fault_of(datagram.ljust(LONGEST_DATAGRAM + 1, b"\0")) is WireFault.TOO_LONG


def test_two_keys_are_believed_during_a_rotation_and_the_first_one_seals() -> None:
    """The three steps of `picluster.wire.keys`: at each, a node that has gone ahead and one that has not understand each
    other."""
    steps = [Codec("home", Keyring.parse(text)) for text in (OLD, f"{OLD}\n{NEW}", f"{NEW}\n{OLD}", NEW)]
    for behind, ahead in itertools.pairwise(steps):
        for sent in EXAMPLES:
            assert ahead.decode(behind.encode(sent)) == sent
            assert behind.decode(ahead.encode(sent)) == sent
    sealed_by = [codec.encode(EXAMPLES[0])[12:HEADER_BYTES] for codec in steps]
    assert sealed_by == [key_id(bytes.fromhex(key)) for key in (OLD, OLD, NEW, NEW)]
    assert fault_of(steps[0].encode(EXAMPLES[0]), steps[-1]) is WireFault.OTHER_KEY
    assert fault_of(steps[-1].encode(EXAMPLES[0]), steps[0]) is WireFault.OTHER_KEY


def test_another_cluster_is_another_cluster_even_with_our_key() -> None:
    theirs = Codec("attic", Keyring.parse(KEY)).encode(EXAMPLES[0])
    assert fault_of(theirs) is WireFault.OTHER_CLUSTER
    renamed = theirs[:4] + cluster_tag("home") + theirs[12:]
    assert fault_of(renamed) is WireFault.FORGED


def test_another_key_is_forged_even_under_our_key_id() -> None:
    theirs = Codec("home", Keyring.parse(OTHER_KEY)).encode(EXAMPLES[0])
    assert fault_of(theirs) is WireFault.OTHER_KEY
    assert fault_of(theirs[:12] + key_id(bytes.fromhex(KEY)) + theirs[16:]) is WireFault.FORGED


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_said_to_be_one_whatever_follows(version: int) -> None:
    datagram = CODEC.encode(EXAMPLES[0])
    assert fault_of(datagram[:3] + bytes((version,)) + b"quite different" * 5) is WireFault.VERSION


def test_the_body_is_not_read_before_the_seal_fits() -> None:
    nonsense = Seal("home", Keyring.parse(KEY)).close(b"\xff" * 40)
    assert fault_of(nonsense) is WireFault.MALFORMED
    assert fault_of(nonsense[:-SEAL_BYTES] + bytes(SEAL_BYTES)) is WireFault.FORGED


def test_every_kind_of_fault_is_a_counter_name() -> None:
    assert all(kind == kind.value == str(kind) for kind in WireFault)
    error = WireError(WireFault.FORGED, "the seal does not fit")
    assert (error.kind, str(error)) == ("forged", "forged: the seal does not fit")
