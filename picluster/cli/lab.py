"""A lab of virtual Pis that really boot: Debian with systemd in each, the agent as its service. It needs root.

  up      make the root file system if there is none yet (half a minute), and boot the Pis; they stay up. With --fresh each
          is as a card from Raspberry Pi OS leaves it, with nothing of picluster: a place to try `new`, `up` and `reset`
  status  who has power, who is well, and who answers for the floating address
  cut     pull a Pi's power cable out        plug    put it in again: the same disk boots
  freeze  all of a Pi hangs but its kernel   thaw    it goes on
  reboot  shut a Pi down in good order, and boot it again
  shell   a shell on a Pi, or a command:  picluster lab shell pi1 journalctl -u picluster
  run     a command of this machine in the Pis' network:  picluster lab run picluster up
  flash   put a fresh card into a Pi, and boot it (in a fresh lab)
  down    end all, and leave nothing but the root file system for the next time

After each deed it says what a client with 1,000 requests a second saw of it. docs/lab.md has more.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from picluster.lab import standing
from picluster.lab.card import PASSWORD
from picluster.lab.stack import FEWEST_PIS, FLOATING, MOST_PIS

HOW_TO_GO_ON = f"""
Each calls itself raspberrypi, and lets user pi in with the password {PASSWORD}, which its sudo wants too.
In their network there is no internet, and a client asks for {FLOATING["web"]} all the time. Go on as with real ones:
  picluster lab run picluster new lab --address web={FLOATING["web"]}
  picluster lab run picluster up"""
DEEDS = ("cut", "plug", "freeze", "thaw", "reboot")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="do", required=True, metavar="VERB")
    up = verbs.add_parser("up", help="boot the Pis")
    up.add_argument("--nodes", type=int, default=FEWEST_PIS, help=f"{FEWEST_PIS} to {MOST_PIS} (default: %(default)s)")
    up.add_argument("--fresh", action="store_true", help="Pis with fresh cards: nothing of picluster is on them")
    verbs.add_parser("down", help="end all")
    with_json = [up, verbs.add_parser("status", help="how all are")]
    for deed in DEEDS:
        to_one = verbs.add_parser(deed)
        to_one.add_argument("pi", help="such as pi1")
        with_json.append(to_one)
        if deed == "freeze":
            to_one.add_argument("--agent", action="store_true", help="only its agent hangs; its watchdog will see to that")
    shell = verbs.add_parser("shell", help="a shell on a Pi")
    shell.add_argument("pi")
    shell.add_argument("command", nargs=argparse.REMAINDER, help="a command, where it is not to be a shell")
    beside = verbs.add_parser("run", help="a command of this machine in the Pis' network")
    beside.add_argument("command", nargs=argparse.REMAINDER, help="a command, where it is not to be a shell")
    flash = verbs.add_parser("flash", help="put a fresh card into a Pi")
    flash.add_argument("pi")
    flash.add_argument(
        "--secrets", metavar="DIR", help="as picluster makes one: with the host key and the controller's from there"
    )
    with_json.append(flash)
    for verb in with_json:
        verb.add_argument("--json", action="store_true", help="print the answer as JSON")


def run(arguments: argparse.Namespace) -> int:
    match arguments.do:
        case "up":
            show(arguments, standing.bring_up(arguments.nodes, tell, fresh=arguments.fresh))
            if arguments.fresh:
                tell(HOW_TO_GO_ON)
        case "down":
            print("the lab is gone" if standing.take_down() else "no lab is up")
        case "status":
            show(arguments, standing.told(do="status"))
        case "shell":
            become(standing.inside(arguments.pi, arguments.command))
        case "run":
            # So `picluster` is this very one, wherever it lies.
            os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
            become(standing.beside(arguments.command[arguments.command[:1] == ["--"] :]))
        case "flash":
            more = {"secrets": str(Path(arguments.secrets).resolve())} if arguments.secrets else {}
            show(arguments, standing.told(do="flash", pi=arguments.pi, **more))
        case deed:
            agent = {"agent": "yes"} if getattr(arguments, "agent", False) else {}
            show(arguments, standing.told(do=deed, pi=arguments.pi, **agent))
    return 0


def become(command: list[str]) -> NoReturn:
    sys.stdout.flush()
    os.execvp(command[0], command)  # noqa: S606  the very point


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def show(arguments: argparse.Namespace, answer: Mapping[str, Any]) -> None:
    if arguments.json:
        print(json.dumps(answer, indent=2))
    elif "pis" in answer:
        print(standing_lines(answer))
    else:
        print(outcome_line(answer))


def standing_lines(status: Mapping[str, Any]) -> str:
    lines = [f"{pi['name']:<6}{pi['power']:<8}{pi['state']:<12}{'  '.join(pi['addresses'])}" for pi in status["pis"]]
    address = status["addresses"]["web"]
    lines.append(
        f"{address} is answered by {status['answering'] or 'nobody'}; two at once: {status['double_ms']:.0f} ms so far"
    )
    return "\n".join(lines)


def outcome_line(outcome: Mapping[str, Any]) -> str:
    held, then = outcome["held"] or "nobody", outcome["then"] or "nobody"
    who = f"{held} goes on answering" if held == then else f"{held} answered, then {then}"
    dark = f"dark for {outcome['outage_ms']:.0f} ms, {outcome['lost']} requests lost"
    return f"{who}; {dark}; two at once: {outcome['double_ms']:.0f} ms"
