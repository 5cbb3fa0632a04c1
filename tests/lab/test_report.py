"""The table stays within 80 columns, and both forms say what failed."""

from __future__ import annotations

import json
from pathlib import Path

from picluster.lab import report
from picluster.lab.ledger import Outage
from picluster.lab.script import SCENES, Result, judged
from picluster.lab.stack import Stack

CUT, RETURN = SCENES[:2]
TOOK_OVER = Outage("pi10", "pi9", 143.2, 141, 1_000, over=True)


def test_a_result_is_a_row_of_at_most_80_columns_below_its_heading() -> None:
    result = judged(CUT, "partition: pi10 hears nobody", "pi10", TOOK_OVER, 0.0)
    row = report.row(result)
    assert row == "partition: pi10 hears nobody pi10  pi9       143 ms  141 of 1,000   0 ms"
    assert row.index("143") == report.HEADING.index("outage")
    assert len(report.HEADING) <= 80


def test_two_answering_nodes_are_a_failure_in_every_scene() -> None:
    result = judged(RETURN, "return", "pi9", Outage("pi9", "pi9", 0.0, 0, 1_000, over=True), 3.0)
    assert result.failure == "two nodes answered for 3 ms"
    assert report.row(result).endswith("FAILED: two nodes answered for 3 ms")
    assert report.verdict([result]).startswith("FAILED")


def test_nobody_taking_over_is_a_failure_only_where_somebody_has_to() -> None:
    stayed = Outage("pi1", "pi1", 0.0, 0, 1_000, over=True)
    assert judged(CUT, "cut", "pi1", stayed, 0.0).failure == "nobody took over"
    assert judged(RETURN, "return", "pi1", stayed, 0.0).failure == ""
    silence = Outage("pi1", "", 6_000.0, 6_000, 6_000, over=False)
    assert judged(CUT, "cut", "pi1", silence, 0.0).failure == "nobody took over"
    assert judged(RETURN, "return", "pi1", silence, 0.0).failure == "nobody answers"


def test_programs_get_every_figure_and_the_reasons() -> None:
    results = [judged(CUT, "cut", "pi10", TOOK_OVER, 0.0), Result("freeze", "freeze", skipped="no kernel")]
    read = json.loads(report.as_json("loopback", "as you asked", Stack(3), 1.234, results))
    assert (read["ok"], read["failures"], read["started_s"]) == (True, [], 1.23)
    cut, freeze = read["scenes"]
    assert (cut["held"], cut["took_over"], cut["outage_ms"], cut["lost"]) == ("pi10", "pi9", 143.2, 141)
    assert (freeze["skipped"], freeze["held"]) == ("no kernel", None)
    failed = json.loads(report.as_json("loopback", "as you asked", Stack(3), 0.0, [], "they did not find each other"))
    assert (failed["ok"], failed["failures"]) == (False, ["they did not find each other"])


def test_last_words_are_the_ends_of_the_logs_that_say_something(tmp_path: Path) -> None:
    loud, mute = tmp_path / "pi1.log", tmp_path / "pi2.log"
    loud.write_text("".join(f"line {number}\n" for number in range(50)), encoding="utf-8")
    mute.touch()
    words = report.last_words([loud, mute, tmp_path / "missing.log"]).splitlines()
    assert words[0] == "── pi1.log"
    assert (words[1], words[-1]) == ("line 38", "line 49")
