"""Namespaces and the interfaces in them, on the real kernel, as whoever runs the tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from picluster.adapters.links import Links
from picluster.adapters.namespaces import NetworkNamespace, limit_memory, mount_memory, read_only, run_isolated
from tests.adapters.isolation import isolated, reason_to_skip

needs_namespaces = pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip() or "has namespaces")


@isolated
def test_inside_it_is_root_and_process_one_with_only_a_loopback() -> None:
    assert os.getuid() == 0
    assert os.getpid() == 1
    assert [name for _, name in socket.if_nameindex()] == ["lo"]


@needs_namespaces
def test_the_exit_code_comes_out() -> None:
    assert run_isolated(lambda: 7) == 7


@needs_namespaces
def test_an_exit_and_a_signal_come_out() -> None:
    assert run_isolated(lambda: sys.exit(3)) == 3


@needs_namespaces
def test_nothing_started_inside_outlives_the_function() -> None:
    reading, writing = os.pipe()

    def leave_a_child() -> int:
        # Were it to live on, the pipe would stay open and the read below would never end.
        subprocess.Popen(["sleep", "60"], pass_fds=[writing])
        return 0

    assert run_isolated(leave_a_child) == 0
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b""


@needs_namespaces
def test_killing_the_outermost_process_ends_everything_inside() -> None:
    reading, writing = os.pipe()
    outermost = os.fork()
    if outermost == 0:

        def stay() -> int:
            os.write(writing, b"started")
            signal.pause()
            return 0

        os._exit(run_isolated(stay))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read(7) == b"started"
        os.kill(outermost, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(outermost, 0)[1]) == -signal.SIGKILL
        assert pipe.read() == b""


@isolated
def test_a_datagram_crosses_a_bridge_between_two_namespaces() -> None:
    with NetworkNamespace.create() as one, NetworkNamespace.create() as two, Links() as switch:
        switch.add_bridge("switch")
        for number, board in enumerate((one, two), start=1):
            switch.add_veth(f"port{number}", "eth0", peer_namespace=board, peer_mac=f"dc:a6:32:00:00:0{number}")
            switch.attach(f"port{number}", "switch")
            with Links(board) as links:
                links.add_address("eth0", f"10.77.0.{number}/24")
                links.add_address("eth0", f"fd77::{number}/64")
                links.up("eth0")
                assert links.state("eth0").mac == f"dc:a6:32:00:00:0{number}"
                assert links.state("eth0").up
        for family, host in ((socket.AF_INET, "10.77.0.2"), (socket.AF_INET6, "fd77::2")):
            with two.entered():
                server = socket.socket(family, socket.SOCK_DGRAM)
            with one.entered():
                client = socket.socket(family, socket.SOCK_DGRAM)
            with server, client:
                server.settimeout(5)
                server.bind((host, 7777))
                client.sendto(b"through the switch", (host, 7777))
                assert server.recv(100) == b"through the switch"


@isolated
def test_unplugged_switched_off_and_removed() -> None:
    with Links() as links:
        links.add_bridge("switch")
        links.add_veth("left", "right")
        links.attach("left", "switch")
        assert not links.state("left").up
        links.up("right")
        assert links.state("left").up
        links.down("right")
        assert not links.state("left").up
        links.detach("left")
        links.set_mac("right", "dc:a6:32:0a:0b:0c")
        assert links.state("right").mac == "dc:a6:32:0a:0b:0c"
        links.add_address("right", "10.77.0.1/24")
        (address,) = [address for address in links.addresses() if not address.interface.is_link_local]
        assert (str(address.interface), address.index) == ("10.77.0.1/24", links.state("right").index)
        links.remove_address("right", "10.77.0.1/24")
        assert address.interface not in [left.interface for left in links.addresses()]
        links.remove("left")
        with pytest.raises(OSError, match="No such device"):
            links.state("right")


@isolated
def test_a_process_started_within_a_namespace_sees_only_that() -> None:
    with NetworkNamespace.create() as board:
        with Links() as here:
            here.add_veth("port", "eth0", peer_namespace=board)
        look = [sys.executable, "-c", "import socket; print(sorted(name for _, name in socket.if_nameindex()))"]
        with board.entered():
            inside = subprocess.run(look, check=True, capture_output=True, text=True).stdout
        outside = subprocess.run(look, check=True, capture_output=True, text=True).stdout
    assert inside.strip() == "['eth0', 'lo']"
    assert outside.strip() == "['lo', 'port']"


@isolated
def test_a_file_system_in_memory_is_filled_and_made_read_only() -> None:
    place = Path("/mnt")
    mount_memory(place)
    limit_memory(place, 8_192)
    with pytest.raises(OSError, match="No space left"):
        (place / "big").write_bytes(bytes(9_000))
    (place / "big").unlink()
    limit_memory(place, 0)
    (place / "big").write_bytes(bytes(9_000))
    with read_only(place):
        with pytest.raises(OSError, match="Read-only file system"):
            (place / "more").write_bytes(b"")
        assert (place / "big").stat().st_size == 9_000
    (place / "more").write_bytes(b"")
