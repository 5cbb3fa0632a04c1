"""The memory of what was there before is written before anything changes, and only the first time."""

from __future__ import annotations

import json
import os

import pytest

from picluster.provision.steps import write
from picluster.remote.failure import Failure
from picluster.remote.manifest import Manifest
from picluster.remote.node import STATE
from tests.remote.stage import OWN, Pretended

MANIFEST = f"{STATE}/manifest.jsonl"


def test_only_what_was_there_before_the_first_change_is_kept(node: Pretended) -> None:
    node.put("/etc/app.conf", "theirs", 0o640)
    node.do(write("/etc/app.conf", b"ours", owner=OWN))
    node.do(write("/etc/app.conf", b"ours again", owner=OWN))
    entries = [entry for entry in Manifest(node.node()).entries if entry["name"] == "/etc/app.conf"]
    assert len(entries) == 1
    before = entries[0]["before"]
    assert (before["type"], before["mode"]) == ("file", 0o640)
    assert node.at(f"{STATE}/kept/{before['kept']}").read_text() == "theirs"


def test_an_entry_that_was_cut_off_means_nothing(node: Pretended) -> None:
    """It was not whole, so what it announces was not begun."""
    node.do(write("/etc/one", b"1", owner=OWN))
    with node.at(MANIFEST).open("a") as file:
        file.write('{"kind": "path", "name": "/etc/tw')
    node.do(write("/etc/two", b"2", owner=OWN))
    lines = node.at(MANIFEST).read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["/etc/one", "/etc/two"]


def test_a_damaged_entry_stops_everything(node: Pretended) -> None:
    node.do(write("/etc/one", b"1", owner=OWN))
    node.at(MANIFEST).write_text("{}\n" + node.at(MANIFEST).read_text())
    with pytest.raises(Failure, match=r"line 1 of .*manifest\.jsonl is damaged"):
        node.do(write("/etc/two", b"2", owner=OWN))
    assert not node.at("/etc/two").exists()


def test_what_cannot_be_kept_is_left_alone(node: Pretended) -> None:
    os.mkfifo(node.at("/etc/pipe"))
    with pytest.raises(Failure, match="/etc/pipe is no file that could be kept"):
        node.do(write("/etc/pipe", b"x", owner=OWN))
    assert node.at("/etc/pipe").is_fifo()
