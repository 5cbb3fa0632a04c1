"""What is said over a command: the node program's requests and answers, or the lines of text that any other prints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from picluster.adapters.ssh_command import Command
from picluster.errors import AccessError
from picluster.provision.steps import Blob
from picluster.remote import payload

__all__ = ["Lines", "Program"]

LONGEST_ANSWER_BYTES = 64 * 1024 * 1024
LONGEST_LINE_BYTES = 64 * 1024


class Lines:
    """Cuts what comes in pieces into lines."""

    def __init__(self, longest_bytes: int) -> None:
        self._longest_bytes = longest_bytes
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The lines that are complete now, without their ends; a line that gets too long is cut there."""
        *lines, rest = (self._rest + piece).split(b"\n")
        self._rest = rest
        yield from lines
        if len(self._rest) > self._longest_bytes:
            yield self.rest()

    def rest(self) -> bytes:
        """What came after the last end of a line."""
        rest, self._rest = self._rest, b""
        return rest


class Program:
    """The node program, once it has said that it is ready. It answers one request after another (`picluster.remote`)."""

    def __init__(self, command: Command, said: bytes) -> None:
        self._command = command
        self._lines = Lines(LONGEST_ANSWER_BYTES)
        self._waiting = list(self._lines.feed(said))
        text = payload()
        command.tell(b"%d\n" % len(text) + text)

    @property
    def running(self) -> bool:
        return self._command.running

    def ask(self, request: Mapping[str, object], blobs: Sequence[Blob]) -> None:
        """Send a request, and what belongs to it. Where the program ends meanwhile, `answers` tells."""
        try:
            self._command.tell(_line(request))
            if request.get("do") != "apply":
                return
            for blob in blobs:
                self._command.tell(_line({"blob": blob.digest, "size": len(blob.data)}))
                self._command.tell(blob.data)
            self._command.tell(_line({"end": True}))
        except OSError:
            if self._command.running:
                raise

    def answers(self) -> Iterator[dict[str, Any]]:
        """Until the `end`, which is not one of them. Raises AccessError where the program ends before."""
        for line in self._heard():
            answer = _object(line)
            if answer.get("kind") == "end":
                return
            if answer:
                yield answer
        code, complaint = self._command.code(), self._command.complaint
        raise AccessError(f"the program there ended before it was done (exit code {code}): {complaint or 'without a word'}")

    def close(self) -> None:
        self._command.close()

    def _heard(self) -> Iterator[bytes]:
        while self._waiting:
            yield self._waiting.pop(0)
        for output, _ in self._command.heard():
            self._waiting += self._lines.feed(output)
            while self._waiting:
                yield self._waiting.pop(0)


def _line(message: Mapping[str, object]) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    """Empty where the line is none: whatever starts on a node may print what it likes before."""
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
