"""What a node gets, in the order in which it gets it: docs/provisioning.md says why, and where each setting comes from.

The order is not free:

1. the clock, before anything checks a certificate or the date of a list of packages;
2. the host name, so that no sudo has to wait for a name server;
3. the controller's key, so that whatever goes wrong later, it gets in again;
4. packages, since what follows needs them;
5. system, network, agent;
6. SSH without passwords, when the key has long been there;
7. cloud-init off, the very last: until then it may still be at work.

Every decision is made from facts, so a node that is a Pi today and a PC tomorrow gets what it needs then.
"""

from __future__ import annotations

from collections.abc import Iterator

from picluster.model.inventory import Inventory, Node
from picluster.provision import agent, network, system
from picluster.provision.facts import Facts, FileFact, InterfaceFact, Question, UnitFact, merged
from picluster.provision.resources import Directory, Line, Resource, TextFile, ours
from picluster.provision.scene import COMMAND_LINE, LOOKED_AT, NETWORK_MANAGER, SSHD_CONFIG, WATCHDOG, Material, Scene
from picluster.provision.services import Effect
from picluster.provision.settings import Clock, HostName, Packages
from picluster.provision.steps import run, unit

__all__ = ["PARTS", "questions", "wanted"]

PARTS = ("system", "packages", "ssh", "network", "agent", "cloud-init")
"""What `--only` may name."""
SSH_DROP_IN = "/etc/ssh/sshd_config.d/10-picluster.conf"
"""sshd takes the first value that it finds, in the order of names (man 5 sshd_config); cloud-init writes a 50-."""
SSH_LOGIN = "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPubkeyAuthentication yes\n"
SSH_SILENCE = "ClientAliveInterval 15\nClientAliveCountMax 3\n"
"""A controller whose cable was pulled is given up after 45 s: what it was doing ends, and the next one may begin."""
SSH_INCLUDE = "Include /etc/ssh/sshd_config.d/*.conf"
CLOUD_INIT_OFF = "/etc/cloud/cloud-init.disabled"


def wanted(inventory: Inventory, node: Node, material: Material, facts: Facts, *, now_s: float) -> list[Resource]:
    """What this node should have, in order. `now_s` is the controller's time, in seconds since 1970."""
    scene = Scene(inventory, node, material, facts, now_s)
    return [
        Clock("system", now_s),
        *_names(scene),
        *_key(scene),
        Packages("packages", _packages(scene)),
        *system.resources(scene),
        *network.resources(scene),
        *agent.resources(scene),
        *_no_passwords(scene),
        *_cloud_init(scene),
    ]


def questions(inventory: Inventory, node: Node, material: Material) -> Question:
    """Everything that `wanted` and its resources may want to know, whatever the node is: one question, one trip.

    One thing cannot be known before: a login whose home is elsewhere than usual (`picluster.provision.compare.unasked`).
    """
    seen = (resource.question for facts in _ALL_SORTS for resource in wanted(inventory, node, material, facts, now_s=0.0))
    return merged([LOOKED_AT, *seen])


def _names(scene: Scene) -> Iterator[Resource]:
    if scene.guest:
        return
    name = HostName("system", scene.node.name)
    yield name
    if scene.active("avahi-daemon.service"):
        # It announces the name that it found when it started; a node without a fixed address is found by that.
        restart = (unit("avahi-daemon.service", state="restarted"),)
        yield Effect("system", "avahi", "announces the old name", "avahi-daemon.service", (name,), restart)


def _key(scene: Scene) -> Iterator[Resource]:
    account = scene.account
    place = f"{account.home}/.ssh"
    kind, blob, *_ = scene.material.authorized_key.split()
    yield Directory("ssh", place, 0o700, account.owner)
    yield Line(
        "ssh",
        f"{place}/authorized_keys",
        scene.material.authorized_key.strip(),
        known_by=f"{kind} {blob}",
        owner=account.owner,
        mode=0o600,
    )


def _no_passwords(scene: Scene) -> Iterator[Resource]:
    """sshd checks its files before it is asked to read them: one that it would refuse is never in force. What lets the
    controller in without such files is another program, and is left alone."""
    if scene.guest or scene.keys_elsewhere or SSHD_CONFIG not in scene.facts.files:
        return
    root = "prohibit-password" if scene.node.access.user == "root" else "no"
    text = f"{SSH_LOGIN}PermitRootLogin {root}\n{SSH_SILENCE}"
    include = Line("ssh", SSHD_CONFIG, SSH_INCLUDE, at_top=True)
    drop_in = ours("ssh", SSH_DROP_IN, text)
    yield include
    yield drop_in
    # Where it is started for each connection by its socket it reads them anew anyway.
    reload = (unit("ssh.service", state="reloaded"),) if scene.active("ssh.service") else ()
    check = run("/usr/sbin/sshd", "-t")
    yield Effect("ssh", "sshd", "has not read what has changed", "ssh.service", (include, drop_in), (check, *reload))


def _packages(scene: Scene) -> tuple[str, ...]:
    needed = [*scene.inventory.system.packages, *system.packages(scene), *network.packages(scene)]
    return tuple(dict.fromkeys(needed))


def _cloud_init(scene: Scene) -> Iterator[Resource]:
    """At each boot it would set the host name of the card's seed again (its module update_hostname)."""
    served = scene.facts.cloud_init.endswith("done") or CLOUD_INIT_OFF in scene.facts.files
    if served and not scene.guest:
        yield TextFile("cloud-init", CLOUD_INIT_OFF, b"")


def _a_file(text: str) -> FileFact:
    return FileFact("", 0o644, "root:root", text.encode())


_RUNS = UnitFact("loaded", "enabled", "active")
_WIFI = (InterfaceFact("wlan0", "", (), wireless=True, up=True),)
_ALL_SORTS = (
    Facts(
        interfaces=_WIFI,
        cloud_init="done",
        files={COMMAND_LINE: _a_file(""), WATCHDOG: _a_file("inactive"), SSHD_CONFIG: _a_file("")},
        packages={"raspberrypi-sys-mods": "", "rpi-swap": ""},
        units={NETWORK_MANAGER: _RUNS, "ssh.service": _RUNS, "avahi-daemon.service": _RUNS},
    ),
    Facts(system="debian", interfaces=_WIFI, files={COMMAND_LINE: _a_file("")}, packages={"dphys-swapfile": ""}),
    Facts(interfaces=_WIFI),
    *(Facts(packages={package: ""}) for package in ("chrony", "ntpsec", "openntpd")),
)
"""One of each kind of node: between them they have all that a recipe may look at."""
