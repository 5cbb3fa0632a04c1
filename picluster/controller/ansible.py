"""The inventory as Ansible wants to be told it by a program ("Developing dynamic inventory", inventory script conventions).

    --list         all groups with their hosts, and the variables of all hosts under `_meta`, which spares a call for each
    --host NAME    the variables of one host

So whoever has playbooks can use them on the same nodes, with the cluster's own key, and with host keys as strictly checked
as everywhere here: by the node's name, in the cluster's known_hosts.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from picluster.model.inventory import Inventory, Role

__all__ = ["Way", "groups_of", "listing", "variables"]


@dataclass(frozen=True, slots=True)
class Way:
    """How to get into one node."""

    host: str
    port: int
    user: str
    key_file: str
    known_hosts: str
    jumps: tuple[str, ...] = ()
    """`[USER@]HOST[:PORT]`, in the order in which they are passed."""


def listing(inventory: Inventory, ways: Mapping[str, Way]) -> dict[str, Any]:
    """What `--list` answers."""
    groups: dict[str, Any] = {name: {"hosts": list(hosts)} for name, hosts in groups_of(inventory).items()}
    everybody = {"hosts": list(inventory.node_names), "children": list(groups)}
    return {"all": everybody, **groups, "_meta": {"hostvars": {name: variables(name, way) for name, way in ways.items()}}}


def groups_of(inventory: Inventory) -> dict[str, tuple[str, ...]]:
    """Who votes, who is a witness, and who may hold any floating address; in the order of the inventory."""
    configuration = inventory.configuration
    candidates = {name for floating in configuration.addresses for name in floating.candidate_names}
    return {
        "voters": tuple(name for name in inventory.node_names if name in configuration.voters),
        "witnesses": tuple(node.name for node in inventory.nodes if node.role is Role.WITNESS),
        "candidates": tuple(name for name in inventory.node_names if name in candidates),
    }


def variables(node: str, way: Way) -> dict[str, object]:
    """What Ansible's ssh connection needs. The words of `ansible_ssh_common_args` are taken apart as a shell would."""
    options = {
        "HostKeyAlias": node,
        # In a file name OpenSSH knows double quotes and percent signs (man 5 ssh_config).
        "UserKnownHostsFile": f'"{way.known_hosts.replace("%", "%%")}"',
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "CheckHostIP": "no",
        "IdentitiesOnly": "yes",
    }
    if way.jumps:
        options["ProxyJump"] = ",".join(way.jumps)
    return {
        "ansible_host": way.host,
        "ansible_port": way.port,
        "ansible_user": way.user,
        "ansible_ssh_private_key_file": way.key_file,
        "ansible_ssh_common_args": shlex.join(word for name, value in options.items() for word in ("-o", f"{name}={value}")),
    }
