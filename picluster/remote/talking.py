"""The node's end of the conversation: a request a line, answers a line each, flushed at once (`picluster.remote` shows one).

While a step is at work nothing is expected from the controller. So its input is only looked at between steps, without
waiting (`O_NONBLOCK`, man 2 open): no byte yet means that it is there, an end of file that it is gone. A connection that was
cut without a word shows when something is said to it. Nothing that is said raises an error: the step at hand is finished.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from io import BufferedIOBase
from typing import Any

from picluster.remote.alarm import alarm

__all__ = ["Gone", "Talk"]

RECEIVING_S = 60
"""Without a byte for so long whoever sends a blob is gone, and must not keep others from this node."""
LONGEST_TEXT = 2_000


class Gone(Exception):  # noqa: N818  it is no error: there is nobody to be told of one
    """The controller is."""


class Talk:
    """Requests in, answers out."""

    def __init__(self, incoming: BufferedIOBase, outgoing: BufferedIOBase) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._step: int | None = None
        self.hung_up = False

    def request(self) -> dict[str, Any]:
        """The next one, however long that takes. Raises Gone where there is none, ValueError or TypeError where what
        comes is none."""
        line = self._incoming.readline()
        if not line.endswith(b"\n"):
            raise Gone
        request = json.loads(line)
        if not isinstance(request, dict):
            raise TypeError(f"a request is a JSON object, and not {type(request).__name__}")
        return request

    def blobs(self) -> Iterator[tuple[str, int]]:
        """Digest and length of each blob that follows a request; its bytes have to be taken with `chunks`."""
        while True:
            with alarm(RECEIVING_S, _leave):
                announced = self.request()
            if announced.get("end"):
                return
            yield str(announced["blob"]), int(announced["size"])

    def chunks(self, size: int) -> Iterator[bytes]:
        """The next so many bytes. Raises Gone where they do not come."""
        while size:
            with alarm(RECEIVING_S, _leave):
                chunk = self._incoming.read1(min(size, 1 << 16))
            if not chunk:
                raise Gone
            size -= len(chunk)
            yield chunk

    def gone(self) -> bool:
        """Whether the controller is, as far as that shows."""
        if not self.hung_up:
            descriptor = self._incoming.fileno()
            os.set_blocking(descriptor, False)
            try:
                self.hung_up = os.read(descriptor, 1) == b""
            except BlockingIOError:
                pass
            except OSError:
                self.hung_up = True
            finally:
                os.set_blocking(descriptor, True)
        return self.hung_up

    def say(self, kind: str, **words: object) -> None:
        line = json.dumps({"kind": kind, **words}).encode() + b"\n"
        try:
            self._outgoing.write(line)
            self._outgoing.flush()
        except OSError:
            self.hung_up = True

    def begin(self, step: int, text: str = "") -> None:
        """What is said from now on is about this step."""
        self._step = step
        self.say("begin", step=step, **({"text": text} if text else {}))

    def wait(self, text: str) -> None:
        """Why it takes long."""
        self.say("wait", step=self._step, text=text)

    def output(self, text: str) -> None:
        """A line that a command said."""
        self.say("output", step=self._step, text=text[:LONGEST_TEXT])

    def done(self, changed: bool) -> None:
        self.say("done", step=self._step, changed=changed)

    def failed(self, error: str) -> None:
        """Of the step that has begun; of the request as a whole where none has."""
        self.say("failed", error=error, **({} if self._step is None else {"step": self._step}))

    def end(self) -> None:
        """The request is answered."""
        self._step = None
        self.say("end")


def _leave() -> None:
    raise Gone
