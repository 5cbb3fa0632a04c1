"""Measure how late and how lossy renewals are here, and say how short a lease can be.

The agent of this machine asks the voters, over the same way and from the same loop as when it renews a lease, and disturbs
nothing. From the round trips, the losses and the jitter follow: the shortest lease with no more unwanted moves a year than
--moves-a-year, the outage after a power cut that goes with it, and the formula with its values (docs/tune.md).

One node measures its own ways. For the whole cluster, run it with --json on each candidate, and give all the files to
--from: the worst node counts.

--apply writes the lease into this machine's copy of the inventory, changes nothing else in it, and has the agent read it.
Exit code 0: a lease is recommended; 1: none keeps within the bound; 2: nothing could be measured or written.
"""

from __future__ import annotations

import argparse
import difflib
import json
import math
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from picluster.adapters.control import ask, follow
from picluster.adapters.coverage import gate_holds_ms
from picluster.adapters.files import replace_file
from picluster.adapters.gate import tick_ns
from picluster.agent.configuration import AgentConfiguration, Mode, read_configuration
from picluster.agent.plain import Plain, plain, rebuilt
from picluster.errors import ControlError, InventoryError, Mistake, PiclusterError
from picluster.inventory import load
from picluster.inventory.editing import with_timers
from picluster.tuning.advice import Advice, Adviser
from picluster.tuning.measurement import Measurement
from picluster.tuning.telling import changes, told


def add_arguments(parser: argparse.ArgumentParser) -> None:
    config = Path("/etc/picluster/agent.toml")
    parser.add_argument("--config", type=Path, default=config, help="the agent's configuration (default: %(default)s)")
    parser.add_argument("--seconds", type=positive, default=60.0, metavar="S", help="how long to measure (default: 60)")
    parser.add_argument(
        "--from",
        dest="files",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="measure nothing, and use what --json printed on one or several nodes",
    )
    parser.add_argument(
        "--moves-a-year", type=positive, default=1.0, metavar="N", help="unwanted moves to put up with (default: 1)"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--apply", action="store_true", help="write it to the inventory, and have this machine's agent read it"
    )
    what.add_argument("--dry-run", action="store_true", help="show as a diff what --apply would write")


def positive(word: str) -> float:
    """A number above zero. ValueError, which argparse reports, for what is none."""
    value = float(word)
    if not 0 < value < math.inf:
        raise ValueError(word)
    return value


def run(arguments: argparse.Namespace) -> int:
    settings = read_configuration(arguments.config)
    if arguments.files:
        measurements = [one for path in arguments.files for one in measured_before(path, settings)]
    else:
        measurements = [measure(settings, arguments.seconds)]
    try:
        adviser = Adviser(measurements, settings.inventory.configuration, gate_holds_ms)
    except ValueError as error:
        raise PiclusterError(str(error)) from error
    advice = adviser.advise(arguments.moves_a_year)
    print(json.dumps(plain(advice), indent=2) if arguments.json else told(advice))
    if arguments.apply or arguments.dry_run:
        write(settings, advice, dry=arguments.dry_run)
    return 0 if advice.recommended is not None else 1


# ── measuring ───────────────────────────────────────────────────────────────────────────────────────────────────────


def measure(settings: AgentConfiguration, seconds: float) -> Measurement:
    """What the agent of this machine measures from now on."""
    with closing(follow(settings.run_dir, {"do": "measure", "seconds": str(seconds)}, timeout_s=10.0)) as answers:
        for answer in answers:
            if "measured" in answer:
                show("\n")
                tick = tick_ns() if settings.mode is Mode.KERNEL else 0
                return replace(understood(answer["measured"], "what the agent says"), tick_ns=tick)
            if "measuring" in answer:
                show(f"\r{progress(answer['measuring'])}")
    raise ControlError("the agent hung up")


def progress(words: dict[str, Plain]) -> str:
    """How far it has come, in one line."""
    longest_ms = float(str(words["longest_us"])) / 1_000
    rounds, failed = words["rounds"], words["failed"]
    return f"{words['seconds']:>6} of {words['of']} s: {rounds} rounds, {failed} lost, longest wait {longest_ms:.1f} ms "


def show(words: str) -> None:
    """To whoever watches; what is piped on stays as it is."""
    if sys.stderr is not None and sys.stderr.isatty():
        print(words, end="", file=sys.stderr, flush=True)


def measured_before(path: Path, settings: AgentConfiguration) -> Iterator[Measurement]:
    """The measurements of a file that --json has printed."""
    try:
        words = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise not_ours(str(path)) from error
    found = words.get("measurements") if isinstance(words, dict) else None
    if not isinstance(found, list) or not found:
        raise not_ours(str(path))
    for one in found:
        measurement = understood(one, str(path))
        if measurement.cluster != settings.inventory.cluster:
            raise PiclusterError(f"{path} was measured in another cluster, {measurement.cluster}")
        yield measurement


def understood(words: Plain, source: str) -> Measurement:
    try:
        return rebuilt(Measurement, words)
    except (TypeError, ValueError) as error:
        raise not_ours(source) from error


def not_ours(source: str) -> PiclusterError:
    return PiclusterError(f"{source} is no measurement of this version of `picluster tune --json`; measure again")


# ── applying ────────────────────────────────────────────────────────────────────────────────────────────────────────


def write(settings: AgentConfiguration, advice: Advice, *, dry: bool) -> None:
    """Into this machine's copy of the inventory. The words about it go where JSON is not."""
    changed, path = changes(advice), settings.inventory_file.resolve()
    if not changed or advice.recommended is None:
        print("\nnothing to change", file=sys.stderr)
        return
    before = path.read_bytes()
    text = before.decode("utf-8")
    after = with_timers(text, str(path), changed)
    if load(after, str(path)).configuration.timing != advice.recommended.timing:
        wrong = "it has changed since it was read"
        raise InventoryError([Mistake(str(path), None, "failover", wrong, "Run the command again")])
    if dry:
        diff = difflib.unified_diff(text.splitlines(), after.splitlines(), str(path), str(path), lineterm="", n=2)
        print("\n" + "\n".join(diff), file=sys.stderr)
        return
    old = replace_file(path, after.encode("utf-8"))
    print(f"\n{path} is written; the one before is {old}", file=sys.stderr)
    ask(settings.run_dir, {"do": "reload"})
    print(f"the agent of {settings.node.name} lives by it\n{roll_out(settings)}", file=sys.stderr)


def roll_out(settings: AgentConfiguration) -> str:
    """What is left to be done by hand."""
    others = [name for name in settings.inventory.node_names if name != settings.node.name]
    if not others:
        return "there are no other nodes"
    return (
        f"the others do not yet, since each reads a copy of its own: {', '.join(others)}.\n"
        f"On each of them put {settings.inventory_file.resolve()} in the place of theirs,\n"
        "and run: systemctl reload picluster. The order does not matter, and the epoch stays: the voters are the same, and\n"
        "every claim says how long a lease it is for."
    )
