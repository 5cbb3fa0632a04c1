"""A pretended node for whoever asks for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.remote.stage import Pretended


@pytest.fixture
def node(tmp_path: Path) -> Pretended:
    return Pretended(tmp_path)
