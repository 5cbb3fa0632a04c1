"""`picluster agent --check` as a person runs it, in a network of its own."""

from __future__ import annotations

import io
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from picluster.cli.main import main
from picluster.wire import Keyring
from tests.adapters.isolation import isolated
from tests.adapters.scene import Scene, tables

INVENTORY = """
[cluster]
name = "house"
[quorum]
voters = ["pi1"]
[addresses.web]
address = "10.77.0.100"
candidates = ["pi1"]
[nodes.pi1]
address = "10.77.0.1"
"""


def check(place: Path, agent: str) -> tuple[int, str]:
    (place / "cluster.toml").write_text(INVENTORY)
    (place / "agent.toml").write_text(agent)
    (place / "cluster.key").write_text(Keyring.fresh())
    (place / "cluster.key").chmod(0o600)
    with redirect_stdout(io.StringIO()) as said:
        code = main(["agent", "--check", "--config", str(place / "agent.toml")])
    return code, said.getvalue()


@isolated
def test_all_is_well_where_the_interface_is_there_and_one_where_it_is_not() -> None:
    with tempfile.TemporaryDirectory() as directory, Scene() as scene:
        place = Path(directory)
        code, said = check(place, 'node = "pi1"\n')
        assert "✗" not in said
        assert "✓ interface eth0" in said
        assert code == 0
        assert tables() == []
        assert sorted(path.name for path in place.iterdir()) == ["agent.toml", "cluster.key", "cluster.toml"]
        scene.pi.remove("eth0")
        code, said = check(place, 'node = "pi1"\n')
        assert "✗ interface eth0: is not there" in said
        assert code == 1


@isolated
def test_a_wrong_configuration_and_the_loopback_are_no_cover() -> None:
    with tempfile.TemporaryDirectory() as directory, Scene():
        place = Path(directory)
        code, said = check(place, 'node = "pi9"\n')
        assert "✓ nftables for ARP" in said
        assert "✗ configuration" in said
        assert code == 1
        code, said = check(place, 'node = "pi1"\nmode = "loopback"\n[loopback]\nports = { web = 18080 }\n')
        assert "✗ mode" in said
        assert code == 1
