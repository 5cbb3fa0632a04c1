"""The table at the end, as people read it, and the exit code, as programs do."""

from __future__ import annotations

from picluster.controller.health import Standing
from picluster.controller.ledger import Ledger
from picluster.controller.progress import Kind, Progress
from picluster.controller.report import NodeReport, Report, State, lines

WELL = Standing({}, {"web": "pi1"}, needed=2, accounts=3)
NOTHING = NodeReport("pi1", State.NOTHING, 0.4)
CHANGED = NodeReport("pi2", State.CHANGED, 11.24, changes=14, awaits_reboot=True)
FAILED = NodeReport("pi10", State.FAILED, 3.0, changes=2, text="package nftables (step 3 of 20): E: none\n  apt said more")

TOLD = """\
· pi1   nothing to do     0.4 s
✓ pi2   14 changes       11.2 s  waits for a reboot
✗ pi10  failed            3.0 s  package nftables (step 3 of 20): E: none
      apt said more
web is held by pi1
1 of 3 nodes failed in 12.0 s"""


def test_the_table_is_read_at_a_glance() -> None:
    assert "\n".join(lines(Report((NOTHING, CHANGED, FAILED), 12.0, WELL))) == TOLD


def test_what_is_not_well_is_told() -> None:
    troubles = ("web is held by nobody",)
    told = lines(Report((CHANGED,), 12.0, Standing({}, {"web": None}, 2, 3), troubles))
    assert told[1:] == ["✗ web is held by nobody", "done, but not all is well in 12.0 s"]


def test_words_for_one_and_for_rebooted() -> None:
    assert NodeReport("pi1", State.CHANGED, changes=1, rebooted=True).result == "1 change, rebooted"
    assert NodeReport("pi1", State.NOTHING, rebooted=True).result == "nothing to do, rebooted"
    assert lines(Report((NOTHING,), 0.4, WELL))[-1] == "nothing to do in 0.4 s"
    assert lines(Report((CHANGED,), 0.4, WELL))[-1] == "done in 0.4 s"


def test_exit_codes_say_all_some_none() -> None:
    assert Report((NOTHING, CHANGED), 1.0, WELL).exit_code == 0
    assert Report((NOTHING, FAILED), 1.0, WELL).exit_code == 1
    assert Report((FAILED,), 1.0).exit_code == 2
    assert Report((NOTHING,), 1.0, WELL, ("web is held by nobody",)).exit_code == 1


def test_json_has_it_all() -> None:
    words = Report((CHANGED, FAILED), 12.0, WELL).as_json()
    assert words["holders"] == {"web": "pi1"}
    assert words["nodes"] == [
        {
            "node": "pi2",
            "state": "changed",
            "changes": 14,
            "text": "",
            "took_s": 11.24,
            "rebooted": False,
            "awaits_reboot": True,
        },
        {
            "node": "pi10",
            "state": "failed",
            "changes": 2,
            "text": FAILED.text,
            "took_s": 3.0,
            "rebooted": False,
            "awaits_reboot": False,
        },
    ]


# ── how far each is ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_ledger_says_how_far_each_node_came() -> None:
    ledger = Ledger(("pi1", "pi2", "pi3"), lambda: 0.0)
    ledger.hear(Progress("pi1", Kind.STEP, "package nftables", 2, 20))
    ledger.hear(Progress("pi2", Kind.STAGE, "connecting"))
    ledger.hear(Progress("elsewhere", Kind.STAGE, "connecting"))
    assert ledger.unfinished(("pi1", "pi2", "pi3", "elsewhere")) == [
        "pi1: 2 of 20 steps are done; the one at hand is finished there: package nftables",
        "pi2: ended while connecting",
        "pi3: nothing was done",
    ]


def test_time_stands_still_when_a_node_has_ended() -> None:
    now = [10.0]
    ledger = Ledger(("pi1",), lambda: now[0])
    row = ledger.rows["pi1"]
    now[0] = 12.0
    ledger.hear(Progress("pi1", Kind.ENDED, ""))
    now[0] = 20.0
    assert (row.took_s(now[0]), row.running) == (2.0, False)
    ledger.hear(Progress("pi1", Kind.STEP, "again", 0, 1))
    assert (row.took_s(now[0]), row.running) == (10.0, True)
