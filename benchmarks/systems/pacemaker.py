"""Corosync and Pacemaker with the resource agent IPaddr2: corosync.conf(5), and "Pacemaker Explained" for the cluster's
configuration (the CIB).

Their daemons expect a machine of their own: /run, /var/lib, a host name, and /dev/shm for the rings through which they talk
to each other (libqb). So each Pi has a room: namespaces for mounts, names, messages and processes, with empty file systems
over those places. In there the user `hacluster` is root: a user namespace that was made without root has no second user, and
Pacemaker gives up nothing when it is told to become who it is already.

Fencing is off, for there is nothing to fence a virtual Pi with. `dc-deadtime` is shorter than its default, which makes the
first start of all quicker and nothing else. All else is left at its default, but for the token where a setting is about it.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from benchmarks import processes
from benchmarks.systems.machines import WEB, Machines
from picluster.errors import LabError
from picluster.lab.programs import start
from picluster.lab.stack import Stack

__all__ = ["PacemakerMachines", "corosync_conf"]

ENDING_S = 30.0
"""Pacemaker moves its resources away before it ends."""

CIB = f"""\
<cib validate-with="pacemaker-3.0" crm_feature_set="3.0.0" admin_epoch="1" epoch="1" num_updates="0">
  <configuration>
    <crm_config>
      <cluster_property_set id="options">
        <nvpair id="fencing" name="stonith-enabled" value="false"/>
        <nvpair id="deadtime" name="dc-deadtime" value="2s"/>
      </cluster_property_set>
    </crm_config>
    <nodes/>
    <resources>
      <primitive id="web" class="ocf" provider="heartbeat" type="IPaddr2">
        <instance_attributes id="web-parameters">
          <nvpair id="web-ip" name="ip" value="{WEB}"/>
          <nvpair id="web-prefix" name="cidr_netmask" value="32"/>
          <nvpair id="web-interface" name="nic" value="eth0"/>
        </instance_attributes>
        <meta_attributes id="web-meta">
          <nvpair id="web-stickiness" name="resource-stickiness" value="100"/>
        </meta_attributes>
        <operations>
          <op id="web-monitor" name="monitor" interval="10s"/>
        </operations>
      </primitive>
    </resources>
    <constraints/>
  </configuration>
  <status/>
</cib>"""

ROOM = """\
set -e
for place in /run /dev/shm /var/lib/corosync /var/lib/pacemaker /var/log; do mount -t tmpfs tmpfs $place; done
mkdir /run/lock /run/resource-agents /run/room
cd /var/lib/pacemaker && mkdir cib pengine cores blackbox
cat >cib/cib.xml <<'END'
{cib}
END
cat >/run/room/corosync.conf <<'END'
{corosync}
END
printf 'root:x:0:0::/root:/bin/sh\\nhacluster:x:0:0::/:/bin/false\\n' >/run/room/passwd
printf 'root:x:0:\\nhaclient:x:0:\\n' >/run/room/group
mount --bind /run/room/passwd /etc/passwd
mount --bind /run/room/group /etc/group
hostname {name}
export PCMK_logfile=none PCMK_logfacility=none PCMK_stderr=1
corosync -f -c /run/room/corosync.conf & corosync=$!
pacemakerd & pacemaker=$!
trap 'set +e; kill $pacemaker; wait $pacemaker; kill $corosync; wait $corosync; exit 0' TERM
wait $pacemaker
"""
"""The order of the end is that of the systemd units: Pacemaker first."""
INTO_THE_ROOM = ("--mount", "--uts", "--ipc", "--pid", "--net")
OWN_NAMESPACES = ("--mount", "--uts", "--ipc", "--pid", "--mount-proc", "--fork", "--kill-child")


def corosync_conf(stack: Stack, token_ms: int | None) -> str:
    """`corosync.conf` of every Pi. The token that a setting names is for two nodes; Corosync adds 650 ms for each more."""
    nodes = [
        f"    node {{\n        name: {pi.name}\n        nodeid: {pi.number}\n"
        f"        ring0_addr: {pi.addresses[0].partition('/')[0]}\n    }}"
        for pi in stack.pis
    ]
    token = [f"    token: {token_ms}"] if token_ms else []
    lines = ["totem {", "    version: 2", "    cluster_name: lab", "    transport: knet", *token, "}"]
    lines += ["quorum {", "    provider: corosync_votequorum", "}", "nodelist {", *nodes, "}"]
    lines += ["logging {", "    to_stderr: yes", "    to_syslog: no", "    to_logfile: no", "}"]
    return "\n".join(lines)


class PacemakerMachines(Machines):
    def __init__(self, size: int, directory: Path, token_ms: int | None = None) -> None:
        super().__init__(size, directory)
        self._token_ms = token_ms

    def daemon(self, name: str) -> list[int]:
        """Without `unshare` and the shell in it: they are the room, not who lives there."""
        return [process for process in super().daemon(name) if process not in (self._started(name).pid, self._room(name))]

    def end_agent(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        self._agentless.add(name)
        os.kill(self._room(name), number)
        return self._started(name).wait(ENDING_S)

    def standby(self, name: str, *, on: bool) -> None:
        """As crm_attribute(8) has it, in the Pi's room."""
        value = "on" if on else "off"
        enter = ["nsenter", f"--target={self._room(name)}", *INTO_THE_ROOM]
        change = ["crm_attribute", "--type=nodes", f"--node={name}", "--name=standby", f"--update={value}"]
        changed = subprocess.run([*enter, *change], capture_output=True, text=True, check=False)
        if changed.returncode:
            raise LabError(f"{name} refuses to go {value} standby: {changed.stderr.strip()}")

    def _room(self, name: str) -> int:
        """Process 1 of the Pi's room, by its number out here."""
        return min(processes.descendants(self._started(name).pid))

    def _start_agent(self, name: str, group: int = 0) -> subprocess.Popen[bytes]:
        room = ROOM.format(name=name, cib=CIB, corosync=corosync_conf(self.stack, self._token_ms))
        return start(["unshare", *OWN_NAMESPACES, "sh", "-c", room], self.log(name), group=group)
