"""What is remembered, what is forgotten, and what stays untouched."""

from __future__ import annotations

from picluster.trust.known_hosts import KnownHosts
from tests.trust.keys import key

FOREIGN = f"""\
# laptops of the lab
|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= {key(9).text}
@cert-authority *.home {key(8).text}
pi* {key(7).text}
[192.168.1.9]:2222,nas {key(6).text} the NAS in the cellar

pi3 ssh-new-kind@example.org zzzz
"""


def test_a_node_is_known_by_what_was_added() -> None:
    known = KnownHosts().add("pi1", key(1)).add("pi2", key(2)).add("pi1", key(3, "ssh-rsa"))
    assert known.keys_of("pi1") == (key(1), key(3, "ssh-rsa"))
    assert known.keys_of("pi2") == (key(2),)
    assert known.keys_of("pi3") == ()


def test_adding_twice_is_adding_once() -> None:
    known = KnownHosts().add("pi1", key(1))
    assert known.add("pi1", key(1)) is known


def test_the_text_can_be_read_again() -> None:
    known = KnownHosts().add("pi1", key(1)).add("pi2", key(2))
    assert known.text == f"pi1 {key(1).text}\npi2 {key(2).text}\n"
    assert KnownHosts.parse(known.text) == known


def test_replacing_leaves_one_key_and_all_others_alone() -> None:
    known = KnownHosts().add("pi1", key(1)).add("pi2", key(2)).add("pi1", key(3, "ssh-rsa")).replace("pi1", key(4))
    assert known.keys_of("pi1") == (key(4),)
    assert known.keys_of("pi2") == (key(2),)


def test_names_that_share_a_line_are_forgotten_one_by_one() -> None:
    known = KnownHosts.parse(FOREIGN)
    assert known.keys_of("[192.168.1.9]:2222") == known.keys_of("nas") == (key(6),)
    less = known.forget("[192.168.1.9]:2222")
    assert less.keys_of("nas") == (key(6),)
    assert less.keys_of("[192.168.1.9]:2222") == ()
    assert f"nas {key(6).text} the NAS in the cellar" in less.lines
    assert less.forget("nas").names_of(key(6)) == ()


def test_lines_that_are_not_understood_stay_and_make_nobody_known() -> None:
    known = KnownHosts.parse(FOREIGN)
    assert known.keys_of("pi3") == ()
    assert known.keys_of("pi*") == ()
    assert known.keys_of("@cert-authority") == ()
    assert known.add("pi3", key(1)).forget("pi3").text == FOREIGN


def test_who_shares_a_key() -> None:
    known = KnownHosts().add("pi1", key(1)).add("pi2", key(1)).add("pi3", key(3))
    assert known.names_of(key(1)) == ("pi1", "pi2")
    assert known.names_of(key(4)) == ()
