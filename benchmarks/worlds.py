"""The lab's stack, run by picluster in one of its presets, or by keepalived (RFC 5798, VRRP) on the same virtual Pis."""

from __future__ import annotations

import subprocess
from pathlib import Path

from picluster.lab.namespaces import NamespaceWorld
from picluster.lab.programs import start
from picluster.lab.stack import Stack

KEEPALIVED = """\
global_defs {{
    router_id {name}
    vrrp_version 3
}}
vrrp_instance web {{
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int {advert_s}
    nopreempt
    virtual_ipaddress {{
        {address}/32 dev eth0
    }}
}}
"""
HIGHEST_PRIORITY, PRIORITY_STEP = 254, 20
"""High and far apart, keepalived's best case: a low priority waits longer (skew time, RFC 5798 section 6.1), and two
backups that are one apart may fire together, which costs seconds."""


class PresetWorld(NamespaceWorld):
    """picluster with one of its presets."""

    def __init__(self, stack: Stack, directory: Path, preset: str) -> None:
        super().__init__(stack, directory)
        inventory = directory / "cluster.toml"
        text = inventory.read_text(encoding="utf-8")
        inventory.write_text(f'{text}\n[failover]\npreset = "{preset}"\n', encoding="utf-8")


class KeepalivedWorld(NamespaceWorld):
    """keepalived in each Pi instead of picluster's agent, with this advertisement interval in seconds."""

    def __init__(self, stack: Stack, directory: Path, advert_s: float) -> None:
        super().__init__(stack, directory)
        self._advert_s = advert_s

    def _start_agent(self, name: str, group: int = 0) -> subprocess.Popen[bytes]:
        priority = HIGHEST_PRIORITY - PRIORITY_STEP * (self.stack.pi(name).number - 1)
        config = self.directory / f"{name}.conf"
        address = self.stack.floating["web"]
        config.write_text(
            KEEPALIVED.format(name=name, priority=priority, advert_s=self._advert_s, address=address),
            encoding="ascii",
        )
        pids = ["--pid", str(self.directory / f"{name}.pid"), "--vrrp_pid", str(self.directory / f"{name}.vrrp.pid")]
        command = ["keepalived", "--dont-fork", "--log-console", "--vrrp", "--use-file", str(config), *pids]
        return start(command, self.log(name), group=group)
