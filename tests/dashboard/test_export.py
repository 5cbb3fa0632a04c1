"""What goes into a pipe and onto a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from picluster.dashboard.example import DEMO_KEYS, HEALTHY, SCENES, stack
from picluster.dashboard.export import plain, svg
from picluster.dashboard.glyphs import ASCII
from picluster.dashboard.screen import View


@pytest.mark.parametrize("name", SCENES)
def test_plain_text_has_everything_and_no_commands(name: str) -> None:
    snapshot = SCENES[name]
    text = plain(snapshot)
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.split("\n"))
    for node in snapshot.nodes:
        assert node.state.value in text
    for floating in snapshot.addresses:
        assert floating.name in text
    assert f"{len(snapshot.quorum.alive)} of {len(snapshot.quorum.voters)} voters" in text


def test_plain_text_of_a_large_stack_leaves_nobody_out() -> None:
    text = plain(stack(60), glyphs=ASCII)
    assert text.isascii()
    assert all(f" pi{number} " in text for number in range(1, 61) if number != 4)


def test_plain_text_looks_as_it_did(golden: Callable[[str, str], None]) -> None:
    golden("partition-plain.txt", plain(SCENES["partition"]))


def read(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)  # noqa: S314  the picture is our own


def test_the_picture_is_the_same_each_time_and_asks_nobody() -> None:
    picture = svg(HEALTHY, view=View(keys=DEMO_KEYS))
    assert picture == svg(HEALTHY, view=View(keys=DEMO_KEYS))
    assert set(re.findall(r"[a-z]+://[^\"' ]+", picture)) == {"http://www.w3.org/2000/svg"}
    assert "@font-face" not in picture
    assert read(picture).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_picture_says_what_the_screen_says() -> None:
    root = read(svg(HEALTHY))
    words = " ".join("".join(element.itertext()) for element in root.iter() if element.tag.endswith("text"))
    for word in ("healthy", "web", "pi3", "holder", "two more may fail"):
        assert word in words.replace("\xa0", " ")
