"""The report on many worlds: what is counted, and what is said of one that went wrong."""

from __future__ import annotations

import json
from collections import Counter

from picluster.lab import simulation
from picluster.simulated.oracle import Sin, Violation
from picluster.simulated.world import Outcome

HOUR_NS = simulation.NANOSECONDS_PER_HOUR
MS = 1_000_000


def outcome(seed: int, *violations: Violation, dark_ms: int = 0) -> Outcome:
    faults, moves = Counter({"crash": 2, "loss": seed}), Counter({"silence": 3})
    return Outcome(seed, HOUR_NS, faults, moves, dark_ms * MS, 100 * MS, violations)


def report(*outcomes: Outcome) -> simulation.Report:
    made = simulation.Report()
    for one in outcomes:
        made.add(one)
    return made


def test_worlds_add_up() -> None:
    made = report(outcome(1), outcome(5, dark_ms=40), outcome(2, dark_ms=10))
    text = simulation.table(made)
    assert text.startswith("3 worlds, 3.00 virtual hours")
    assert "faults: 14" in text
    assert "moves, by cause: 9" in text
    assert "longest dark time after calm: 40.0 of 100.0 ms promised (seed 5)" in text
    assert text.endswith("violations: none")


def test_a_world_that_went_wrong_is_named_with_the_command_that_plays_it_again() -> None:
    made = report(outcome(1), outcome(17, Violation(Sin.TWO_HOLDERS, 5 * MS, "web is answered by pi1 and by pi2")))
    text = simulation.table(made)
    assert "violations: 1" in text
    assert "seed 17: two holders at 5.000 ms: web is answered by pi1 and by pi2" in text
    assert text.endswith("picluster simulate --seed 17 --transcript")


def test_programs_get_the_same() -> None:
    made = report(outcome(17, Violation(Sin.DARK, 5 * MS, "web is held by nobody")), outcome(2))
    told = json.loads(json.dumps(simulation.as_dictionary(made)))
    assert told["worlds"] == 2
    assert told["violations"] == [{"seed": 17, "kind": "dark", "true_ms": 5.0, "text": "web is held by nobody"}]
    assert told["longest_dark"]["seed"] == 2
