"""Nodes for the controller's tests, without SSH: the real node program as a child process, and shells that obey.

Virtual machines with a real sshd come elsewhere; here the controller's own part is looked at.
"""

from __future__ import annotations

import ipaddress
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from picluster.controller.desk import Desk
from picluster.controller.progress import Kind, Progress
from picluster.controller.shell import Answer
from picluster.errors import AccessError
from picluster.model.inventory import Candidate, Configuration, FloatingAddress, Inventory, Node
from picluster.provision.steps import Blob
from tests.remote.stage import Pretended, Session

__all__ = ["Answering", "ChildShell", "Hanging", "Heard", "Status", "inventory_of", "nodes_of"]


def nodes_of(*names: str) -> tuple[Node, ...]:
    return tuple(Node(name) for name in names)


def inventory_of(*names: str, voters: Sequence[str] | None = None) -> Inventory:
    """One floating address, which all of them may hold."""
    address = ipaddress.IPv4Address("192.0.2.50")
    web = FloatingAddress("web", address, "eth0", tuple(Candidate(name) for name in names))
    return Inventory("home", nodes_of(*names), Configuration(1, tuple(voters or names), (web,)))


class Heard:
    """A watcher that writes down what it hears, and answers what it was given to answer."""

    def __init__(self, *answers: str | Exception) -> None:
        self.all: list[Progress] = []
        self.asked: list[tuple[str, bool, int]] = []
        self.on_tick: Callable[[], None] = lambda: None
        self._answers = list(answers)

    def hear(self, progress: Progress) -> None:
        self.all.append(progress)

    def answer(self, question: str, *, secret: bool) -> str:
        self.asked.append((question, secret, threading.get_ident()))
        answer = self._answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def tick(self) -> None:
        self.on_tick()

    def of(self, node: str, *kinds: Kind) -> list[str]:
        return [one.text for one in self.all if one.node == node and (not kinds or one.kind in kinds)]

    def desk(self) -> Desk:
        return Desk(self)


Program = Callable[[str, bool], tuple[int, Sequence[str]]]
"""What a command does: by its line, and whether root runs it, its exit code and what it says."""


class Answering:
    """Says what it was given to say. `talks` are the answers to one request after the other."""

    def __init__(self, *talks: Sequence[Answer], program: Program = lambda _line, _root: (0, ())) -> None:
        self.requests: list[Mapping[str, object]] = []
        self.blobs: list[str] = []
        self.commands: list[str] = []
        self.closed = False
        self._talks = list(talks)
        self._program = program

    def talk(self, request: Mapping[str, object], blobs: Sequence[Blob] = ()) -> Iterator[Answer]:
        self.requests.append(request)
        self.blobs += [blob.name for blob in blobs]
        yield from self._talks.pop(0)

    def run(self, command: str, tell: Callable[[str], None], *, root: bool = False, timeout_s: float | None = None) -> int:  # noqa: ARG002 (a shell's)
        if self.closed:
            raise AccessError("the connection is closed")
        self.commands.append(command)
        code, lines = self._program(command, root)
        for line in lines:
            tell(line)
        return code

    def close(self) -> None:
        self.closed = True


class Hanging:
    """Says nothing until somebody hangs up."""

    def __init__(self) -> None:
        self.hung_up = threading.Event()

    def talk(self, request: Mapping[str, object], blobs: Sequence[Blob] = ()) -> Iterator[Answer]:  # noqa: ARG002 (a shell's)
        self._wait()
        yield {}

    def run(self, command: str, tell: Callable[[str], None], *, root: bool = False, timeout_s: float | None = None) -> int:  # noqa: ARG002 (a shell's)
        self._wait()
        return 0

    def close(self) -> None:
        self.hung_up.set()

    def _wait(self) -> None:
        assert self.hung_up.wait(30.0), "nobody hung up"
        raise AccessError("the connection was cut")


class Status:
    """How all agents are: what each says when it is asked."""

    def __init__(self, inventory: Inventory, holder: str | None) -> None:
        self.inventory = inventory
        self.holder = holder
        self.running = set(inventory.node_names)

    def of(self, node: str) -> tuple[int, Sequence[str]]:
        """What the control socket of that node says."""
        if node not in self.running:
            return 1, ["ConnectionRefusedError: [Errno 111] Connection refused"]
        nodes = [{"name": one, "state": "ready" if one in self.running else "silent"} for one in self.inventory.node_names]
        cluster = {"nodes": nodes, "addresses": [{"name": "web", "holder": self.holder}]}
        return 0, [json.dumps({"ok": True, "status": {"cluster": cluster}})]


class ChildShell:
    """The real node program in a process of its own, on a node that is a directory."""

    def __init__(self, node: Pretended, program: Program) -> None:
        self._root, self._program = node.root, program
        self._session = Session({"PATH": str(node.programs)})
        self.requests: list[Mapping[str, object]] = []

    def talk(self, request: Mapping[str, object], blobs: Sequence[Blob] = ()) -> Iterator[Answer]:
        self.requests.append(request)
        self._session.send({**request, "root": str(self._root)})
        if request["do"] == "apply":
            self._session.send_blobs(blobs)
        while (answer := self._session.answer()).get("kind") != "end":
            if not answer:
                raise AccessError("the program there ended before it was done")
            yield answer

    def run(self, command: str, tell: Callable[[str], None], *, root: bool = False, timeout_s: float | None = None) -> int:  # noqa: ARG002 (a shell's)
        code, lines = self._program(command, root)
        for line in lines:
            tell(line)
        return code

    def close(self) -> None:
        self._session.hang_up()
        self._session.process.wait(30)
        self._session.incoming.close()
