"""The floating addresses: who answers for each, since when, what is left of the lease, and why it moved last.

    python -m picluster.dashboard.addresses

The lease is a bar that empties and is filled again by every renewal; the number beside it is the lease's full length, since
a number that changes thirty times a second can't be read.
"""

from __future__ import annotations

from rich.cells import cell_len

from picluster.agent.narration import told_cause
from picluster.dashboard.canvas import Frame, Line, Panel, Piece
from picluster.dashboard.palette import ALARM, BAD, FILLING, NAME, PLAIN, QUIET, STRONG, WARNING
from picluster.dashboard.words import duration, milliseconds
from picluster.model.snapshot import ClusterSnapshot, FloatingView, MoveView

BAR_CELLS = 8
LEASE_CELLS = BAR_CELLS + 8
HELD_CELLS = 13
NOBODY = "nobody answers"


def bar(share: float, frame: Frame, cells: int = BAR_CELLS) -> tuple[Piece, Piece]:
    """A share from 0 to 1 as so many cells, drawn as finely as the alphabet can."""
    steps = frame.glyphs.bar
    finest = len(steps) - 1
    filled = round(max(0.0, min(1.0, share)) * cells * finest)
    whole, part = divmod(filled, finest)
    full = steps[-1] * whole + (steps[part] if part else "")
    return (full, FILLING), (steps[0] * (cells - cell_len(full)), QUIET)


def last_move(move: MoveView, frame: Frame) -> list[Piece]:
    """`pi1 → pi3 · pi1 fell silent · 148 ms · 2 min ago`."""
    dot = (f" {frame.glyphs.dot} ", QUIET)
    way = f"{move.previous} {frame.glyphs.arrow} {move.holder}" if move.previous else f"{frame.glyphs.arrow} {move.holder}"
    outage = [(milliseconds(move.outage_ms), STRONG), dot] if move.outage_ms > 0 else []
    return [(way, PLAIN), dot, (told_cause(move), PLAIN), dot, *outage, (f"{duration(move.ago_s)} ago", QUIET)]


def _first_line(floating: FloatingView, widths: tuple[int, int, int], frame: Frame) -> Line:
    name, address, holder = widths
    glyphs = frame.glyphs
    start = [(frame.fit(floating.name, name) + "  ", STRONG), (frame.fit(floating.address, address) + "  ", PLAIN)]
    if floating.holder is None:
        return frame.row(*start, (f"{glyphs.bad} {NOBODY} ", ALARM))
    pieces = [*start, (f"{glyphs.arrow} ", QUIET), (frame.fit(floating.holder, holder) + "  ", NAME)]
    used = name + address + holder + 8
    if used + HELD_CELLS <= frame.inner and floating.held_for_s is not None:
        pieces.append((frame.fit(f"for {duration(floating.held_for_s)}", HELD_CELLS - 2) + "  ", PLAIN))
        used += HELD_CELLS
    if floating.lease_ms > 0 and used + LEASE_CELLS <= frame.inner:
        pieces.append(("lease ", QUIET) if used + LEASE_CELLS + 6 <= frame.inner else ("", PLAIN))
        pieces += bar(floating.lease_left_ms / floating.lease_ms, frame)
        pieces.append((frame.fit(milliseconds(floating.lease_ms), LEASE_CELLS - BAR_CELLS, "right"), QUIET))
    return frame.row(*pieces)


def _widths(snapshot: ClusterSnapshot, frame: Frame) -> tuple[int, int, int]:
    """Cells for name, address and holder: what they need, up to a share of the line."""

    def cells(texts: list[str], share: float) -> int:
        return min(max(map(cell_len, texts), default=0), int(frame.inner * share))

    names = [floating.name for floating in snapshot.addresses]
    addresses = [floating.address for floating in snapshot.addresses]
    holders = [floating.holder or "" for floating in snapshot.addresses]
    return cells(names, 0.2), cells(addresses, 0.36), cells(holders, 0.2)


def _second_line(floating: FloatingView, indent: int, frame: Frame) -> Line:
    pieces: list[Piece] = [(" " * indent, PLAIN)]
    if floating.last_move is None:
        candidates = ", ".join(floating.candidates) or "no node"
        pieces.append((f"{candidates} may hold it", QUIET))
        return frame.row(*pieces)
    if floating.holder is None:
        pieces.append(("last: ", BAD))
    return frame.row(*pieces, *last_move(floating.last_move, frame))


def _draw(snapshot: ClusterSnapshot, frame: Frame, height: int) -> list[Line]:
    addresses = snapshot.addresses
    if not addresses:
        return [frame.rule("floating addresses"), frame.row(("the inventory names none", QUIET))][:height]
    widths = _widths(snapshot, frame)
    lines = [frame.rule("floating addresses")] if height > min(len(addresses), 3) else []
    spare = height - len(lines) - len(addresses)
    shown = addresses if spare >= 0 else addresses[: height - len(lines) - 1]
    for floating in shown:
        lines.append(_first_line(floating, widths, frame))
        if spare > 0:
            lines.append(_second_line(floating, widths[0] + 2, frame))
            spare -= 1
    if len(shown) < len(addresses):
        lines.append(_hidden(addresses[len(shown) :], frame))
    return lines[:height]


def _hidden(rest: tuple[FloatingView, ...], frame: Frame) -> Line:
    orphans = sum(floating.holder is None for floating in rest)
    text = f"{len(rest)} more, " + (f"{orphans} of them held by nobody" if orphans else "all held")
    return frame.row((text, WARNING if orphans else QUIET))


def _heights(snapshot: ClusterSnapshot, _frame: Frame) -> tuple[int, ...]:
    number = max(1, len(snapshot.addresses))
    return min(number, 3), 1 + number, 1 + number, 1 + number, 1 + 2 * number


PANEL = Panel(_draw, _heights)

if __name__ == "__main__":
    from picluster.dashboard.example import show

    show(PANEL)
