"""The job, done by one contestant on fresh nodes that somebody has made; or the table of what several have needed.

    python -m benchmarks.provisioning run ansible HOSTS.json --results FILE    the findings are added to the file
    python -m benchmarks.provisioning table FILE

HOSTS.json: `benchmarks.provisioning.hosts`. Peers are fetched by pip into --environments, once.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.provisioning.contestants import CONTESTANTS
from benchmarks.provisioning.hosts import hosts_from
from benchmarks.provisioning.runner import Finding, measure
from benchmarks.provisioning.table import table

ENVIRONMENTS = Path.home() / ".cache" / "picluster" / "benchmarks"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.provisioning", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    whats = parser.add_subparsers(dest="what", required=True)
    run = whats.add_parser("run")
    run.add_argument("contestant", choices=[one.key for one in CONTESTANTS])
    run.add_argument("hosts", type=Path)
    run.add_argument("--results", type=Path, required=True)
    run.add_argument("--environments", type=Path, default=ENVIRONMENTS)
    whats.add_parser("table").add_argument("results", type=Path)
    arguments = parser.parse_args()
    findings = kept(arguments.results)
    if arguments.what == "run":
        contestant = next(one for one in CONTESTANTS if one.key == arguments.contestant)
        directory = Path(tempfile.mkdtemp(prefix=f"{contestant.key}-"))
        findings += measure(contestant, hosts_from(arguments.hosts), arguments.environments, directory, say)
        arguments.results.write_text(json.dumps([asdict(one) for one in findings], indent=1) + "\n", encoding="utf-8")
    print(table(findings, {one.key: one.title for one in CONTESTANTS}))
    return 1 if any(one.failure for one in findings) else 0


def kept(path: Path) -> list[Finding]:
    return [Finding(**one) for one in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
