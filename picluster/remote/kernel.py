"""Settings of the running kernel (man 8 sysctl), by the names that people know: `net.ipv4.ip_forward`."""

from __future__ import annotations

from pathlib import Path

from picluster.remote.failure import Failure
from picluster.remote.node import Node

__all__ = ["set_setting", "setting"]

SWAPPED = {ord("."): "/", ord("/"): "."}
"""Between name and path: an interface whose name has a dot is written with a slash there."""


def setting(node: Node, name: str) -> str | None:
    """What it is now, with single blanks; None where there is none."""
    try:
        return " ".join(_file_of(node, name).read_text(encoding="utf-8").split())
    except OSError:
        return None


def set_setting(node: Node, name: str, value: str) -> None:
    """Raises Failure where the kernel refuses."""
    try:
        _file_of(node, name).write_text(f"{value}\n", encoding="utf-8")
    except OSError as error:
        raise Failure(f"the kernel does not take {value!r} for {name}: {error.strerror}") from error


def _file_of(node: Node, name: str) -> Path:
    return node.at(f"/proc/sys/{name.translate(SWAPPED)}")
