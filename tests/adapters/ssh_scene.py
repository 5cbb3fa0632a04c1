"""A controller that calls nodes over SSH, and a person beside it who confirms keys and types passwords."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from picluster.adapters.ssh import Configuration, Credentials, Patience, SshShell, Target, Trust, connect
from picluster.adapters.ssh_keys import make_key_pair
from picluster.errors import AccessError
from picluster.trust.host_key import HostKey
from tests.adapters.sshd import PI

__all__ = ["ALONE", "Controller", "log_of", "within"]

ALONE = "IdentityFile none\nIdentityAgent none\n"
"""A ~/.ssh/config by which the keys of whoever runs the tests stay out of them."""

USUAL = Patience()

T = TypeVar("T")


class Controller:
    """`pre_made` are host keys by node; `confirms` is what the person says of a new key; `passwords` what they type in
    turn."""

    def __init__(
        self,
        place: Path,
        *,
        pre_made: Mapping[str, HostKey] | None = None,
        confirms: bool = True,
        passwords: Sequence[str] = (),
        configuration: Configuration | None = None,
    ) -> None:
        private, self.public = make_key_pair("controller")
        key_file = place / "controller"
        key_file.touch(mode=0o600)
        key_file.write_text(private)
        self.known_hosts = place / "known_hosts"
        self.passwords = list(passwords)
        self.confirms = confirms
        self.meanwhile: Callable[[], object] = list
        """What happens while the person thinks."""
        self.shown: list[tuple[str, str]] = []
        self.questions: list[str] = []
        self.trust = Trust(self.known_hosts, pre_made or {}, self._confirm)
        self.credentials = Credentials(key_file, self._ask)
        self.configuration = configuration or Configuration(ALONE)

    def connect(
        self,
        port: int,
        node: str = "pi1",
        *,
        user: str = PI,
        hosts: Sequence[str] = ("127.0.0.1",),
        patience: Patience = USUAL,
    ) -> SshShell:
        return connect(Target(node, tuple(hosts), port, user), self.credentials, self.trust, self.configuration, patience)

    def _confirm(self, node: str, fingerprint: str) -> bool:
        self.shown.append((node, fingerprint))
        self.meanwhile()
        return self.confirms

    def _ask(self, question: str) -> str:
        self.questions.append(question)
        self.meanwhile()
        if not self.passwords:
            raise AccessError("nobody is there to type")
        return self.passwords.pop(0)


def within(most_s: float, what: Callable[[], T]) -> T:
    """What the function returns or raises, which must not take longer: a hang becomes a failure."""
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(what())
        except BaseException as error:  # handed on to the test's own thread
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(most_s)
    assert not thread.is_alive(), f"still waiting after {most_s:g} s"
    if errors:
        raise errors[0]
    return results[0]


class _Keeper(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += f"{record.name}: {record.getMessage()} {record.exc_info}\n"


@contextmanager
def log_of(name: str = "") -> Iterator[Callable[[], str]]:
    """Everything that is logged meanwhile, down to the last detail."""
    keeper, logger = _Keeper(), logging.getLogger(name)
    before = logger.level
    logger.addHandler(keeper)
    logger.setLevel(logging.DEBUG)
    try:
        yield lambda: keeper.text
    finally:
        logger.removeHandler(keeper)
        logger.setLevel(before)
