"""What the agent does before it is an agent: the right board, and signals as something to read."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from picluster.agent.configuration import AgentConfiguration
from picluster.agent.entry import check_board
from picluster.errors import PiclusterError
from picluster.model.inventory import Node
from tests.agent.workbench import KEYRING, inventory


def settings(serial: str | None) -> AgentConfiguration:
    return AgentConfiguration(Node("pi1", serial=serial), inventory(), KEYRING, Path("/nowhere"))


@pytest.mark.parametrize("found", ["10000000abcdef01\0", "10000000ABCDEF01\n", "0000000010000000abcdef01"])
def test_the_board_that_was_provisioned_may_run(tmp_path: Path, found: str) -> None:
    file = tmp_path / "serial-number"
    file.write_text(found)
    check_board(settings("10000000abcdef01"), file)


def test_another_board_may_not(tmp_path: Path) -> None:
    file = tmp_path / "serial-number"
    file.write_text("10000000deadbeef\0")
    with pytest.raises(PiclusterError, match=r"is 10000000deadbeef, and pi1 was provisioned for 10000000abcdef01"):
        check_board(settings("10000000abcdef01"), file)


def test_a_machine_without_a_number_and_an_inventory_without_one_are_not_checked(tmp_path: Path) -> None:
    check_board(settings("10000000abcdef01"), tmp_path / "no such file")
    (tmp_path / "serial-number").write_text("10000000deadbeef")
    check_board(settings(None), tmp_path / "serial-number")


SIGNALLED = """
import os, select, signal, sys
from picluster.adapters.signals import Signals
before = signal.getsignal(signal.SIGHUP)
signals = Signals()
print("ready", flush=True)
given = []
while len(given) < 3:
    select.select([signals], [], [])
    given += signals.given()
print(*(order.value for order in given))
assert not select.select([signals], [], [], 0)[0]
signals.close()
assert signal.getsignal(signal.SIGHUP) is before
"""


def test_signals_are_orders() -> None:
    with subprocess.Popen([sys.executable, "-c", SIGNALLED], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                os.kill(process.pid, number)
                select.select([], [], [], 0)
            answer = process.stdout.readline()
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert sorted(answer.split()) == ["reload", "stop", "stop"]
