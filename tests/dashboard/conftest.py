"""`pytest tests/dashboard --rewrite` draws the golden files anew; look at the difference before you commit it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="write the golden files of the dashboard anew")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a drawing with the golden file of this name, or write it."""

    def check(name: str, drawn: str) -> None:
        file = GOLDEN / name
        # The option is unknown to a run from the top, which reads this file only when it comes here.
        if request.config.getoption("--rewrite", default=False):
            file.write_text(drawn, encoding="utf-8")
        assert drawn == file.read_text(encoding="utf-8")

    return check
