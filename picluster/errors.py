"""Everything that picluster raises on purpose. Each message says what is wrong and what to do next.

PiclusterError
├── InventoryError    (also ValueError)      one or more mistakes in an inventory or an agent's configuration file
├── WireError         (also ValueError)      a datagram that must not be believed; `kind` says which counter it goes to
├── KernelError       (also OSError)         the kernel refused an address, a gate or a socket
├── ControlError      (also ConnectionError) no agent answers on the control socket, or it refused the request
├── AccessError       (also ConnectionError) a node is not reached over SSH, or lets nobody in (login, sudo)
│   └── TrustError                           its host key is not the one that is known, or is not known yet
├── ProvisionError    (also RuntimeError)    a node could not be made what it should be; the message says at which step
├── TransitionError   (also RuntimeError)    a state machine was told to do what its present state forbids
└── LabError          (also RuntimeError)    virtual Pis cannot be had on this machine
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "AccessError",
    "ControlError",
    "InventoryError",
    "KernelError",
    "LabError",
    "Mistake",
    "PiclusterError",
    "ProvisionError",
    "TransitionError",
    "TrustError",
    "WireError",
]


class PiclusterError(Exception):
    """The root: catching it catches every error that picluster raises on purpose, and no bug."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong in a file: where it stands, what it is, how to mend it."""

    source: str
    """The file's name as the user gave it."""
    line: int | None
    """The line, counted from 1; None where the file as a whole is meant."""
    key: str
    """The dotted key, `failover.lease_ms`; empty where no key is meant."""
    wrong: str
    mend: str

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        key = f"{self.key}: " if self.key else ""
        return f"{place}: {key}{self.wrong}. {self.mend}."


class InventoryError(PiclusterError, ValueError):
    """All mistakes of one file at once, in the order of their lines."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class WireError(PiclusterError, ValueError):
    """A datagram that must not be believed. `kind` is the name of the counter that it goes to."""

    def __init__(self, kind: str, detail: str = "") -> None:
        self.kind = kind
        super().__init__(f"{kind}: {detail}" if detail else kind)


class KernelError(PiclusterError, OSError):
    """The kernel refused an address, a gate or a socket; the message says which capability or module is missing."""


class ControlError(PiclusterError, ConnectionError):
    """No agent answers on the control socket, or it refused what it was asked."""


class AccessError(PiclusterError, ConnectionError):
    """A node is not reached over SSH, or does not let us in: no route, no answer in time, a login or a sudo refused."""


class TrustError(AccessError):
    """A node's host key is not the one that is known, or is not known yet. Nothing was said to it."""


class ProvisionError(PiclusterError, RuntimeError):
    """A node could not be made what it should be, or software for it could not be had. What was done before stays done."""


class TransitionError(PiclusterError, RuntimeError):
    """A state machine was told to do what its present state forbids, never by the network: by a caller with a bug, or by
    people, such as with a new inventory that is more than one safe step away. Their mistake is told, and nothing changes."""


class LabError(PiclusterError, RuntimeError):
    """Virtual Pis cannot be had on this machine in the mode that was asked for."""
