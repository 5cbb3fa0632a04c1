"""Classic BPF: a program in the kernel that says which messages a socket is worth waking for (man 7 socket,
SO_ATTACH_FILTER; Documentation/networking/filter.rst).

The loads read big-endian, as networks do. A jump's two distances count instructions, from the next one.
"""

from __future__ import annotations

import ctypes
import socket
import struct

__all__ = ["JUMP_IF_EQUAL", "LOAD_BYTE", "LOAD_HALF", "LOAD_WORD", "PASS", "REFUSE", "attach", "instruction"]

SO_ATTACH_FILTER = 26
LOAD_WORD, LOAD_HALF, LOAD_BYTE, JUMP_IF_EQUAL, RETURN = 0x20, 0x28, 0x30, 0x15, 0x06
MOST_BYTES = 0x40000


def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """struct sock_filter."""
    return struct.pack("=HBBI", code, if_true, if_false, value)


PASS = instruction(RETURN, MOST_BYTES)
REFUSE = instruction(RETURN, 0)


def attach(listener: socket.socket, program: bytes) -> None:
    """Take the program in place of the one before. It is handed over as struct sock_fprog; the kernel copies it."""
    held = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("HL", len(program) // 8, ctypes.addressof(held))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)
