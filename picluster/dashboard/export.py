"""The dashboard where there is no terminal: as plain lines for a pipe, and as an SVG for a page.

    python -m picluster.dashboard.export > example.svg

The SVG is rich's own export in a frame of ours: rich's names a web font on another host, and a picture should ask nobody.
It carries its own dark ground, so it looks the same on a light page and on a dark one.
"""

from __future__ import annotations

import io

from rich.console import Console
from rich.segment import Segment
from rich.terminal_theme import TerminalTheme

from picluster.dashboard.canvas import Line, Lines
from picluster.dashboard.glyphs import UNICODE, Glyphs
from picluster.dashboard.screen import View, lines, natural_height
from picluster.model.snapshot import ClusterSnapshot

THEME = TerminalTheme(
    (22, 27, 34),
    (214, 220, 228),
    # The 16 colours are not in use; rich asks for eight.
    [(22, 27, 34)] * 7 + [(214, 220, 228)],
)
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
SVG_FORMAT = (
    """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: """
    + FONTS
    + """; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-family: system-ui, sans-serif; font-size: 16px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
)


def plain(snapshot: ClusterSnapshot, width: int = 80, glyphs: Glyphs = UNICODE) -> str:
    """Everything that the snapshot says, without colours or cursor movements, each line without trailing spaces."""
    view = View(glyphs=glyphs, interactive=False)
    drawn = lines(snapshot, width, natural_height(snapshot, width), view)
    texts = ["".join(segment.text for segment in line).rstrip() for line in drawn]
    return "\n".join(texts).rstrip("\n") + "\n"


def svg(snapshot: ClusterSnapshot, width: int = 96, height: int = 28, view: View | None = None) -> str:
    """A picture of the dashboard; the same snapshot always gives the same bytes."""
    console = Console(width=width, record=True, file=io.StringIO(), color_system="truecolor", no_color=False)
    drawn = lines(snapshot, width, height, view or View())
    console.print(Lines(_without_outer_spaces(line) for line in drawn), end="")
    title = f"picluster watch {snapshot.cluster}"
    return console.export_svg(title=title, theme=THEME, code_format=SVG_FORMAT, unique_id="picluster")


def _without_outer_spaces(line: Line) -> Line:
    """Spaces around a piece as pieces of their own, which are placed and not drawn: some viewers drop leading spaces."""
    pieces: Line = []
    for text, style, _ in line:
        bare = text.strip(" ")
        before, after = text.split(bare, 1) if bare else (text, "")
        pieces += [Segment(part, style) for part in (before, bare, after) if part]
    return pieces


if __name__ == "__main__":
    import sys

    from picluster.dashboard.example import DEMO_KEYS, SILENT

    sys.stdout.write(svg(SILENT, view=View(keys=DEMO_KEYS)))
