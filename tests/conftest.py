"""With `--no-skips` no test may be left out; and after the last scenario, what the client saw in each is told."""

from __future__ import annotations

import json
from collections.abc import Generator

import pytest

ROWS = "scenario"
HEADING = f"{'what happens':<66} {'held':<7} {'then':<27} {'outage':>9} {'lost':>7}  two at once"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a test that this machine cannot run is a failure")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and item.config.getoption("no_skips"):
        report.outcome = "failed"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = [
        row
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == ROWS and getattr(report, "when", "") == "call"
        for row in json.loads(str(value))
    ]
    if not rows:
        return
    terminalreporter.section("what the client saw")
    terminalreporter.write_line(HEADING)
    for title, held, then, outage_ms, lost, double_ms in rows:
        cells = f"{title:<66} {held:<7} {then:<27} {outage_ms:>6.0f} ms {lost:>7}  {double_ms:.0f} ms"
        terminalreporter.write_line(cells)
