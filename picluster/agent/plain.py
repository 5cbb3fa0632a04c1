"""Frozen values as plain dictionaries and lists, for JSON, and back."""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
import types
from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Value = TypeVar("Value")

Plain: TypeAlias = "None | bool | int | float | str | list[Plain] | dict[str, Plain]"


def plain(value: object) -> Plain:
    """The same with nothing in it but what JSON knows: enums by their values, dataclasses by their fields."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address | ipaddress.IPv4Network | ipaddress.IPv6Network):
        return str(value)
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no plain form")


def rebuilt(kind: type[Value], words: Plain) -> Value:
    """The way back: the frozen value of that kind that `plain` had made those words of.

    Knows dataclasses, enums, tuples of one kind, optional values, and what JSON knows. Raises TypeError or ValueError where
    the words do not fit, as with an agent of another version.
    """
    return cast("Value", _rebuilt(kind, words))


def _rebuilt(kind: Any, words: Plain) -> object:
    if isinstance(kind, types.UnionType) or get_origin(kind) is Union:
        return None if words is None else _rebuilt(next(one for one in get_args(kind) if one is not type(None)), words)
    if get_origin(kind) is tuple and isinstance(words, list):
        return tuple(_rebuilt(get_args(kind)[0], word) for word in words)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(words)
    if dataclasses.is_dataclass(kind) and isinstance(words, dict):
        kinds = get_type_hints(kind)
        known = [field.name for field in dataclasses.fields(kind) if field.name in words]
        return cast("Any", kind)(**{name: _rebuilt(kinds[name], words[name]) for name in known})
    if isinstance(kind, type) and isinstance(words, kind | int if kind is float else kind):
        return words
    raise TypeError(f"{words!r} is no {kind}")
