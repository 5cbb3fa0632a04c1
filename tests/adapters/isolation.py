"""Runs the body of a test as root of a network of its own, in a forked process; a failure in there fails the test here."""

from __future__ import annotations

import functools
import os
import traceback
from collections.abc import Callable

import pytest

from picluster.adapters.namespaces import run_isolated, why_not

__all__ = ["isolated", "reason_to_skip", "unprivileged"]

NOBODY = 65_534


@functools.cache
def reason_to_skip() -> str:
    return why_not()


def isolated(body: Callable[[], None]) -> Callable[[], None]:
    """Decorates a test. Its body cannot use fixtures that hold threads, since it runs in a forked process."""

    @functools.wraps(body)
    def test() -> None:
        if reason_to_skip():
            pytest.skip(reason_to_skip())
        reading, writing = os.pipe()

        def guarded() -> int:
            try:
                body()
            except BaseException:  # an assertion as well as an error belongs into the report of the process outside
                os.write(writing, traceback.format_exc().encode()[-60_000:])
                return 1
            return 0

        code = run_isolated(guarded)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8", errors="replace") as pipe:
            report = pipe.read()
        if code != 0:
            pytest.fail(report or f"the isolated process ended with code {code}", pytrace=False)

    return test


def unprivileged(say: Callable[[], str]) -> str:
    """What the function says in a forked process that has no privileges. Where it raises, the test fails."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.getuid() == 0:
                os.setuid(NOBODY)
            os.write(writing, say().encode())
            code = 0
        except BaseException:  # whatever it is, this process must not go on as a second pytest
            os.write(writing, traceback.format_exc().encode())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        words = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, words
    return words
