"""Who is let speak: keys that are new, confirmed, pre-made, changed or somebody else's, each offered by a real sshd."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from signal import SIGKILL

import pytest

from picluster.adapters.ssh_keys import make_key_pair
from picluster.adapters.ssh_trust import Trust
from picluster.errors import AccessError, TrustError
from picluster.trust.host_key import HostKey
from picluster.trust.known_hosts import KnownHosts
from tests.adapters.ssh_scene import Controller
from tests.adapters.sshd import Sshd, free_port, reason_to_skip

pytestmark = pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip())

KINDS = ("ssh-rsa", "ecdsa-sha2-nistp256", "ssh-ed25519")


@pytest.fixture(scope="module")
def sshd() -> Iterator[Sshd]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        with Sshd(Path(name), [], KINDS) as server:
            yield server


@pytest.fixture
def controller(tmp_path: Path, sshd: Sshd) -> Controller:
    return admitted(Controller(tmp_path), sshd)


def admitted(controller: Controller, sshd: Sshd) -> Controller:
    with (sshd.place / "authorized_keys").open("a") as keys:
        keys.write(controller.public)
    return controller


def known(controller: Controller) -> KnownHosts:
    return KnownHosts.parse(controller.known_hosts.read_text())


def offered(controller: Controller, sshd: Sshd, node: str = "pi1") -> HostKey:
    shell = controller.connect(sshd.port, node)
    shell.close()
    return shell.host_key


def other_key() -> HostKey:
    return HostKey.parse(make_key_pair("other")[1])


def test_a_new_key_is_shown_and_once_confirmed_it_is_known(sshd: Sshd, controller: Controller) -> None:
    key = offered(controller, sshd)
    assert key == sshd.host_keys["ssh-ed25519"], "the best kind is asked for where nothing is known"
    assert controller.shown == [("pi1", key.fingerprint)]
    assert known(controller).keys_of("pi1") == (key,)
    assert controller.known_hosts.stat().st_mode & 0o777 == 0o600
    offered(controller, sshd)
    assert len(controller.shown) == 1


def test_a_person_may_take_longer_than_the_server_waits(sshd: Sshd, controller: Controller) -> None:
    controller.meanwhile = lambda: sshd.send(SIGKILL)
    assert offered(controller, sshd) == sshd.host_keys["ssh-ed25519"]
    assert len(controller.shown) == 1


def test_a_new_key_that_is_not_confirmed_ends_it(sshd: Sshd, controller: Controller) -> None:
    controller.confirms = False
    with pytest.raises(TrustError, match="nobody confirmed that SHA256:"):
        controller.connect(sshd.port, hosts=["127.0.0.1", "localhost"])
    assert len(controller.shown) == 1, "no other address is tried after a person has said no"
    assert not controller.known_hosts.exists()
    assert controller.questions == []


def test_a_changed_key_is_refused_before_a_word_is_said(sshd: Sshd, controller: Controller) -> None:
    old = other_key()
    controller.known_hosts.write_text(KnownHosts().add("pi1", old).text)
    before = sshd.log()
    with pytest.raises(TrustError, match="picluster forget-host pi1") as refusal:
        controller.connect(sshd.port)
    assert old.fingerprint in str(refusal.value)
    assert sshd.host_keys["ssh-ed25519"].fingerprint in str(refusal.value)
    assert (controller.shown, controller.questions) == ([], [])
    assert known(controller).keys_of("pi1") == (old,)
    assert "Accepted" not in sshd.log().removeprefix(before)


def test_a_pre_made_key_is_trusted_at_once_and_written_down(sshd: Sshd, tmp_path: Path) -> None:
    key = sshd.host_keys["ssh-ed25519"]
    controller = admitted(Controller(tmp_path, pre_made={"pi1": key}), sshd)
    assert offered(controller, sshd) == key
    assert controller.shown == []
    assert known(controller).keys_of("pi1") == (key,)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_is_asked_for_the_kind_of_key_that_is_known(sshd: Sshd, controller: Controller, kind: str) -> None:
    controller.known_hosts.write_text(KnownHosts().add("pi1", sshd.host_keys[kind]).text)
    assert offered(controller, sshd) == sshd.host_keys[kind]
    assert controller.shown == []


def test_a_server_without_the_known_kind_of_key_has_changed(sshd: Sshd, controller: Controller) -> None:
    controller.known_hosts.write_text(KnownHosts().add("pi1", other_key()).text)
    with pytest.raises(TrustError, match="not the one by which pi1 is known"):
        controller.connect(sshd.port)


def test_a_node_is_known_wherever_it_is(sshd: Sshd, controller: Controller) -> None:
    """By another address, too: names count."""
    offered(controller, sshd)
    shell = controller.connect(sshd.port, hosts=["localhost"])
    shell.close()
    assert len(controller.shown) == 1


def test_the_key_of_another_node_is_refused(sshd: Sshd, controller: Controller) -> None:
    offered(controller, sshd, "pi1")
    with pytest.raises(TrustError, match="this is the host key of pi1"):
        controller.connect(sshd.port, "pi2")
    assert len(controller.shown) == 1


def test_two_cloned_cards_at_once_are_noticed_at_the_second(sshd: Sshd, controller: Controller) -> None:
    refusals: list[TrustError] = []

    def call(node: str) -> None:
        try:
            offered(controller, sshd, node)
        except TrustError as error:
            refusals.append(error)

    threads = [threading.Thread(target=call, args=(node,)) for node in ("pi1", "pi2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(controller.shown) == 1
    assert [str(refusal)[:28] for refusal in refusals] == [f"this is the host key of {controller.shown[0][0]} "]


def test_another_address_may_be_the_node_where_the_first_is_not(sshd: Sshd, controller: Controller) -> None:
    """A stale address, at which nobody is any more."""
    closed = free_port()
    with pytest.raises(AccessError, match=r"no SSH server; enable SSH on it"):
        controller.connect(closed)
    shell = controller.connect(sshd.port, hosts=["127.0.0.2", "127.0.0.1"])
    shell.close()


def test_lines_that_people_wrote_stay(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_bytes(b"# the lab, 2026 \xe9\n@revoked * ssh-ed25519 AAAA\n")
    trust = made_trust(file, {})
    trust.decide("pi1", other_key())
    assert file.read_bytes().startswith(b"# the lab, 2026 \xe9\n@revoked * ssh-ed25519 AAAA\npi1 ssh-ed25519 ")


def test_the_pre_made_key_is_introduced_once(tmp_path: Path) -> None:
    key, file = other_key(), tmp_path / "known_hosts"
    trust = made_trust(file, {"pi1": key})
    trust.introduce("pi1")
    trust.introduce("pi1")
    trust.introduce("pi2")
    assert file.read_text() == f"pi1 {key.text}\n"


def made_trust(file: Path, pre_made: Mapping[str, HostKey]) -> Trust:
    return Trust(file, pre_made, lambda *_: True)
