"""Who lives by what: a handler is due until it has taken place, whatever was cut off in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from picluster.provision.compare import compare
from picluster.provision.facts import Facts, UnitFact
from picluster.provision.plan import Change
from picluster.provision.resources import Resource, TextFile
from picluster.provision.services import Effect, Service
from picluster.provision.steps import run, unit
from tests.provision.nodes import RUNS, a_file, obey

UNIT_FILE = TextFile("agent", "/etc/unit", b"unit 2\n")
SETTINGS = TextFile("agent", "/etc/settings", b"settings 2\n")
SERVICE = Service("agent", "x.service", (UNIT_FILE,), (SETTINGS,))
ALL: Sequence[Resource] = (UNIT_FILE, SETTINGS, SERVICE)
OLD = Facts(units={"x.service": RUNS}, files={"/etc/unit": a_file("unit 1\n"), "/etc/settings": a_file("settings 1\n")})
NEW = replace(OLD, files={"/etc/unit": a_file("unit 2\n"), "/etc/settings": a_file("settings 2\n")})


def changes(facts: Facts, resources: Sequence[Resource] = ALL) -> tuple[Change, ...]:
    return compare("pi1", resources, facts).changes


def states(facts: Facts) -> list[object]:
    return [step.request["state"] for change in changes(facts) for step in change.steps if step.do == "unit"]


def test_it_is_restarted_or_reloaded_by_what_has_changed() -> None:
    assert states(OLD) == ["restarted"]
    assert states(replace(OLD, files={**OLD.files, "/etc/unit": a_file("unit 2\n")})) == ["reloaded"]
    assert states(NEW) == []


def test_a_restart_settles_the_reload_too() -> None:
    assert changes(obey(OLD, [step for change in changes(OLD) for step in change.steps])) == ()


@pytest.mark.parametrize(
    ("found", "state", "why"),
    [
        (UnitFact("loaded", "enabled", "inactive"), "started", "does not run"),
        (UnitFact("loaded", "enabled", "failed"), "started", "has failed"),
        (UnitFact("loaded", "disabled", "inactive"), "started", "does not run and does not start at boot"),
        (UnitFact("loaded", "disabled", "active"), "started", "does not start at boot"),
        (UnitFact("not-found", "", "inactive"), "started", "does not run and does not start at boot"),
        (UnitFact("loaded", "static", "active"), None, ""),
        (UnitFact("loaded", "enabled", "activating"), None, ""),
    ],
)
def test_it_runs_now_and_after_the_next_boot(found: UnitFact, state: str | None, why: str) -> None:
    facts = replace(NEW, units={"x.service": found})
    assert states(facts) == ([] if state is None else [state])
    assert [change.reason for change in changes(facts)] == ([why] if why else [])


def test_a_unit_that_nobody_told_of_is_started() -> None:
    assert states(replace(NEW, units={})) == ["started"]


def test_one_with_conditions_may_idle_but_not_fail() -> None:
    resource = [Service("system", "x.service", may_idle=True)]
    idle, failed = (
        replace(NEW, units={"x.service": UnitFact("loaded", "enabled", state)}) for state in ("inactive", "failed")
    )
    assert changes(idle, resource) == ()
    assert [change.reason for change in changes(failed, resource)] == ["has failed"]


def test_what_it_says_of_itself_counts() -> None:
    (change,) = changes(NEW, [replace(SERVICE, stale="lives by other files")])
    assert (change.reason, change.steps[0].request["state"]) == ("lives by other files", "reloaded")


def test_a_handler_that_was_cut_off_is_found_missing() -> None:
    """After each number of steps, the next comparison brings all to its end: and the service has had what is there."""
    whole = [step for change in changes(OLD) for step in change.steps]
    for done in range(len(whole) + 1):
        then = obey(OLD, whole[:done])
        rest = [step for change in changes(then) for step in change.steps]
        order = [step.request.get("path") or step.request.get("state") for step in [*whole[:done], *rest]]
        assert "restarted" in order
        assert order.index("/etc/unit") < len(order) - 1 - order[::-1].index("restarted")
        assert changes(obey(then, rest)) == ()


def test_what_it_lived_by_at_last_counts_even_where_no_file_changes_now() -> None:
    """Such as when a newer recipe has it live by one file more."""
    settled = obey(OLD, [step for change in changes(OLD) for step in change.steps])
    more = TextFile("agent", "/etc/more", b"more\n")
    wider = replace(SERVICE, restart_for=(UNIT_FILE, more))
    there = replace(settled, files={**settled.files, "/etc/more": a_file("more\n")})
    (change,) = changes(there, [UNIT_FILE, more, SETTINGS, wider])
    assert (change.what, change.reason) == ("x", "runs with what was there before")


def test_a_change_that_is_taken_back_by_hand_is_not_believed() -> None:
    """Somebody edits our file and restarts the service; the stamp still says that all is well."""
    settled = obey(OLD, [step for change in changes(OLD) for step in change.steps])
    edited = replace(settled, files={**settled.files, "/etc/unit": a_file("mine\n")})
    assert states(edited) == ["restarted"]
    whole = [step for change in changes(edited) for step in change.steps]
    file_written = next(index for index, step in enumerate(whole) if step.do == "write") + 1
    assert states(obey(edited, whole[:file_written])) == ["restarted"]


def test_an_effect_takes_place_once_for_all_that_it_lives_by() -> None:
    effect = Effect(
        "ssh", "sshd", "lives by the old", "ssh.service", (UNIT_FILE, SETTINGS), (run("sshd", "-t"), unit("ssh"))
    )
    found = changes(OLD, (UNIT_FILE, SETTINGS, effect))
    assert [change.what for change in found] == ["/etc/unit", "/etc/settings", "sshd"]
    assert [step.do for change in found for step in change.steps] == ["stamp", "write", "write", "run", "unit", "stamp"]
    assert changes(NEW, (UNIT_FILE, SETTINGS, effect)) == ()
    assert [change.what for change in changes(replace(NEW, stamps={"ssh.service": ""}), (UNIT_FILE, effect))] == ["sshd"]
