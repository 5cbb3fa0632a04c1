"""The control socket: a real socket in a real directory, with an agent on the workbench behind it."""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from picluster.adapters.control import (
    LARGEST_BACKLOG,
    LONGEST_REQUEST,
    MOST_CALLERS,
    SOCKET_NAME,
    ControlSocket,
    ask,
    follow,
)
from picluster.agent.control import Control, read_request
from picluster.agent.plain import rebuilt
from picluster.errors import ControlError, InventoryError, Mistake
from picluster.model.events import Event, EventKind, Severity
from picluster.model.snapshot import ClusterSnapshot
from tests.agent.file_modes import file_modes_bind
from tests.agent.workbench import Bench
from tests.patience import PATIENCE_S


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """A directory with a short path: a socket's may have 107 bytes (man 7 unix)."""
    with tempfile.TemporaryDirectory(prefix="picluster-") as name:
        yield Path(name) / "run"


class Desk:
    """An agent that holds `web`, its control socket, and callers."""

    def __init__(self, run_dir: Path) -> None:
        self.bench = Bench().holding()
        self.run_dir = run_dir
        self.reload: Callable[[], object] = dict
        self.socket = ControlSocket(run_dir)
        self.control = Control(self.bench.agent, self.socket, self._reload)
        self.calls: list[socket.socket] = []

    def call(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(str(self.run_dir / SOCKET_NAME))
        connection.settimeout(PATIENCE_S)
        self.calls.append(connection)
        self.turn()
        return connection

    def _reload(self) -> None:
        self.reload()

    def turn(self) -> None:
        """What the agent's loop does about its callers."""
        readable, _, _ = select.select(self.socket.filenos(), [], [], 0)
        self.control.serve(readable)

    def asked(self, request: object, connection: socket.socket | None = None) -> dict[str, Any]:
        caller = connection or self.call()
        caller.sendall(json.dumps(request).encode() + b"\n")
        self.turn()
        return read_line(caller)

    def hung_up(self, connection: socket.socket) -> bool:
        """Whether the agent drops this caller within a few turns. Asks for nothing, and reads all that is there."""
        deadline = time.monotonic() + PATIENCE_S
        connection.setblocking(False)
        while time.monotonic() < deadline:
            self.turn()
            try:
                if not connection.recv(1 << 16):
                    return True
            except BlockingIOError:
                if len(self.socket.filenos()) == 1:
                    continue
                return False
            except ConnectionError:
                return True
        return False

    def close(self) -> None:
        for connection in self.calls:
            connection.close()
        self.socket.close()


def read_line(connection: socket.socket) -> dict[str, Any]:
    line = b""
    while not line.endswith(b"\n"):
        received = connection.recv(1)
        assert received, "hung up"
        line += received
    answer = json.loads(line)
    assert isinstance(answer, dict)
    return answer


@pytest.fixture
def desk(run_dir: Path) -> Iterator[Desk]:
    desk = Desk(run_dir)
    yield desk
    desk.close()


def happening(text: str = "something") -> Event:
    return Event(EventKind.FITNESS, Severity.INFO, text)


# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_status_tells_of_the_agent_and_of_the_cluster(desk: Desk) -> None:
    answer = desk.asked({"do": "status"})
    assert answer["ok"] is True
    status = answer["status"]
    assert (status["node"], status["epoch"], status["standby"], status["problems"]) == ("pi1", 1, False, {})
    snapshot = rebuilt(ClusterSnapshot, status["cluster"])
    assert snapshot.addresses[0].holder == "pi1"
    assert snapshot.health.value == status["health"]


def test_standby_and_active_do_what_they_say(desk: Desk) -> None:
    assert desk.asked({"do": "standby"}) == {"ok": True}
    assert desk.bench.agent.member.standby
    assert desk.bench.keeper.held == set()
    assert desk.asked({"do": "active"}) == {"ok": True}
    assert not desk.bench.agent.member.standby


def test_a_move_moves_or_says_why_not(desk: Desk) -> None:
    assert desk.asked({"do": "move", "address": "web"})["error"].startswith(" cannot hold web now")
    assert desk.asked({"do": "move", "address": "web", "to": "pi2"}) == {"ok": True}
    assert desk.bench.keeper.held == set()


def test_a_reload_reloads_or_says_all_that_is_wrong(desk: Desk) -> None:
    done: list[str] = []
    desk.reload = lambda: done.append("reloaded")
    assert desk.asked({"do": "reload"}) == {"ok": True}
    assert done == ["reloaded"]

    def fail() -> None:
        raise InventoryError([Mistake("a.toml", 1, "x", "is wrong", "Mend it"), Mistake("a.toml", 2, "y", "too", "Mend it")])

    desk.reload = fail
    answer = desk.asked({"do": "reload"})
    assert answer["ok"] is False
    assert answer["error"].splitlines() == ["a.toml:1: x: is wrong. Mend it.", "a.toml:2: y: too. Mend it."]


def test_events_stream_as_they_happen_to_who_asked_for_them(desk: Desk) -> None:
    listener, other = desk.call(), desk.call()
    assert desk.asked({"do": "events"}, listener) == {"ok": True}
    desk.bench.agent.tell(happening("first"))
    desk.bench.agent.tell(happening("second"))
    desk.turn()
    told = [read_line(listener), read_line(listener)]
    assert [line["event"]["text"] for line in told] == ["first", "second"]
    assert told[0]["clock"] == "12:00:00.0"
    assert desk.asked({"do": "status"}, other)["ok"] is True, "and who did not ask gets its own answers only"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b"null",
        b'"status"',
        b"{}",
        b'{"do": null}',
        b'{"do": "dance"}',
        b'{"do": ["status"]}',
        b'{"do": "move", "address": "\\ud800", "to": "\\udfff"}',
        b'{"do": "\\ud800"}',
        b"\xff\xfe\x00",
        b"[" * 4_000,
        b'{"a":' * 600,
        b'{"do": 1e999}',
        b'{"do": ' + b"9" * 4_000 + b"}",
    ],
)
def test_a_wrong_request_is_refused_in_words_and_the_caller_is_kept(desk: Desk, line: bytes) -> None:
    caller = desk.call()
    caller.sendall(line + b"\n")
    desk.turn()
    answer = read_line(caller)
    assert answer["ok"] is False
    assert answer["error"]
    assert desk.asked({"do": "status"}, caller)["ok"] is True


def test_several_requests_in_one_packet_and_one_in_several(desk: Desk) -> None:
    caller = desk.call()
    caller.sendall(b'{"do": "active"}\n{"do": "dance"}\n{"do": "act')
    desk.turn()
    assert [read_line(caller)["ok"], read_line(caller)["ok"]] == [True, False]
    caller.sendall(b'ive"}\n')
    desk.turn()
    assert read_line(caller) == {"ok": True}


def test_who_says_no_more_still_gets_its_answer(desk: Desk) -> None:
    caller = desk.call()
    caller.sendall(b'{"do": "status"}\n')
    caller.shutdown(socket.SHUT_WR)
    desk.turn()
    desk.turn()
    assert read_line(caller)["ok"] is True
    assert desk.hung_up(caller)


# ── callers that misbehave ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_line_without_end_costs_the_connection(desk: Desk) -> None:
    caller = desk.call()
    caller.sendall(b"x" * LONGEST_REQUEST)
    assert desk.hung_up(caller)


def test_no_more_callers_than_can_be_served(desk: Desk) -> None:
    callers = [desk.call() for _ in range(MOST_CALLERS)]
    assert desk.hung_up(desk.call())
    assert all(desk.asked({"do": "active"}, caller) == {"ok": True} for caller in callers)
    callers[0].close()
    desk.turn()
    assert desk.asked({"do": "active"}) == {"ok": True}, "a place is free again"


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as taken:
        highest = taken.enter_context(Path(os.devnull).open("rb")).fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, most[1]))
        taken.callback(resource.setrlimit, resource.RLIMIT_NOFILE, most)
        with suppress(OSError):
            while True:
                taken.enter_context(Path(os.devnull).open("rb"))
        yield


def test_a_caller_for_whom_there_is_no_descriptor_is_hung_up_on_and_wakes_nobody_again(desk: Desk) -> None:
    waiting = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(2)]
    desk.calls += waiting
    for caller in waiting:
        caller.connect(str(desk.run_dir / SOCKET_NAME))
    with no_descriptors_left():
        for _ in waiting:
            desk.turn()
        assert select.select(desk.socket.filenos(), [], [], 0)[0] == []
    assert all(desk.hung_up(caller) for caller in waiting)
    assert desk.asked({"do": "active"}) == {"ok": True}


def test_who_does_not_read_is_dropped_and_slows_nobody_down(desk: Desk) -> None:
    lazy, listener = desk.call(), desk.call()
    for caller in (lazy, listener):
        desk.asked({"do": "events"}, caller)
    told = 0
    while len(desk.socket.filenos()) == 3:
        assert told < 20 * LARGEST_BACKLOG, "it was never dropped"
        desk.bench.agent.tell(happening("x" * 10_000))
        told += 10_000
        desk.turn()
        read_line_of_any_length(listener)
    assert desk.asked({"do": "active"}, listener) == {"ok": True}


def read_line_of_any_length(connection: socket.socket) -> None:
    while not connection.recv(1 << 16).endswith(b"\n"):
        pass


def test_what_did_not_fit_at_once_comes_when_there_is_room(desk: Desk) -> None:
    caller = desk.call()
    desk.asked({"do": "events"}, caller)
    for _ in range(40):
        desk.bench.agent.tell(happening("x" * 10_000))
    desk.turn()
    assert desk.socket.waiting(), "the loop has to wait for it to become writable"
    received = 0
    while desk.socket.waiting():
        received += caller.recv(1 << 20).count(b"\n")
        desk.turn()
    caller.setblocking(False)
    while received < 40:
        received += caller.recv(1 << 20).count(b"\n")
    assert received == 40


def test_who_hangs_up_in_the_midst_of_everything_does_no_harm(desk: Desk) -> None:
    """A command tells an event; telling it finds a listener gone, while its connection is about to be read."""
    commander, listener = desk.call(), desk.call()
    desk.asked({"do": "events"}, listener)
    listener.sendall(b'{"do": "status"}\n')
    commander.sendall(b'{"do": "standby"}\n')
    listener.close()
    desk.turn()
    desk.bench.agent.tell(happening())
    desk.turn()
    assert read_line(commander) == {"ok": True}
    assert len(desk.socket.filenos()) == 2


# ── the socket and the lock ─────────────────────────────────────────────────────────────────────────────────────────


def test_nobody_else_may_open_it(desk: Desk) -> None:
    assert stat.S_IMODE((desk.run_dir / SOCKET_NAME).stat().st_mode) == 0o600


def test_a_second_agent_is_refused_and_the_first_goes_on(desk: Desk) -> None:
    with pytest.raises(ControlError, match="another agent runs with"):
        ControlSocket(desk.run_dir)
    assert desk.asked({"do": "active"}) == {"ok": True}


def test_nothing_is_left_of_it_and_another_may_follow(run_dir: Path) -> None:
    for _ in range(2):
        control = ControlSocket(run_dir)
        control.close()
        control.close()
    assert list(run_dir.iterdir()) == []


def test_a_socket_that_a_killed_run_left_is_taken_over(run_dir: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from picluster.adapters.control import ControlSocket; "
        "ControlSocket(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(run_dir)], check=False, timeout=60)
    assert (run_dir / SOCKET_NAME).is_socket()
    ControlSocket(run_dir).close()


def test_a_file_in_the_way_is_not_removed(run_dir: Path) -> None:
    run_dir.mkdir()
    (run_dir / SOCKET_NAME).write_text("dear")
    with pytest.raises(ControlError, match="is in the way"):
        ControlSocket(run_dir)
    assert (run_dir / SOCKET_NAME).read_text() == "dear"
    (run_dir / SOCKET_NAME).unlink()
    ControlSocket(run_dir).close()  # the lock was not kept


def test_a_run_directory_that_cannot_be_had_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ControlError, match="cannot be the run directory"):
        ControlSocket(tmp_path / "file")
    with pytest.raises(ControlError, match="cannot listen at"):
        ControlSocket(tmp_path / ("long" * 50))


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def answering(path: Path, answer: bytes) -> threading.Thread:
    """Something that listens there and says this to the first who asks."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(4_096)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "the agent hung up"),
        (b"220 mail.example ESMTP\n", "is no agent"),
        (b"[]\n", "is no agent"),
        (b"\xff\n", "is no agent"),
        (b'{"ok": false, "error": "cannot do that"}\n', "cannot do that"),
        (b"{}\n", "is no agent"),
    ],
)
def test_what_is_no_good_answer_is_a_control_error(run_dir: Path, answer: bytes, says: str) -> None:
    run_dir.mkdir()
    thread = answering(run_dir / SOCKET_NAME, answer)
    with pytest.raises(ControlError, match=says):
        ask(run_dir, {"do": "status"})
    thread.join(PATIENCE_S)


def test_nobody_there_says_how_to_find_out(run_dir: Path) -> None:
    with pytest.raises(ControlError, match="is it running"):
        ask(run_dir, {"do": "status"})


def test_a_socket_of_somebody_else_is_explained(desk: Desk) -> None:
    (desk.run_dir / SOCKET_NAME).chmod(0)
    with file_modes_bind(), pytest.raises(ControlError, match="try with sudo"):
        ask(desk.run_dir, {"do": "status"})


@pytest.mark.parametrize("line", [b"", b"status", b"\xff", b"[" * 4_000, b'{"do": ', b'["status"]', b"9" * 4_090], ids=repr)
def test_what_is_no_request_is_told_what_one_looks_like(line: bytes) -> None:
    with pytest.raises(ValueError, match="a request is a JSON object"):
        read_request(line)


# ── measuring ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_measurement_is_told_as_it_goes_on_and_at_its_end(desk: Desk) -> None:
    caller = desk.call()
    assert desk.asked({"do": "measure", "seconds": 1.5}, caller) == {"ok": True}
    refused = desk.asked({"do": "measure", "seconds": 1})
    assert refused == {"ok": False, "error": "somebody measures on this node already; try again when that is done"}
    desk.bench.run(1_700)
    desk.turn()
    told = [read_line(caller), read_line(caller)]
    assert [list(words) for words in told] == [["measuring"], ["measured"]]
    assert told[1]["measured"]["rounds"] > 20
    assert desk.asked({"do": "measure", "seconds": 1}, caller) == {"ok": True}, "and it can be measured again"


def test_a_measurement_ends_with_its_caller(desk: Desk) -> None:
    caller = desk.call()
    desk.asked({"do": "measure", "seconds": 60}, caller)
    caller.close()
    desk.turn()
    desk.bench.run(1_100)
    assert desk.asked({"do": "measure", "seconds": 60}) == {"ok": True}


@pytest.mark.parametrize(
    ("seconds", "reason"), [("soon", "'soon' is no number of seconds"), (0, "measure for 1 to 86400 seconds, not 0")]
)
def test_odd_lengths_of_a_measurement_are_refused(desk: Desk, seconds: object, reason: str) -> None:
    assert desk.asked({"do": "measure", "seconds": seconds}) == {"ok": False, "error": reason}


def test_following_ends_in_an_error_where_the_agent_cannot_go_on(desk: Desk) -> None:
    """What was asked for is told in words, not as an end of file."""
    heard: list[object] = []

    def listen() -> None:
        try:
            for answer in follow(desk.run_dir, {"do": "measure", "seconds": "60"}, PATIENCE_S):
                heard.append(answer)
        except ControlError as error:
            heard.append(str(error))

    listener = threading.Thread(target=listen)
    listener.start()
    deadline = time.monotonic() + PATIENCE_S
    while not heard and time.monotonic() < deadline:
        desk.turn()
    desk.bench.agent.stop()
    while listener.is_alive() and time.monotonic() < deadline:
        desk.turn()
    listener.join(PATIENCE_S)
    assert heard == [{}, "the measurement was broken off: the agent stops"]
