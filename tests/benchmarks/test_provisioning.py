"""The provisioning benchmark as far as it goes without nodes: the job, the scripts, the table, and how a run is measured."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.provisioning.contestants import CONTESTANTS, PEERS, Contestant
from benchmarks.provisioning.floor import CHECK, assignments, main
from benchmarks.provisioning.hosts import Host, hosts_from
from benchmarks.provisioning.job import STEPS, values_of, write_job
from benchmarks.provisioning.runner import Finding, measure
from benchmarks.provisioning.table import table

HANDLERS = {"sshd_live"}
"""Steps that follow from another one, and that no check can see by themselves."""


@pytest.fixture
def hosts(tmp_path: Path) -> list[Host]:
    private = tmp_path / "key"
    return [Host(f"pi{number}", f"192.0.2.{number}", "pi", private, tmp_path / "known_hosts") for number in (1, 2)]


@pytest.fixture
def job(tmp_path: Path, hosts: list[Host]) -> Path:
    directory = tmp_path / "job"
    write_job(directory, hosts)
    return directory


def test_the_job_is_the_same_each_time_and_keeps_its_secrets(tmp_path: Path, job: Path, hosts: list[Host]) -> None:
    write_job(tmp_path / "again", hosts)
    for path in filter(Path.is_file, job.rglob("*")):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(job)).read_bytes()
        assert path.stat().st_mode & 0o077 == 0
    assert hosts_from(job / "hosts.json") == hosts
    (wheel,) = job.glob("files/wheels/*.whl")
    assert 5_000_000 < wheel.stat().st_size < 5_100_000


def test_it_is_twenty_steps_and_both_scripts_know_them(job: Path, hosts: list[Host]) -> None:
    assert len(STEPS) == 20
    checked = set(re.findall(r"todo (\w+)", (PEERS / "check.sh").read_text(encoding="utf-8")))
    applied = set(re.findall(r"wanted (\w+)", (PEERS / "apply.sh").read_text(encoding="utf-8")))
    assert checked == applied == set(STEPS) - HANDLERS
    given = set(values_of(job, hosts[0]))
    for script in ("check.sh", "apply.sh"):
        text = (PEERS / script).read_text(encoding="utf-8")
        used = set(re.findall(r"\$\{?([a-z_]\w*)(?![\w:])", text))
        assert used - given <= {"package", "steps", "with_pip"}, script
        assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0


def test_the_check_runs_on_any_machine_and_names_steps(job: Path, hosts: list[Host]) -> None:
    script = assignments(values_of(job, hosts[0])) + (PEERS / "check.sh").read_text(encoding="utf-8")
    done = subprocess.run(CHECK.split(), input=script, capture_output=True, text=True, check=True)
    found = done.stdout.split()
    assert {"agent", "secret", "wheels", "environment", "service"} <= set(found) <= set(STEPS) - HANDLERS
    assert len(found) == len(set(found))


def test_all_contestants_name_the_same_nodes(job: Path, hosts: list[Host], tmp_path: Path) -> None:
    plugins = tmp_path / "environment/lib/python3.11/site-packages/ansible_mitogen/plugins/strategy"
    plugins.mkdir(parents=True)
    for contestant in CONTESTANTS:
        contestant.write(job, tmp_path / "environment", hosts)
    ansible = json.loads((job / "hosts.yml").read_text(encoding="utf-8"))["all"]["hosts"]
    pyinfra = json.loads((job / "pyinfra.json").read_text(encoding="utf-8"))
    assert [one["ansible_host"] for one in ansible.values()] == ["192.0.2.1", "192.0.2.2"]
    assert [one["ssh_hostname"] for one in pyinfra.values()] == ["192.0.2.1", "192.0.2.2"]
    assert list(ansible) == list(pyinfra) == ["pi1", "pi2"]
    assert f"strategy_plugins = {plugins}" in (job / "ansible.cfg").read_text(encoding="utf-8")


def test_a_node_that_nobody_can_reach_fails_and_is_named(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("ssh") is None:
        pytest.skip("there is no ssh")
    nobody = [{**json.loads((job / "hosts.json").read_text(encoding="utf-8"))[0], "address": "127.0.0.1", "port": 1}]
    (job / "hosts.json").write_text(json.dumps(nobody), encoding="utf-8")
    assert main(job, "openssh", "check") == 1
    assert capsys.readouterr().out.startswith("pi1: failed: ")


def test_a_contestant_that_leaves_work_undone_has_no_time_to_show(
    tmp_path: Path, hosts: list[Host], capfd: pytest.CaptureFixture[str]
) -> None:
    idler = Contestant("idler", "does nothing", (), lambda *_: None, ("python", "-c", "pass"), ("python", "-c", "exit(3)"))
    said: list[str] = []
    findings = measure(idler, hosts[:1], tmp_path, tmp_path / "work", said.append)
    assert [one.phase for one in findings] == ["dry run", "fresh", "again", "dry again"]
    assert "exit code 3" in findings[0].failure
    assert findings[1].failure.startswith("undone: ")
    assert findings[2].failure == ""
    assert any("undone" in line for line in said)
    assert capfd.readouterr().out == ""


def test_the_table_shows_times_and_failures() -> None:
    findings = [
        Finding("a", "fresh", 5, 12.34, 1.5),
        Finding("a", "dry run", 5, 0.5, 0.1),
        Finding("b", "fresh", 10, 3.0, 1.0, "exit code 2"),
    ]
    lines = table(findings, {"a": "the first", "b": "the second", "c": "absent"}).splitlines()
    assert lines[0].split() == ["5", "nodes", "5", "nodes", "10", "nodes"]
    assert lines[1].split() == ["dry", "run", "fresh", "fresh"]
    assert lines[2].split() == ["the", "first", "0.5", "(0.1)", "12.3", "(1.5)"]
    assert lines[3].split() == ["the", "second", "fails"]
    assert lines[4:] == ["the second, fresh, 10 nodes: exit code 2"]


def test_the_program_explains_itself() -> None:
    command = [sys.executable, "-m", "benchmarks.provisioning", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "on virtual Pis" in done.stdout
