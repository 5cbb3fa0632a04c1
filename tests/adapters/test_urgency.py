"""What is refused is named, and is no reason not to run. That it works where it is granted is seen on booted Pis
(tests/machines), which have it from their unit."""

from __future__ import annotations

import os
import resource

from picluster.adapters.urgency import become_urgent
from tests.adapters.isolation import isolated


@isolated
def test_what_the_limits_do_not_grant_is_refused_and_named() -> None:
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (65_536, 65_536))
    priority, memory = become_urgent()
    assert "real-time priority is refused (Operation not permitted)" in priority
    assert "locking memory is refused" in memory
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
