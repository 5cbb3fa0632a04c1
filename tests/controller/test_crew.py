"""Many nodes side by side: some fail, some hang, some ask, and somebody presses Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial

import pytest

from picluster.controller.crew import Crew, Interrupted
from picluster.controller.progress import Kind, Progress
from picluster.controller.shell import Shell
from picluster.errors import AccessError
from picluster.model.inventory import Node
from tests.controller.shells import Answering, Hanging, Heard, nodes_of
from tests.patience import until

LONG_S = 30.0


@pytest.fixture
def heard() -> Heard:
    return Heard()


def crew_of(heard: Heard, shells: Mapping[str, Shell | Exception]) -> Crew:
    def opener(node: Node) -> Shell:
        shell = shells[node.name]
        if isinstance(shell, Exception):
            raise shell
        return shell

    return Crew(opener, heard.desk())


def heard_from(node: Node) -> Progress:
    return Progress(node.name, Kind.OUTPUT, "still here")


def say_hello(_node: Node, shell: Shell) -> int:
    return shell.run("hello", lambda _line: None)


def test_a_failure_is_a_result_beside_the_others(heard: Heard) -> None:
    fails = Answering(program=lambda *_: (3, ()))
    shells: dict[str, Shell | Exception] = {"pi1": Answering(), "pi2": AccessError("no answer"), "pi3": fails}
    with crew_of(heard, shells) as crew:
        outcomes = crew.each(nodes_of("pi3", "pi2", "pi1"), say_hello, LONG_S)
    assert list(outcomes) == ["pi3", "pi2", "pi1"], "in the order in which they were named"
    assert [outcome.value for outcome in outcomes.values()] == [3, None, 0]
    assert [outcome.ok for outcome in outcomes.values()] == [True, False, True]
    assert heard.of("pi2", Kind.FAILED) == ["no answer"]
    assert heard.of("pi1", Kind.ENDED) == [""]


def test_all_are_worked_on_at_the_same_time(heard: Heard) -> None:
    names = [f"pi{number}" for number in range(10)]
    together = threading.Barrier(len(names))

    def task(_node: Node, _shell: Shell) -> None:
        together.wait(LONG_S)

    with crew_of(heard, {name: Answering() for name in names}) as crew:
        outcomes = crew.each(nodes_of(*names), task, LONG_S)
    assert all(outcome.ok for outcome in outcomes.values()), "each waits for all others"


def test_no_more_than_so_many_at_once(heard: Heard) -> None:
    names = [f"pi{number}" for number in range(9)]
    places = threading.Semaphore(3)

    def task(node: Node, _shell: Shell) -> bool:
        had_one = places.acquire(blocking=False)
        crew.desk.tell(heard_from(node))
        places.release()
        return had_one

    with Crew(lambda _node: Answering(), heard.desk(), most=3) as crew:
        outcomes = crew.each(nodes_of(*names), task, LONG_S)
    assert all(outcome.value for outcome in outcomes.values())


class Clock:
    """Stands still until it is put on."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def put_on_when_ended(self, heard: Heard, node: str) -> None:
        """When that node is done, the others have been silent for long."""

        def tick() -> None:
            if heard.of(node, Kind.ENDED):
                self.now_s = LONG_S + 1

        heard.on_tick = tick


def test_who_hangs_is_given_up_and_the_others_go_on(heard: Heard) -> None:
    clock, hanging = Clock(), Hanging()
    clock.put_on_when_ended(heard, "pi2")
    shells: dict[str, Shell] = {"pi1": hanging, "pi2": Answering()}
    with Crew(lambda node: shells[node.name], heard.desk(), now_s=clock) as crew:
        outcomes = crew.each(nodes_of("pi1", "pi2"), say_hello, LONG_S)
    assert outcomes["pi2"].ok
    assert isinstance(outcomes["pi1"].failure, AccessError)
    assert "said nothing for 30 s" in str(outcomes["pi1"].failure)
    assert hanging.hung_up.is_set(), "its connection is cut"


def test_who_hangs_while_it_is_called_is_given_up_too(heard: Heard) -> None:
    clock, released = Clock(), threading.Event()
    clock.put_on_when_ended(heard, "pi2")

    def opener(node: Node) -> Shell:
        if node.name == "pi1":
            released.wait(LONG_S)
        return Answering()

    with Crew(opener, heard.desk(), now_s=clock) as crew:
        outcomes = crew.each(nodes_of("pi1", "pi2"), say_hello, LONG_S)
        assert [outcome.ok for outcome in outcomes.values()] == [False, True]
        released.set()


def test_who_says_something_now_and_then_is_not_given_up(heard: Heard) -> None:
    clock = Clock()

    def heard_more_than(count: int) -> bool:
        return len(heard.of("pi1", Kind.OUTPUT)) > count

    def task(node: Node, _shell: Shell) -> None:
        for said in range(6):
            clock.now_s += LONG_S * 0.8
            crew.desk.tell(heard_from(node))
            until(partial(heard_more_than, said), "it is heard")

    with Crew(lambda _node: Answering(), heard.desk(), now_s=clock) as crew:
        assert crew.each(nodes_of("pi1"), task, LONG_S)["pi1"].ok
    assert clock.now_s > 4 * LONG_S


def test_a_connection_is_kept_and_a_broken_one_is_made_anew(heard: Heard) -> None:
    made: list[Answering] = []

    def opener(_node: Node) -> Shell:
        made.append(Answering())
        return made[-1]

    def breaks(_node: Node, _shell: Shell) -> None:
        raise AccessError("broken")

    with Crew(opener, heard.desk()) as crew:
        crew.each(nodes_of("pi1"), say_hello, LONG_S)
        crew.each(nodes_of("pi1"), breaks, LONG_S)
        assert (len(made), made[0].closed) == (1, True)
        crew.each(nodes_of("pi1"), say_hello, LONG_S)
        assert (len(made), made[1].closed) == (2, False)
    assert made[1].closed, "all connections end with the crew"


def test_a_bug_is_no_failure_of_a_node(heard: Heard) -> None:
    def task(node: Node, _shell: Shell) -> None:
        if node.name == "pi1":
            raise ZeroDivisionError

    with crew_of(heard, {"pi1": Answering(), "pi2": Answering()}) as crew, pytest.raises(ZeroDivisionError):
        crew.each(nodes_of("pi1", "pi2"), task, LONG_S)
    assert heard.of("pi2", Kind.ENDED) == [""], "the other one was done first"


# ── questions ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_questions_are_asked_one_by_one_where_the_terminal_is() -> None:
    heard = Heard("one", "two")

    def task(node: Node, _shell: Shell) -> str:
        return crew.desk.ask(f"password of {node.name}? ")

    with crew_of(heard, {"pi1": Answering(), "pi2": Answering()}) as crew:
        outcomes = crew.each(nodes_of("pi1", "pi2"), task, LONG_S)
    assert {outcome.value for outcome in outcomes.values()} == {"one", "two"}
    assert {thread for _, _, thread in heard.asked} == {threading.get_ident()}
    assert all(secret for _, secret, _ in heard.asked)


def test_where_nobody_can_answer_the_node_has_failed() -> None:
    heard = Heard(AccessError("there is no terminal"))
    with crew_of(heard, {"pi1": Answering()}) as crew:
        outcome = crew.each(nodes_of("pi1"), lambda _node, _shell: crew.desk.ask("password? "), LONG_S)["pi1"]
    assert str(outcome.failure) == "there is no terminal"


def test_who_has_the_terminal_may_ask_without_a_detour() -> None:
    heard = Heard("yes")
    assert heard.desk().ask("really? ", secret=False) == "yes"
    assert heard.asked[0][1] is False


# ── Ctrl-C ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def press_after(heard: Heard, node: str) -> None:
    """Ctrl-C as soon as that node has ended."""

    def tick() -> None:
        if heard.of(node, Kind.ENDED):
            heard.on_tick = lambda: None
            raise KeyboardInterrupt

    heard.on_tick = tick


def test_ctrl_c_cuts_all_connections_and_tells_who_had_finished(heard: Heard) -> None:
    hanging = Hanging()
    press_after(heard, "pi1")
    crew = crew_of(heard, {"pi1": Answering(), "pi2": hanging})
    with pytest.raises(Interrupted) as caught:
        crew.each(nodes_of("pi1", "pi2"), say_hello, LONG_S)
    assert caught.value.outcomes["pi1"].value == 0
    assert caught.value.unfinished == ("pi2",)
    assert hanging.hung_up.is_set()


def test_ctrl_c_at_a_question_leaves_nobody_waiting() -> None:
    ended: list[str] = []

    def task(node: Node, _shell: Shell) -> None:
        try:
            crew.desk.ask("password? ")
        except AccessError:
            ended.append(node.name)
            raise

    class Pressed(Heard):
        def answer(self, question: str, *, secret: bool) -> str:  # noqa: ARG002 (a watcher's)
            raise KeyboardInterrupt

    crew = crew_of(Pressed(), {"pi1": Answering(), "pi2": Answering()})
    with pytest.raises(Interrupted) as caught:
        crew.each(nodes_of("pi1", "pi2"), task, LONG_S)
    assert sorted(ended) == ["pi1", "pi2"]
    assert set(caught.value.unfinished) == {"pi1", "pi2"}


def test_after_the_end_nobody_is_called_any_more(heard: Heard) -> None:
    with crew_of(heard, {"pi1": Answering()}) as crew:
        pass
    with pytest.raises(AccessError, match="ended"):
        crew.shell(Node("pi1"))
