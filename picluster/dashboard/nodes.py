"""The nodes: lamp, state, what each holds, and how well it is heard.

    python -m picluster.dashboard.nodes

Where the lines suffice, one line a node, with as many columns as the width allows; a remark that does not fit its column
gets a line of its own. Where they don't, several nodes share a line, with lamp, name and state only, and what still does
not fit is counted.

`loss in/out` is the worst link's loss of what is sent to the node, and of what the node sends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.cells import cell_len
from rich.style import Style

from picluster.dashboard.canvas import Align, Frame, Line, Panel, Piece
from picluster.dashboard.lamps import lamp, word_style
from picluster.dashboard.palette import BAD, NAME, PLAIN, QUIET, STRONG, WARNING
from picluster.dashboard.words import duration, milliseconds, tally
from picluster.model.inventory import Role
from picluster.model.snapshot import ClusterSnapshot, NodeState, NodeView

UNKNOWN = ""
GAP = 2
REMARK_CELLS = 14
"""What remarks get of a node's own line before a further column is shown, where they can also have a line of their own."""
REMARK_CELLS_ALONE = 20
"""The same where they can't."""
STATE_CELLS = max(len(state.value) for state in NodeState)
NAME_CELLS_AT_MOST = 20
GRID_NAME_CELLS_AT_MOST = 12
HEARD_LATE_S = 1.0
LOSS_WORTH_A_COLOUR = 5


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    text: Callable[[NodeView], str]
    rank: int
    """The columns of the lowest rank are the first to be shown."""
    align: Align = "right"
    style: Callable[[NodeView], Style] = lambda _node: PLAIN


def _role(node: NodeView) -> str:
    if node.role is Role.MEMBER:
        return "voter" if node.voter else "member"
    return str(node.role.value)


def _heard(node: NodeView) -> str:
    return "never" if node.heard_s is None else duration(node.heard_s)


def _heard_style(node: NodeView) -> Style:
    if node.heard_s is None:
        return QUIET
    return PLAIN if node.heard_s < HEARD_LATE_S else WARNING


def _loss(node: NodeView) -> str:
    if node.loss_to_percent is None and node.loss_from_percent is None:
        return UNKNOWN
    both = ("?" if loss is None else str(loss) for loss in (node.loss_to_percent, node.loss_from_percent))
    return "/".join(both) + " %"


def _loss_style(node: NodeView) -> Style:
    worst = max(node.loss_to_percent or 0, node.loss_from_percent or 0)
    return WARNING if worst >= LOSS_WORTH_A_COLOUR else PLAIN


COLUMNS = (
    Column("holds", lambda node: ", ".join(node.holds), 0, "left", lambda _node: NAME),
    Column("role", _role, 4, "left", lambda _node: QUIET),
    Column("heard", _heard, 1, "right", _heard_style),
    Column("trip", lambda node: UNKNOWN if node.round_trip_ms is None else milliseconds(node.round_trip_ms), 2),
    Column("loss in/out", _loss, 3, "right", _loss_style),
    Column("up for", lambda node: UNKNOWN if node.uptime_s is None else duration(node.uptime_s), 5),
    Column("endpoint", lambda node: node.endpoint, 6, "left", lambda _node: QUIET),
    Column("version", lambda node: node.version, 7, "left", lambda _node: QUIET),
    Column("epoch", lambda node: UNKNOWN if node.epoch is None else str(node.epoch), 8, "right", lambda _node: QUIET),
)


@dataclass(frozen=True, slots=True)
class _Table:
    """Which columns are shown, and how wide each is."""

    name: int
    columns: tuple[tuple[Column, int], ...]
    rest: int
    """Cells left for the remark; none at all where nobody remarks anything."""


def _table(nodes: tuple[NodeView, ...], frame: Frame, remark_cells: int = REMARK_CELLS) -> _Table:
    longest = max((cell_len(node.name) for node in nodes), default=0)
    name = min(max(longest, 4), NAME_CELLS_AT_MOST, max(4, frame.inner // 5))
    rest = frame.inner - (2 + name + GAP + STATE_CELLS)
    reserve = remark_cells if any(node.note for node in nodes) else 0
    chosen: dict[Column, int] = {}
    for column in sorted(COLUMNS, key=lambda column: column.rank):
        texts = [column.text(node) for node in nodes]
        if not any(texts):
            continue
        width = min(max(cell_len(column.title), *map(cell_len, texts)), max(len(column.title), frame.inner // 4))
        if rest - width - GAP < reserve:
            break
        chosen[column] = width
        rest -= width + GAP
    return _Table(name, tuple((column, chosen[column]) for column in COLUMNS if column in chosen), rest - GAP)


def _header(table: _Table, frame: Frame) -> Line:
    title = "nodes"
    labels = " " * (2 + table.name + GAP + STATE_CELLS - len(title))
    for column, width in table.columns:
        labels += " " * GAP + frame.fit(column.title, width, column.align)
    return frame.rule(title, labels)


def _row(node: NodeView, table: _Table, frame: Frame, *, below: bool) -> Line:
    """One node. `below`: its remark stands on a line of its own."""
    glyph, light = lamp(node.state, frame)
    pieces: list[Piece] = [
        (f"{glyph} ", light),
        (frame.fit(node.name, table.name), STRONG),
        (" " * GAP + frame.fit(node.state.value, STATE_CELLS), word_style(node.state)),
    ]
    for column, width in table.columns:
        pieces += [(" " * GAP, PLAIN), (frame.fit(column.text(node), width, column.align), column.style(node))]
    if node.note and not below and table.rest > 4:
        pieces.append((" " * GAP + frame.fit(node.note, table.rest), _note_style(node)))
    return frame.row(*pieces)


def _note_style(node: NodeView) -> Style:
    return BAD if node.state is NodeState.NO_QUORUM else WARNING if node.state is NodeState.DEGRADED else QUIET


def _remark(node: NodeView, table: _Table, frame: Frame) -> Line | None:
    """The line below a node for a remark that its own line has no room for."""
    if cell_len(node.note) <= max(0, table.rest):
        return None
    indent = 2 + table.name + GAP
    return frame.row((" " * indent + frame.fit(node.note, frame.inner - indent), _note_style(node)))


def _remarks(nodes: tuple[NodeView, ...], table: _Table, frame: Frame) -> int:
    return sum(_remark(node, table, frame) is not None for node in nodes)


def _as_table(nodes: tuple[NodeView, ...], frame: Frame, height: int) -> list[Line]:
    table = _table(nodes, frame)
    spare = height - 1 - len(nodes)
    if spare < _remarks(nodes, table, frame):
        table = _table(nodes, frame, REMARK_CELLS_ALONE)
    lines = [_header(table, frame)]
    for node in nodes:
        remark = _remark(node, table, frame) if spare > 0 else None
        lines.append(_row(node, table, frame, below=remark is not None))
        if remark is not None:
            lines.append(remark)
            spare -= 1
    return lines


def _as_grid(nodes: tuple[NodeView, ...], frame: Frame, height: int) -> list[Line]:
    """Lamp, name and state of several nodes a line, in reading order; the last line says what is not shown."""
    abreast, name = _abreast(nodes, frame)
    rows = [nodes[start : start + abreast] for start in range(0, len(nodes), abreast)]
    header = [frame.rule("nodes")] if height > 2 else []
    room = height - len(header)
    if len(rows) <= room:
        return header + [_grid_row(row, name, frame) for row in rows]
    first = min(frame.scroll, len(rows) - max(1, room - 1))
    shown = rows[first : first + max(0, room - 1)]
    hidden = [node for row in rows[:first] + rows[first + len(shown) :] for node in row]
    text = f"{frame.glyphs.up_down} {len(hidden)} more: {tally(hidden)}"
    return [*header, *(_grid_row(row, name, frame) for row in shown), frame.row((frame.fit(text, frame.inner), STRONG))]


def _abreast(nodes: tuple[NodeView, ...], frame: Frame) -> tuple[int, int]:
    """How many nodes share a line of the grid, and the cells for the name of each."""
    name = min(max(cell_len(node.name) for node in nodes), GRID_NAME_CELLS_AT_MOST)
    return max(1, (frame.inner + GAP) // (2 + name + 1 + STATE_CELLS + GAP)), name


def _grid_row(nodes: tuple[NodeView, ...], name: int, frame: Frame) -> Line:
    pieces: list[Piece] = []
    for node in nodes:
        glyph, light = lamp(node.state, frame)
        word = frame.fit(node.state.value, STATE_CELLS + GAP)
        pieces += [(f"{glyph} ", light), (frame.fit(node.name, name) + " ", STRONG), (word, word_style(node.state))]
    return frame.row(*pieces)


def _draw(snapshot: ClusterSnapshot, frame: Frame, height: int) -> list[Line]:
    nodes = snapshot.nodes
    if not nodes:
        return [frame.rule("nodes"), frame.row(("none heard yet", QUIET))][:height]
    lines = _as_table(nodes, frame, height) if height > len(nodes) else _as_grid(nodes, frame, height)
    return lines[:height]


def _heights(snapshot: ClusterSnapshot, frame: Frame) -> tuple[int, ...]:
    nodes = snapshot.nodes
    if not nodes:
        return (2,)
    grid = 1 + -(-len(nodes) // _abreast(nodes, frame)[0])
    everything = 1 + len(nodes) + _remarks(nodes, _table(nodes, frame), frame)
    return min(3, grid), min(6, grid), grid, 1 + len(nodes), everything


PANEL = Panel(_draw, _heights)

if __name__ == "__main__":
    from picluster.dashboard.example import show

    show(PANEL)
