"""What a file's mode forbids, also to root: tests of refusals run as whoever runs the tests."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

# linux/capability.h
VERSION = 0x20080522
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
HEADER = struct.Struct("=Ii")
SETS = struct.Struct("=6I")
"""Effective, permitted, inheritable: for the first 32 capabilities, and for the rest."""


@contextmanager
def file_modes_bind() -> Iterator[None]:
    """Root reads and writes what it likes by two capabilities (man 7 capabilities). Within this, the calling thread does
    without them; anybody else has none to begin with."""
    if os.geteuid() != 0:
        yield
        return
    before = _capabilities()
    effective, *others = SETS.unpack(before)
    _call("capset", SETS.pack(effective & ~(1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH), *others))
    try:
        yield
    finally:
        _call("capset", before)


def _capabilities() -> bytes:
    sets = ctypes.create_string_buffer(SETS.size)
    _call("capget", sets)
    return sets.raw


def _call(name: str, sets: bytes | ctypes.Array[ctypes.c_char]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    # Process 0 is the calling thread.
    if getattr(libc, name)(HEADER.pack(VERSION, 0), sets) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
