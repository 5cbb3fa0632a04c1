"""The daemon on each node, in the foreground: holds and hands over floating addresses until it gets SIGTERM or SIGINT.

Its configuration file says which node of which inventory this machine is (docs/inventory.md has every key):

    node = "pi1"
    inventory = "cluster.toml"
    key_file = "cluster.key"

It logs to standard error. SIGHUP, or `reload` on the control socket, reads the inventory again.

With --check it starts nothing and changes nothing. It prints what this machine's kernel offers, what is therefore covered,
and what to do about the rest; exit code 0 if everything is covered, 1 if not. docs/kernel-lease.md explains the parts.

With --clean-up it takes away what an agent that was killed left on this machine, addresses and gate, and ends. The unit does
so whenever the agent has ended (docs/service.md). While an agent runs it refuses.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from picluster.agent.configuration import Mode, read_configuration
from picluster.agent.entry import clean_up, run_agent
from picluster.errors import InventoryError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=Path("/etc/picluster/agent.toml"), help="default: %(default)s")
    parser.add_argument(
        "--urgent", action="store_true", help="take real-time priority and lock memory, where that is allowed"
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--check", action="store_true", help="say what this machine covers, and start nothing")
    instead.add_argument("--clean-up", action="store_true", help="take away what a killed agent left, and start nothing")


def run(arguments: argparse.Namespace) -> int:
    if arguments.check:
        return check(arguments.config)
    if arguments.clean_up:
        clean_up(arguments.config)
        return 0
    run_agent(arguments.config, urgent=arguments.urgent)
    return 0


def check(path: Path) -> int:
    """The kernel is looked at whether or not there is a configuration yet."""
    from picluster.adapters import coverage  # noqa: PLC0415  the daemon itself never needs it

    findings = list(coverage.examine())
    wrong = ""
    try:
        settings = read_configuration(path)
        configuration = settings.inventory.configuration
        findings += coverage.examine_interfaces(sorted({floating.interface for floating in configuration.addresses}))
        findings.append(coverage.examine_timing(configuration.timing))
        if settings.mode is Mode.LOOPBACK:
            wrong = "✗ mode: floating addresses are ports of the loopback here; none of the above is used for them"
    except InventoryError as error:
        wrong = f"✗ configuration: {error}"
    for finding in findings:
        print(finding.line)
    if wrong:
        print(wrong)
    return 1 if wrong or any(finding.why_not for finding in findings) else 0
