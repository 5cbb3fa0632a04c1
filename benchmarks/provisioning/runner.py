"""Measures one contestant on fresh nodes: seconds of wall clock, and processor seconds of the controller.

    dry run     on the fresh nodes: a job that cannot be shown before it is done cannot be checked either
    fresh       the job
    again       the job when there is nothing to do
    dry again   the same as a dry run

After the job the floor's check looks at every node, whoever has done it: who leaves a step undone has no time to show. The
processor time is that of the contestant's process and of all children that it has waited for.
"""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.provisioning.contestants import Contestant, command_of, install
from benchmarks.provisioning.floor import NOTHING
from benchmarks.provisioning.hosts import Host
from benchmarks.provisioning.job import write_job

__all__ = ["Finding", "measure"]

LONGEST_S = 900
ROOT = Path(__file__).parents[2]
PHASES = ("dry run", "fresh", "again", "dry again")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One contestant in one phase."""

    contestant: str
    phase: str
    nodes: int
    wall_s: float
    processor_s: float
    failure: str = ""
    """Why its time says nothing; empty where it does."""


def measure(contestant: Contestant, hosts: Sequence[Host], environments: Path, directory: Path, say: Say) -> list[Finding]:
    """On nodes that are fresh. `directory` is empty; what the contestant has said stays there."""
    environment = install(contestant, environments)
    write_job(directory, hosts)
    contestant.write(directory, environment, hosts)
    findings = []
    for phase in PHASES:
        say(f"{contestant.title}: {phase} on {len(hosts)} nodes")
        words = contestant.dry_run if phase.startswith("dry") else contestant.apply
        finding = _run(contestant, phase, command_of(words, environment), directory, len(hosts))
        if phase == "fresh":
            finding = _judged(finding, directory)
        findings.append(finding)
        if finding.failure:
            say(f"{contestant.title}: {phase}: {finding.failure}")
    return findings


def _run(contestant: Contestant, phase: str, command: Sequence[str], directory: Path, nodes: int) -> Finding:
    """The contestant is alone: nobody else of this process has children meanwhile."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ANSIBLE_CONFIG": str(directory / "ansible.cfg"), "NO_COLOR": "1"}
    log = directory / f"{phase.replace(' ', '-')}.log"
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    failure = ""
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=LONGEST_S,
                check=False,
            )
            failure = f"exit code {done.returncode}; {log} says why" if done.returncode else ""
        except subprocess.TimeoutExpired:
            failure = f"it took longer than {LONGEST_S} s"
    wall_s, after = time.monotonic() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Finding(contestant.key, phase, nodes, wall_s, processor_s, failure)


def _judged(finding: Finding, directory: Path) -> Finding:
    """With what the floor finds undone."""
    command = command_of(("python", "-m", "benchmarks.provisioning.floor", ".", "openssh", "check"), directory)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    undone = "; ".join(line for line in done.stdout.splitlines() if not line.endswith(f": {NOTHING}"))
    if finding.failure or not (undone or done.returncode):
        return finding
    return replace(finding, failure=f"undone: {undone or done.stderr.strip()}")
