"""What a survey found, as a table and curves for people, and as a picture (SVG). Both follow from the survey alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

from benchmarks.chart import STYLE
from benchmarks.fleet.survey import Cost, Survey
from benchmarks.fleet.world import Kind

__all__ = ["picture", "table"]

HEAD = (
    "What one node costs a second, in calm. In brackets: the ratio to the same kind of node in the smallest fleet with as\n"
    "many voters. Processor time is this machine's, in the calmest of some rounds, without that of system calls."
)
HEADINGS = ("nodes", "wake-ups", "heard", "bytes heard", "sent", "bytes sent", "processor µs", "longest turn µs")
WIDTHS = (6, 14, 14, 18, 14, 18, 17, 17)
FIGURES: tuple[tuple[Callable[[Cost], float], int], ...] = (
    (lambda cost: cost.wakes, 1),
    (lambda cost: cost.heard, 1),
    (lambda cost: cost.heard_bytes, 0),
    (lambda cost: cost.sent, 1),
    (lambda cost: cost.sent_bytes, 0),
    (lambda cost: cost.cpu_us, 0),
)
BAR = 50
PANELS: tuple[tuple[str, Callable[[Cost], float]], ...] = (
    ("wake-ups a second", lambda cost: cost.wakes),
    ("datagrams heard and sent a second", lambda cost: cost.heard + cost.sent),
    ("kilobytes heard and sent a second", lambda cost: (cost.heard_bytes + cost.sent_bytes) / 1e3),
    ("processor time, ms a second", lambda cost: cost.cpu_us / 1e3),
)
WIDTH, HEIGHT, TOP, FOOT = 860, 560, 56, 40
PANEL_WIDTH, PANEL_HEIGHT, GAP_X, GAP_Y, LEFT = 330, 170, 90, 60, 40
COLOURS = {Kind.HOLDER: "#1a7f5a", Kind.VOTER: "#0969da", Kind.CANDIDATE: "#bf8700", Kind.MEMBER: "#8c959f"}


def table(survey: Survey) -> str:
    """Ends without a line feed."""
    sections = [f"{survey.machine}\n{HEAD}"]
    voters = list(dict.fromkeys(cost.voters for cost in survey.costs))
    sections += ["\n".join(_section(survey, few)) for few in voters]
    sections.append("\n".join(_bars(survey, max(voters))))
    return "\n\n".join(sections)


def _section(survey: Survey, voters: int) -> Iterator[str]:
    yield f"{voters} voters"
    yield "".join(f"{heading:>{width}}" for heading, width in zip(HEADINGS, WIDTHS, strict=True))
    for kind in Kind:
        curve = survey.curve(voters, kind)
        if curve:
            yield f"{kind.value}"
        for cost in curve:
            cells = [f"{cost.nodes}"]
            cells += [f"{figure(cost):,.{digits}f} ({survey.ratio(cost, figure):.2f})" for figure, digits in FIGURES]
            cells += [f"{cost.longest_us:,.0f}"]
            yield "".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
    joined = [f"{nodes}: {seconds:.1f} s" for few, nodes, seconds in survey.settled_s if few == voters]
    yield f"all hear each other, and all addresses are held, after: {', '.join(joined)}"


def _bars(survey: Survey, voters: int) -> Iterator[str]:
    yield f"processor time by the number of nodes, {voters} voters"
    curves = [survey.curve(voters, kind) for kind in Kind]
    most = max(cost.cpu_us for curve in curves for cost in curve)
    for curve in curves:
        for cost in curve:
            yield f"{cost.kind:<10}{cost.nodes:>4} {'█' * round(BAR * cost.cpu_us / most)} {cost.cpu_us:,.0f} µs"


def picture(survey: Survey) -> str:
    """The whole SVG file: a curve for each kind of node, of the fleets with the most voters."""
    voters = max(cost.voters for cost in survey.costs)
    title = f"What one node costs by the number of nodes, {voters} voters"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">',
        f"<title>{title}</title>",
        f"<style>\n{STYLE}\n</style>",
        f'<rect class="back" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        f'<text class="title" x="{LEFT}" y="26">{title}</text>',
    ]
    for number, (words, figure) in enumerate(PANELS):
        x, y = LEFT + number % 2 * (PANEL_WIDTH + GAP_X), TOP + number // 2 * (PANEL_HEIGHT + GAP_Y)
        lines += _panel(survey, voters, words, figure, x, y)
    for number, kind in enumerate(one for one in Kind if survey.curve(voters, one)):
        lines.append(f'<text x="{LEFT + 110 * number}" y="{HEIGHT - 32}" style="fill:{COLOURS[kind]}">{kind.value}</text>')
    lines += [f'<text class="faint" x="{LEFT}" y="{HEIGHT - 12}">{escape(survey.machine)}</text>', "</svg>"]
    return "\n".join(lines) + "\n"


def _panel(survey: Survey, voters: int, words: str, figure: Callable[[Cost], float], x: int, y: int) -> Iterator[str]:
    """From zero up, so that what is flat looks flat; the number of nodes is logarithmic."""
    curves = {kind: curve for kind in Kind if (curve := survey.curve(voters, kind))}
    sizes = sorted({cost.nodes for curve in curves.values() for cost in curve})
    most = max(figure(cost) for curve in curves.values() for cost in curve)

    def place(cost: Cost) -> str:
        return f"{x + _across(cost.nodes, sizes):.1f},{y + PANEL_HEIGHT * (1 - figure(cost) / most):.1f}"

    yield f'<text class="faint" x="{x}" y="{y - 8}">{words}, up to {most:,.1f}</text>'
    yield f'<line class="grid" x1="{x}" y1="{y + PANEL_HEIGHT}" x2="{x + PANEL_WIDTH}" y2="{y + PANEL_HEIGHT}"/>'
    for size in sizes:
        across = x + _across(size, sizes)
        yield f'<text class="faint" x="{across:.1f}" y="{y + PANEL_HEIGHT + 16}" text-anchor="middle">{size}</text>'
    for kind, curve in curves.items():
        points = " ".join(map(place, curve))
        yield f'<polyline points="{points}" style="fill:none;stroke:{COLOURS[kind]};stroke-width:2.5"/>'


def _across(nodes: int, sizes: Sequence[int]) -> float:
    span = math.log(sizes[-1] / sizes[0])
    return PANEL_WIDTH * math.log(nodes / sizes[0]) / span if span else 0.0
