"""The key file and the keyring."""

from __future__ import annotations

import pytest

from picluster.errors import InventoryError
from picluster.wire import Keyring
from picluster.wire.keys import key_id
from tests.wire.envelopes import KEY, OTHER_KEY


def test_a_key_file_has_one_or_two_keys_among_comments_and_blank_lines() -> None:
    assert Keyring.parse(KEY).keys == (bytes.fromhex(KEY),)
    text = f"# ours\n\n  {KEY.upper()}  \r\n\t# the old one\n{OTHER_KEY}"
    assert Keyring.parse(text).keys == (bytes.fromhex(KEY), bytes.fromhex(OTHER_KEY))


def test_a_fresh_key_is_a_key_file_and_never_the_same() -> None:
    first, second = Keyring.parse(Keyring.fresh()), Keyring.parse(Keyring.fresh())
    assert len(first.keys) == 1
    assert first != second


@pytest.mark.parametrize(
    ("text", "line", "wrong"),
    [
        ("", None, "no key"),
        ("# only a comment\n", None, "no key"),
        (f"{KEY}\n{KEY[:-1]}\n", 2, "not a key"),
        (f"{KEY}00\n", 1, "not a key"),
        (f"\n{KEY[:-1]}g\n", 2, "not a key"),
        (f"{KEY} # mine\n", 1, "not a key"),
        (f"{KEY}\n{OTHER_KEY}\n{KEY[::-1]}\n", None, "3 keys"),
        (f"{KEY}\n\n{KEY.upper()}\n", 3, "the first one again"),
    ],
)
def test_a_mistake_in_a_key_file_is_named_and_the_key_is_not(text: str, line: int | None, wrong: str) -> None:
    with pytest.raises(InventoryError) as caught:
        Keyring.parse(text, "cluster.key")
    (mistake,) = caught.value.mistakes
    assert (mistake.source, mistake.line) == ("cluster.key", line)
    assert wrong in mistake.wrong
    assert KEY[:8] not in str(caught.value).lower()


def test_all_mistakes_of_a_key_file_come_at_once() -> None:
    with pytest.raises(InventoryError) as caught:
        Keyring.parse("secret\nhunter2\nswordfish\n")
    assert [mistake.line for mistake in caught.value.mistakes] == [1, 2, 3, None]
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("keys", [(), (b"short",), (bytes(32), bytes(32)), (bytes(32), b"1" * 32, b"2" * 32)])
def test_a_keyring_is_one_or_two_different_keys(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="key"):
        Keyring(keys)


def test_a_keyring_never_shows_its_keys() -> None:
    keyring = Keyring.parse(f"{KEY}\n{OTHER_KEY}")
    for shown in (repr(keyring), str(keyring), f"{keyring}", repr([keyring])):
        assert keyring.ids[0].hex() in shown
        for key in keyring.keys:
            assert key.hex()[:8] not in shown
            assert repr(key)[2:10] not in shown


def test_a_key_id_is_no_part_of_the_key() -> None:
    key = bytes.fromhex(KEY)
    assert len(key_id(key)) == 4
    assert key_id(key) not in key
