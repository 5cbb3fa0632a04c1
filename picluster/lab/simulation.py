"""Many simulated worlds, one for each seed, on all processors, and what became of them in one table.

A world is `picluster.simulated.world.World`. Here they are counted, and the seed of each one that went wrong is kept, with
the command that plays it again.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from picluster.simulated.world import Outcome, World

NANOSECONDS_PER_HOUR = 3_600_000_000_000
SEEDS_AT_ONCE = 8


@dataclass(slots=True)
class Report:
    """What became of all worlds together."""

    seeds: int = 0
    lasted_ns: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    moves: Counter[str] = field(default_factory=Counter)
    longest_dark: Outcome | None = None
    """The world in which an address was dark for the largest share of what is promised."""
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self.lasted_ns += outcome.lasted_ns
        self.faults += outcome.faults
        self.moves += outcome.moves
        if outcome.violations:
            self.failed.append(outcome)
        elif self.longest_dark is None or dark_share(outcome) > dark_share(self.longest_dark):
            self.longest_dark = outcome

    @property
    def virtual_hours(self) -> float:
        return self.lasted_ns / NANOSECONDS_PER_HOUR


def dark_share(outcome: Outcome) -> float:
    """The longest dark time after calm, as a share of what is promised."""
    return outcome.dark_ns / outcome.promised_ns if outcome.promised_ns else 0.0


def play(seed: int) -> Outcome:
    """One world, from its seed."""
    return World(seed).run()


def transcript(seed: int, write: Callable[[str], None]) -> Outcome:
    """One world, told line by line: true time in ms, node, what came in (◀ from a peer, ◆ from its own machine), and what
    came out (▶)."""
    return World(seed, write=write).run()


def outcomes(first: int, seeds: int, jobs: int | None = None) -> Iterator[Outcome]:
    """The worlds of these seeds, in their order, played by that many processes (None: one for each processor)."""
    every = range(first, first + seeds)
    jobs = jobs or os.cpu_count() or 1
    if jobs == 1:
        yield from map(play, every)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(play, every, chunksize=SEEDS_AT_ONCE)


def table(report: Report) -> str:
    """The report for people."""
    lines = [
        f"{report.seeds} worlds, {report.virtual_hours:.2f} virtual hours",
        "",
        *_columns("faults", report.faults),
        "",
        *_columns("moves, by cause", report.moves),
        "",
    ]
    longest = report.longest_dark
    if longest is not None:
        dark, promised = longest.dark_ns / 1e6, longest.promised_ns / 1e6
        lines.append(f"longest dark time after calm: {dark:.1f} of {promised:.1f} ms promised (seed {longest.seed})")
    lines.append(f"violations: {len(report.failed) or 'none'}")
    for outcome in report.failed:
        lines += [f"  seed {outcome.seed}: {outcome.violations[0]}", f"    {replay_command(outcome.seed)}"]
    return "\n".join(lines)


def as_dictionary(report: Report) -> dict[str, object]:
    """The report for programs."""
    longest = report.longest_dark
    return {
        "worlds": report.seeds,
        "virtual_hours": report.virtual_hours,
        "faults": dict(report.faults.most_common()),
        "moves": dict(report.moves.most_common()),
        "longest_dark": None
        if longest is None
        else {"seed": longest.seed, "dark_ms": longest.dark_ns / 1e6, "promised_ms": longest.promised_ns / 1e6},
        "violations": [
            {"seed": outcome.seed, "kind": violation.sin.value, "true_ms": violation.true_ns / 1e6, "text": violation.text}
            for outcome in report.failed
            for violation in outcome.violations
        ],
    }


def replay_command(seed: int) -> str:
    """What to type to see that world again."""
    return f"picluster simulate --seed {seed} --transcript"


def _columns(title: str, counts: Counter[str]) -> list[str]:
    """Three to a line, the most frequent first."""
    cells = [f"{name:<18}{count:>8}" for name, count in counts.most_common()]
    rows = [f"  {'    '.join(cells[at : at + 3])}" for at in range(0, len(cells), 3)]
    return [f"{title}: {counts.total()}", *rows]
