"""What the parts of this process have to say by the way, such as the beacon in its thread, on its way to people.

They say it by `logging`. Where nobody takes that, Python writes it to standard error: into the middle of a dashboard, or
without its time between the lines of the journal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

OURS = logging.getLogger("picluster")


class Remarks(logging.Handler):
    """Hands over every warning and worse, from whatever thread it comes, until it is closed."""

    def __init__(self, say: Callable[[str], object]) -> None:
        super().__init__(logging.WARNING)
        self._say = say
        OURS.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self._say(self.format(record))

    def close(self) -> None:
        OURS.removeHandler(self)
        super().close()
