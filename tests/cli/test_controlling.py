"""Verbs that work on nodes over SSH, as far as they come without one: finding the inventory, lines for logs, refusals.

What they do on nodes is tried where there is a real sshd.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from picluster.adapters.ssh_keys import make_key_pair
from picluster.cli.controlling import chosen, command_of, find_inventory, names, outcome_lines, success, target
from picluster.cli.run import as_json, failures, line_of
from picluster.cli.watching import Lines, Prefixed, typed
from picluster.controller.crew import Outcome
from picluster.controller.progress import Kind, Progress
from picluster.errors import AccessError, PiclusterError
from picluster.lab.programs import environment
from picluster.model.inventory import Access, Node
from picluster.wire import Keyring
from tests.cli.test_verbs import PICLUSTER
from tests.controller.shells import inventory_of, nodes_of

# ── which inventory, which nodes ────────────────────────────────────────────────────────────────────────────────────


def in_directory(place: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PICLUSTER, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=place,
        stdin=subprocess.DEVNULL,
        env={**environment(), **variables},
    )


def test_the_only_inventory_with_secrets_is_meant(tmp_path: Path) -> None:
    (tmp_path / "inventory").mkdir()
    for name in ("example", "home", "cabin"):
        (tmp_path / "inventory" / f"{name}.toml").write_text("nothing")
    (tmp_path / "inventory" / "home.secrets").mkdir()
    found = in_directory(tmp_path, "up", "--dry-run")
    assert "inventory/home.toml" in found.stderr
    (tmp_path / "inventory" / "cabin.secrets").mkdir()
    unclear = in_directory(tmp_path, "up", "--dry-run")
    assert "There are inventory/cabin.toml, inventory/home.toml" in unclear.stderr
    named = in_directory(tmp_path, "up", "--dry-run", PICLUSTER_INVENTORY="inventory/example.toml")
    assert "inventory/example.toml" in named.stderr


def test_one_that_is_named_is_meant_whatever_else_there_is() -> None:
    assert find_inventory(Path("some.toml")) == Path("some.toml")


def test_nodes_are_chosen_by_name_and_typing_errors_are_explained() -> None:
    inventory = inventory_of("pi1", "pi2", "pi3")
    assert chosen(inventory, names("pi3, pi1,")) == list(nodes_of("pi1", "pi3"))
    assert chosen(inventory, ()) == list(inventory.nodes)
    with pytest.raises(PiclusterError, match="no node pi4"):
        chosen(inventory, ("pi4",))


def test_what_the_inventory_does_not_say_is_left_to_the_user_s_own_configuration() -> None:
    [node] = nodes_of("pi1")
    assert (target(node).user, target(node).port, target(node).hosts) == (None, None, ())
    special = target(Node("pi1", access=Access("anna", 2222)))
    assert (special.user, special.port) == ("anna", 2222)


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_word_is_a_line_of_shell_and_several_are_taken_as_they_are() -> None:
    assert line_of(command_of(["--", "df -h | tail -1"])) == "df -h | tail -1"
    assert line_of(command_of(["ls", "my file"])) == "ls 'my file'"


def test_what_commands_said_and_how_they_ended_is_json() -> None:
    outcomes = {
        "pi1": Outcome("pi1", 0.123, value=0),
        "pi2": Outcome("pi2", 0.5, value=3),
        "pi3": Outcome[int]("pi3", 6.0, failure=AccessError("no answer")),
    }
    assert as_json(outcomes, {"pi1": ["up 3 days"]}) == {
        "nodes": [
            {"node": "pi1", "exit_code": 0, "error": None, "took_s": 0.12, "lines": ["up 3 days"]},
            {"node": "pi2", "exit_code": 3, "error": None, "took_s": 0.5, "lines": []},
            {"node": "pi3", "exit_code": None, "error": "no answer", "took_s": 6.0, "lines": []},
        ]
    }
    assert failures(outcomes) == ["pi2: exit code 3"]


def test_results_are_a_line_for_each_node_and_an_exit_code_for_all() -> None:
    good, bad = Outcome[None]("pi1", 31.0), Outcome[None]("pi10", 6.0, failure=AccessError("no answer"))
    assert outcome_lines({"pi1": good, "pi10": bad}, "is back") == [
        "✓ pi1     31.0 s  is back",
        "✗ pi10     6.0 s  no answer",
    ]
    assert (success([good]), success([good, bad]), success([bad])) == (0, 1, 2)


# ── watchers ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_lines_for_logs_say_each_thing_once(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(nodes_of("pi1"))
    for progress in (
        Progress("pi1", Kind.STAGE, "connecting"),
        Progress("pi1", Kind.STAGE, "connecting"),
        Progress("pi1", Kind.STEP, "package nftables", 2, 20),
        Progress("pi1", Kind.OUTPUT, "Unpacking …"),
        Progress("pi1", Kind.WAIT, "apt has the lock"),
        Progress("pi1", Kind.FAILED, "no space left"),
    ):
        lines.hear(progress)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "pi1: connecting",
        "pi1: 3/20 package nftables",
        "pi1: apt has the lock",
        "pi1: ✗ no space left",
    ]


def test_what_commands_say_has_the_node_s_name_before_it(capsys: pytest.CaptureFixture[str]) -> None:
    prefixed = Prefixed(nodes_of("pi1", "pi10"))
    prefixed.hear(Progress("pi1", Kind.OUTPUT, "hello"))
    prefixed.hear(Progress("pi10", Kind.FAILED, "no answer"))
    said = capsys.readouterr()
    assert (said.out, said.err) == ("pi1  │ hello\n", "pi10 ✗ no answer\n")


def test_without_a_terminal_nobody_is_asked() -> None:
    ask = "from picluster.cli.watching import typed; typed('password? ', secret=True)"
    done = subprocess.run(
        [sys.executable, "-c", ask], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )
    assert "there is no terminal at which somebody could answer: password?" in done.stderr
    assert typed.__doc__


# ── whole verbs, with nobody at the other end ───────────────────────────────────────────────────────────────────────


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """A cluster of one node, at a port of this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    secrets = tmp_path / "home.secrets"
    (secrets / "hosts").mkdir(parents=True)
    secrets.chmod(0o700)
    written = {"cluster.key": Keyring.fresh()}
    for name in ("controller", "hosts/pi1"):
        written[name], written[f"{name}.pub"] = make_key_pair(name)
    for name, text in written.items():
        (secrets / name).touch(mode=0o600)
        (secrets / name).write_text(text)
    (tmp_path / "home.toml").write_text(INVENTORY.format(port=port))
    return tmp_path


INVENTORY = """
[cluster]
name = "home"
[nodes.pi1]
address = "127.0.0.1"
ssh_port = {port}
"""


def test_a_node_that_is_not_there_is_a_result_and_no_traceback(nowhere: Path) -> None:
    done = in_directory(nowhere, "up", "--dry-run", "--json", "home.toml")
    assert done.returncode == 2
    [node] = json.loads(done.stdout)["plan"]["nodes"]
    assert node["node"] == "pi1"
    assert node["problem"]
    assert "Traceback" not in done.stderr
    ran = in_directory(nowhere, "run", "-i", "home.toml", "--json", "--", "uptime")
    assert ran.returncode == 2
    assert json.loads(ran.stdout)["nodes"][0]["error"]


def test_nothing_is_done_that_nobody_has_agreed_to(nowhere: Path) -> None:
    for words in (["shutdown"], ["reboot"]):
        done = in_directory(nowhere, *words, "-i", "home.toml")
        assert done.returncode == 2
        assert "Say so with --yes" in done.stderr


def test_two_controllers_exclude_each_other(nowhere: Path) -> None:
    held = (
        "import sys, subprocess; from pathlib import Path; from picluster.controller.lock import locked\n"
        "with locked(Path('home.secrets/lock'), 'anna@laptop', 'up'):\n"
        "    sys.exit(subprocess.run(sys.argv[1:]).returncode)"
    )
    command = [sys.executable, "-c", held, *PICLUSTER, "up", "home.toml", "--yes"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=nowhere, env={**os.environ, **environment()}
    )
    assert done.returncode == 2
    assert "anna@laptop (picluster up) has been at work here since" in done.stderr
