"""Real agents, each in a network namespace with a cable to a switch. To be used in an isolated test."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from picluster.adapters.control import ask
from picluster.adapters.links import Links
from picluster.adapters.namespaces import NetworkNamespace
from picluster.errors import ControlError
from picluster.lab.programs import environment
from picluster.lab.switch import Switch
from tests.adapters.scene import tables
from tests.patience import PATIENCE_S, until

PICLUSTER = [sys.executable, "-m", "picluster.cli.main"]
INVENTORY = """
[cluster]
name = "real"
epoch = {epoch}
[quorum]
voters = [{voters}]
[failover]
lease_ms = 500                   # these tests are not about speed, and run on machines that have much else to do
[addresses.web]
address = "{floating}"
candidates = ["pi1", "pi2", "pi3"]
[nodes.pi1]
[nodes.pi2]
[nodes.pi3]
{more}
"""
NAMES = ("pi1", "pi2", "pi3")


class Pi:
    """A board: its network, and its agent while that runs."""

    def __init__(self, bench: RealBench, name: str) -> None:
        self.bench, self.name = bench, name
        self.number = int(name[2:])
        self.network = NetworkNamespace.create()
        self.home = bench.directory / name
        self.home.mkdir()
        lines = [f'node = "{name}"', 'inventory = "../cluster.toml"', 'key_file = "../cluster.key"', 'run_dir = "run"']
        (self.home / "agent.toml").write_text("\n".join(lines))
        self.agent: subprocess.Popen[bytes] | None = None
        with self.network.entered():
            # Nobody else is on this wire: no need to wait for duplicate address detection (RFC 4862 section 5.4).
            Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0", encoding="ascii")

    @property
    def run_dir(self) -> Path:
        return self.home / "run"

    @property
    def log(self) -> str:
        path = self.home / "log"
        return path.read_text() if path.exists() else ""

    def start(self) -> None:
        assert self.agent is None
        with self.network.entered(), (self.home / "log").open("ab") as log:
            command = [*PICLUSTER, "agent", "--config", str(self.home / "agent.toml")]
            self.agent = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment())

    def end(self, number: signal.Signals) -> int:
        """Send the agent a signal and wait for its end; its exit code."""
        assert self.agent is not None
        self.agent.send_signal(number)
        agent, self.agent = self.agent, None
        return agent.wait(PATIENCE_S)

    def status(self) -> dict[str, Any]:
        """What the agent says; empty while it does not."""
        try:
            status = ask(self.run_dir, {"do": "status"})["status"]
        except ControlError:
            return {}
        assert isinstance(status, dict)
        return status

    def holder(self) -> str:
        """Who holds `web` in this one's eyes; empty for nobody."""
        status = self.status()
        return str(status["cluster"]["addresses"][0]["holder"] or "") if status else ""

    def node(self, name: str) -> dict[str, Any]:
        """How this one sees another."""
        status = self.status()
        found = [node for node in status["cluster"]["nodes"] if node["name"] == name] if status else []
        return found[0] if found else {}

    def configured(self) -> list[str]:
        """All addresses of this board's interfaces."""
        with Links(self.network) as links:
            return [str(found.interface) for found in links.addresses()]

    def tables(self) -> list[tuple[int, str]]:
        """Its nftables tables."""
        with self.network.entered():
            return tables()

    def left_behind(self) -> list[str]:
        """What the agent's run directory holds."""
        return sorted(path.name for path in self.run_dir.iterdir())

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`picluster WORDS` on this board."""
        with self.network.entered():
            return run(*words, "--run-dir", str(self.run_dir))


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """`picluster WORDS` on the machine at the switch."""
    return subprocess.run(
        [*PICLUSTER, *words], capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=environment()
    )


class RealBench:
    """Three Pis whose agents find each other by mDNS: the inventory names no node's address."""

    def __init__(self, *, ipv4: bool = True, ipv6: bool = True, floating: str = "10.77.0.100") -> None:
        # Short, since a socket's path is; and in the isolated file system's own memory nothing outlives the test.
        self.directory = Path(tempfile.mkdtemp(prefix="picluster-"))
        self.inventory = self.directory / "cluster.toml"
        self.floating = floating
        self.write_inventory()
        key = self.directory / "cluster.key"
        key.touch(mode=0o600)
        key.write_text(secrets.token_hex(32))
        self.switch = Switch()
        self.pis = {name: Pi(self, name) for name in NAMES}
        for name, pi in self.pis.items():
            if not ipv6:
                with pi.network.entered():
                    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1", encoding="ascii")
            addresses = [f"10.77.0.{10 + pi.number}/24"] * ipv4 + [f"fd77::{10 + pi.number}/64"] * ipv6
            self.switch.plug(name, pi.network, f"dc:a6:32:00:00:{pi.number:02x}", addresses)

    def write_inventory(self, epoch: int = 1, voters: Collection[str] = NAMES, more: str = "") -> None:
        named = ", ".join(f'"{voter}"' for voter in voters)
        self.inventory.write_text(INVENTORY.format(epoch=epoch, voters=named, floating=self.floating, more=more))

    def start(self) -> str:
        """All agents; who holds `web` once everybody sees everybody."""
        for pi in self.pis.values():
            pi.start()
        until(self.healthy, "a healthy cluster")
        return self.holder()

    def healthy(self) -> bool:
        return all(pi.status().get("health") == "healthy" for pi in self.running)

    @property
    def running(self) -> list[Pi]:
        return [pi for pi in self.pis.values() if pi.agent is not None]

    def holder(self, besides: str = "") -> str:
        """Who holds `web` in the eyes of everybody who runs, other than `besides`; waits until they agree."""
        agreed: list[str] = []

        def agree() -> bool:
            agreed[:] = sorted({pi.holder() for pi in self.running})
            return len(agreed) == 1 and agreed[0] not in ("", besides)

        until(agree, f"a holder besides {besides or 'nobody'}")
        return agreed[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for pi in self.running:
            assert pi.agent is not None
            pi.agent.kill()
            pi.agent.wait()
        if error is not None:
            for pi in self.pis.values():
                error.add_note(f"--- log of {pi.name}\n{pi.log[-3_000:]}")
        for path in sorted(self.directory.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        self.directory.rmdir()
