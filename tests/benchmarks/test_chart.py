"""The picture is SVG, follows from the results alone, and its bars are as long as what they stand for."""

from __future__ import annotations

from xml.etree import ElementTree

from benchmarks.chart import chart
from tests.benchmarks.made_up import Found, made_up

SVG = "{http://www.w3.org/2000/svg}"
FIGURES: Found = {
    ("picluster-wired", "cut"): {"outage_ms": (100.0, 130.0, 100.0), "double_ms": (0.0,)},
    ("picluster-wired", "partition"): {"double_ms": (0.0,), "healed_ms": (20.0,)},
    ("picluster-wired", "freeze"): {"double_ms": (0.0,), "outage_ms": (20.0,)},
    ("keepalived-0.1s", "cut"): {"outage_ms": (250.0,), "double_ms": (0.0,)},
    ("keepalived-0.1s", "partition"): {"double_ms": (9_800.0,), "healed_ms": (20.0,)},
    ("keepalived-0.1s", "freeze"): {"double_ms": (4_800.0,), "outage_ms": (20.0,)},
    ("keepalived-1s", "cut"): {"outage_ms": (2_500.0,), "double_ms": (0.0,)},
}


def drawn(figures: Found) -> ElementTree.Element:
    return ElementTree.fromstring(chart(made_up(figures)))  # noqa: S314  as above


def words(picture: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in picture.iter(f"{SVG}text")]


def lengths(picture: ElementTree.Element, kind: str) -> list[float]:
    return [float(bar.get("width", "")) for bar in picture.iter(f"{SVG}rect") if bar.get("class") == kind]


def test_equal_results_give_an_equal_picture() -> None:
    assert chart(made_up(FIGURES)) == chart(made_up(dict(reversed(list(FIGURES.items())))))


def test_every_figure_is_written_behind_its_bar() -> None:
    told = words(drawn(FIGURES))
    for expected in ("100 ms / 130 ms", "250 ms / 250 ms", "2.5 s / 2.5 s", "never", "14.6 s", "not played"):
        assert expected in told


def test_ten_times_as_long_is_a_step_further_on_the_logarithmic_scale() -> None:
    (ours, _), (fast, _, slow) = (lengths(drawn(FIGURES), kind) for kind in ("ours", "peer"))
    assert 0 < ours < fast < slow
    tick = {text.text: float(text.get("x", "")) for text in drawn(FIGURES).iter(f"{SVG}text")}
    decade = tick["100 ms"] - tick["10 ms"]
    assert abs((slow - fast) - decade) < 0.2


def test_bars_stay_within_the_picture() -> None:
    picture = drawn(FIGURES)
    width = float(picture.get("viewBox", "").split()[2])
    for bar in picture.iter(f"{SVG}rect"):
        assert float(bar.get("x", "0")) + float(bar.get("width", "")) <= width


def test_it_has_colours_for_light_and_for_dark_and_says_in_words_what_it_shows() -> None:
    picture = drawn(FIGURES)
    assert "prefers-color-scheme: dark" in (picture.findtext(f"{SVG}style") or "")
    assert "power cut" in (picture.get("aria-label") or "").lower()


def test_without_results_it_is_still_a_picture() -> None:
    assert lengths(drawn({}), "peer") == []
