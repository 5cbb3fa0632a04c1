"""What is sent to a node is small, is text of its own, and is understood by the oldest Python that a node may have."""

from __future__ import annotations

import ast
import json
import sys
import zlib

import pytest

from picluster.remote import BOOT, payload
from tests.remote.stage import Pretended, Session

SOURCES: dict[str, str] = json.loads(zlib.decompress(payload()))
OLDEST = (3, 9)


def test_the_boot_is_one_line_that_a_shell_can_quote() -> None:
    assert "\n" not in BOOT
    assert "'" not in BOOT
    ast.parse(BOOT, feature_version=OLDEST)


def test_the_payload_fits_into_few_packets() -> None:
    assert len(payload()) < 32 * 1024
    assert "picluster.remote.program" in SOURCES
    assert "picluster.remote" not in SOURCES, "that is the controller's"


@pytest.mark.parametrize("name", SOURCES)
def test_the_oldest_python_reads_it_and_needs_nothing_but_itself(name: str) -> None:
    tree = ast.parse(SOURCES[name], feature_version=OLDEST)
    postponed = False
    for statement in ast.walk(tree):
        if isinstance(statement, ast.ImportFrom):
            assert statement.module is not None
            postponed |= statement.module == "__future__"
            assert statement.module.split(".")[0] in sys.stdlib_module_names or statement.module in SOURCES
        elif isinstance(statement, ast.Import):
            assert all(alias.name.split(".")[0] in sys.stdlib_module_names for alias in statement.names)
    assert postponed, "annotations of today mean nothing to it"


def test_nothing_is_imported_from_where_the_session_happens_to_begin(node: Pretended) -> None:
    home = node.put("/home/pi/json.py", "raise SystemExit('wrong')").parent
    (home / "picluster").mkdir()
    (home / "picluster" / "__init__.py").write_text("raise SystemExit('wrong')")
    with Session({"PATH": str(node.programs)}, home) as session:
        assert session.ask({"do": "check", "root": str(node.root)}) == []


def test_a_mistake_in_what_was_sent_shows_its_line(node: Pretended) -> None:
    """Tracebacks find the text of modules that have no file."""
    with Session({"PATH": str(node.programs)}) as session:
        said = session.ask({"do": "facts", "root": str(node.root), "question": {"files": [7]}})
    assert said[-1]["kind"] == "failed"
    assert "mistake in picluster" in said[-1]["error"]
