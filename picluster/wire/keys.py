"""The cluster's secret: one key, or two of them while the key is being changed.

A key is 32 random bytes. It is never a passphrase: what is on the wire lets anybody test a guess at leisure, and only a
random key of that length makes this hopeless. A key file is text, so that it can be copied by hand:

    # one or two lines of 64 hexadecimal digits; the first seals, both are believed
    5c0f…

To change the key of a running cluster, and lose nothing on the way:

1. on every node, add the new key as the *second* line: everybody believes it, nobody uses it yet;
2. on every node, swap the lines: everybody still believes both, so the order of the nodes does not matter;
3. on every node, remove the old key, now the second line.

`picluster key --rotate` takes these steps in a file.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field

from picluster.errors import InventoryError, Mistake

KEY_BYTES = 32
KEY_ID_BYTES = 4
MOST_KEYS = 2
_HEX_DIGITS = re.compile("[0-9a-fA-F]{64}")


def key_id(key: bytes) -> bytes:
    """A public name for a key. It comes from BLAKE2b keyed with the key and personalised for this use alone, so it says no
    more about the key than a seal does; it does show which datagrams share a key, and so when the key was changed."""
    return hashlib.blake2b(key=key, digest_size=KEY_ID_BYTES, person=b"picluster key id").digest()


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys that are valid now: the first seals, all of them open. Shown and printed by their ids only."""

    keys: tuple[bytes, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.keys) <= MOST_KEYS or any(len(key) != KEY_BYTES for key in self.keys):
            raise ValueError(f"a keyring is one or {MOST_KEYS} keys of {KEY_BYTES} bytes")
        if len(set(self.ids)) != len(self.keys):
            raise ValueError("the two keys are one and the same")

    def __repr__(self) -> str:
        return f"Keyring({', '.join(known.hex() for known in self.ids)})"

    @property
    def ids(self) -> tuple[bytes, ...]:
        return tuple(key_id(key) for key in self.keys)

    @classmethod
    def parse(cls, text: str, source: str = "key file") -> Keyring:
        """The keys from a key file's text. `source` is the file's name for the error's sake.

        Raises `InventoryError` with all mistakes at once; none of them quotes the line, which may be most of a key."""
        written = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
        lines = [(number, line) for number, line in written if line and not line.startswith("#")]
        mistakes = [
            Mistake(
                source, number, "", "this is not a key", f"A key is {2 * KEY_BYTES} hexadecimal digits, alone in its line"
            )
            for number, line in lines
            if not _HEX_DIGITS.fullmatch(line)
        ]
        if not 1 <= len(lines) <= MOST_KEYS:
            wrong = "there is no key in it" if not lines else f"there are {len(lines)} keys in it"
            mistakes.append(Mistake(source, None, "", wrong, "One key, or two while the key is being changed"))
        if mistakes:
            raise InventoryError(mistakes)
        keys = tuple(bytes.fromhex(line) for _, line in lines)
        if len(keys) != len({key_id(key) for key in keys}):
            same = Mistake(
                source, lines[1][0], "", "the second key is the first one again", "Make a fresh key, or remove the line"
            )
            raise InventoryError([same])
        return cls(keys)

    @staticmethod
    def fresh() -> str:
        """The text of a new key file, from the operating system's random source."""
        return f"# The cluster's secret. The same on every node, readable by nobody else.\n{secrets.token_hex(KEY_BYTES)}\n"
