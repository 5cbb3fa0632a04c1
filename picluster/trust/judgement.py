"""What to make of the host key that a machine offers when a node is called.

There are three ways in: a card that was written with a host key made for it beforehand is trusted at once, since nobody else
can have that key; a key that nobody has seen yet is shown, and a person confirms it; and a key that has been seen before is
the node. Everything else is refused, and nothing is said to that machine, least of all a password.

One more thing than OpenSSH looks at is whose key that is otherwise. Two machines with one host key are usually one card that
was copied, or one machine at the address of another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from picluster.trust.host_key import HostKey
from picluster.trust.known_hosts import KnownHosts

__all__ = ["Changed", "Judgement", "Known", "New", "Shared", "explain", "judge", "kinds_of"]


@dataclass(frozen=True, slots=True)
class Known:
    """It is the node: by a key that was seen before, or by the one that was made for its card."""


@dataclass(frozen=True, slots=True)
class New:
    """The node was never seen, and neither was this key."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class Changed:
    """The node is known by another key."""

    old: str
    """The fingerprint of what is known, of the same kind where there is one."""
    new: str


@dataclass(frozen=True, slots=True)
class Shared:
    """This is the key of other nodes."""

    fingerprint: str
    others: tuple[str, ...]


Judgement = Known | New | Changed | Shared


def judge(known: KnownHosts, node: str, offered: HostKey, pre_made: Mapping[str, HostKey]) -> Judgement:
    """`pre_made` are the keys that were made for cards, by node."""
    own = known.keys_of(node)
    if offered in own or pre_made.get(node) == offered:
        return Known()
    made_for = tuple(name for name, key in pre_made.items() if key == offered)
    if others := tuple(dict.fromkeys((*known.names_of(offered), *made_for))):
        return Shared(offered.fingerprint, others)
    if own:
        old = next((key for key in own if key.kind == offered.kind), own[0])
        return Changed(old.fingerprint, offered.fingerprint)
    return New(offered.fingerprint)


def kinds_of(known: KnownHosts, node: str, pre_made: Mapping[str, HostKey]) -> tuple[str, ...]:
    """The kinds of keys by which the node can prove itself at once, the best first: a server has several keys and shows the
    one that it is asked for first, so it has to be asked for these (OpenSSH does the same with `HostKeyAlgorithms`)."""
    made = (pre_made[node].kind,) if node in pre_made else ()
    return tuple(dict.fromkeys((*(key.kind for key in known.keys_of(node)), *made)))


def explain(node: str, judgement: Changed | Shared) -> str:
    """Why the key is refused, what may be behind it, and what to do in each case."""
    return _changed(node, judgement) if isinstance(judgement, Changed) else _shared(node, judgement)


def _changed(node: str, changed: Changed) -> str:
    return (
        f"the host key is not the one by which {node} is known; nothing was said to that machine\n"
        f"  known    {changed.old}\n"
        f"  offered  {changed.new}\n"
        f"Either {node} was flashed again, or its host keys were made anew. Then tell picluster to forget the old one:\n"
        f"  picluster forget-host {node}\n"
        f"Or another machine answers in its place, and would read whatever you send it. To be sure, look at {node} itself,\n"
        f"with a screen and a keyboard: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
    )


def _shared(node: str, shared: Shared) -> str:
    others = " and ".join(shared.others)
    return (
        f"this is the host key of {others} ({shared.fingerprint}); nothing was said to that machine\n"
        f"Either the address of {node} leads to {others}: compare the addresses in the inventory with the router's list.\n"
        f"Or one card is a copy of the other. Then log in to the copy at its own screen, and give it its own keys:\n"
        f"  sudo sh -c 'rm /etc/ssh/ssh_host_* /etc/machine-id; ssh-keygen -A; systemd-machine-id-setup; reboot'"
    )
