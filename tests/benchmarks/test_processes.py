"""What processes cost, asked of real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import processes
from tests.adapters.isolation import isolated
from tests.patience import until

FAMILY = """
import subprocess, sys
waiting = [sys.executable, "-c", "import signal; print(0, flush=True); signal.pause()"]
child = subprocess.Popen(waiting, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
child.kill()
"""


@contextmanager
def family() -> Iterator[tuple[int, int]]:
    """A process and its child."""
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        yield parent.pid, int(parent.stdout.readline())
        parent.stdin.close()


def test_children_and_their_children_are_found() -> None:
    with family() as (parent, child):
        assert processes.descendants(parent) == [child]
        assert {parent, child} <= set(processes.descendants(os.getpid()))
        assert processes.descendants(child) == []


def test_processor_time_and_memory_are_those_of_the_whole_family() -> None:
    with family() as (parent, child):
        single, both = (processes.resident_bytes(pids) for pids in ([parent], [parent, child]))
        assert 0 < single < both
        assert processes.cpu_ns([parent]) < processes.cpu_ns([parent, child])


def test_processor_time_grows_with_work_alone() -> None:
    with family() as (_, child):
        before = processes.cpu_ns([child])
        assert processes.cpu_ns([child]) == before
        mine = processes.cpu_ns([os.getpid()])
        sum(range(200_000))
        assert processes.cpu_ns([os.getpid()]) > mine


def test_a_process_that_has_ended_costs_nothing() -> None:
    with family() as (_, child):
        os.kill(child, signal.SIGKILL)
        until(lambda: processes.resident_bytes([child]) == 0, "the child's memory is gone")
    until(lambda: processes.cpu_ns([child]) == 0, "nobody has it in his books any more")
    assert processes.descendants(child) == []


@isolated
def test_packets_are_counted_in_the_network_of_this_thread() -> None:
    assert processes.sent_packets("lo") == 0
    assert processes.sent_packets("no-such-interface") == 0
