"""Two controllers at once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from picluster.controller.lock import busy, locked
from picluster.errors import ProvisionError

KILLED = """
import os, signal, sys
from pathlib import Path
from picluster.controller.lock import locked
with locked(Path(sys.argv[1]), "bob@desk", "up"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_second_is_told_who_and_since_when(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, "anna@laptop", "up"):
        with pytest.raises(ProvisionError) as caught, locked(path, "bob@desk", "reset"):
            pass
        assert re.match(r"anna@laptop \(picluster up\) has been at work here since \d\d:\d\d:\d\d; wait", str(caught.value))
    with locked(path, "bob@desk", "reset"):
        pass


def test_who_was_killed_holds_up_nobody(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, timeout=60)
    assert done.returncode == -9
    assert "bob@desk" in path.read_text(), "it could not clear away its words"
    with locked(path, "anna@laptop", "up"):
        pass


def test_who_has_not_said_who_they_are_is_somebody(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, "anna@laptop", "up"):
        path.write_text("half a wo")
        with pytest.raises(ProvisionError, match="another controller has been at work"), locked(path, "bob@desk", "up"):
            pass


def test_a_day_ago_has_a_date() -> None:
    now_s = 1_800_000_000.0
    assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d;", busy("anna@laptop", now_s - 100_000, now_s))
    assert busy("", now_s, now_s).startswith("somebody has")
