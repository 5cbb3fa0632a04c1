"""Life after `up`, as it is typed, on Pis that really boot: nodes come, go and are replaced, the key changes, software too.

Meanwhile a client asks the floating address a thousand times a second, and an auditor asks everybody.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import picluster
from picluster.lab.card import Card
from picluster.lab.ledger import Outage
from picluster.wire import Keyring
from tests.machines.fresh import FreshStage, fresh

KEY = "/etc/picluster/cluster.key"
LONGEST_MS = 400.0
"""Of a hand-over on a busy machine; a lease is 175 ms."""
EPOCH = (
    "import socket, json; agent = socket.socket(socket.AF_UNIX); agent.connect('/run/picluster/agent.sock'); "
    "agent.sendall(b'{\"do\": \"status\"}\\n'); print(json.loads(agent.makefile().readline())['status']['epoch'])"
)


def up(stage: FreshStage, *names: str) -> None:
    """A cluster of these; their cards carry the host keys that were made for them. All cards let the controller in."""
    nodes = [word for name in names for word in ("--node", f"{name}={stage.world.address(name)}")]
    stage.picluster("new", "home", "--yes", "--no-look", *nodes, "--address", "web=10.77.0.100")
    for name in stage.names:
        stage.world.flash(name, card_of(stage, name))
    stage.world.boot_all()
    stage.picluster("up", "--yes")
    count(stage)


def count(stage: FreshStage) -> None:
    """The client asks from now on, and is answered."""
    stage.world.count(going=True)
    stage.until(lambda: holder(stage), "the floating address is answered")


def holder(stage: FreshStage) -> str:
    """Who answers for the floating address."""
    stage.world.client.pump(0.02)
    return stage.world.client.ledger.answering(time.monotonic_ns())


def card_of(stage: FreshStage, name: str) -> Card:
    secrets = stage.desk / "home.secrets"
    host_key = secrets / "hosts" / name
    lets_in = (secrets / "controller.pub").read_text()
    return Card(host_key=host_key if host_key.exists() else None, lets_in=lets_in, sudo_asks=False)


def meanwhile(stage: FreshStage, *words: str, code: int = 0, cut_s: float | None = None) -> tuple[str, Outage]:
    """What picluster says, and what the client sees while it works; `cut_s`: it is killed after that time."""
    client, since_ns = stage.world.client, time.monotonic_ns()
    command, log = [sys.executable, "-m", "picluster.cli.main", *words], stage.desk / "said"
    with log.open("w") as output, stage.world.controller.entered():
        process = subprocess.Popen(
            command, cwd=stage.desk, env=stage.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        while process.poll() is None:
            client.pump(0.02)
            took_s = (time.monotonic_ns() - since_ns) / 1e9
            assert took_s < 120.0, f"picluster {' '.join(words)} does not end"
            if cut_s is not None and took_s > cut_s:
                process.kill()
    finally:
        process.kill()
        process.wait()
    said = log.read_text()
    assert cut_s is not None or process.returncode == code, said
    assert client.ledger.double_ms == 0, "two answered"
    seen = client.ledger.within(since_ns, time.monotonic_ns())
    assert seen.requests > 0
    assert seen.over, "nobody answers at the end"
    return said, seen


def epochs(stage: FreshStage, *names: str) -> list[str]:
    return [stage.pi(name).run("python3", "-c", EPOCH) for name in names]


@fresh(4, most_s=200.0)
def test_a_fourth_node_comes_and_a_third_goes_and_all_have_another_key(stage: FreshStage) -> None:
    up(stage, "pi1", "pi2", "pi3")
    stage.world.count(going=False)
    words = ("node", "add", "pi4", "--address", stage.world.address("pi4"), "--voter", "--yes")
    stage.picluster(*words, answers=[(r"Is it pi4\?", "y")])
    assert epochs(stage, *stage.names) == ["2"] * 4
    count(stage)
    before = Keyring.parse(stage.pi("pi1").run("cat", KEY))
    _, seen = meanwhile(stage, "key", "rotate", "--yes")
    assert seen.outage_ms < LONGEST_MS
    [after] = {Keyring.parse(stage.pi(name).run("cat", KEY)).keys for name in stage.names}
    assert not set(before.keys) & set(after)
    gone = holder(stage)
    _, seen = meanwhile(stage, "node", "remove", gone, "--reset", "--yes")
    assert seen.lost > 0
    assert seen.outage_ms < LONGEST_MS, "it hands over before it goes"
    assert epochs(stage, *(name for name in stage.names if name != gone)) == ["3"] * 3
    assert stage.pi(gone).run("sh", "-c", "ls -d /etc/picluster /opt/picluster*", check=False) == ""
    assert gone not in (stage.desk / "home.toml").read_text()
    assert "nothing to do" in stage.picluster("up", "--yes").text


@fresh(3, most_s=200.0)
def test_a_controller_that_is_killed_at_any_moment_leaves_what_the_next_run_completes(stage: FreshStage) -> None:
    up(stage, "pi1", "pi2", "pi3")
    keys = {stage.pi(name).run("cat", KEY) for name in stage.names}
    for cut_s in (0.4, 0.6, 0.8, 1.0, 1.2):
        _, seen = meanwhile(stage, "key", "rotate", "--yes", cut_s=cut_s)
        assert seen.lost == 0
    meanwhile(stage, "key", "rotate", "--yes")
    found = {stage.pi(name).run("cat", KEY) for name in stage.names}
    assert len(found) == 1
    assert not keys & found
    held = holder(stage)
    gone = next(name for name in stage.names if name != held)
    for cut_s in (0.5, 0.7, 0.9, 1.1):
        _, seen = meanwhile(stage, "node", "remove", gone, "--yes", cut_s=cut_s)
        assert seen.lost == 0
    stays = [name for name in stage.names if name != gone]
    text = (stage.desk / "home.toml").read_text()
    meanwhile(stage, "node", "remove", gone, "--yes", code=0 if f"[nodes.{gone}]" in text else 2)
    assert epochs(stage, *stays) == ["2", "2"]
    assert stage.pi(gone).run("systemctl", "is-active", "picluster", check=False) == "inactive"
    assert "nothing to do" in stage.picluster("up", "--yes").text


@fresh(3, most_s=200.0)
def test_another_card_takes_a_name_over(stage: FreshStage) -> None:
    up(stage, "pi1", "pi2", "pi3")
    old = stage.host_key("pi2")
    _, seen = meanwhile(stage, "node", "replace", "pi2", "--yes")
    assert seen.outage_ms < LONGEST_MS
    assert stage.pi("pi2").run("systemctl", "is-active", "picluster", check=False) == "inactive"
    stage.world.flash("pi2", card_of(stage, "pi2"))
    stage.world.boot_all()
    assert stage.host_key("pi2") != old
    said, seen = meanwhile(stage, "up", "--limit", "pi2", "--yes")
    assert "pi2" in said
    assert seen.outage_ms < LONGEST_MS
    assert epochs(stage, *stage.names) == ["1"] * 3


def newer(stage: FreshStage, place: str, *, broken: bool = False) -> None:
    """From now on the controller is of another version."""
    package = stage.desk / place / "picluster"
    shutil.copytree(Path(picluster.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    loop = package / "agent" / "loop.py"
    loop.write_text(f"{loop.read_text()}\n{'raise SystemExit(3)' if broken else ''}\n# {place}\n")
    stage.environment = {**stage.environment, "PYTHONPATH": str(package.parent)}


def versions(stage: FreshStage) -> dict[str, str]:
    return {name: stage.pi(name).run("readlink", "/opt/picluster") for name in stage.names}


@fresh(3, most_s=200.0)
def test_an_upgrade_ends_with_the_first_node_that_does_not_stand_it_and_goes_on_when_it_is_mended(stage: FreshStage) -> None:
    up(stage, "pi1", "pi2", "pi3")
    first = versions(stage)
    newer(stage, "broken", broken=True)
    said, seen = meanwhile(stage, "upgrade", "--yes", code=2)
    assert "left as it was" in said
    kept = [name for name, version in versions(stage).items() if version == first[name]]
    assert len(kept) == 2, "one node alone has the bad version"
    assert seen.outage_ms < LONGEST_MS
    newer(stage, "mended")
    said, seen = meanwhile(stage, "upgrade", "--yes")
    assert len(set(versions(stage).values())) == 1
    assert seen.outage_ms < LONGEST_MS
    assert "nothing to do" in stage.picluster("upgrade", "--yes").text
