"""The table stays within 80 columns, and both forms say what failed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from picluster.lab import report
from picluster.lab.ledger import Outage
from picluster.lab.script import SCENES, Result, judged
from picluster.lab.stack import Stack

CUT, RETURN = SCENES[:2]
HEADINGS = tuple(title for _, title in report.COLUMNS)
TOOK_OVER = Outage("pi10", "pi9", 143.2, 141, 1_000, over=True)


def test_a_result_is_a_row_of_at_most_80_columns_below_its_heading() -> None:
    result = judged(CUT, "partition: pi10 is cut off", "pi10", TOOK_OVER, 0.0)
    row = report.row(result)
    assert row == "partition: pi10 is cut off  pi10   pi9       143 ms   141 of 1,000   0 ms"
    assert row.index("143") == report.HEADING.index("outage")
    assert len(report.HEADING) <= 80


def test_every_column_holds_the_longest_that_a_stack_of_ten_can_say() -> None:
    slow = Outage("pi10", "", 9_999.0, 9_999, 9_999, over=False)
    for scene in SCENES:
        title = scene.title.format(holder="pi10", other="pi10")
        row = report.row(judged(scene, title, "pi10", slow, 0.0)).splitlines()[0]
        for cell, heading in zip((title, "pi10", "nobody", "9,999 ms", "9,999 of"), HEADINGS, strict=True):
            begin = report.HEADING.index(heading)
            assert row[begin:].startswith(f"{cell} ")
            assert begin == 0 or row[begin - 1] == " "


def test_a_foreign_machine_does_not_stick_to_the_next_cell() -> None:
    ghost = Outage("pi1", "a foreign machine", 3.0, 2, 1_000, over=True)
    assert "pi1    a foreign machine 3 ms" in report.row(judged(CUT, "cut", "pi1", ghost, 0.0))


def test_a_remark_stands_below_its_row_within_80_columns() -> None:
    again = Outage("pi1", "pi1", 1_123.0, 1_122, 1_140, over=True)
    result = replace(judged(RETURN, "freeze", "pi1", again, 0.0), remark="it is so, " * 12 + "and therefore differs")
    row, *remark = report.row(result).splitlines()
    assert "itself" in row
    assert remark[0].startswith("  it is so,")
    assert remark[-1].endswith("and therefore differs")
    assert all(len(line) <= 80 for line in remark)


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
