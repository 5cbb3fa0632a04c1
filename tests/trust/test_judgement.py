"""Known, new, changed, somebody else's: what is made of an offered key, and what people are told."""

from __future__ import annotations

from picluster.trust.judgement import Changed, Known, New, Shared, explain, judge, kinds_of
from picluster.trust.known_hosts import KnownHosts
from tests.trust.keys import key

SEEN = KnownHosts().add("pi1", key(1)).add("pi1", key(2, "ssh-rsa")).add("pi2", key(3))


def test_a_key_that_was_seen_is_the_node() -> None:
    assert judge(SEEN, "pi1", key(1), {}) == Known()
    assert judge(SEEN, "pi1", key(2, "ssh-rsa"), {}) == Known()


def test_a_pre_made_key_is_the_node_at_once() -> None:
    assert judge(KnownHosts(), "pi3", key(7), {"pi3": key(7)}) == Known()


def test_a_card_written_later_with_its_pre_made_key_is_still_the_node() -> None:
    assert judge(SEEN, "pi1", key(7), {"pi1": key(7)}) == Known()


def test_a_key_that_nobody_has_seen_is_new() -> None:
    assert judge(SEEN, "pi3", key(4), {}) == New(key(4).fingerprint)


def test_a_card_without_its_pre_made_key_has_to_be_confirmed() -> None:
    assert judge(SEEN, "pi3", key(4), {"pi3": key(7)}) == New(key(4).fingerprint)


def test_another_key_of_a_known_node_has_changed() -> None:
    assert judge(SEEN, "pi1", key(4), {}) == Changed(key(1).fingerprint, key(4).fingerprint)
    assert judge(SEEN, "pi1", key(4, "ssh-rsa"), {}) == Changed(key(2, "ssh-rsa").fingerprint, key(4, "ssh-rsa").fingerprint)


def test_another_kind_of_key_is_no_excuse() -> None:
    """Else whoever sits in between would just offer a kind that is not known yet."""
    offered = key(4, "ecdsa-sha2-nistp256")
    assert judge(SEEN, "pi2", offered, {}) == Changed(key(3).fingerprint, offered.fingerprint)


def test_the_key_of_another_node_is_told_as_such() -> None:
    assert judge(SEEN, "pi3", key(3), {}) == Shared(key(3).fingerprint, ("pi2",))
    assert judge(SEEN, "pi1", key(3), {}) == Shared(key(3).fingerprint, ("pi2",))
    assert judge(SEEN, "pi3", key(7), {"pi3": key(6), "pi4": key(7)}) == Shared(key(7).fingerprint, ("pi4",))
    assert judge(SEEN, "pi3", key(3), {"pi2": key(3)}) == Shared(key(3).fingerprint, ("pi2",))


def test_a_node_that_was_confirmed_with_a_shared_key_stays_known() -> None:
    assert judge(SEEN.add("pi3", key(3)), "pi3", key(3), {}) == Known()


def test_the_kinds_to_ask_for_are_those_that_prove_something() -> None:
    assert kinds_of(SEEN, "pi1", {}) == ("ssh-ed25519", "ssh-rsa")
    assert kinds_of(SEEN, "pi3", {"pi3": key(7)}) == ("ssh-ed25519",)
    assert kinds_of(KnownHosts().add("pi1", key(1, "ssh-rsa")), "pi1", {"pi1": key(7)}) == ("ssh-rsa", "ssh-ed25519")
    assert kinds_of(SEEN, "pi4", {}) == ()


def test_a_changed_key_is_explained_with_both_cases_and_the_command() -> None:
    told = explain("pi3", Changed("SHA256:old", "SHA256:new"))
    assert "SHA256:old" in told
    assert "SHA256:new" in told
    assert "flashed again" in told
    assert "\n  picluster forget-host pi3\n" in told
    assert "another machine answers in its place" in told


def test_a_shared_key_is_explained_with_whose_it_is() -> None:
    told = explain("pi4", Shared("SHA256:same", ("pi3",)))
    assert "host key of pi3 (SHA256:same)" in told
    assert "ssh-keygen -A" in told
    assert "address of pi4 leads to pi3" in told
