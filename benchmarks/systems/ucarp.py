"""ucarp (CARP for Linux), as ucarp(8) has it: an advertisement a second, and scripts that add and remove the address."""

from __future__ import annotations

import subprocess

from benchmarks.systems.machines import WEB, Machines
from picluster.lab.programs import start

__all__ = ["UcarpMachines"]

SKEW = 20
"""Between two Pis, in 256ths of a second, so that one of them is always first."""


class UcarpMachines(Machines):
    def _start_agent(self, name: str, group: int = 0) -> subprocess.Popen[bytes]:
        pi = self.stack.pi(name)
        home = self.run_dir(name)
        scripts = {}
        for deed in ("add", "del"):
            scripts[deed] = home / f"{deed}.sh"
            scripts[deed].write_text(f"#!/bin/sh\nexec ip address {deed} {WEB}/32 dev eth0\n", encoding="ascii")
            scripts[deed].chmod(0o700)
        command = [
            "ucarp", "--interface=eth0", f"--srcip={pi.addresses[0].partition('/')[0]}", "--vhid=51", "--pass=lab",
            f"--addr={WEB}", f"--advskew={SKEW * (pi.number - 1)}", "--shutdown",
            f"--upscript={scripts['add']}", f"--downscript={scripts['del']}",
        ]  # fmt: skip
        return start(command, self.log(name), group=group)
