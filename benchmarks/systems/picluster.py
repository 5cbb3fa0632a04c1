"""picluster's own agent, with one of its presets (docs/failover.md). Everything else is as `picluster demo` has it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.systems.machines import Machines

__all__ = ["PiclusterMachines"]


class PiclusterMachines(Machines):
    def __init__(self, size: int, directory: Path, preset: str) -> None:
        super().__init__(size, directory)
        inventory = directory / "cluster.toml"
        text = inventory.read_text(encoding="utf-8")
        inventory.write_text(f'{text}\n[failover]\npreset = "{preset}"\n', encoding="utf-8")
