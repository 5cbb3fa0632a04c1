"""Who goes first: the same order computed by every candidate from what heartbeats say, so that elections do not collide.

The order is a courtesy, not a vote. If two nodes see it differently they may both ask, and the voters still decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from picluster.model.inventory import FloatingAddress
from picluster.model.membership import PeerView


def eligible(floating: FloatingAddress, peers: Mapping[str, PeerView], without: Iterable[str] = ()) -> list[str]:
    """The candidates that could hold the address now, in the inventory's order."""
    excluded = set(without)
    return [
        name
        for name in floating.candidate_names
        if name not in excluded and (peer := peers.get(name)) is not None and peer.fit and not peer.standby
    ]


def order(
    vacant: Iterable[FloatingAddress],
    peers: Mapping[str, PeerView],
    load: Mapping[str, int],
    without: Mapping[str, str],
) -> dict[str, list[str]]:
    """For each vacant address its candidates, first in rank first: higher priority, then fewer addresses, then name.

    `load` is how many addresses each node holds by now. Vacant addresses are dealt out one after the other, in the order
    of their names, each counting for the next: so the addresses of a dead node are spread over the survivors.
    `without` names, for an address, the holder whose silence made it vacant.
    """
    counts = dict(load)
    ranks: dict[str, list[str]] = {}
    for floating in sorted(vacant, key=lambda one: one.name):
        names = eligible(floating, peers, {without.get(floating.name, "")})
        names.sort(key=lambda name: (-(floating.priority_of(name) or 0), counts.get(name, 0), name))
        ranks[floating.name] = names
        if names:
            counts[names[0]] = counts.get(names[0], 0) + 1
    return ranks


def preferred(floating: FloatingAddress, holder: str, peers: Mapping[str, PeerView], well_before_ns: int) -> str | None:
    """Failback: the best candidate of higher priority than the holder's that has been well since before that moment."""
    held_at = floating.priority_of(holder) or 0
    better = [
        name
        for name in eligible(floating, peers, {holder})
        if (floating.priority_of(name) or 0) > held_at and peers[name].well_since_ns <= well_before_ns
    ]
    return min(better, key=lambda name: (-(floating.priority_of(name) or 0), name), default=None)
