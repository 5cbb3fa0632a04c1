"""`--rewrite-scenes`: write down anew what happens in the scenes; the difference is then the thing to read."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-scenes", action="store_true", help="write down anew what happens in tests/failover/scenes")
