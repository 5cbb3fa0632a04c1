"""Every key that an inventory may hold, by section. `docs/inventory.md` describes each; a test holds the two together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

from picluster.model.timing import Timing

TIMERS: Sequence[str] = tuple(timer.name for timer in fields(Timing))

KEYS: Mapping[str, Sequence[str]] = {
    "": ("cluster", "network", "quorum", "failover", "addresses", "nodes", "access", "system"),
    "cluster": ("name", "epoch"),
    "network": ("subnet", "gateway", "interface", "port"),
    "quorum": ("voters", "two_node"),
    "failover": ("preset", *TIMERS),
    "addresses.*": ("address", "candidates", "priorities", "failback", "interface"),
    "nodes.*": ("role", "address", "port", "serial", "lights", "user", "ssh_port"),
    "nodes.*.lights": ("board", "pins"),
    "access": ("user", "port"),
    "system": ("time_zone", "locale", "wifi_country", "packages"),
}
