"""`picluster discover`, called wrongly. What it hears is tried where there is a network to hear something on."""

from __future__ import annotations

import pytest

from tests.cli.test_verbs import picluster


@pytest.mark.parametrize(
    "words", [["--seconds", "0"], ["--seconds", "nan"], ["--seconds", "61"], ["--inventory", "no.toml"]]
)
def test_what_cannot_be_done_is_explained(words: list[str]) -> None:
    done = picluster("discover", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
    assert "Traceback" not in done.stderr
