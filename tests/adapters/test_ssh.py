"""Talking with the program on a node and running commands there, through a real sshd."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from picluster.adapters.ssh import SshShell, Target, open_ssh_command
from picluster.errors import AccessError
from picluster.provision.steps import Blob
from tests.adapters.ssh_scene import Controller, log_of, within
from tests.adapters.sshd import PI, Sshd, reason_to_skip
from tests.patience import until

pytestmark = pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip())


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Where another account may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    return Controller(tmp_path_factory.mktemp("controller"))


@pytest.fixture(scope="module")
def sshd(place: Path, controller: Controller) -> Iterator[Sshd]:
    with Sshd(place, [controller.public]) as server:
        yield server


@pytest.fixture
def shell(sshd: Sshd, controller: Controller) -> Iterator[SshShell]:
    sshd.rule()
    shell = controller.connect(sshd.port)
    yield shell
    shell.close()


def lines(shell: SshShell, command: str, *, root: bool = False) -> tuple[list[str], int]:
    said: list[str] = []
    code = within(20, lambda: shell.run(command, said.append, root=root))
    return said, code


def test_a_command_says_what_it_says_and_ends_as_it_ends(shell: SshShell) -> None:
    said, code = lines(shell, "echo one; echo two >&2; printf three; exit 7")
    assert sorted(said) == ["one", "three", "two"]
    assert code == 7


def test_a_command_has_no_input(shell: SshShell) -> None:
    assert lines(shell, "cat; echo over") == (["over"], 0)
    assert lines(shell, "cat; echo over", root=True) == (["over"], 0)


def test_output_comes_while_the_command_runs(shell: SshShell, place: Path) -> None:
    """It goes on only once its first line has arrived here."""
    flag = place / "flag"
    said: list[str] = []

    def tell(line: str) -> None:
        said.append(line)
        flag.touch()

    within(20, lambda: shell.run(f"echo first; while [ ! -e {flag} ]; do sleep 0.01; done; echo second", tell))
    assert said == ["first", "second"]


def test_much_output_comes_whole(shell: SshShell) -> None:
    said, code = lines(shell, "seq 1 200000; seq 1 200000 >&2")
    assert code == 0
    assert len(said) == 400_000
    assert said.count("200000") == 2


def test_what_a_signal_ends_has_the_code_255(shell: SshShell) -> None:
    assert lines(shell, "kill -9 $$") == ([], 255)
    assert lines(shell, "true") == ([], 0), "the connection has nothing to do with it"


def test_a_command_that_takes_too_long_is_left(shell: SshShell) -> None:
    with pytest.raises(AccessError, match=r"longer than 0.2 s: sleep 60"):
        within(20, lambda: shell.run("sleep 60", print, timeout_s=0.2))
    assert lines(shell, "echo still there") == (["still there"], 0)


def test_an_error_of_who_listens_is_its_own(shell: SshShell) -> None:
    def tell(_: str) -> None:
        raise BrokenPipeError("the pager is gone")

    with pytest.raises(BrokenPipeError, match="pager"):
        within(20, lambda: shell.run("echo one; sleep 60", tell))


def test_the_program_answers_one_request_after_another_in_one_session(shell: SshShell) -> None:
    first, second = (list(shell.talk({"do": "facts", "question": {"files": ["/ä"]}})) for _ in range(2))
    assert first == second
    assert first[0]["facts"]["question"] == {"files": ["/ä"]}
    assert first[0]["facts"]["sudo"] == "someone", "it is root that runs it"


def test_root_needs_no_sudo(sshd: Sshd, controller: Controller) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can log in as root here")
    shell = controller.connect(sshd.port, user="root")
    assert next(shell.talk({"do": "facts"}))["facts"]["sudo"] == ""
    assert lines(shell, "echo $SUDO_USER,$USER", root=True) == ([",root"], 0)
    shell.close()


def test_big_blobs_arrive_intact(shell: SshShell) -> None:
    blobs = [Blob(os.urandom(8 << 20), "a wheel"), Blob(b"", "nothing"), Blob(b"{}\n")]
    request = {"do": "apply", "blobs": {blob.digest: len(blob.data) for blob in blobs}}
    answers = within(30, lambda: list(shell.talk(request, blobs)))
    assert [(answer["digest"], answer["size"], answer["same"]) for answer in answers] == [
        (hashlib.sha256(blob.data).hexdigest(), len(blob.data), True) for blob in blobs
    ]


def test_an_apply_without_blobs_ends_too(shell: SshShell) -> None:
    assert within(20, lambda: list(shell.talk({"do": "apply", "blobs": {}}))) == []


def test_a_program_that_stops_reading_is_heard_out(shell: SshShell) -> None:
    blob = Blob(bytes(16 << 20))
    answers = within(30, lambda: list(shell.talk({"do": "apply", "full": True}, [blob])))
    assert answers == [{"kind": "failed", "error": "disk full"}]
    assert within(20, lambda: next(shell.talk({"do": "facts"})))["kind"] == "facts", "and is started again"


def test_what_is_no_answer_is_passed_over_and_long_answers_come_whole(shell: SshShell) -> None:
    answers = within(20, lambda: list(shell.talk({"do": "noise", "length": 300_000})))
    assert answers == [{"kind": "output", "text": "ä" * 300_000}]


def test_a_program_that_dies_tells_why(shell: SshShell) -> None:
    with pytest.raises(AccessError, match=r"ended before it was done \(exit code 1\): Killed: out of memory"):
        within(20, lambda: list(shell.talk({"do": "die"})))


def test_whoever_stops_listening_ends_the_program(shell: SshShell, place: Path) -> None:
    noticed = place / "noticed"
    place.chmod(0o777)
    answers = shell.talk({"do": "hang", "file": str(noticed)})
    assert next(answers)["kind"] == "begin"
    answers.close()
    until(noticed.exists, "the program did not notice")
    assert next(shell.talk({"do": "facts"}))["kind"] == "facts"


def test_sudo_with_a_password_asks_once_for_all(sshd: Sshd, tmp_path: Path, controller: Controller) -> None:
    sshd.rule(password="correct horse")
    other = another(controller, tmp_path, ["correct horse"])
    first, second = other.connect(sshd.port), other.connect(sshd.port)
    assert next(first.talk({"do": "facts"}))["facts"]["sudo"] == "someone"
    assert next(second.talk({"do": "facts"}))["facts"]["sudo"] == "someone"
    assert lines(second, "echo $SUDO_USER; exit 3", root=True) == (["someone"], 3)
    assert other.questions == [f"Password of {PI} on pi1, for sudo: "]
    first.close()
    second.close()


def another(controller: Controller, place: Path, passwords: list[str]) -> Controller:
    """The same controller, with another person at the keyboard."""
    other = Controller(place, passwords=passwords)
    shutil.copy(controller.credentials.key_file or "", place / "controller")
    return other


def test_a_wrong_sudo_password_is_asked_for_again(sshd: Sshd, tmp_path: Path, controller: Controller) -> None:
    sshd.rule(password="right")
    other = another(controller, tmp_path, ["wrong", "right"])
    shell = other.connect(sshd.port)
    assert lines(shell, "echo done", root=True) == (["done"], 0)
    first, second = other.questions
    assert first.startswith(f"Password of {PI}")
    assert second.startswith("That was refused")
    assert lines(shell, "echo again", root=True) == (["again"], 0), "the right one is tried first now"
    assert len(other.questions) == 2
    shell.close()


@pytest.mark.parametrize("talks", [True, False], ids=["talk", "run"])
def test_a_sudo_password_that_stays_wrong_is_an_error(
    sshd: Sshd, tmp_path: Path, controller: Controller, talks: bool
) -> None:
    sshd.rule(password="right")
    # Nowhere in one piece, so that a traceback shows it only where the program does.
    other = another(controller, tmp_path, [f"sword{'fish'}-{number}" for number in range(1, 4)])
    shell = other.connect(sshd.port)
    with log_of() as log, pytest.raises(AccessError, match=f"sudo did not take the password of {PI} on pi1") as refusal:
        within(20, lambda: list(shell.talk({"do": "facts"})) if talks else lines(shell, "true", root=True))
    shell.close()
    assert "".join(("sword", "fish")) not in f"{log()}{refusal.getrepr(showlocals=True)}{sshd.log()}"


def test_nobody_there_to_type_the_sudo_password(sshd: Sshd, shell: SshShell) -> None:
    sshd.rule(password="right")
    with pytest.raises(AccessError, match="nobody is there to type"):
        lines(shell, "true", root=True)


def test_sudo_may_refuse_the_user(sshd: Sshd, shell: SshShell) -> None:
    sshd.rule(refuses=f"{PI} is not in the sudoers file.")
    with pytest.raises(AccessError, match=f"exit code 1.*{PI} is not in the sudoers file"):
        list(shell.talk({"do": "facts"}))


@pytest.mark.parametrize(("missing", "told"), [("sudo", "there is no sudo"), ("python3", "no python3.*apt install python3")])
def test_what_is_missing_on_the_node_is_named(sshd: Sshd, shell: SshShell, missing: str, told: str) -> None:
    program = sshd.place / "bin" / missing
    program.rename(program.with_suffix(".away"))
    try:
        with pytest.raises(AccessError, match=told):
            within(20, lambda: list(shell.talk({"do": "facts"})))
    finally:
        program.with_suffix(".away").rename(program)


def test_a_shell_that_was_closed_says_so(sshd: Sshd, controller: Controller) -> None:
    shell = controller.connect(sshd.port)
    shell.close()
    shell.close()
    with pytest.raises(AccessError, match="broke"):
        shell.run("true", print)


def test_the_words_for_openssh_open_the_same_login(sshd: Sshd, controller: Controller, shell: SshShell) -> None:
    assert shell.host_key == sshd.host_keys["ssh-ed25519"]
    target = Target("pi1", ("127.0.0.1",), sshd.port, PI)
    ssh, *words = open_ssh_command(target, controller.credentials, controller.trust, controller.configuration)
    if not shutil.which(ssh):
        pytest.skip("ssh is missing: apt install openssh-client")
    command = [ssh, "-F", "/dev/null", "-o", "BatchMode=yes", *words, "echo here"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (run.stdout, run.returncode) == ("here\n", 0), run.stderr


def test_openssh_refuses_whom_picluster_does_not_know(sshd: Sshd, controller: Controller) -> None:
    target = Target("pi9", ("127.0.0.1",), sshd.port, PI)
    ssh, *words = open_ssh_command(target, controller.credentials, controller.trust, controller.configuration)
    if not shutil.which(ssh):
        pytest.skip("ssh is missing: apt install openssh-client")
    command = [ssh, "-F", "/dev/null", "-o", "BatchMode=yes", *words, "echo here"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert run.returncode == 255
    assert "Host key verification failed" in run.stderr
