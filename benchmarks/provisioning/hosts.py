"""The nodes that a job is done on, as whoever made them says it: a JSON list.

    [{"name": "pi1", "address": "10.77.0.11", "user": "pi", "key": "KEY_FILE", "known_hosts": "KNOWN_HOSTS_FILE"}]

`port` (22) and `sudo_password` (none is needed) may be added. No contestant turns the checking of host keys off.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Host", "hosts_from"]


@dataclass(frozen=True, slots=True)
class Host:
    name: str
    """What it is to be called; contestants set it."""
    address: str
    user: str
    key: Path
    """The private key with which `user` gets in."""
    known_hosts: Path
    """Where its host key is, under its address."""
    port: int = 22
    sudo_password: str = field(default="", repr=False)
    """Empty where sudo asks for none."""


def hosts_from(path: Path) -> list[Host]:
    told = json.loads(path.read_text(encoding="utf-8"))
    return [Host(**{**one, "key": Path(one["key"]), "known_hosts": Path(one["known_hosts"])}) for one in told]
