"""However a connection ends, or does not come to be, whoever waits for it gets an error that says so, and soon."""

from __future__ import annotations

import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL, SIGSTOP, Signals

import pytest

from picluster.adapters.ssh import Configuration, Patience, SshShell
from picluster.errors import AccessError, TrustError
from picluster.provision.steps import Blob
from tests.adapters.ssh_scene import ALONE, Controller, within
from tests.adapters.sshd import PI, Sshd, free_port, reason_to_skip
from tests.patience import until

pytestmark = pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip())

HASTE = Patience(connect_s=1.0, handshake_s=1.0, login_s=5.0, silence_s=1.0, start_s=5.0)
"""So that a test need not wait as long as a person would."""

RELAY = """\
import os, select, socket, sys
there = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
print("relay to", sys.argv[1], file=sys.stderr, flush=True)
while True:
    for ready in select.select([0, there], [], [])[0]:
        data = os.read(0, 65536) if ready == 0 else there.recv(65536)
        if not data:
            sys.exit()
        there.sendall(data) if ready == 0 else os.write(1, data)
"""


@pytest.fixture(scope="module")
def sshd() -> Iterator[Sshd]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        with Sshd(Path(name), []) as server:
            yield server


@pytest.fixture
def controller(tmp_path: Path, sshd: Sshd) -> Controller:
    return admitted(Controller(tmp_path), sshd)


def admitted(controller: Controller, sshd: Sshd) -> Controller:
    with (sshd.place / "authorized_keys").open("a") as keys:
        keys.write(controller.public)
    return controller


@pytest.fixture
def shell(sshd: Sshd, controller: Controller) -> Iterator[SshShell]:
    shell = controller.connect(sshd.port, patience=HASTE)
    yield shell
    shell.close()


@pytest.mark.parametrize("end", [SIGKILL, SIGSTOP], ids=["cut", "silent"])
def test_a_connection_that_ends_in_the_middle_of_a_talk(sshd: Sshd, shell: SshShell, tmp_path: Path, end: Signals) -> None:
    answers = shell.talk({"do": "hang", "file": str(tmp_path / "never")})
    assert next(answers)["kind"] == "begin"
    sshd.send(end)
    with pytest.raises(AccessError, match=r"the connection to 127\.0\.0\.1 broke"):
        within(20, lambda: list(answers))
    with pytest.raises(AccessError):
        within(20, lambda: list(shell.talk({"do": "facts"})))


@pytest.mark.parametrize("end", [SIGKILL, SIGSTOP], ids=["cut", "silent"])
def test_a_connection_that_ends_in_the_middle_of_a_command(sshd: Sshd, shell: SshShell, end: Signals) -> None:
    with pytest.raises(AccessError, match="broke"):
        within(20, lambda: shell.run("echo; sleep 600", lambda _: sshd.send(end)))


def test_a_connection_that_ends_while_blobs_are_sent(sshd: Sshd, shell: SshShell) -> None:
    """Into a node that no longer reads: what is on its way fills every buffer."""
    assert next(shell.talk({"do": "facts"}))["kind"] == "facts"
    sshd.send(SIGSTOP)
    with pytest.raises(AccessError, match="broke"):
        within(30, lambda: list(shell.talk({"do": "apply"}, [Blob(bytes(32 << 20))])))


def test_a_node_that_says_nothing_for_long_is_not_dead(shell: SshShell) -> None:
    """It is asked for signs of life, and gives them."""
    said: list[str] = []
    assert within(20, lambda: shell.run("sleep 2; echo awake", said.append)) == 0
    assert said == ["awake"]


def test_whoever_waits_is_told_when_the_shell_is_closed(shell: SshShell) -> None:
    began = threading.Event()

    def hang_up() -> None:
        began.wait(10)
        shell.close()

    threading.Thread(target=hang_up, daemon=True).start()
    with pytest.raises(AccessError, match="broke"):
        within(20, lambda: shell.run("echo; sleep 600", lambda _: began.set()))


def test_a_port_where_nobody_listens(controller: Controller) -> None:
    with pytest.raises(AccessError, match=r"127\.0\.0\.1 port \d+ is refused: .* enable SSH"):
        within(20, lambda: controller.connect(free_port(), patience=HASTE))


def test_a_host_that_never_says_a_word(controller: Controller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(AccessError, match="takes the call, but no login"):
        within(20, lambda: controller.connect(silent.getsockname()[1], patience=HASTE))


def test_a_host_that_speaks_something_else(controller: Controller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(AccessError, match="takes the call, but no login"):
            within(20, lambda: controller.connect(server.getsockname()[1], patience=HASTE))


def test_a_host_that_stops_in_the_middle_of_the_greeting(controller: Controller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def answer() -> None:
            held.append(server.accept()[0])
            held[0].sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(AccessError, match="takes the call, but no login"):
            within(20, lambda: controller.connect(server.getsockname()[1], patience=HASTE))
        held[0].close()


def test_a_name_that_nobody_knows(controller: Controller) -> None:
    with pytest.raises(AccessError, match=r"nobody knows the name pi1\.invalid"):
        within(60, lambda: controller.connect(22, hosts=["pi1.invalid"], patience=HASTE))


def test_no_thread_outlives_a_call_that_failed(controller: Controller) -> None:
    """A timer of the handshake's would hold up the end of the program."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(AccessError):
            controller.connect(server.getsockname()[1])
    until(lambda: not [t for t in threading.enumerate() if isinstance(t, threading.Timer)], threading.enumerate)


@pytest.fixture
def jump_host() -> Iterator[Sshd]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        with Sshd(Path(name), []) as server:
            yield server


def through(tmp_path: Path, sshd: Sshd, jump_host: Sshd, known: str, jumps: str = "door") -> Controller:
    """A controller whose ~/.ssh/config leads through a jump host, with a key of the user's own for that."""
    user = Controller(tmp_path)
    (tmp_path / "config").write_text(
        f"Host door\n  HostName 127.0.0.1\n  Port {jump_host.port}\n  User {PI}\n  IdentityFile {tmp_path}/controller\n"
        f"Host pi*\n  ProxyJump {jumps}\n{ALONE}"
    )
    (tmp_path / "known_hosts").write_text(known)
    (jump_host.place / "authorized_keys").write_text(user.public)
    own = tmp_path / "own"
    own.mkdir()
    return admitted(Controller(own, configuration=Configuration.load(tmp_path / "config", tmp_path / "none")), sshd)


def test_a_jump_host_of_the_users(tmp_path: Path, sshd: Sshd, jump_host: Sshd) -> None:
    known = f"[127.0.0.1]:{jump_host.port} {jump_host.host_keys['ssh-ed25519'].text}\n"
    controller = through(tmp_path, sshd, jump_host, known)
    shell = controller.connect(sshd.port, patience=HASTE)
    said: list[str] = []
    blob = Blob(bytes(range(256)) * 4096)
    assert within(20, lambda: shell.run("echo inside", said.append)) == 0
    assert within(20, lambda: list(shell.talk({"do": "apply"}, [blob])))[0]["same"]
    assert said == ["inside"]
    assert shell.host_key == sshd.host_keys["ssh-ed25519"]
    jump_host.send(SIGKILL)
    with pytest.raises(AccessError, match="broke"):
        within(20, lambda: shell.run("true", said.append))
    shell.close()


def test_two_jump_hosts_are_passed_in_their_order(tmp_path: Path, sshd: Sshd, jump_host: Sshd) -> None:
    """The node's server is the second of them too: only there does a connection from the first come from."""
    keys = ((server.port, server.host_keys["ssh-ed25519"].text) for server in (sshd, jump_host))
    known = "".join(f"[127.0.0.1]:{port} {key}\n" for port, key in keys)
    controller = through(tmp_path, sshd, jump_host, known, f"door,{PI}@127.0.0.1:{sshd.port}")
    with (tmp_path / "config").open("a") as config:
        config.write(f"Host 127.0.0.1\n  IdentityFile {tmp_path}/controller\n")
    with (sshd.place / "authorized_keys").open("a") as file:
        file.write((jump_host.place / "authorized_keys").read_text())
    controller.configuration = Configuration.load(tmp_path / "config", tmp_path / "none")
    before = len(logins(sshd))
    shell = within(20, lambda: controller.connect(sshd.port, patience=HASTE))
    shell.close()
    assert len(logins(jump_host)) == 1
    assert len(logins(sshd)) == before + 2


def logins(server: Sshd) -> list[str]:
    return [line for line in server.log().splitlines() if "Accepted publickey" in line]


def test_jump_hosts_that_lead_in_a_circle(tmp_path: Path, sshd: Sshd) -> None:
    text = "Host pi1\n  ProxyJump one\nHost one\n  ProxyJump two\nHost two\n  ProxyJump one\n"
    controller = Controller(tmp_path, configuration=Configuration(text + ALONE))
    with pytest.raises(AccessError, match=r"~/.ssh/config: the jump hosts .* in a circle"):
        within(20, lambda: controller.connect(sshd.port))


@pytest.mark.parametrize(
    ("known", "told"),
    [(False, "the jump host .* is not in ~/.ssh/known_hosts"), (True, "the jump host door offers another host key")],
)
def test_a_jump_host_that_the_user_does_not_know(
    tmp_path: Path, sshd: Sshd, jump_host: Sshd, known: bool, told: str
) -> None:
    line = f"[127.0.0.1]:{jump_host.port} {sshd.host_keys['ssh-ed25519'].text}\n" if known else ""
    controller = through(tmp_path, sshd, jump_host, line)
    with pytest.raises(TrustError, match=told):
        within(20, lambda: controller.connect(sshd.port))
    assert "Accepted" not in jump_host.log()


def test_a_proxy_command_of_the_users(tmp_path: Path, sshd: Sshd) -> None:
    (tmp_path / "relay.py").write_text(RELAY)
    text = f"Host pi1\n  ProxyCommand {sys.executable} {tmp_path}/relay.py %h %p\n{ALONE}"
    controller = admitted(Controller(tmp_path, configuration=Configuration(text)), sshd)
    shell = controller.connect(sshd.port, hosts=["192.0.2.7"], patience=HASTE)
    said: list[str] = []
    assert within(20, lambda: shell.run("echo inside", said.append)) == 0
    assert said == ["inside"]
    shell.close()


def test_a_proxy_command_that_fails_says_why(tmp_path: Path, sshd: Sshd) -> None:
    text = f"Host *\n  ProxyCommand sh -c 'echo the tunnel is shut >&2; exit 1'\n{ALONE}"
    controller = Controller(tmp_path, configuration=Configuration(text))
    with pytest.raises(AccessError, match=r"no login comes of it: .*the tunnel is shut"):
        within(20, lambda: controller.connect(sshd.port, patience=HASTE))
