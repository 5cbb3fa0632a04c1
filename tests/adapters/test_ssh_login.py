"""Getting in: which keys are shown in which order, who is asked for a password and how often, and who never sees it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import paramiko
import pytest

from picluster.adapters.ssh import Configuration, SshShell
from picluster.adapters.ssh_keys import make_key_pair
from picluster.adapters.ssh_login import Credentials, Password
from picluster.errors import AccessError
from picluster.trust.host_key import HostKey
from tests.adapters.ssh_scene import Controller, log_of, within
from tests.adapters.ssh_server import Server
from tests.adapters.sshd import Sshd, reason_to_skip
from tests.patience import until

KEYS_OR_PASSWORD = ("publickey", "password")


def said(shell: SshShell) -> list[str]:
    lines: list[str] = []
    shell.run("hello", lines.append)
    shell.close()
    return lines


def test_the_controllers_key_is_enough(tmp_path: Path) -> None:
    controller = Controller(tmp_path)
    with Server(["publickey"], keys=[HostKey.parse(controller.public)]) as server:
        assert said(controller.connect(server.port)) == ["hello"]
    assert server.tries == [["publickey"]], "nothing else is tried before it"


def test_a_password_is_asked_for_once_for_all_nodes(tmp_path: Path) -> None:
    controller = Controller(tmp_path, passwords=["raspberry pi"])
    shells: list[SshShell] = []
    with ExitStack() as stack:
        servers = [stack.enter_context(Server(KEYS_OR_PASSWORD, "raspberry pi")) for _ in range(3)]

        def call(number: int) -> None:
            shells.append(controller.connect(servers[number].port, f"pi{number}", user="pi"))

        threads = [threading.Thread(target=call, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert [said(shell) for shell in shells] == [["hello"]] * 3
    assert [server.tries for server in servers] == [[["publickey"], ["none", "password"]]] * 3
    assert len(controller.questions) == 1
    assert controller.questions[0].startswith("Password of pi on pi")


def test_keyboard_interactive_will_do(tmp_path: Path) -> None:
    controller = Controller(tmp_path, passwords=["wrong", "raspberry"])
    with Server(["publickey", "keyboard-interactive"], "raspberry") as server:
        assert said(controller.connect(server.port)) == ["hello"]


def test_a_person_may_take_longer_than_the_server_waits(tmp_path: Path) -> None:
    controller = Controller(tmp_path, passwords=["raspberry"])
    with Server(KEYS_OR_PASSWORD, "raspberry") as server:
        controller.meanwhile = server.hang_up
        assert said(controller.connect(server.port)) == ["hello"]
    assert len(controller.questions) == 1


def test_a_refused_password_is_asked_for_again(tmp_path: Path) -> None:
    controller = Controller(tmp_path, passwords=["wrong", "raspberry"])
    with Server(KEYS_OR_PASSWORD, "raspberry") as server:
        assert said(controller.connect(server.port, user="pi")) == ["hello"]
    assert controller.questions == ["Password of pi on pi1: ", "That was refused. Password of pi on pi1: "]


def test_a_password_that_stays_wrong_is_an_error_that_does_not_repeat_it(tmp_path: Path) -> None:
    # Put together, so that the text is not in the source that a traceback shows.
    fish = "fish".join(("sword", "-"))
    controller = Controller(tmp_path, passwords=[f"{fish}{number}" for number in range(1, 5)])
    with (
        Server(KEYS_OR_PASSWORD, "raspberry") as server,
        log_of() as log,
        pytest.raises(AccessError, match=r"the password of pi was refused") as refusal,
    ):
        within(20, lambda: controller.connect(server.port, user="pi", hosts=["127.0.0.1", "localhost"]))
    assert len(controller.questions) == 3, "and no other address is tried with it"
    assert "Auth" in log(), "paramiko does log"
    assert fish not in log()
    assert fish not in str(refusal.getrepr(style="long", showlocals=False))


def test_no_password_is_asked_for_where_none_is_taken(tmp_path: Path) -> None:
    controller = Controller(tmp_path, passwords=["raspberry"])
    wanted = r"put .*controller\.pub into ~pi/\.ssh/authorized_keys"
    with Server(["publickey"]) as server, pytest.raises(AccessError, match=wanted):
        within(20, lambda: controller.connect(server.port, user="pi"))
    assert controller.questions == []


def test_nobody_is_there_to_type(tmp_path: Path) -> None:
    controller = Controller(tmp_path)
    with Server(KEYS_OR_PASSWORD) as server, pytest.raises(AccessError, match="nobody is there to type"):
        within(20, lambda: controller.connect(server.port))


def test_an_empty_answer_is_no_password(tmp_path: Path) -> None:
    controller = Controller(tmp_path, passwords=[""])
    with Server(KEYS_OR_PASSWORD) as server, pytest.raises(AccessError, match="no password was given for pi on pi1"):
        within(20, lambda: controller.connect(server.port, user="pi"))
    assert server.tries == [["publickey"], ["none"]]


def test_a_key_and_a_password_where_both_are_wanted(tmp_path: Path) -> None:
    controller = Controller(tmp_path, passwords=["raspberry"])
    with Server(["publickey"], "raspberry", [HostKey.parse(controller.public)], both=True) as server:
        assert said(controller.connect(server.port)) == ["hello"]
    assert server.tries == [["publickey", "password"]]


def test_keys_that_the_configuration_names(tmp_path: Path) -> None:
    private, public = make_key_pair("user")
    (tmp_path / "mine").write_text(private)
    (tmp_path / "broken").write_text("no key")
    files = "".join(f"IdentityFile {tmp_path}/{name}\n" for name in ("broken", "none", "mine"))
    text = f"IdentityAgent none\n{files}"
    controller = Controller(tmp_path, configuration=Configuration(text))
    with Server(["publickey"], keys=[HostKey.parse(public)]) as server:
        assert said(controller.connect(server.port)) == ["hello"]
    assert server.tries == [["publickey", "publickey"]]


def test_an_encrypted_key_is_opened_once_with_its_passphrase(tmp_path: Path) -> None:
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(str(tmp_path / "mine"), password="open sesame")
    text = f"IdentityAgent none\nIdentityFile {tmp_path}/mine\n"
    controller = Controller(tmp_path, configuration=Configuration(text), passwords=["open sesame"])
    with Server(["publickey"], keys=[HostKey(key.get_name(), key.asbytes())]) as server:
        assert said(controller.connect(server.port)) == ["hello"]
        assert said(controller.connect(server.port)) == ["hello"]
    assert controller.questions == [f"Passphrase of {tmp_path}/mine (empty: go on without it): "]


def test_an_encrypted_key_may_be_left_alone(tmp_path: Path) -> None:
    paramiko.ECDSAKey.generate().write_private_key_file(str(tmp_path / "mine"), password="open sesame")
    text = f"IdentityAgent none\nIdentityFile {tmp_path}/mine\n"
    controller = Controller(tmp_path, configuration=Configuration(text), passwords=["", "raspberry"])
    with Server(KEYS_OR_PASSWORD, "raspberry") as server:
        assert said(controller.connect(server.port)) == ["hello"]


@pytest.fixture
def agent() -> Iterator[tuple[Path, list[str]]]:
    """An ssh-agent that holds seven keys: its socket, and their public lines."""
    if not shutil.which("ssh-agent"):
        pytest.skip("ssh-agent is missing: apt install openssh-client")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        path = place / "agent.sock"
        process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
        try:
            until(path.exists, "the agent does not listen")
            pairs = [make_key_pair(f"key {number}") for number in range(7)]
            for private, _ in pairs:
                environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}
                subprocess.run(["ssh-add", "-q", "-"], input=private, text=True, env=environment, check=True, timeout=10)
            yield path, [public for _, public in pairs]
        finally:
            process.kill()
            process.wait(10)


def test_the_agent_is_asked_for_the_key_that_is_named(tmp_path: Path, agent: tuple[Path, list[str]]) -> None:
    path, keys = agent
    (tmp_path / "sixth.pub").write_text(keys[5])
    text = f"IdentityAgent {path}\nIdentityFile {tmp_path}/sixth.pub\n"
    controller = Controller(tmp_path, configuration=Configuration(text))
    with Server(["publickey"], keys=[HostKey.parse(keys[5])]) as server:
        assert said(controller.connect(server.port)) == ["hello"]
    assert server.tries == [["publickey", "publickey"]]


def test_only_named_keys_of_the_agent_where_the_file_says_so(tmp_path: Path, agent: tuple[Path, list[str]]) -> None:
    path, keys = agent
    (tmp_path / "sixth.pub").write_text(keys[5])
    text = f"IdentityAgent {path}\nIdentityFile {tmp_path}/sixth.pub\nIdentitiesOnly yes\n"
    controller = Controller(tmp_path, configuration=Configuration(text))
    refused = pytest.raises(AccessError, match="none of the keys")
    with Server(["publickey"], keys=[HostKey.parse(keys[0])]) as server, refused:
        within(20, lambda: controller.connect(server.port))
    assert server.tries == [["publickey", "publickey"], ["none"]]


def test_an_agent_with_many_keys_does_not_lock_out_the_password(tmp_path: Path, agent: tuple[Path, list[str]]) -> None:
    """A server hangs up after six tries; so keys and passwords get a connection each."""
    path, _ = agent
    configuration = Configuration(f"IdentityFile none\nIdentityAgent {path}\n")
    controller = Controller(tmp_path, passwords=["wrong", "raspberry"], configuration=configuration)
    with Server(KEYS_OR_PASSWORD, "raspberry") as server:
        assert said(controller.connect(server.port)) == ["hello"]
    assert server.tries == [["publickey"] * 5, ["none", "password", "password"]]


@pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip())
def test_a_real_server_that_hangs_up_after_some_tries(tmp_path: Path, agent: tuple[Path, list[str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        sshd = Sshd(Path(name), [])
        with sshd.file.open("a") as file:
            file.write("MaxAuthTries 3\n")
        configuration = Configuration(f"IdentityFile none\nIdentityAgent {agent[0]}\n")
        controller = Controller(tmp_path, configuration=configuration)
        with sshd, pytest.raises(AccessError, match="none of the keys, and passwords are not accepted"):
            within(20, lambda: controller.connect(sshd.port))


def test_secrets_do_not_show_themselves(tmp_path: Path) -> None:
    password = Password("swordfish")
    credentials = Credentials(tmp_path / "none", lambda _: "swordfish")
    assert credentials.password("pi on pi1", []) == password
    assert "swordfish" not in f"{password} {password!r} {credentials!r} {[password]}"
    assert len({password, Password("swordfish"), Password("other")}) == 2


def test_passwords_of_nodes_are_not_for_jump_hosts(tmp_path: Path) -> None:
    answers = ["of the nodes", "of the door"]
    credentials = Credentials(tmp_path / "none", lambda _: answers.pop(0))
    assert credentials.password("pi on pi1", []).reveal() == "of the nodes"
    assert credentials.for_jumps.password("ann on door", []).reveal() == "of the door"
    assert credentials.for_jumps.key_file is None
    assert credentials.password("pi on pi2", []).reveal() == "of the nodes"
