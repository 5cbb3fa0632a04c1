"""The parts that bodies are made of: texts, and the codes that stand for the members of enums.

Reading raises `malformed` where it finds a fault itself. Where the body just ends early, a code is unknown or a text is no
UTF-8, it leaves the IndexError, struct.error, KeyError or UnicodeDecodeError to `read_body`, which says the same of all.
"""

from __future__ import annotations

import re

from picluster.errors import WireError
from picluster.model.inventory import Role
from picluster.model.messages import Cause, RefusalReason
from picluster.wire.faults import WireFault

LONGEST_NAME = 32
"""Bytes of UTF-8 in the name of a node or an address, and in a version."""
LONGEST_NOTE = 100
"""Bytes of UTF-8; a longer note is cut."""

# Texts end up on terminals, where control characters act. `str.isprintable` would not do: what it says changes with Python's
# version of Unicode, and a cluster may run several.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")

# Codes are written out: they are the format, and must not move when a member is added in the middle of its enum.
ROLE_CODES = {Role.MEMBER: 1, Role.WITNESS: 2, Role.OBSERVER: 3}
CAUSE_CODES = {
    Cause.FIRST: 1,
    Cause.SILENCE: 2,
    Cause.STOPPED: 3,
    Cause.STANDBY: 4,
    Cause.UNFIT: 5,
    Cause.MOVED: 6,
    Cause.FAILBACK: 7,
    Cause.EXPIRED: 8,
}
REASON_CODES = {
    RefusalReason.HELD: 1,
    RefusalReason.RESTARTED: 2,
    RefusalReason.EPOCH: 3,
    RefusalReason.TERM: 4,
}
ROLES = {code: role for role, code in ROLE_CODES.items()}
CAUSES = {code: cause for cause, code in CAUSE_CODES.items()}
REASONS = {code: reason for reason, code in REASON_CODES.items()}
ASKS = {0: False, 1: True}


def malformed(detail: str) -> WireError:
    return WireError(WireFault.MALFORMED, detail)


def write_name(name: str) -> bytes:
    if not name:
        raise ValueError("a name is missing")
    return write_optional_name(name)


def write_optional_name(name: str) -> bytes:
    data = name.encode()
    if len(data) > LONGEST_NAME or _CONTROLS.search(name):
        raise ValueError(f"{name!r} is no name: at most {LONGEST_NAME} bytes, and no control characters")
    return bytes((len(data),)) + data


def write_note(note: str) -> bytes:
    """The note as far as it goes. It may quote any error or file name, so what is no text in it gives way."""
    data = _CONTROLS.sub(" ", note).encode(errors="replace")
    if len(data) > LONGEST_NOTE:
        data = data[:LONGEST_NOTE].decode(errors="ignore").encode()  # never half a character
    return bytes((len(data),)) + data


def read_text(body: bytes, at: int, longest: int = LONGEST_NAME) -> tuple[str, int]:
    """A text, and where the next field begins."""
    length = body[at]
    end = at + 1 + length
    if length > longest or end > len(body):
        raise malformed(f"a text of {length} bytes at byte {at}")
    text = body[at + 1 : end].decode()
    if _CONTROLS.search(text):
        raise malformed(f"a control character in the text at byte {at}")
    return text, end


def read_name(body: bytes, at: int) -> tuple[str, int]:
    """A text that is not empty, and where the next field begins."""
    name, end = read_text(body, at)
    if not name:
        raise malformed(f"a name is missing at byte {at}")
    return name, end
