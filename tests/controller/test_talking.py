"""Conversations with the real node program, in a process of its own, on a node that is a directory."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from picluster.controller.progress import Kind, Progress
from picluster.controller.talking import Applied, Labelled, ask_facts, labelled, obey, undo
from picluster.errors import AccessError, ProvisionError
from picluster.provision import steps
from picluster.provision.facts import Question
from picluster.provision.plan import Change
from tests.controller.shells import Answering, ChildShell
from tests.remote.stage import OWN, Pretended, everything, make_wheel


@pytest.fixture
def node(tmp_path: Path) -> Pretended:
    return Pretended(tmp_path)


@pytest.fixture
def shell(node: Pretended) -> Iterator[ChildShell]:
    child = ChildShell(node, lambda _line, _root: (0, ()))
    yield child
    child.close()


def file(path: str, text: str = "hello\n") -> Labelled:
    return Labelled(steps.write(path, text.encode(), owner=OWN), path)


def test_facts_take_one_question(shell: ChildShell, node: Pretended) -> None:
    node.put("/etc/motd", "hello\n")
    facts = ask_facts(shell, Question(files=("/etc/motd", "/etc/nothing")))
    assert facts.files["/etc/motd"].content == b"hello\n"
    assert "/etc/nothing" not in facts.files
    assert len(shell.requests) == 1


def test_steps_are_obeyed_in_order_and_told_as_they_go(shell: ChildShell, node: Pretended) -> None:
    told: list[Progress] = []
    wanted = [file("/etc/one"), file("/etc/two"), Labelled(steps.run("sh", "-c", "echo three"), "three")]
    assert obey(shell, "pi1", wanted, (), "me@here", told.append) == Applied(done=3, changed=3)
    assert node.at("/etc/two").read_text() == "hello\n"
    steps_told = [(one.text, one.done, one.of) for one in told if one.kind is Kind.STEP]
    assert steps_told == [("/etc/one", 0, 3), ("/etc/two", 1, 3), ("three", 2, 3)]
    assert [one.text for one in told if one.kind is Kind.OUTPUT] == ["three"]
    again = obey(shell, "pi1", wanted[:2], (), "me@here", told.append)
    assert again == Applied(done=2, changed=0)


def test_the_step_that_fails_is_named_and_nothing_comes_after_it(shell: ChildShell, node: Pretended) -> None:
    wanted = [file("/etc/one"), Labelled(steps.run("sh", "-c", "exit 3"), "the second"), file("/etc/three")]
    with pytest.raises(ProvisionError, match=r"^the second \(step 2 of 3\): "):
        obey(shell, "pi1", wanted, (), "me@here", lambda _progress: None)
    assert node.at("/etc/one").exists()
    assert not node.at("/etc/three").exists()


def test_a_node_at_which_somebody_else_is_at_work_says_who(shell: ChildShell, node: Pretended) -> None:
    lock = node.put("/run/picluster-provision.lock", json.dumps({"who": "bob@desk", "since": 1_700_000_000}))
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ProvisionError, match=r"bob@desk has been at work here since 2023-11-\d\d"):
            obey(shell, "pi1", [file("/etc/one")], (), "me@here", lambda _progress: None)
    assert not node.at("/etc/one").exists()


def test_what_was_done_is_undone(shell: ChildShell, node: Pretended) -> None:
    before = everything(node.root)
    obey(shell, "pi1", [file("/etc/hosts", "changed"), file("/etc/new")], (), "me@here", lambda _progress: None)
    told: list[Progress] = []
    undo(shell, "pi1", "me@here", told.append)
    after = everything(node.root)
    assert {name: what for name, what in after.items() if "picluster" not in name} == before
    assert any("/etc/new" in one.text for one in told if one.kind is Kind.STEP)


def test_a_blob_is_sent_once_and_only_where_it_is_missing() -> None:
    wheel, other = make_wheel("wheel", {"wheel.py": ""}), make_wheel("other", {"other.py": ""})
    wanted = [Labelled(steps.environment(f"/opt/{number}", (wheel, other), "program"), "software") for number in (1, 2)]
    done = [{"kind": "done", "step": 0, "changed": True}, {"kind": "done", "step": 1, "changed": True}]
    shell = Answering(done, done)
    obey(shell, "pi1", wanted, (), "me@here", lambda _progress: None)
    assert shell.blobs == [wheel.name, other.name]
    obey(shell, "pi1", wanted, {wheel.digest}, "me@here", lambda _progress: None)
    assert shell.blobs[2:] == [other.name]
    assert shell.requests[1]["blobs"] == {other.digest: len(other.data)}


def test_a_wait_is_told_with_its_reason() -> None:
    told: list[Progress] = []
    answers = [
        {"kind": "begin", "step": 0},
        {"kind": "wait", "step": 0, "text": "unattended-upgrades has the lock"},
        {"kind": "done", "step": 0, "changed": True},
    ]
    obey(Answering(answers), "pi1", [file("/etc/one")], (), "me@here", told.append)
    assert [one.text for one in told if one.kind is Kind.WAIT] == ["unattended-upgrades has the lock"]


def test_a_program_that_ends_too_early_is_noticed() -> None:
    with pytest.raises(ProvisionError, match="without a word"):
        ask_facts(Answering([]), Question())
    with pytest.raises(ProvisionError, match="after step 0 of 1"):
        obey(Answering([]), "pi1", [file("/etc/one")], (), "me@here", lambda _progress: None)
    with pytest.raises(ProvisionError, match=r"^out of memory$"):
        ask_facts(Answering([{"kind": "failed", "error": "out of memory"}]), Question())


def test_a_cut_connection_is_an_access_error(shell: ChildShell) -> None:
    def cut(progress: Progress) -> None:
        if progress.kind is Kind.OUTPUT:
            shell.close()

    with pytest.raises((AccessError, ValueError)):
        obey(shell, "pi1", [Labelled(steps.run("sh", "-c", "echo hello"), "hello"), file("/etc/two")], (), "me@here", cut)


def test_each_step_has_the_name_of_its_change() -> None:
    changes = [Change("agent", "software", "missing", (steps.run("true"), steps.run("true"))), Change("ssh", "sshd", "", ())]
    assert [one.label for one in labelled(changes)] == ["software", "software"]
