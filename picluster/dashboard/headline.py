"""The first line: how the cluster is, in one word and one sentence, then its name and the time.

python -m picluster.dashboard.headline
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.style import Style

from picluster.dashboard.canvas import Frame, Line, Panel
from picluster.dashboard.palette import HEALTH, PLAIN, QUIET, STRONG
from picluster.dashboard.words import TROUBLE, number
from picluster.model.snapshot import ClusterSnapshot, Health, NodeState


def sentence(snapshot: ClusterSnapshot) -> str:
    """The most important thing to know right now."""
    if snapshot.nodes and all(node.state is NodeState.STARTING for node in snapshot.nodes):
        return "waiting for the first heartbeats"
    if snapshot.health is Health.DOWN:
        return _what_is_down(snapshot)
    for state in TROUBLE:
        names = [node.name for node in snapshot.nodes if node.state is state]
        if names:
            return _troubled(names, state)
    count = snapshot.quorum.may_fail
    may_fail = f"{number(count)} voter{'' if count == 1 else 's'} may fail"
    return f"every address is held, {may_fail}" if snapshot.addresses else may_fail


def _what_is_down(snapshot: ClusterSnapshot) -> str:
    quorum = snapshot.quorum
    orphans = [floating.name for floating in snapshot.addresses if floating.holder is None]
    what = f"nobody answers for {_listed(orphans)}" if orphans else "no quorum"
    return what if quorum.held else f"{what}: {len(quorum.alive)} of {len(quorum.voters)} voters alive"


def _troubled(names: list[str], state: NodeState) -> str:
    be = "is" if len(names) == 1 else "are"
    phrases = {
        NodeState.STANDBY: f"{be} on standby",
        NodeState.LEFT: f"{'has' if len(names) == 1 else 'have'} left",
        NodeState.NO_QUORUM: f"{'hears' if len(names) == 1 else 'hear'} no majority",
    }
    return f"{_listed(names)} {phrases.get(state, f'{be} {state.value}')}"


def _listed(names: list[str]) -> str:
    """`web`, `web and dns`, `pi1, pi2 and 4 more`."""
    if len(names) > 3:
        names = [*names[:2], f"{len(names) - 2} more"]
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _draw(snapshot: ClusterSnapshot, frame: Frame, height: int) -> list[Line]:
    glyphs, health = frame.glyphs, snapshot.health
    style = HEALTH[health]
    glyph = {Health.HEALTHY: glyphs.good, Health.DEGRADED: glyphs.attention, Health.DOWN: glyphs.bad}[health]
    name = frame.fit(snapshot.cluster, min(cell_len(snapshot.cluster), frame.inner // 4))
    right = f"{name}  {snapshot.clock}"
    room = max(0, frame.inner - cell_len(right) - 2)
    word = f"{glyph} {health.value}"
    text = frame.fit(f"  {sentence(snapshot)}", room - cell_len(word))
    line = frame.row(
        (word, style), (text, _sentence_style(style, health)), ("  ", PLAIN), (name, STRONG), (f"  {snapshot.clock}", QUIET)
    )
    return [line][:height]


def _sentence_style(style: Style, health: Health) -> Style:
    return style if health is Health.DOWN else PLAIN


PANEL = Panel(_draw, lambda _snapshot, _frame: (1,))

if __name__ == "__main__":
    from picluster.dashboard.example import show

    show(PANEL)
