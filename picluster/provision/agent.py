"""The part `agent` of a recipe: user, software, configuration, key, unit, and access to the pins of its lamps.

avahi is left alone: it says where the machine is, and the agent itself announces what it is, beside it (docs/discovery.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from picluster.provision.resources import Absent, Link, Lived, Resource, TextFile, ours
from picluster.provision.scene import Scene
from picluster.provision.services import Effect, Service
from picluster.provision.settings import OldSoftware, Software, User
from picluster.provision.steps import run

__all__ = ["configuration_digest", "resources"]

PART = "agent"
USER = "picluster"
PROGRAM = "picluster"
HOME = "/opt/picluster"
UNIT = "picluster.service"
UNITS = "/etc/systemd/system"
SYSUSERS = "/etc/sysusers.d/picluster.conf"
CONFIGURATION = "/etc/picluster"
DIGITS = 12
"""Of the digest in the name of the software's directory."""
PINS_DROP_IN = f"{UNITS}/{UNIT}.d/pins.conf"
PINS_TEXT = "[Service]\nPrivateDevices=no\nDeviceAllow=char-gpiochip rw\n"
PINS_GROUP_TEXT = "SupplementaryGroups=gpio\n"
PINS_RULE = "/etc/udev/rules.d/90-picluster-pins.rules"
PINS_RULE_TEXT = 'SUBSYSTEM=="gpio", KERNEL=="gpiochip*", GROUP="picluster", MODE="0660"\n'


def resources(scene: Scene) -> Iterator[Resource]:
    software = Software(PART, f"{HOME}-{software_digest(scene)}", HOME, PROGRAM, scene.material.wheels)
    described = TextFile(PART, SYSUSERS, scene.material.sysusers.encode())
    agent_toml, inventory, key = configuration(scene)
    service = TextFile(PART, f"{UNITS}/{UNIT}", scene.material.unit.encode())
    yield from (described, User(PART, USER, SYSUSERS))
    yield from (software, Link(PART, f"/usr/local/bin/{PROGRAM}", f"{HOME}/bin/{PROGRAM}"))
    yield from (agent_toml, inventory, key, service)
    pins: Lived = Absent(PART, PINS_DROP_IN)
    if scene.node.wiring.kind != "none":
        pins = ours(PART, PINS_DROP_IN, PINS_TEXT + (PINS_GROUP_TEXT if scene.raspberry_pi_os else ""))
        yield from _pins(scene)
    yield pins
    restart_for = (software, described, service, pins, agent_toml)
    yield Service(PART, UNIT, restart_for, (inventory, key), stale=_stale(scene), restart_only=_left_behind(scene))
    yield OldSoftware(PART, HOME)


def software_digest(scene: Scene) -> str:
    """Of the wheels and of the Python that they are unpacked for: an upgraded system needs another environment."""
    python = ".".join(scene.facts.python.split(".")[:2])
    return hashlib.sha256(f"{scene.material.software} {python}".encode()).hexdigest()[:DIGITS]


def configuration(scene: Scene) -> tuple[TextFile, TextFile, TextFile]:
    """agent.toml, cluster.toml, cluster.key: what `picluster.agent.configuration` reads."""
    return (
        ours(PART, f"{CONFIGURATION}/agent.toml", f'node = "{scene.node.name}"\n'),
        TextFile(PART, f"{CONFIGURATION}/cluster.toml", scene.material.inventory_text),
        TextFile(
            PART,
            f"{CONFIGURATION}/cluster.key",
            scene.material.cluster_key,
            mode=0o600,
            owner=f"{USER}:{USER}",
            secret=True,
        ),
    )


def configuration_digest(scene: Scene) -> str:
    """What an agent that lives by these files says of itself: SHA-256 of their hexadecimal digests in a row."""
    digests = (hashlib.sha256(file.content).hexdigest() for file in configuration(scene))
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _stale(scene: Scene) -> str:
    """Why an agent that runs must read its files again, by its own account."""
    running = scene.facts.agent
    epoch = scene.inventory.configuration.epoch
    if running is None:
        return ""
    if running.epoch != epoch:
        return f"lives by epoch {running.epoch} of the inventory, not {epoch}"
    lives_by_others = running.configuration not in {"", configuration_digest(scene)}
    return "lives by other files than these" if lives_by_others else ""


def _left_behind(scene: Scene) -> bool:
    """Whether it missed an epoch. Agents live on from one to the next only, and come in anew where that is too far."""
    running, epoch = scene.facts.agent, scene.inventory.configuration.epoch
    return running is not None and running.epoch not in (epoch, epoch - 1)


def _pins(scene: Scene) -> Iterator[Resource]:
    """Raspberry Pi OS has a group for its pins; elsewhere they are given to the agent's own."""
    if scene.raspberry_pi_os:
        return
    rule = ours(PART, PINS_RULE, PINS_RULE_TEXT)
    told = (run("udevadm", "control", "--reload"), run("udevadm", "trigger", "--subsystem-match=gpio"))
    yield from (rule, Effect(PART, "pins", "belong to root alone", "pins", (rule,), told))
