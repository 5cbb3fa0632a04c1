"""Linux namespaces without root and without programs (man 7 namespaces, user_namespaces; `unshare -Urnm --pid`, in-process).

A process that makes a user namespace is root inside it, and nowhere else. There it may make network namespaces, interfaces
and nftables rules, none of which the machine around it can see, and all of which vanish with their last process.

Some systems forbid this (Ubuntu 24.04 restricts it by AppArmor, some containers by seccomp; macOS has none): `why_not`
says so.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

__all__ = [
    "NetworkNamespace",
    "isolate",
    "limit_memory",
    "mount_memory",
    "mount_overlay",
    "read_only",
    "run_isolated",
    "why_not",
]

# linux/sched.h, linux/mount.h, linux/prctl.h
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 0x1, 0x2, 0x4, 0x8, 0x20, 0x1000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
MNT_DETACH = 0x2
PR_SET_PDEATHSIG = 1
OWN_NETWORK = "/proc/thread-self/ns/net"

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    """A system call through the C library (Python has `os.unshare` and `os.setns` only since 3.12). Raises OSError."""
    if getattr(_libc, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def isolate(*, pids: bool = False, users: bool = True) -> None:
    """Move this process, which must have a single thread, into a user, network and mount namespace of its own. It is root
    there. With `pids`, the next child that it forks becomes process 1 of a PID namespace. Without `users` there is no user
    namespace, and it has to be the machine's root already.

    Raises OSError where the system forbids it.
    """
    uid, gid = os.getuid(), os.getgid()
    _call("unshare", CLONE_NEWNET | CLONE_NEWNS | (CLONE_NEWPID if pids else 0) | (CLONE_NEWUSER if users else 0))
    if users:
        # Without giving up setgroups() an ordinary user may not map a group (user_namespaces(7)).
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="ascii")
    _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)


def run_isolated(function: Callable[[], int], *, users: bool = True) -> int:
    """Run the function as process 1 of its own user, network, mount and PID namespaces, and return its exit code. Without
    `users` it has no user namespace, and this process has to be the machine's root.

    This process waits, and must have one thread at most that matters: the function runs in a forked grandchild. When the
    function ends, or any process of the chain is killed, however hard, the kernel kills everything that was started inside.
    An exception is printed and becomes 1; an end by a signal becomes 128 + its number. Raises OSError where the system
    forbids namespaces.
    """
    refused, refused_writer = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(refused)
        _guarded(lambda: _isolated_parent(function, parent, refused_writer, users=users))
    os.close(refused_writer)
    with os.fdopen(refused, encoding="utf-8") as pipe:
        number = pipe.read()
    code = _wait(child)
    if number:
        raise OSError(int(number), os.strerror(int(number)))
    return code


def _isolated_parent(function: Callable[[], int], parent: int, refused: int, *, users: bool) -> int:
    """The process between: in the new namespaces, but only its child is in the new PID namespace."""
    try:
        isolate(pids=True, users=users)
    except OSError as error:
        os.write(refused, str(error.errno).encode())
        return 1
    os.close(refused)
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return 1
    life, life_writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(life_writer)
        _guarded(lambda: _first_process(function, life))
    os.close(life)
    # Ctrl-C goes to the whole foreground group: it is for the function to answer it, and for this process to wait.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return _wait(child)


def _first_process(function: Callable[[], int], life: int) -> int:
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # getppid() is 0 in here whether or not the parent lives; the pipe whose other end it holds tells.
    if select.select([life], [], [], 0)[0]:
        return 1
    # The view of /proc is a comfort: a container that masks parts of /proc forbids it, and nothing here rests on it.
    with suppress(OSError):
        _call("mount", b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
    return function()


def _guarded(function: Callable[[], int]) -> NoReturn:
    """End this forked process with the function's code, and never return into the code that forked."""
    code = 1
    try:
        code = function()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:  # the caller's frames must not run twice, whatever was raised
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int) -> int:
    while True:
        try:
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        except KeyboardInterrupt:
            continue
        return code if code >= 0 else 128 - code


def mount_memory(directory: Path) -> None:
    """Put an empty file system in memory over a directory, for this mount namespace alone: it vanishes with it, whatever is
    in it. Raises OSError without CAP_SYS_ADMIN in it: call `isolate` or `run_isolated` before."""
    _call("mount", b"tmpfs", os.fsencode(directory), b"tmpfs", MS_NOSUID | MS_NODEV, b"mode=0700")


def limit_memory(directory: Path, size_bytes: int) -> None:
    """From now on no more than this goes into what `mount_memory` has put there; 0 lifts the limit. Raises OSError where
    there is more in it already."""
    _call("mount", b"none", os.fsencode(directory), None, MS_REMOUNT | MS_NOSUID | MS_NODEV, f"size={size_bytes}".encode())


def mount_overlay(target: Path, layers: Sequence[Path], disk: Path, scratch: Path) -> None:
    """Show these layers as one tree, the first on top; what is written goes to `disk` alone (Documentation/filesystems/
    overlayfs.rst). `scratch` is the kernel's own, an empty directory beside `disk`. Raises OSError."""
    below = ":".join(map(str, layers))
    _call(
        "mount",
        b"overlay",
        os.fsencode(target),
        b"overlay",
        0,
        f"lowerdir={below},upperdir={disk},workdir={scratch}".encode(),
    )


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Within the block nothing below the directory can be opened for writing, made or removed."""
    place = os.fsencode(directory)
    _call("mount", place, place, None, MS_BIND, None)
    try:
        _call("mount", b"none", place, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, None)
        yield
    finally:
        _call("umount2", place, MNT_DETACH)


def why_not() -> str:
    """Why this machine gives no namespaces, as a sentence's end; empty where it gives them. Costs a few milliseconds."""
    if sys.platform != "linux":
        return f"{sys.platform} has no network namespaces"
    try:
        run_isolated(lambda: 0)
    except OSError as error:
        return f"this system forbids user namespaces ({error.strerror})"
    return ""


class NetworkNamespace:
    """A network of its own, held by an open file descriptor: it lives as long as that, or a process in it, or a socket."""

    def __init__(self, descriptor: int) -> None:
        """Owns the descriptor from now on."""
        self._descriptor = descriptor

    @classmethod
    def create(cls) -> Self:
        """A new, empty one, with its loopback interface down. This thread stays where it is. Raises OSError without
        CAP_SYS_ADMIN in its user namespace: call `isolate` or `run_isolated` before."""
        with cls.current() as home:
            _call("unshare", CLONE_NEWNET)
            try:
                return cls.current()
            finally:
                _call("setns", home.fileno(), CLONE_NEWNET)

    @classmethod
    def current(cls) -> Self:
        """The one that this thread is in."""
        return cls(os.open(OWN_NETWORK, os.O_RDONLY | os.O_CLOEXEC))

    def fileno(self) -> int:
        return self._descriptor

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Within the block this thread is inside: sockets made, processes started and threads begun there belong to it."""
        with NetworkNamespace.current() as home:
            _call("setns", self._descriptor, CLONE_NEWNET)
            try:
                yield
            finally:
                _call("setns", home.fileno(), CLONE_NEWNET)

    def close(self) -> None:
        """Let go of it. Closing twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
