"""What is told of a drill: what it would do, what happened when, and the verdict; to people, to programs, to the history."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from picluster.controller.drill import CUT_DELAY_S, Measured, Prospect, Return
from picluster.controller.history import Entry
from picluster.controller.outage import Outage

__all__ = ["as_json", "entry", "history_lines", "intention", "prospect_json", "return_lines", "timeline", "verdict_line"]

MS, S = 1_000_000, 1_000_000_000
SIGNS = {True: "✓", False: "✗", None: "?"}


def intention(prospect: Prospect) -> list[str]:
    """Before anything is done."""
    holder, floating = prospect.holder.name, prospect.floating
    return [
        f"{floating.name} ({floating.address}) is held by {holder}; {' or '.join(prospect.heirs)} could take over",
        f"{holder} reboots that instant, as if its plug was pulled: no service is stopped, every connection to it is lost",
        f"an outage of at most {prospect.longest_ms:.0f} ms is expected",
        *(f"✗ {trouble}" for trouble in prospect.troubles),
    ]


def prospect_json(prospect: Prospect) -> dict[str, object]:
    return {
        "address": prospect.floating.name,
        "cut": prospect.holder.name,
        "heirs": list(prospect.heirs),
        "longest_ms": round(prospect.longest_ms, 1),
        "troubles": list(prospect.troubles),
    }


def timeline(prospect: Prospect, measured: Measured) -> list[str]:
    """From the order to the next answer, and who gave it."""
    holder = prospect.holder.name
    lines = [_at(0, f"{holder} is told to reboot that instant, in {CUT_DELAY_S * 1_000:.0f} ms")]
    outage = measured.outage
    if outage is not None:
        lines += [
            _at(outage.last_answer_ns - measured.ordered_ns, "the last answer"),
            _at(outage.began_ns - measured.ordered_ns, "the first request without an answer"),
        ]
        if outage.ended_ns is not None:
            asked = f"{outage.unanswered} requests unanswered of {measured.requests_a_second:.0f} a second"
            lines.append(
                _at(outage.ended_ns - measured.ordered_ns, f"the next answer: {outage.length_ms:.1f} ms dark, {asked}")
            )
    return [*lines, f"             {_holds(prospect, measured)}"]


def return_lines(prospect: Prospect, returned: Return) -> list[str]:
    lines = []
    if returned.back_s is not None:
        lines.append(_at(int(returned.back_s * S), f"{prospect.holder.name} is back"))
    if returned.heard_s is not None:
        lines.append(_at(int(returned.heard_s * S), "a majority hears its agent"))
    return [*lines, *(f"✗ {trouble}" for trouble in returned.troubles)]


def verdict_line(measured: Measured) -> str:
    return f"{SIGNS[measured.verdict.met]} {measured.verdict.word}: {measured.verdict.reason}"


def entry(prospect: Prospect, measured: Measured, now_s: float) -> Entry:
    """For the history. `now_s` is seconds since 1970."""
    outage_ms = None if measured.outage is None else measured.outage.length_ms
    return {
        "verb": "drill",
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s)),
        "address": prospect.floating.name,
        "cut": prospect.holder.name,
        "holder": measured.holder,
        "outage_ms": None if outage_ms is None else round(outage_ms, 1),
        "longest_ms": round(measured.verdict.longest_ms, 1),
        "verdict": measured.verdict.word,
        "reason": measured.verdict.reason,
    }


def as_json(prospect: Prospect, measured: Measured, returned: Return, told: Entry) -> dict[str, object]:
    """All of it; times in milliseconds since the order."""
    outage, move = measured.outage, measured.move
    return {
        **told,
        "heirs": list(prospect.heirs),
        "timeline_ms": {} if outage is None else _moments(outage, measured.ordered_ns),
        "unanswered": 0 if outage is None else outage.unanswered,
        "requests_a_second": round(measured.requests_a_second),
        "cause": None if move is None else move.cause,
        "took_ms": None if move is None else round(move.took_ms, 1),
        "back_s": None if returned.back_s is None else round(returned.back_s, 1),
        "heard_s": None if returned.heard_s is None else round(returned.heard_s, 1),
        "troubles": list(returned.troubles),
    }


def history_lines(entries: Iterable[Mapping[str, object]]) -> list[str]:
    """A line for each drill, the oldest first."""
    return [_history_line(one) for one in entries]


def _history_line(one: Mapping[str, object]) -> str:
    outage = "  no answer" if one.get("outage_ms") is None else f"{one['outage_ms']:>8} ms"
    moved = f"{one.get('cut', '?')} → {one.get('holder') or 'nobody'}"
    what = f"{one.get('address', '?')}: {moved}"
    return f"{one.get('at', '')}  {what}  {outage} of at most {one.get('longest_ms', '?')} ms  {one.get('verdict', '?')}"


def _moments(outage: Outage, ordered_ns: int) -> dict[str, float | None]:
    moments = {"last_answer": outage.last_answer_ns, "first_unanswered": outage.began_ns, "next_answer": outage.ended_ns}
    return {name: None if at_ns is None else round((at_ns - ordered_ns) / MS, 1) for name, at_ns in moments.items()}


def _holds(prospect: Prospect, measured: Measured) -> str:
    name, move = prospect.floating.name, measured.move
    if measured.holder is None:
        return f"no majority agrees on who holds {name}"
    how = "" if move is None else f": taken from {move.previous} ({move.cause}), {move.took_ms:.1f} ms after its last sign"
    return f"{measured.holder} holds {name}{how}"


def _at(passed_ns: int, text: str) -> str:
    """A line of the timeline: milliseconds while they count, seconds afterwards."""
    passed = f"{passed_ns / MS:>8.1f} ms" if abs(passed_ns) < 10 * S else f"{passed_ns / S:>8.1f} s "
    return f"{passed}  {text}"
