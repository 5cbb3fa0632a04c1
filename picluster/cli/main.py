"""`picluster VERB`: finds the verb's module and runs it. One file a verb, thin.

Only the chosen verb is imported: `picluster agent` has to start in a blink on a Pi Zero, and must not pull in the dashboard.

Exit codes: 0 done (or healthy), 1 failed (or degraded), 2 down, or used wrongly; 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import Protocol

from picluster import __version__
from picluster.errors import PiclusterError

VERBS = {
    "demo": "a stack of virtual Pis on this machine: pull the plug, watch the address move",
    "lab": "virtual Pis that really boot, and stay up between commands (root)",
    "new": "begin a cluster: an inventory, and the secrets that go with it",
    "discover": "the Pis that are heard on this network: fresh, ours, foreign",
    "up": "make all nodes what the inventory says, from fresh Pis on; shows the plan first",
    "upgrade": "new software, one node after the other, the holder last",
    "node": "add a node, remove or replace one, while the cluster runs",
    "run": "a command on all nodes, side by side",
    "ssh": "log in on a node",
    "logs": "what the agents say, of all nodes or some",
    "events": "the events of all agents, in the order of time",
    "drill": "cut the holder of a floating address, and measure the outage",
    "reboot": "reboot nodes, one after the other if wanted",
    "shutdown": "shut nodes down, so that their plugs may be pulled",
    "reset": "take away from a node what was brought there",
    "watch": "the live dashboard of a running cluster",
    "status": "one look at a running cluster; exit code 0 healthy, 1 degraded, 2 down",
    "standby": "on this node, or another one: hold nothing until told otherwise, and go on voting",
    "active": "on this node, or another one: take part again",
    "reload": "on this node: read configuration, inventory and keys again",
    "move": "hand a floating address to another node",
    "tune": "measure how short a lease can be here, and write it to the inventory",
    "agent": "the daemon on each node, in the foreground",
    "forget-host": "forget a node's host key, since its card was flashed again",
    "check": "check an inventory and print what it means",
    "inventory": "the nodes of an inventory, for people or for Ansible",
    "key": "make a cluster key, or change that of a running cluster",
    "simulate": "the failover rules under seeded faults",
    "completion": "print the completion script for a shell",
}
"""Every verb and its line of help. `picluster.cli.VERB` has `add_arguments(parser)` and `run(arguments) -> int`."""

CONSOLE_LIBRARIES = {"rich": "which draws", "fabric": "which speaks SSH", "paramiko": "which speaks SSH"}
"""What a node does without that runs an agent alone."""


class Verb(Protocol):
    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, arguments: argparse.Namespace) -> int: ...


def module_of(verb: str) -> str:
    return f"picluster.cli.{verb.replace('-', '_')}"


def load(verb: str) -> Verb:
    module: Verb = importlib.import_module(module_of(verb))
    return module


def parser_of(verb: str) -> argparse.ArgumentParser:
    module = load(verb)
    parser = argparse.ArgumentParser(
        prog=f"picluster {verb}",
        description=sys.modules[module_of(verb)].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    program = " ".join(["picluster", *[word for word in words[:1] if word in VERBS]])
    try:
        code = obey(words)
        if sys.stdout is not None:
            sys.stdout.flush()
    except PiclusterError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in CONSOLE_LIBRARIES:
            raise
        # Nodes are given no pip, and need none.
        there = importlib.util.find_spec("pip") is not None
        mend = f"{sys.executable} -m pip install {library}" if there else f"picluster {words[0]}, on your own machine"
        what = f"the Python library {library} is missing, {CONSOLE_LIBRARIES[library]}"
        print(f"{program}: {what}; run: {mend}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        forget_output()
        return 1
    except OSError as error:
        # A file or a device that the user named, such as a full disk behind the output; the message says which.
        print(f"{program}: {error}", file=sys.stderr)
        forget_output()
        return 2
    return code


def obey(words: Sequence[str]) -> int:
    """Do what the command line says; the exit code."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"picluster {__version__}")
        return 0
    verb = words[0]
    if verb not in VERBS:
        print(f"picluster: there is no verb {verb!r}; these there are:\n\n{overview()}", file=sys.stderr)
        return 2
    try:
        parsed = parser_of(verb).parse_args(words[1:])
    except SystemExit as stop:  # argparse has printed its help or its complaint
        return stop.code if isinstance(stop.code, int) else 2
    return load(verb).run(parsed)


def forget_output() -> None:
    """Nobody takes our output any more. What is left in the buffer must not become another error at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def overview() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {text}" for verb, text in VERBS.items()]
    return "\n".join(["usage: picluster VERB …   (picluster VERB --help)", "", *lines])


if __name__ == "__main__":
    sys.exit(main())
