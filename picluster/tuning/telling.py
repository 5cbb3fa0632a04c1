"""Measurements and advice in words: what was seen, what follows, and the formula with its values put in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from picluster.tuning.advice import Advice, Forecast, Reckoning, never_seen_a_year
from picluster.tuning.measurement import Distribution, Measurement

TUNED = ("lease_ms", "renewal_ms", "retry_ms", "rank_step_ms")
"""The timers that advice changes."""
HARDLY_EVER = 0.001
"""A year. Nobody has waited long enough to believe smaller figures."""
LOST_WORTH_TELLING = 50
"""Percent of the questions to one voter: more, and it may as well not be there."""


def told(advice: Advice) -> str:
    """The whole report."""
    lines = [line for measurement in advice.measurements for line in _measured(measurement)]
    lines += ["", *_compared(advice), "", *_verdict(advice)]
    shown = advice.recommended or advice.longest
    if shown is not None:
        lines += ["", *_reckoned(shown, _worst(advice, shown).seconds)]
    lines += ["", *_limits(advice)]
    return "\n".join(lines)


def changes(advice: Advice) -> dict[str, int]:
    """What the recommendation changes in `[failover]`: timers and their new values, in milliseconds."""
    if advice.recommended is None:
        return {}
    before, after = advice.present.timing, advice.recommended.timing
    return {name: getattr(after, name) for name in TUNED if getattr(after, name) != getattr(before, name)}


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines with aligned columns, the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def a_year(times: float) -> str:
    """So many times a year, in figures that one can believe."""
    if times < HARDLY_EVER:
        return f"< {HARDLY_EVER:g}"
    return f"{times:,.0f}" if times >= 10 else f"{times:.2g}"


# ── what was seen ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _measured(measurement: Measurement) -> Iterator[str]:
    seconds, rounds, failed = measurement.seconds, measurement.rounds, measurement.failed
    yield f"{measurement.node}: {rounds:,} rounds in {seconds:g} s, {failed} of them lost (milliseconds below)"
    rows = [["", "p50", "p90", "p99", "p99.9", "longest", "lost", "in a row"]]
    for path in measurement.paths:
        worst = max((length for length, _ in path.bursts), default=0)
        rows.append([f"  {path.voter}, there and back", *_spread(path.round_trip), f"{path.lost_percent:.2f} %", str(worst)])
    rows.append(["  until a majority answers", *_spread(measurement.waits), "", ""])
    rows.append(["  own agent late by", *_spread(measurement.late), "", ""])
    yield from table(rows)
    for path in measurement.paths:
        if path.lost_percent > LOST_WORTH_TELLING:
            yield f"  {path.voter} hardly answers: mend that and measure again, since its vote was not counted on here"


def _spread(seen: Distribution) -> list[str]:
    figures = [*(seen.percentile_us(percent) for percent in (50, 90, 99, 99.9)), seen.longest_us]
    return [f"{figure / 1_000:.2f}" if seen.count else "–" for figure in figures]


# ── what follows ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _compared(advice: Advice) -> Iterator[str]:
    shown = [advice.present, *([advice.recommended] if advice.recommended else [])]
    rows = [["", "now", "recommended"][: 1 + len(shown)]]
    rows += [[f"failover.{name}", *(str(getattr(one.timing, name)) for one in shown)] for name in TUNED]
    rows.append(["outage after a power cut, expected", *(f"{one.expected_outage_ms:.1f} ms" for one in shown)])
    rows.append(["outage after a power cut, longest", *(f"{one.longest_outage_ms:.1f} ms" for one in shown)])
    rows.append(["unwanted moves a year, expected", *(a_year(one.moves_a_year) for one in shown)])
    rows.append(["datagrams a second for an address", *(f"{one.datagrams_a_second:.0f}" for one in shown)])
    yield from table(rows)


def _verdict(advice: Advice) -> Iterator[str]:
    plural = "" if advice.most_moves_a_year == 1 else "s"
    most = f"{advice.most_moves_a_year:g} unwanted move{plural} a year"
    if advice.recommended is not None:
        lease_ms = advice.recommended.timing.lease_ms
        same = " (as it is now)" if not changes(advice) else ""
        yield f"{lease_ms} ms is the shortest lease with at most {most}{same}."
    elif advice.longest is not None:
        yield f"No lease that there is keeps within {most}; the longest, {advice.longest.timing.lease_ms} ms, comes to"
        yield f"{a_year(advice.longest.moves_a_year)}. Mend the network or what keeps the nodes busy, then measure again."
    else:
        yield "No lease that there is leaves room for four retries of such a slow round trip."
        yield "Mend the network or what keeps the nodes busy, then measure again."


def _reckoned(forecast: Forecast, seconds: float) -> Iterator[str]:
    """The formula, and the same with its values."""
    timing, found = forecast.timing, forecast.reckoning
    over_ms, scale_ms = found.threshold.over_us / 1_000, found.threshold.scale_us / 1_000
    yield f"How this was reckoned, for a lease of {timing.lease_ms} ms (the worst node is {found.node}):"
    yield "  left   = min(lease, kernel's lease) − renewal"
    until_ms = found.left_ms + timing.renewal_ms
    yield f"         = {until_ms:g} − {timing.renewal_ms} = {found.left_ms:g} ms, in which a renewal has to succeed"
    yield "  rounds = (left − answer) / retry, a question to all voters each"
    yield f"         = ({found.left_ms:g} − {found.answer_ms:.1f}) / {timing.retry_ms} = {found.rounds}"
    yield "  lost   = f × c^(rounds − 1) / renewal: all of them are lost"
    yield f"         = {found.lost_share:.3g} × {found.again_share:.3g}^{max(0, found.rounds - 1)} / {timing.renewal_ms} ms"
    yield f"         = {a_year(found.lost_a_year)} a year"
    yield "  late   = n / s × e^(−(left − u) / σ) × crowding: the answer comes too late"
    yield f"         = {_late(found, seconds)}"
    yield f"         = {a_year(found.late_a_year)} a year"
    yield "  f: share of rounds lost; c: how likely the next one is lost, too; n waits in s seconds were longer than u,"
    yield f"  by σ on average (here {found.threshold.count} longer than {over_ms:.2f} ms, by {scale_ms:.2f} ms)"


def _late(found: Reckoning, seconds: float) -> str:
    over_ms, scale_ms = found.threshold.over_us / 1_000, found.threshold.scale_us / 1_000
    exponent = f"−({found.left_ms:g} − {over_ms:.2f}) / {scale_ms:.2f}"
    return f"{found.threshold.count} / {seconds:g} s × e^({exponent}) × {found.crowding:.3g}"


def _limits(advice: Advice) -> Iterator[str]:
    shown = advice.recommended or advice.longest or advice.present
    found = shown.reckoning
    worst = _worst(advice, shown)
    if found.seen:
        yield f"{found.seen} waits longer than the {found.left_ms:g} ms that are left were seen in {worst.seconds:g} s."
    else:
        bound = a_year(never_seen_a_year(worst))
        yield f"No wait longer than the {found.left_ms:g} ms that are left was seen in {worst.seconds:g} s. That alone only"
        yield f"says: fewer than {bound} a year (95 %, rule of three). The rest is the tail carried on, as if all the year"
        yield "were like this time: what happens once an hour was most likely not in it. Measure for longer, and when the"
        yield "nodes are busy (docs/tune.md)."


def _worst(advice: Advice, forecast: Forecast) -> Measurement:
    """The measurement that the forecast rests on."""
    return next(one for one in advice.measurements if one.node == forecast.reckoning.node)
