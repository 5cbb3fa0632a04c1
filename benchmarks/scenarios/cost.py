"""What it costs while nothing happens: processor time, memory, packets. The clients are stopped meanwhile, so that no answer
is counted as a packet of the system's."""

from __future__ import annotations

import signal
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import processes
from benchmarks.effort import Effort
from benchmarks.figures import Column, Figures
from benchmarks.stage import Stage
from benchmarks.systems.machines import Machines

COLUMNS = (
    Column("holder_percent", "holder", unit="%", digits=2),
    Column("others_percent", "others", unit="%", digits=2),
    Column("memory_mb", "memory", unit="MB", digits=1),
    Column("packets_per_s", "packets/s", unit="", digits=1),
)
BYTES_PER_MB = 1e6


@dataclass(frozen=True, slots=True)
class Spent:
    """By one Pi, so far."""

    cpu_ns: int
    packets: int


def play(stage: Stage, effort: Effort) -> Figures:
    held, client = stage.known_holder(), stage.machines.client.process
    client.send_signal(signal.SIGSTOP)
    try:
        began_ns, before = time.monotonic_ns(), spent(stage.machines)
        time.sleep(effort.rest_s)
        elapsed_ns, after = time.monotonic_ns() - began_ns, spent(stage.machines)
    finally:
        client.send_signal(signal.SIGCONT)
    percent = {name: 100 * (after[name].cpu_ns - before[name].cpu_ns) / elapsed_ns for name in after}
    packets = sum(after[name].packets - before[name].packets for name in after)
    memory = max(processes.resident_bytes(stage.machines.daemon(name)) for name in after)
    return {
        "holder_percent": [percent.pop(held)],
        "others_percent": [statistics.mean(percent.values())],
        "memory_mb": [memory / BYTES_PER_MB],
        "packets_per_s": [packets / elapsed_ns * 1e9],
    }


def spent(machines: Machines) -> Mapping[str, Spent]:
    return {name: Spent(processes.cpu_ns(machines.daemon(name)), machines.sent_packets(name)) for name in machines.powered}
