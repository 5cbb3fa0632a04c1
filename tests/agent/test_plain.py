"""Values as plain words, and back."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import types
from pathlib import Path
from typing import Any, cast, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picluster.agent.configuration import read_inventory
from picluster.agent.plain import plain, rebuilt
from picluster.model.snapshot import ClusterSnapshot, Health, MoveView, NodeState

EXAMPLES = sorted((Path(__file__).parents[2] / "inventory").glob("*.toml"))


def small(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of that kind, without long texts and tuples; numbers are such as JSON has."""
    parts = get_args(kind)
    if isinstance(kind, types.UnionType):
        return st.one_of([small(part) for part in parts])
    if get_origin(kind) is tuple:
        return st.lists(small(parts[0]), max_size=2).map(tuple)
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(cast("Any", kind), **{field.name: small(hints[field.name]) for field in dataclasses.fields(kind)})
    simple: dict[object, st.SearchStrategy[Any]] = {
        str: st.text(max_size=4),
        float: st.floats(allow_nan=False, allow_infinity=False),
    }
    return simple.get(kind, st.from_type(kind))


@settings(max_examples=30, deadline=None)
@given(small(ClusterSnapshot))
def test_a_snapshot_survives_the_way_through_json(snapshot: ClusterSnapshot) -> None:
    assert rebuilt(ClusterSnapshot, json.loads(json.dumps(plain(snapshot)))) == snapshot


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_inventory_has_a_plain_form(path: Path) -> None:
    words = plain(read_inventory(path))
    assert json.loads(json.dumps(words)) == words


def test_enums_addresses_and_collections_are_told_simply() -> None:
    values = (NodeState.HOLDER, ipaddress.ip_address("fd77::1"), ipaddress.ip_network("10.0.0.0/8"), {1: None}, {2.5}, ["x"])
    assert plain(values) == ["holder", "fd77::1", "10.0.0.0/8", {"1": None}, [2.5], ["x"]]


def test_what_has_no_plain_form_is_named() -> None:
    with pytest.raises(TypeError, match="object has no plain form"):
        plain([object()])


MOVE: dict[str, Any] = {"previous": "pi1", "holder": "pi2", "cause": "silence", "outage_ms": 148, "ago_s": 3.5}


def test_whole_numbers_do_for_fractions_and_unknown_fields_are_left_out() -> None:
    assert rebuilt(MoveView, {**MOVE, "newer": True}) == MoveView("pi1", "pi2", "silence", 148, 3.5)


@pytest.mark.parametrize(
    "words", [None, [], "x", {}, {**MOVE, "ago_s": "long"}, {**MOVE, "holder": None}, {**MOVE, "outage_ms": [1]}]
)
def test_what_does_not_fit_is_refused(words: Any) -> None:
    with pytest.raises(TypeError):
        rebuilt(MoveView, words)


def test_an_unknown_word_for_an_enum_is_refused() -> None:
    assert rebuilt(Health, "down") is Health.DOWN
    with pytest.raises(ValueError, match="is not a valid Health"):
        rebuilt(Health, "splendid")
