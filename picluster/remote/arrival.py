"""Modules out of a dictionary: how a program that was sent as text is imported (PEP 302, PEP 451).

Python asks every finder in `sys.meta_path` for a module; this one knows those that were sent. It goes first, so that a
picluster that happens to be installed on the node, in whatever version, is not mixed in.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader

__all__ = ["arrive"]


def arrive(sources: Mapping[str, str]) -> None:
    """From now on these modules can be imported, and so can the packages above them, which are empty."""
    sys.meta_path.insert(0, Finder(sources))


class Finder:
    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = dict(sources)
        self._packages = {parent for name in sources for parent in _parents(name)}

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002  Python calls it so
        if name in self._sources or name in self._packages:
            loader = Loader(name, self._sources.get(name, ""))
            return ModuleSpec(name, loader, origin=f"<{name}>", is_package=name in self._packages)
        return None


class Loader(SourceFileLoader):
    """Python's own, but for where the text comes from. Nothing is cached: there is no file whose age could be compared."""

    def __init__(self, name: str, source: str) -> None:
        super().__init__(name, f"<{name}>")
        self._source = source.encode()

    def get_data(self, path: str) -> bytes:  # noqa: ARG002  there is but one
        return self._source

    def path_stats(self, path: str) -> dict[str, float]:
        raise OSError(f"{path} is no file")


def _parents(name: str) -> list[str]:
    words = name.split(".")
    return [".".join(words[:length]) for length in range(1, len(words))]
