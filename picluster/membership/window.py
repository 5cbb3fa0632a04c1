"""Which sequence numbers have been seen: each is accepted once, and what is missing is the loss.

A sliding window as in IPsec (RFC 4303 section 3.4.3, RFC 6479): the latest `size` numbers are remembered one bit each. A
higher number moves the window on; one inside it is looked up; one behind it is refused, since nobody can tell any more
whether it was seen. Python's integers are bit fields of any length, so the RFCs' rings of words shrink to a shift.

Only numbers from datagrams whose seal fits may be shown to it: a forged number would move the window away.
"""

from __future__ import annotations

LOSS_SPAN = 64
"""Loss is measured over so many expected datagrams: some seconds of heartbeats, or two of renewals."""
_LOSS_MASK = (1 << LOSS_SPAN) - 1


class ReplayWindow:
    """The sequence numbers, counted from 1, of one incarnation of one peer.

    >>> window = ReplayWindow()
    >>> [window.accept(sequence) for sequence in (1, 3, 3, 2, 1)]
    [True, True, False, True, False]
    """

    __slots__ = ("_first", "_mask", "_newest", "_seen", "_size")

    def __init__(self, size: int = 1024) -> None:
        if size < LOSS_SPAN:
            raise ValueError(f"a window of {size} is too small to measure loss; at least {LOSS_SPAN}")
        self._size = size
        self._mask = (1 << size) - 1
        self._newest = 0
        self._first = 0
        self._seen = 0  # bit i stands for the number `_newest` - i

    @property
    def newest(self) -> int:
        """The highest number accepted; 0 before the first."""
        return self._newest

    def accept(self, sequence: int) -> bool:
        """Whether this number is new. True at most once for each."""
        ahead = sequence - self._newest
        if ahead > 0:
            self._seen = (self._seen << ahead | 1) & self._mask if ahead < self._size else 1
            self._first = self._first or sequence
            self._newest = sequence
            return True
        bit = 1 << -ahead if -ahead < self._size else 0
        if sequence < 1 or not bit or self._seen & bit:
            return False
        self._seen |= bit
        self._first = min(self._first, sequence)
        return True

    @property
    def loss_percent(self) -> int:
        """Of the latest numbers up to the newest, at most `LOSS_SPAN`, how many have not arrived, 0 to 100 rounded.

        Counted from the first number that was ever heard: what was sent before we listened was not lost. A peer that has
        fallen silent altogether loses nothing by this measure; its age shows that."""
        expected = min(self._newest - self._first + 1, LOSS_SPAN) if self._newest else 0
        if not expected:
            return 0
        missing = expected - (self._seen & _LOSS_MASK).bit_count()
        return (100 * missing + expected // 2) // expected
