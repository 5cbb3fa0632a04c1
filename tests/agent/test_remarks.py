"""What the beacon has to say in its thread stands in the agent's log like everything else."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from picluster.lab.programs import environment
from picluster.wire import Keyring
from tests.adapters.isolation import isolated
from tests.patience import until

INVENTORY = '[cluster]\nname = "alone"\n[nodes.pi1]\n'
AGENT = 'node = "pi1"\nrun_dir = "."\nmode = "loopback"\n'
REMARK = re.compile(
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d warning not-covered: discovery: no interface has a carrier", re.MULTILINE
)


@isolated
def test_a_remark_of_the_beacon_s_is_a_line_of_the_journal() -> None:
    with tempfile.TemporaryDirectory(prefix="picluster-") as name:
        home = Path(name)
        (home / "cluster.toml").write_text(INVENTORY)
        (home / "agent.toml").write_text(AGENT)
        (home / "cluster.key").touch(mode=0o600)
        (home / "cluster.key").write_text(Keyring.fresh())
        command = [sys.executable, "-m", "picluster.cli.main", "agent", "--config", str(home / "agent.toml")]
        log = home / "log"
        with log.open("wb") as words, subprocess.Popen(command, stderr=words, env=environment()) as agent:
            until(lambda: REMARK.search(log.read_text()) is not None, log.read_text)
            agent.terminate()
            assert agent.wait() == 0
