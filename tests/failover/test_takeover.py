"""How long an address is dark after a power cut: what `model/timing.py` promises, at every moment of the renewals' round."""

from __future__ import annotations

import re

import pytest

from tests.failover.stage import TIMING, Stage

STAGES = {
    "three voters": ("nodes pi1 pi2 pi3",),
    "five voters": ("nodes pi1 pi2 pi3 pi4 pi5",),
    "the first in rank does not vote": ("nodes pi1 pi2 pi3 pi4 pi5", "voters pi1 pi4 pi5"),
    "a witness": ("nodes pi1 box* pi2", "voters pi1 box pi2"),
}
ROUND_TRIP_MS = 2


def outage_ms(lines: tuple[str, ...], cut_ms: int) -> float:
    """How long after the holder's power was cut another one has the address."""
    stage = Stage()
    nodes = lines[0].replace("*", "").removeprefix("nodes ")
    for line in (*lines, "addresses web", f"start {nodes}", f"quietly run {400 + cut_ms}", "crash pi1"):
        stage.play(line)
    cut_at_ms = stage.now_ms
    taken = [line for line in stage.play("run 300") if " taken from pi1" in line]
    assert len(taken) == 1, stage.lines
    found = re.match(r" *([\d.]+)", taken[0])
    assert found is not None
    return float(found[1]) - cut_at_ms


@pytest.mark.parametrize("lines", STAGES.values(), ids=STAGES)
def test_the_outage_after_a_power_cut_is_what_is_promised(lines: tuple[str, ...]) -> None:
    outages_ms = [outage_ms(lines, cut_ms) for cut_ms in range(4 * TIMING.renewal_ms)]
    # Half a round trip for the way of the last renewal, half for that of a refusal which tells for how long; and the cuts
    # are a millisecond apart.
    assert max(outages_ms) <= TIMING.longest_outage_ms(ROUND_TRIP_MS) + ROUND_TRIP_MS
    assert sum(outages_ms) / len(outages_ms) <= TIMING.expected_outage_ms(ROUND_TRIP_MS) + ROUND_TRIP_MS + 0.5
