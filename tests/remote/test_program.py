"""The whole of it over pipes: a Python that is sent the program, asked, told, cut off and asked again."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from picluster.provision.steps import Blob, Step, environment, run, write
from picluster.remote.lock import LOCK
from picluster.remote.node import STATE
from tests.patience import until
from tests.remote.stage import OWN, Pretended, Session, everything, make_wheel

APP = {"app.py": "def main(): print(1)\n", "app-1.0.dist-info/entry_points.txt": "[console_scripts]\napp = app:main\n"}
WAIT = """
import pathlib, time
pathlib.Path(HOME, "begun").touch()
while not pathlib.Path(HOME, "go").exists():
    time.sleep(0.01)
print("went on")
"""


@pytest.fixture
def session(node: Pretended) -> Iterator[Session]:
    with Session({"PATH": str(node.programs)}) as session:
        yield session


def kinds(answers: list[dict[str, Any]]) -> list[str]:
    return [answer["kind"] for answer in answers]


def file(name: str) -> Step:
    return write(f"/etc/{name}", name.encode(), owner=OWN)


def test_facts_then_steps_then_facts_in_one_session(node: Pretended, session: Session) -> None:
    question = {"do": "facts", "root": str(node.root), "question": {"files": ["/etc/one"]}}
    (before,) = session.ask(question)
    assert before["facts"]["files"] == {}
    assert kinds(session.apply(node.root, [file("one"), file("one")])) == ["begin", "done", "begin", "done"]
    (after,) = session.ask(question)
    assert after["facts"]["files"]["/etc/one"]["content"] == "b25l"
    session.hang_up()
    assert session.process.wait(10) == 0


def test_each_step_says_whether_it_changed_anything(node: Pretended, session: Session) -> None:
    told = session.apply(node.root, [file("one"), file("one"), run("cat", "/etc/hostname")])
    assert [answer["changed"] for answer in told if answer["kind"] == "done"] == [True, False, True]
    assert [answer["step"] for answer in told] == [0, 0, 1, 1, *[2] * (len(told) - 4)]
    assert kinds(told[-3:]) == ["begin", "output", "done"]


def test_nothing_is_done_after_a_step_that_fails(node: Pretended, session: Session) -> None:
    told = session.apply(node.root, [file("one"), write("/opt", b"x", owner=OWN), file("two")])
    assert kinds(told) == ["begin", "done", "begin", "failed"]
    assert told[-1]["step"] == 1
    assert "/opt is a directory" in told[-1]["error"]
    assert not node.at("/etc/two").exists()
    assert session.process.wait(10) == 1


def test_blobs_come_with_the_request_and_are_kept(node: Pretended, session: Session) -> None:
    wheel = make_wheel("app", {**APP, "big": os.urandom(300_000)})
    step = environment("/opt/app-1", [wheel], "app")
    assert kinds(session.apply(node.root, [step])) == ["begin", "done"]
    (told,) = session.ask({"do": "facts", "root": str(node.root), "question": {"blobs": [wheel.digest, "other"]}})
    assert told["facts"]["blobs"] == [wheel.digest]


def test_a_blob_that_is_something_else_is_refused(node: Pretended, session: Session) -> None:
    session.send({"do": "apply", "root": str(node.root), "who": "me", "steps": [file("one").request]})
    session.send({"blob": Blob(b"right").digest, "size": 5})
    session.outgoing.write(b"wrong")
    session.send({"end": True})
    (told,) = session.answers()
    assert "something else" in told["error"]
    assert "step" not in told
    assert not node.at("/etc/one").exists()
    assert not list(node.at(f"{STATE}/blobs").iterdir())


@pytest.mark.parametrize(
    "line", [b"hello\n", b"[]\n", b'{"do": "dance"}\n', b'{"do": "apply", "root": "/nowhere/at/all"}\n']
)
def test_what_is_no_request_is_said_to_be_none(session: Session, line: bytes) -> None:
    session.outgoing.write(line)
    session.send({"end": True})
    (told,) = session.answers()
    assert told["kind"] == "failed"
    assert session.process.wait(10) == 1


def test_the_second_of_two_is_told_who_is_at_it(node: Pretended) -> None:
    node.play("wait", WAIT)
    places = {"PATH": str(node.programs)}
    with Session(places) as first, Session(places) as second, Session(places) as third:
        first.begin(node.root, [run("wait")], who="ada@laptop")
        until((node.home / "begun").exists, "the first is at work")
        (busy,) = second.apply(node.root, [file("one")], who="bob@desk")
        assert (busy["kind"], busy["who"]) == ("busy", "ada@laptop")
        assert busy["since"] > 0
        assert kinds(third.ask({"do": "check", "root": str(node.root)})) == ["busy"]
        (node.home / "go").touch()
        assert kinds(first.answers()) == ["begin", "output", "done"]
        assert first.ask({"do": "check", "root": str(node.root)}) == []
    assert not node.at("/etc/one").exists()


def test_one_who_is_killed_leaves_no_lock_behind(node: Pretended) -> None:
    node.play("wait", WAIT)
    places = {"PATH": str(node.programs)}
    with Session(places) as first, Session(places) as second:
        first.begin(node.root, [run("wait")])
        until((node.home / "begun").exists, "the first is at work")
        first.process.kill()
        first.process.wait(10)
        (node.home / "go").touch()
        assert node.at(LOCK).exists()
        assert kinds(second.apply(node.root, [file("one")])) == ["begin", "done"]


@pytest.mark.parametrize("how", ["its input ends", "it is told to hang up"])
def test_when_the_connection_ends_the_step_at_hand_is_finished_and_no_other_begun(node: Pretended, how: str) -> None:
    node.play("wait", WAIT)
    with Session({"PATH": str(node.programs)}) as session:
        session.begin(node.root, [run("wait"), file("one")])
        until((node.home / "begun").exists, "it is at work")
        if how == "its input ends":
            session.hang_up()
        else:
            session.process.send_signal(signal.SIGHUP)
        (node.home / "go").touch()
        assert kinds(session.answers()) == ["begin", "output", "done"]
        assert session.process.wait(10) == 1
    assert not node.at("/etc/one").exists()


def test_nobody_listens_any_more(node: Pretended) -> None:
    """What cannot be said is not said; the step at hand is finished nevertheless."""
    node.play("wait", WAIT)
    with Session({"PATH": str(node.programs)}) as session:
        session.begin(node.root, [run("wait"), file("one")])
        until((node.home / "begun").exists, "it is at work")
        session.incoming.close()
        (node.home / "go").touch()
        assert session.process.wait(10) == 1
    assert not node.at("/etc/one").exists()


def test_a_connection_that_is_cut_within_a_blob_changes_nothing(node: Pretended) -> None:
    before = everything(node.root)
    with Session({"PATH": str(node.programs)}) as session:
        session.send({"do": "apply", "root": str(node.root), "who": "me", "steps": [file("one").request]})
        session.send({"blob": Blob(b"right").digest, "size": 5})
        session.outgoing.write(b"rig")
        session.hang_up()
        assert session.answer() == {}
        assert session.process.wait(10) == 1
    after = everything(node.root)
    new = set(after) - set(before)
    assert new == {LOCK[1:], "var/lib/picluster", "var/lib/picluster/blobs"}


@pytest.mark.scenario
def test_it_can_be_killed_between_any_two_words_and_the_next_run_finishes(node: Pretended, tmp_path: Path) -> None:
    """After each answer but the last a run is killed, without a chance to do anything about it."""
    wheel = make_wheel("app", APP)
    steps = [
        file("one"),
        write("/etc/hosts", b"ours", owner=OWN),
        write("/etc/deep/er/two", b"2", owner=OWN),
        environment("/opt/app-1", [wheel], "app"),
    ]
    before = everything(node.root)
    places = {"PATH": str(node.programs)}
    for words in range(2 * len(steps)):
        with Session(places) as session:
            session.begin(node.root, steps)
            for _ in range(words):
                session.answer()
            session.process.send_signal(signal.SIGKILL)
            session.process.wait(10)
    with Session(places) as session:
        assert kinds(session.apply(node.root, steps)) == ["begin", "done"] * len(steps)
    other = Pretended(tmp_path / "other")
    with Session({"PATH": str(other.programs)}) as session:
        session.apply(other.root, steps)
    ours, theirs = everything(node.root), everything(other.root)
    assert {path for path in ours if not path.endswith(".pyc")} == {path for path in theirs if not path.endswith(".pyc")}
    with Session(places) as session:
        told = session.ask({"do": "undo", "root": str(node.root), "who": "me"})
    assert set(kinds(told)) == {"begin", "done"}
    after = everything(node.root)
    after.pop(LOCK[1:])
    assert after == before


def test_a_reset_that_is_cut_goes_on(node: Pretended) -> None:
    before = everything(node.root)
    places = {"PATH": str(node.programs)}
    with Session(places) as session:
        session.apply(node.root, [file("one"), file("two"), write("/etc/hosts", b"ours", owner=OWN)])
    with Session(places) as session:
        session.send({"do": "undo", "root": str(node.root)})
        session.answer()
        session.process.kill()
    with Session(places) as session:
        session.ask({"do": "undo", "root": str(node.root)})
    after = everything(node.root)
    after.pop(LOCK[1:])
    assert after == before


def test_secrets_are_in_no_answer(node: Pretended, session: Session) -> None:
    told = session.apply(node.root, [write("/etc/key", b"hush-hush", mode=0o600, owner=OWN)])
    told += session.ask({"do": "facts", "root": str(node.root), "question": {"secrets": ["/etc/key"]}})
    words = json.dumps(told)
    assert "hush" not in words
    assert "aHVzaC1odXNo" not in words, "that is how a step has it"
