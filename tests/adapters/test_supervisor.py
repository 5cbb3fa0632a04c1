"""What a service manager hears of the agent, on a real socket; and what the agent does where none listens."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from picluster.adapters.supervisor import Supervisor


@contextmanager
def manager(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
        own.bind(address)
        own.setblocking(False)
        yield own


def heard(own: socket.socket) -> list[str]:
    words = []
    while True:
        try:
            words.append(own.recv(4_096).decode())
        except BlockingIOError:
            return words


def environment(address: str, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": address.replace("\0", "@"), **more}


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"\0picluster-{secrets.token_hex(8)}"


def test_it_hears_of_each_step(address: str) -> None:
    with manager(address) as own, closing(Supervisor(environment(address))) as supervisor:
        supervisor.ready()
        supervisor.status("web taken\nfrom pi1")
        supervisor.stopping()
        assert heard(own) == ["READY=1", "STATUS=web taken from pi1", "STOPPING=1"]


def test_a_sign_of_life_twice_in_the_watchdogs_time_and_no_more_often(address: str) -> None:
    meant = environment(address, WATCHDOG_USEC="5000000", WATCHDOG_PID=str(os.getpid()))
    with manager(address) as own, closing(Supervisor(meant)) as supervisor:
        for now_s in (10.0, 10.1, 12.4, 12.5, 12.6, 15.1):
            supervisor.alive(int(now_s * 1e9))
        assert heard(own) == ["WATCHDOG=1"] * 3


@pytest.mark.parametrize("more", [{}, {"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}], ids=str)
def test_no_sign_of_life_where_no_watchdog_waits_for_this_process(address: str, more: dict[str, str]) -> None:
    with manager(address) as own, closing(Supervisor(environment(address, **more))) as supervisor:
        supervisor.alive(10**10)
        assert heard(own) == []


def test_a_supervisor_that_does_not_read_keeps_nobody_waiting_and_hears_the_next_sign_of_life(address: str) -> None:
    meant = environment(address, WATCHDOG_USEC="5000000")
    with manager(address) as own, closing(Supervisor(meant)) as supervisor:
        for _ in range(100_000):
            supervisor.status("full " * 90)
        supervisor.alive(10**10)
        assert "WATCHDOG=1" not in heard(own)
        supervisor.alive(10**10 + 1)
        assert heard(own) == ["WATCHDOG=1"]


def test_without_a_supervisor_nothing_is_said_and_nothing_fails() -> None:
    with closing(Supervisor({"WATCHDOG_USEC": "5000000"})) as supervisor:
        supervisor.ready()
        supervisor.alive(10**10)


def test_one_that_has_gone_is_no_reason_to_fail(tmp_path: Path) -> None:
    with closing(Supervisor(environment(str(tmp_path / "gone"), WATCHDOG_USEC="1"))) as supervisor:
        supervisor.ready()
        supervisor.alive(10**10)
