"""The whole screen: goldens of every scene, exact sizes, and nothing told by colour alone."""

from __future__ import annotations

import io
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Literal

import pytest
from rich.cells import cell_len
from rich.console import Console

from picluster.dashboard.canvas import Line, Lines
from picluster.dashboard.example import DEMO_KEYS, HEALTHY, NO_QUORUM, SCENES, SILENT, STARTING, node, stack
from picluster.dashboard.glyphs import ASCII, UNICODE, for_encoding
from picluster.dashboard.keys import Key
from picluster.dashboard.screen import View, lines, render
from picluster.lights.patterns import LIGHTS
from picluster.model.inventory import Role
from picluster.model.snapshot import ClusterSnapshot, EventView, NodeState, NodeView, QuorumView

SIZES = ((80, 24), (200, 50), (60, 15))
VIEW = View(keys=DEMO_KEYS)
EMPTY = ClusterSnapshot("", "", (), (), QuorumView((), (), 0))
HOSTILE = replace(
    SILENT,
    cluster="\x1b[31mred\x1b[0m" * 20,
    nodes=(
        node(1, name="派" * 30, note="\x1b[2J\r\n\tgone", holds=("网" * 30,)),
        node(2, name="e\u0301" * 40, state=NodeState.DEGRADED, note="\u202egnol yrev " * 30, endpoint="[" + "f" * 300 + "]"),
        NodeView("", Role.OBSERVER, voter=False, state=NodeState.STARTING),
    ),
    addresses=(
        replace(SILENT.addresses[0], name="w" * 99, address="2001:db8::1" * 9, holder="派" * 30, lease_left_ms=1e9),
        replace(SILENT.addresses[1], lease_left_ms=-5.0, lease_ms=0.0, candidates=()),
    ),
    events=(*SILENT.events, EventView("12:03:41.2", SILENT.events[0].severity, "x" * 2_000 + " 派 \x1b]0;title\x07")),
    notices=("n" * 500, "two"),
)
EVERYTHING = {**SCENES, "empty": EMPTY, "hostile": HOSTILE}


def text(drawn: list[Line]) -> list[str]:
    return ["".join(segment.text for segment in line) for line in drawn]


ColorSystemName = Literal["auto", "standard", "256", "truecolor", "windows"]


def screen(snapshot: ClusterSnapshot, width: int, height: int, view: View = VIEW) -> str:
    return "\n".join(text(lines(snapshot, width, height, view)))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SCENES)
def test_the_scenes_look_as_they_did(name: str, size: tuple[int, int], golden: Callable[[str, str], None]) -> None:
    drawn = "\n".join(line.rstrip() for line in text(lines(SCENES[name], *size, VIEW)))
    golden(f"{name}-{size[0]}x{size[1]}.txt", drawn + "\n")


@pytest.mark.parametrize("name", ["silent", "no-quorum", "ten"])
def test_the_scenes_look_as_they_did_in_ascii(name: str, golden: Callable[[str, str], None]) -> None:
    drawn = text(lines(SCENES[name], 80, 24, replace(VIEW, glyphs=ASCII)))
    assert all(line.isascii() for line in drawn)
    golden(f"{name}-80x24-ascii.txt", "\n".join(line.rstrip() for line in drawn) + "\n")


def styled(name: str, system: ColorSystemName | None) -> str:
    """The scene with its colours, as a terminal gets it."""
    file = io.StringIO()
    console = Console(
        file=file, width=80, height=24, force_terminal=True, color_system=system or "truecolor", no_color=not system
    )
    console.print(render(SCENES[name], VIEW))
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "system"), [("silent", "truecolor"), ("no-quorum", "standard"), ("partition", "256"), ("silent", None)]
)
def test_the_scenes_are_styled_as_they_were(
    name: str, system: ColorSystemName | None, golden: Callable[[str, str], None]
) -> None:
    # In a process of its own: rich remembers how it wrote a style first, whatever the colours of the next terminal.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        golden(f"{name}-80x24-{system or 'no-color'}.ansi", fresh.submit(styled, name, system).result())


def test_the_help_page_looks_as_it_did(golden: Callable[[str, str], None]) -> None:
    drawn = screen(HEALTHY, 80, 24, replace(VIEW, help=True))
    for key in DEMO_KEYS:
        assert key.meaning in drawn
    for state, light in LIGHTS.items():
        assert state.value in drawn
        assert light.reason in drawn
    golden("help-80x24.txt", "\n".join(line.rstrip() for line in drawn.split("\n")) + "\n")


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize("name", EVERYTHING)
def test_every_line_has_exactly_the_width_and_the_screen_exactly_the_height(name: str, glyphs: object) -> None:
    for width in (1, 2, 7, 20, 33, 40, 60, 79, 80, 100, 139, 140, 200, 320):
        for height in (1, 2, 3, 5, 8, 15, 24, 50):
            for help_page in (False, True):
                view = View(glyphs=ASCII if glyphs is ASCII else UNICODE, keys=DEMO_KEYS, help=help_page, scroll=height % 4)
                drawn = text(lines(EVERYTHING[name], width, height, view))
                assert len(drawn) == height
                assert {cell_len(line) for line in drawn} == {width}, (width, height)


@pytest.mark.parametrize("size", [*SIZES, (100, 30)])
def test_nothing_from_elsewhere_reaches_the_terminal_as_a_command(size: tuple[int, int]) -> None:
    drawn = screen(HOSTILE, *size).replace("\n", "")
    assert drawn.isprintable()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", [name for name in SCENES if name != "twenty"])
def test_every_state_stands_there_as_a_word(name: str, size: tuple[int, int]) -> None:
    drawn = screen(SCENES[name], *size)
    for member in SCENES[name].nodes:
        assert member.state.value in drawn


@pytest.mark.parametrize("size", [(80, 24), (60, 15), (40, 10)])
def test_nodes_that_are_not_shown_are_counted(size: tuple[int, int]) -> None:
    snapshot = stack(60)
    drawn = screen(snapshot, *size)
    hidden = next(line for line in drawn.split("\n") if " more: " in line)
    number = int(hidden.strip(" ↑↓").split()[0])
    glyphs = set(UNICODE.states.values())
    shown = sum(mark in glyphs for line in drawn.split("\n")[1:] if line[1] in glyphs for mark in line)
    assert number + shown == len(snapshot.nodes)
    assert " 1 standby, " in hidden


def test_scrolling_shows_the_nodes_below() -> None:
    snapshot = stack(60)
    seen = set()
    for scroll in range(40):
        drawn = screen(snapshot, 60, 15, replace(VIEW, scroll=scroll))
        seen |= {member.name for member in snapshot.nodes if f" {member.name} " in drawn}
    assert {member.name for member in snapshot.nodes if len(member.name) < 12} <= seen


def test_an_address_that_nobody_holds_is_said_first() -> None:
    for width, height in SIZES:
        first = text(lines(NO_QUORUM, width, height, VIEW))[0]
        assert "down" in first
        assert "nobody answers for web and dns" in first


def test_both_columns_begin_on_the_same_line() -> None:
    for height in range(8, 40):
        drawn = text(lines(SCENES["ten"], 160, height, VIEW))
        assert "floating addresses" in drawn[1] or not drawn[1].strip()
        first = next(line for line in drawn if "floating addresses" in line)
        assert "client" in first


def test_who_answers_is_on_the_smallest_screen() -> None:
    drawn = screen(HEALTHY, 40, 6)
    assert "web" in drawn
    assert "pi3" in drawn


def test_a_remark_is_shown_whole_where_there_is_room() -> None:
    assert "on standby since yesterday, for its new fan" in screen(SCENES["ten"], 80, 50)
    assert "on standby since yest…" in screen(SCENES["ten"], 80, 24)


def test_a_prompt_takes_the_place_of_the_keys() -> None:
    last = text(lines(HEALTHY, 80, 24, replace(VIEW, prompt="standby: which Pi? 1-5, Esc")))[-1]
    assert last.strip() == "standby: which Pi? 1-5, Esc"


def test_help_and_quit_are_named_however_many_keys_there_are() -> None:
    many = tuple(Key(str(number), "something") for number in range(50))
    assert text(lines(HEALTHY, 40, 24, View(keys=many)))[-1].rstrip().endswith("? help  q quit")


def test_before_anything_is_heard_the_screen_says_that_it_waits() -> None:
    assert "waiting for the first heartbeats" in screen(STARTING, 80, 24)
    assert "none heard yet" in screen(EMPTY, 80, 24)


def test_a_lamp_blinks_and_its_glyph_stays() -> None:
    lit = lines(HEALTHY, 80, 24, replace(VIEW, now_ns=0))
    dark = lines(HEALTHY, 80, 24, replace(VIEW, now_ns=600_000_000))
    assert text(lit) == text(dark)
    assert lit != dark
    assert lines(HEALTHY, 80, 24, replace(VIEW, now_ns=0)) == lit


def test_the_same_snapshot_is_drawn_the_same_by_rich_and_by_line() -> None:
    file = io.StringIO()
    Console(file=file, width=80, height=24, color_system=None).print(Lines(lines(HEALTHY, 80, 24, View())), end="")
    other = io.StringIO()
    Console(file=other, width=80, height=24, color_system=None).print(render(HEALTHY), end="")
    assert file.getvalue() == other.getvalue()


def test_the_alphabet_follows_the_encoding() -> None:
    assert for_encoding("utf-8") is UNICODE
    for encoding in ("ascii", "latin-1", "", None, "no-such-encoding"):
        assert for_encoding(encoding) is ASCII


def test_every_state_has_a_glyph_of_its_own_and_of_one_cell() -> None:
    for glyphs in (UNICODE, ASCII):
        assert set(glyphs.states) == set(NodeState)
        assert len(set(glyphs.states.values())) == len(NodeState)
        assert {cell_len(glyph) for glyph in (*glyphs.states.values(), *glyphs.bar, glyphs.rule, glyphs.ellipsis)} == {1}
