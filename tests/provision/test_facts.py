"""What a node answers becomes facts; what it leaves out is empty, and what is of the wrong kind has a name."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest

from picluster.errors import ProvisionError
from picluster.provision.facts import AgentFact, Facts, FileFact, Question, covers, merged, missing, read_facts
from tests.provision.nodes import BOOKWORM


def as_json(facts: Facts) -> Any:
    """What the node program sends."""
    fields = dataclasses.asdict(facts)
    for file in fields["files"].values():
        file["content"] = None if file["content"] is None else base64.b64encode(file["content"]).decode()
    fields["blobs"] = sorted(fields["blobs"])
    return json.loads(json.dumps(fields))


def test_all_of_it_arrives() -> None:
    facts = dataclasses.replace(
        BOOKWORM,
        uptime_s=12.5,
        memory_bytes=4_000_000_000,
        read_only=True,
        agent=AgentFact("0.1", "pi1", "home", 3, "ab"),
        files={
            **BOOKWORM.files,
            "/etc/secret": FileFact("ab", 0o600, "root:root"),
            "/bin/x": FileFact("", 0o755, "a:b", b"\xff"),
        },
        stamps={"ssh.service": ""},
        blobs=frozenset({"aa", "bb"}),
        links={"/a": "b"},
        groups={"pi": ("gpio", "pi")},
    )
    assert read_facts(as_json(facts)) == facts


def test_what_is_missing_is_empty_and_what_is_unknown_is_left_alone() -> None:
    assert read_facts({}) == Facts()
    assert read_facts({"agent": None, "uptime_s": None, "files": None, "colour": "green"}) == Facts()
    assert read_facts({"files": {"/a": {}}, "units": {"b": {}}}).files["/a"] == FileFact("", 0, "")


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ({"host_name": 7}, "host_name is int, not text"),
        ({"clock_s": "soon"}, "clock_s is str, not a number"),
        ({"clock_s": True}, "clock_s is bool, not a number"),
        ({"free_bytes": 1.5}, "free_bytes is float, not a whole number"),
        ({"memory_bytes": True}, "memory_bytes is bool, not a whole number"),
        ({"read_only": 1}, "read_only is int, not true or false"),
        ({"interfaces": {}}, "interfaces is dict, not a list"),
        ({"interfaces": [{"name": "eth0"}, {"up": "yes"}]}, "interfaces[1].up is str, not true or false"),
        ({"interfaces": ["eth0"]}, "interfaces[0] is str, not an object"),
        ({"agent": "runs"}, "agent is str, not an object"),
        ({"agent": {"epoch": "3"}}, "agent.epoch is str, not a whole number"),
        ({"files": []}, "files is list, not an object"),
        ({"files": {"/etc/a": {"content": "no base64!"}}}, "files./etc/a.content is str, not base64"),
        ({"files": {"/etc/a": {"content": "ä"}}}, "files./etc/a.content is str, not base64"),
        ({"packages": {"a": None}}, "packages.a is NoneType, not text"),
        ({"blobs": "aa"}, "blobs is str, not a list"),
        ({"groups": {"pi": [1]}}, "groups.pi is int, not text"),
    ],
)
def test_what_is_of_the_wrong_kind_has_a_name(answer: dict[str, object], name: str) -> None:
    with pytest.raises(ProvisionError) as raised:
        read_facts(answer)
    assert name in str(raised.value)


def test_the_error_does_not_repeat_what_a_stranger_said() -> None:
    with pytest.raises(ProvisionError) as raised:
        read_facts({"files": {"/etc/a": {"content": "\x1b[2J" * 1000}}})
    assert "\x1b" not in str(raised.value)
    assert len(str(raised.value)) < 300


def test_questions_are_merged_without_repeating_anything() -> None:
    whole = merged(
        [Question(files=("/a", "/b"), units=("x",)), Question(files=("/b", "/c"), secrets=("/a", "/d"), units=("x",))]
    )
    assert whole == Question(files=("/a", "/b", "/c"), secrets=("/d",), units=("x",))
    assert covers(whole, Question(files=("/c",), secrets=("/a", "/d")))
    assert not covers(whole, Question(files=("/d",)))
    assert not covers(whole, Question(units=("y",)))


def test_missing_blobs_in_the_order_of_the_question() -> None:
    assert missing(Facts(blobs=frozenset({"b"})), ("c", "b", "a")) == ("c", "a")
