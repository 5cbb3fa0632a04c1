"""`picluster tune` with measurements that were made before: what it says, what it writes, what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from picluster.agent.configuration import read_inventory
from picluster.agent.plain import plain
from picluster.tuning.measurement import Measurement
from tests.cli.test_verbs import picluster
from tests.tuning.test_advice import measured

INVENTORY = """# written by hand
[cluster]
name = "home"

[failover]
lease_ms = 200            # it was a slow winter
renewal_ms = 60

[addresses.web]
address = "10.77.0.100"
[nodes.pi1]
[nodes.pi2]
[nodes.pi3]
"""


class House:
    """A node's files, and measurements."""

    def __init__(self, directory: Path) -> None:
        self.inventory = directory / "cluster.toml"
        self.inventory.write_text(INVENTORY)
        key = directory / "cluster.key"
        key.touch(mode=0o600)
        key.write_text("11" * 32)
        self.config = directory / "agent.toml"
        self.config.write_text('node = "pi1"\nrun_dir = "run"\nmode = "loopback"\n[loopback]\nports = { web = 18080 }\n')
        self.directory = directory

    def kept(self, name: str, *measurements: Measurement) -> str:
        path = self.directory / name
        path.write_text(json.dumps({"measurements": plain(measurements)}))
        return str(path)

    def tune(self, *words: str) -> tuple[int, str, str]:
        ran = picluster("tune", "--config", str(self.config), *words)
        return ran.returncode, ran.stdout, ran.stderr


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_the_report_and_nothing_written(house: House) -> None:
    code, out, err = house.tune("--from", house.kept("pi1.json", measured()))
    assert (code, err) == (0, "")
    assert "22 ms is the shortest lease with at most 1 unwanted move a year" in out
    assert "late   = n / s × e^(−(left − u) / σ) × crowding" in out
    assert house.inventory.read_text() == INVENTORY


def test_what_json_prints_can_be_read_again_and_the_worst_node_counts(house: House) -> None:
    worse = replace(measured(stall_us=60_000), node="pi2")
    files = (house.kept("pi1.json", measured()), house.kept("pi2.json", worse))
    code, out, _ = house.tune("--json", "--from", *files)
    words = json.loads(out)
    assert code == 0
    assert words["recommended"]["reckoning"]["node"] == "pi2"
    (house.directory / "both.json").write_text(out)
    again = json.loads(house.tune("--json", "--from", str(house.directory / "both.json"))[1])
    assert again == words


def test_a_dry_run_shows_the_lines_and_leaves_them(house: House) -> None:
    code, _, err = house.tune("--dry-run", "--from", house.kept("pi1.json", measured()))
    assert code == 0
    assert "-lease_ms = 200            # it was a slow winter" in err
    assert "+lease_ms = 22            # it was a slow winter" in err
    assert "+retry_ms = 3" in err
    assert house.inventory.read_text() == INVENTORY


def test_applying_without_an_agent_writes_and_says_who_was_not_told(house: House) -> None:
    code, out, err = house.tune("--apply", "--from", house.kept("pi1.json", measured()))
    assert code == 2
    assert "22 ms is the shortest lease" in out
    assert "is written; the one before is" in err
    assert "no agent answers" in err
    timing = read_inventory(house.inventory).configuration.timing
    assert (timing.lease_ms, timing.renewal_ms, timing.retry_ms, timing.rank_step_ms) == (22, 8, 3, 3)
    assert house.inventory.read_text().startswith("# written by hand\n")
    assert "# it was a slow winter" in house.inventory.read_text()
    assert (house.directory / "cluster.toml.old").read_text() == INVENTORY
    code, _, err = house.tune("--apply", "--from", str(house.directory / "pi1.json"))
    assert (code, err) == (0, "\nnothing to change\n")


def test_where_no_lease_is_calm_enough_nothing_is_written(house: House) -> None:
    hopeless = house.kept("pi1.json", measured(lost=1_400, lost_again=690))
    code, out, err = house.tune("--apply", "--from", hopeless)
    assert (code, err) == (1, "\nnothing to change\n")
    assert "No lease that there is keeps within 1 unwanted move a year" in out
    assert house.inventory.read_text() == INVENTORY


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"measurements": []}', '{"measurements": [{"node": 5}]}'])
def test_files_that_are_none_are_named(house: House, content: str) -> None:
    path = house.directory / "odd.json"
    path.write_text(content)
    code, out, err = house.tune("--from", str(path))
    assert (code, out) == (2, "")
    assert f"{path} is no measurement of this version" in err


def test_measurements_of_another_cluster_and_of_nobody_are_refused(house: House) -> None:
    other = house.kept("other.json", replace(measured(), cluster="attic"))
    assert "was measured in another cluster, attic" in house.tune("--from", other)[2]
    silent = house.kept("silent.json", replace(measured(), waits=measured().late.__class__()))
    assert "no majority of the voters ever answered" in house.tune("--from", silent)[2]
    assert house.tune("--from", "missing.json")[0] == 2


@pytest.mark.parametrize(
    "words", [["--seconds", "0"], ["--moves-a-year", "nan"], ["--moves-a-year", "-1"], ["--apply", "--dry-run"]]
)
def test_odd_options_are_refused(house: House, words: list[str]) -> None:
    code, out, err = house.tune(*words)
    assert (code, out) == (2, "")
    assert "usage: picluster tune" in err


def test_without_an_agent_nothing_is_measured(house: House) -> None:
    code, _, err = house.tune()
    assert code == 2
    assert "no agent answers" in err
