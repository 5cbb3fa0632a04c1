"""keepalived (VRRP: RFC 3768, and RFC 5798 for advertisements more often than once a second), as keepalived.conf(5) has it.

What is set is what an address needs, and two things in keepalived's favour. `nopreempt`: a Pi that returns takes nothing
back, so each power cut costs one move. Priorities high and far apart: a low priority waits longer before it takes over (skew
time, RFC 5798 section 6.1), and two backups that are one apart may take over together. All else is left at its default.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.systems.machines import WEB, Machines
from picluster.lab.programs import start

__all__ = ["KeepalivedMachines", "configuration"]

DEFAULT_ADVERT_S = 1.0
HIGHEST_PRIORITY = 254
STEP = 20
"""Between two priorities; ten Pis have room for it."""


def configuration(name: str, number: int, advert_s: float) -> str:
    """`keepalived.conf` of the Pi with this number. Only version 3 of the protocol knows parts of a second."""
    version = "" if advert_s == DEFAULT_ADVERT_S else "    vrrp_version 3\n"
    priority = HIGHEST_PRIORITY - STEP * (number - 1)
    return (
        f"global_defs {{\n    router_id {name}\n{version}}}\n"
        "vrrp_instance web {\n"
        "    state BACKUP\n    interface eth0\n    virtual_router_id 51\n    nopreempt\n"
        f"    priority {priority}\n    advert_int {advert_s:g}\n"
        f"    virtual_ipaddress {{\n        {WEB}/32 dev eth0\n    }}\n"
        "}\n"
    )


class KeepalivedMachines(Machines):
    def __init__(self, size: int, directory: Path, advert_s: float) -> None:
        super().__init__(size, directory)
        self._advert_s = advert_s

    def _start_agent(self, name: str, group: int = 0) -> subprocess.Popen[bytes]:
        file = self.run_dir(name) / "keepalived.conf"
        file.write_text(configuration(name, self.stack.pi(name).number, self._advert_s), encoding="ascii")
        pids = [self.run_dir(name) / "pid", self.run_dir(name) / "vrrp.pid"]
        for pid in pids:
            # /run is empty after a boot. Found here, the number of a process that is gone may be another's by now, and then
            # keepalived takes itself to be running already, and ends.
            pid.unlink(missing_ok=True)
        command = ["keepalived", "--dont-fork", "--log-console", "--vrrp", "--use-file", str(file)]
        command += ["--pid", str(pids[0]), "--vrrp_pid", str(pids[1])]
        return start(command, self.log(name), group=group)
