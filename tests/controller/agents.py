"""Nodes with agents on them, all in memory: they obey steps, live by files, and refuse what real agents refuse.

Whether an agent may live on from one inventory to the next is decided by the failover rules themselves.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from picluster.controller.crew import Crew
from picluster.controller.shell import Answer, Shell
from picluster.errors import AccessError, PiclusterError
from picluster.failover.member import check_step
from picluster.inventory import load
from picluster.model.inventory import Inventory, Node
from picluster.provision.agent import UNIT
from picluster.provision.steps import Blob
from picluster.wire import Keyring
from tests.controller.shells import Heard

__all__ = ["KEY", "Agents", "Machine", "written"]

OWN, TEXT, KEY_FILE = (f"/etc/picluster/{name}" for name in ("agent.toml", "cluster.toml", "cluster.key"))
KEY = f"{'1' * 64}\n".encode()


def written(*names: str, head: str = "", **sections: str) -> str:
    """An inventory with one floating address; `sections` are further lines of nodes."""
    nodes = "\n".join(f"[nodes.{name}]\n{sections.get(name, '')}" for name in names)
    return f'# Mine.\n[cluster]\nname = "home"\n{head}\n[addresses.web]\naddress = "192.0.2.50"\n\n{nodes}\n'


@dataclass
class Machine:
    """A node. `inventory` is None where no agent runs."""

    name: str
    files: dict[str, bytes] = field(default_factory=dict)
    stamps: dict[str, str] = field(default_factory=dict)
    set_up: bool = True
    enabled: bool = True
    reached: bool = True
    inventory: Inventory | None = None
    keyring: Keyring | None = None
    digest: str = ""
    standby: bool = False
    cut_before: str = ""
    """The connection is lost before a step of this kind is obeyed; once."""
    deaf: bool = False
    """Its agent does not hear when it is told to read its files."""
    done: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.inventory, self.digest = None, ""
        self._read()

    def stop(self) -> None:
        self.inventory = None

    def reload(self) -> None:
        """Raises PiclusterError, and goes on as before, where it must not."""
        if self.inventory is None:
            self.start()
        elif not self.deaf:
            check_step(self.inventory.configuration, load(self.files[TEXT].decode(), TEXT).configuration)
            self._read()

    def _read(self) -> None:
        self.keyring = Keyring.parse(self.files[KEY_FILE].decode())
        self.inventory = load(self.files[TEXT].decode(), TEXT)
        digests = "".join(hashlib.sha256(self.files[path]).hexdigest() for path in (OWN, TEXT, KEY_FILE))
        self.digest = hashlib.sha256(digests.encode()).hexdigest()

    @property
    def epoch(self) -> int:
        return 0 if self.inventory is None else self.inventory.configuration.epoch

    # ── the node program ────────────────────────────────────────────────────────────────────────────────────────────

    def facts(self) -> Answer:
        files = {
            path: {
                "digest": hashlib.sha256(content).hexdigest(),
                "mode": 0o600 if path == KEY_FILE else 0o644,
                "owner": "picluster:picluster" if path == KEY_FILE else "root:root",
                "content": None if path == KEY_FILE else base64.b64encode(content).decode(),
            }
            for path, content in self.files.items()
        }
        active, boot = "active" if self.inventory else "inactive", "enabled" if self.enabled else "disabled"
        unit = {"load": "loaded", "enabled": boot, "active": active}
        units = {UNIT: unit if self.set_up else {"load": "not-found", "enabled": "", "active": "inactive"}}
        agent = None
        if self.inventory is not None:
            agent = {"version": "0", "node": self.name, "cluster": self.inventory.cluster, "epoch": self.epoch}
            agent["configuration"] = self.digest
        return {"files": files, "units": units, "stamps": self.stamps, "agent": agent, "boot_id": self.name}

    def obey(self, step: Mapping[str, object]) -> None:
        do = str(step["do"])
        if do == self.cut_before:
            self.cut_before = ""
            raise AccessError("the connection was lost")
        self.done.append(f"{do} {step.get('state', '')}".strip())
        if do == "write":
            self.files[str(step["path"])] = base64.b64decode(str(step["content"]))
        elif do == "stamp":
            self.stamps[str(step["name"])] = str(step["value"])
        else:
            self._control(step)

    def _control(self, step: Mapping[str, object]) -> None:
        self.enabled = self.enabled if step["enabled"] is None else bool(step["enabled"])
        match step["state"]:
            case "stopped":
                self.stop()
            case "restarted" | "started":
                self.start()
            case "reloaded":
                try:
                    self.reload()
                except PiclusterError:
                    self.done.append("refused")  # a signal has no answer

    # ── the control socket ──────────────────────────────────────────────────────────────────────────────────────────

    def answer(self, request: Mapping[str, str], cluster: Answer) -> Answer:
        match request["do"]:
            case "status":
                return {"ok": True, "status": {"epoch": self.epoch, "configuration": self.digest, "cluster": cluster}}
            case "standby":
                self.standby = True
            case "reload":
                try:
                    self.reload()
                except PiclusterError as error:
                    return {"ok": False, "error": str(error)}
        return {"ok": True}


class Agents:
    """A cluster of them, and the way in. `after` is called when anything has happened anywhere."""

    def __init__(self, text: str, key: bytes = KEY, away: Sequence[str] = ()) -> None:
        self.text, self.key = text, key
        self.machines: dict[str, Machine] = {}
        for name in load(text, "home.toml").node_names:
            files = {OWN: f'node = "{name}"\n'.encode(), TEXT: text.encode(), KEY_FILE: key}
            self.machines[name] = Machine(name, files, reached=name not in away)
            self.machines[name].start()
        self.after: Callable[[], None] = lambda: None
        self.paused_s: list[float] = []
        self.heard = Heard()
        self._lock = threading.Lock()

    def fresh(self, name: str) -> Machine:
        """A machine on which nothing was set up."""
        self.machines[name] = Machine(name, set_up=False)
        return self.machines[name]

    def set_up(self, name: str, text: str) -> None:
        files = {OWN: f'node = "{name}"\n'.encode(), TEXT: text.encode(), KEY_FILE: self.key}
        self.machines[name] = Machine(name, files)
        self.machines[name].start()

    def crew(self) -> Crew:
        return Crew(self.open, self.heard.desk())

    def pause(self, seconds: float) -> None:
        self.paused_s.append(seconds)

    def open(self, node: Node) -> Shell:
        machine = self.machines.get(node.name)
        if machine is None or not machine.reached:
            raise AccessError("no answer on port 22")
        return _Shell(self, machine)

    def holder(self) -> str | None:
        """The first that may."""
        return next((name for name, one in self.machines.items() if one.inventory is not None and not one.standby), None)

    def cluster(self, machine: Machine) -> Answer:
        assert machine.inventory is not None
        configuration = machine.inventory.configuration
        runs = {name for name, one in self.machines.items() if one.inventory is not None}
        nodes = [{"name": one, "state": "ready" if one in runs else "silent"} for one in machine.inventory.node_names]
        addresses = [{"name": "web", "holder": self.holder()}]
        quorum = {"voters": configuration.voters, "tie_breaker": configuration.tie_breaker}
        return {"nodes": nodes, "addresses": addresses, "quorum": quorum}

    def epochs(self) -> dict[str, int]:
        return {name: one.epoch for name, one in self.machines.items()}

    def locked(self, deed: Callable[[], None]) -> None:
        with self._lock:
            deed()
            self.after()


class _Shell:
    def __init__(self, agents: Agents, machine: Machine) -> None:
        self._agents, self._machine = agents, machine

    def talk(self, request: Mapping[str, object], blobs: Sequence[Blob] = ()) -> Iterator[Answer]:  # noqa: ARG002 (a shell's)
        self._reach()
        if request["do"] == "facts":
            yield {"kind": "facts", "facts": self._machine.facts()}
            return
        steps = request["steps"]
        assert isinstance(steps, list)
        for number, step in enumerate(steps):
            self._agents.locked(partial(self._machine.obey, step))
            yield {"kind": "done", "step": number, "changed": True}

    def run(self, command: str, tell: Callable[[str], None], *, root: bool = False, timeout_s: float | None = None) -> int:  # noqa: ARG002 (a shell's)
        self._reach()
        machine = self._machine
        if machine.inventory is None:
            tell("ConnectionRefusedError: [Errno 111] Connection refused")
            return 1
        words = shlex.split(command)
        request = json.loads(words[3]) if words[3].startswith("{") else {"do": "status"}
        answer: Answer = {}
        self._agents.locked(lambda: answer.update(machine.answer(request, self._agents.cluster(machine))))
        tell(json.dumps(answer))
        return 0

    def close(self) -> None:
        """There is nothing to hang up."""

    def _reach(self) -> None:
        if not self._machine.reached:
            raise AccessError("the connection was lost")
