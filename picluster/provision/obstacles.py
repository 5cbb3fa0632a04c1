"""Why nothing can be done on a node, and what people should know of it besides what is to be done.

An obstacle is not mended on the way: somebody has to decide, or to get up. Each says what to do. What can be mended is no
obstacle: a dpkg that was left half-way, a wrong clock, a lock that somebody holds for a while.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from picluster.provision import wheels
from picluster.provision.facts import AgentFact
from picluster.provision.plan import Change
from picluster.provision.scene import Scene
from picluster.provision.settings import CLOCK_ERROR_S, span

__all__ = ["notes", "obstacle", "too_full"]

SYSTEMS = ("debian", "raspbian", "ubuntu")
MEGABYTE = 1_000_000
ROOM_BYTES = 8 * MEGABYTE
"""For files, and for what they replace."""
PACKAGE_ROOM_BYTES = 64 * MEGABYTE
"""Lists, archives and files of packages, as a rule of thumb."""
TIMES_UNPACKED = 5
"""A wheel is kept, and lies unpacked and compiled beside the environment before it."""


def obstacle(scene: Scene) -> str:
    """The first there is; empty where there is none."""
    return next(_obstacles(scene), "")


def too_full(scene: Scene, changes: Sequence[Change]) -> str:
    """Whether what is to be done fits onto the disk, as an obstacle."""
    steps = [step for change in changes for step in change.steps]
    needed = ROOM_BYTES * any(step.do in {"write", "environment"} for step in steps)
    needed += PACKAGE_ROOM_BYTES * any(step.do == "packages" for step in steps)
    needed += TIMES_UNPACKED * sum(len(blob.data) for step in steps for blob in step.blobs)
    free = scene.facts.free_bytes
    if free >= needed:
        return ""
    room = f"{free // MEGABYTE} MB are free, and this takes up to {needed // MEGABYTE} MB"
    return f"its disk is too full: {room}. Make room there: apt clean; journalctl --vacuum-size=50M; du -x -h -d 2 /"


def notes(scene: Scene) -> Iterator[str]:
    """What is no difference, and yet worth a line."""
    facts = scene.facts
    error_s = facts.clock_s - scene.now_s
    if facts.synchronised and abs(error_s) > CLOCK_ERROR_S:
        side = "behind" if error_s > 0 else "ahead"
        yield f"its clock is synchronised, so this machine's is {span(error_s)} {side}: set it"
    if facts.package_lock:
        yield f"{facts.package_lock} is busy with packages there; it is waited for"
    if scene.keys_elsewhere and not scene.guest:
        yield "its sshd looks for keys elsewhere (AuthorizedKeysFile in sshd_config), so passwords stay allowed"
    if facts.cloud_init == "running":
        yield "cloud-init is still at work there; the next run switches it off"
    elif facts.cloud_init == "error":
        yield "cloud-init has failed there, and stays on: cloud-init status --long"
    if facts.reboot_required:
        yield "its system asks for a reboot, apart from this"
    yield from wheels.notes(blob.name for blob in scene.material.wheels)


def _obstacles(scene: Scene) -> Iterator[str]:
    facts = scene.facts
    if facts.system not in SYSTEMS:
        yield f"it runs {facts.system or 'an unknown system'}. Give it Raspberry Pi OS, Debian or Ubuntu"
    if reason := wheels.why_not(facts):
        yield reason
    if scene.node.serial and facts.serial and _plain(facts.serial) != _plain(scene.node.serial):
        mend = f"If it is to be {scene.node.name} now, mend `serial` in the inventory; if not, see which card is in which Pi"
        yield f"this board has the serial number {facts.serial}, and the inventory says {scene.node.serial}. {mend}"
    if facts.agent is not None:
        yield from _strangers(scene, facts.agent)
    if facts.read_only:
        mend = "Look why (dmesg): a card that fails does that. Or switch the overlay file system off (raspi-config)"
        yield f"its root file system is read-only. {mend}"


def _plain(serial: str) -> str:
    """As the agent compares them, too: some tools leave the zeros in front away."""
    return serial.lstrip("0").lower()


def _strangers(scene: Scene, agent: AgentFact) -> Iterator[str]:
    """An agent that runs there for somebody else."""
    name, cluster = scene.node.name, scene.inventory.cluster
    if agent.cluster != cluster:
        yield f"it belongs to the cluster {agent.cluster}. Take it out of that one first: picluster reset"
    elif agent.node != name:
        mend = "Two addresses in the inventory may lead to one machine, or a card was copied; if not: picluster reset"
        yield f"it runs as {agent.node}, not as {name}. {mend}"
    elif agent.epoch > scene.inventory.configuration.epoch:
        ours = scene.inventory.configuration.epoch
        yield f"it lives by epoch {agent.epoch} of the inventory, and this one is epoch {ours}. Use the newer one"
