"""As with the scenarios: what the client saw is told at the end, and with `--no-skips` none may be left out."""

from __future__ import annotations

from tests.scenarios.conftest import pytest_addoption, pytest_runtest_makereport, pytest_terminal_summary

__all__ = ["pytest_addoption", "pytest_runtest_makereport", "pytest_terminal_summary"]
