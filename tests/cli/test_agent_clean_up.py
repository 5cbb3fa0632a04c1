"""`picluster agent --clean-up` as the unit runs it when the agent has ended, in a network of its own."""

from __future__ import annotations

import io
import signal
import tempfile
from contextlib import closing, redirect_stderr
from pathlib import Path

from picluster.adapters.control import ControlSocket
from picluster.cli.main import main
from picluster.wire import Keyring
from tests.adapters.isolation import isolated
from tests.adapters.scene import FLOATING, Scene, forked, host_route, tables
from tests.patience import until

INVENTORY = f"""
[cluster]
name = "house"
[quorum]
voters = ["pi1"]
[addresses.{FLOATING.name}]
address = "{FLOATING.address}"
candidates = ["pi1"]
[nodes.pi1]
address = "10.77.0.1"
"""


def clean_up(place: Path) -> tuple[int, str]:
    (place / "cluster.toml").write_text(INVENTORY)
    (place / "agent.toml").write_text('node = "pi1"\nrun_dir = "run"\n')
    (place / "cluster.key").write_text(Keyring.fresh())
    (place / "cluster.key").chmod(0o600)
    with redirect_stderr(io.StringIO()) as said:
        code = main(["agent", "--clean-up", "--config", str(place / "agent.toml")])
    return code, said.getvalue()


@isolated
def test_what_a_killed_agent_left_goes_and_nobody_answers() -> None:
    with tempfile.TemporaryDirectory() as directory, Scene() as scene:

        def hold() -> None:
            scene.keeper().hold(FLOATING, scene.lease(60_000))
            signal.pause()

        with forked(hold):
            until(lambda: host_route(FLOATING) in scene.configured(), "the address is there")
        assert scene.client.reaches(FLOATING.address)
        assert clean_up(Path(directory)) == (0, "")
        assert host_route(FLOATING) not in scene.configured()
        assert tables() == []
        assert not scene.client.answered(FLOATING.address)
        assert clean_up(Path(directory)) == (0, ""), "and again, where there is nothing"


@isolated
def test_while_an_agent_runs_nothing_is_touched() -> None:
    with tempfile.TemporaryDirectory() as directory, Scene() as scene, closing(ControlSocket(Path(directory) / "run")):
        keeper = scene.keeper()
        keeper.hold(FLOATING, scene.lease(60_000))
        code, said = clean_up(Path(directory))
        assert code == 2
        assert "another agent runs" in said
        assert host_route(FLOATING) in scene.configured()
        assert scene.client.reaches(FLOATING.address)
