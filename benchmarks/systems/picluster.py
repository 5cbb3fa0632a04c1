"""picluster's own agent, with one of its presets (docs/failover.md). Everything else is as `picluster demo` has it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.systems.machines import Machines
from picluster.adapters.control import ask

__all__ = ["PiclusterMachines"]

ANSWER_S = 5.0


class PiclusterMachines(Machines):
    def __init__(self, size: int, directory: Path, preset: str) -> None:
        super().__init__(size, directory)
        inventory = directory / "cluster.toml"
        text = inventory.read_text(encoding="utf-8")
        inventory.write_text(f'{text}\n[failover]\npreset = "{preset}"\n', encoding="utf-8")

    def standby(self, name: str, *, on: bool) -> None:
        """As `picluster standby` and `picluster active` do."""
        ask(self.run_dir(name), {"do": "standby" if on else "active"}, timeout_s=ANSWER_S)
