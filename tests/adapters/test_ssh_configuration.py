"""~/.ssh/config: what it decides, what the inventory decides before it, and what holds where neither says anything."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from picluster.adapters.ssh_configuration import Configuration, Route, Target
from picluster.errors import AccessError

HOME = str(Path.home())
ADDRESS = ("192.168.1.21",)


def route(text: str, target: Target = Target("pi1", ADDRESS)) -> Route:  # noqa: B008 (a frozen value)
    routes = Configuration(text).routes(target)
    assert len(routes) == 1
    return routes[0]


def test_where_nobody_says_anything() -> None:
    assert route("") == Route("pi1", "192.168.1.21", 22, "pi")
    assert route("", Target("pi1")) == Route("pi1", "pi1.local", 22, "pi")


def test_the_file_wins_over_that_and_the_inventory_over_the_file() -> None:
    text = "Host pi1\n  User bob\n  Port 2222\n  HostName 10.0.0.1\n"
    assert route(text, Target("pi1")) == Route("pi1", "10.0.0.1", 2222, "bob")
    assert route(text, Target("pi1", ADDRESS, 22, "ann")) == Route("pi1", "192.168.1.21", 22, "ann")


def test_all_addresses_are_tried_in_order() -> None:
    routes = Configuration("").routes(Target("pi1", ("192.168.1.21", "fe80::1%eth0", "pi1.local")))
    assert [each.host for each in routes] == ["192.168.1.21", "fe80::1%eth0", "pi1.local"]


def test_a_node_is_looked_up_by_its_address_too() -> None:
    text = "Host 192.168.1.*\n  User bob\n  ProxyJump door\nHost *\n  User everybody\n"
    assert route(text) == Route("pi1", "192.168.1.21", 22, "bob", jumps=("door",))


def test_its_name_wins_over_its_address() -> None:
    text = "Host 192.168.1.*\n  User bob\n  Port 2200\nHost pi1\n  User ann\nHost *\n  User everybody\n"
    assert route(text) == Route("pi1", "192.168.1.21", 2200, "ann")


def test_what_leaves_the_node_out_leaves_it_out() -> None:
    assert route("Host * !pi1\n  User bob\n").user == "pi"


def test_jump_hosts_are_passed_in_the_order_in_which_they_stand() -> None:
    text = (
        "Host pi1\n  ProxyJump ann@door:2222,inner\nHost inner\n  HostName 10.0.0.%%1-%h\n  Port 24\nHost door\n  User bob\n"
    )
    assert route(text).jumps == ("ann@door:2222", "inner")
    configuration = Configuration(text)
    assert configuration.jump("ann@door:2222") == Route("door", "door", 2222, "ann")
    assert configuration.jump("inner") == Route("inner", "10.0.0.%1-inner", 24, getpass.getuser())
    assert configuration.jump("ssh://[fe80::1]:23") == Route("fe80::1", "fe80::1", 23, getpass.getuser())
    assert configuration.jump("fe80::1") == Route("fe80::1", "fe80::1", 22, getpass.getuser())


def test_a_jump_host_is_not_reached_through_itself() -> None:
    configuration = Configuration("Host *\n  ProxyJump door\n")
    assert configuration.routes(Target("pi1", ADDRESS))[0].jumps == ("door",)
    assert configuration.jump("door").jumps == ()


@pytest.mark.parametrize("text", ["ProxyJump none\nProxyJump door", "ProxyCommand none\nProxyCommand nc %h %p"])
def test_none_means_none(text: str) -> None:
    assert route(text) == Route("pi1", "192.168.1.21", 22, "pi")


def test_a_proxy_command_gets_its_tokens() -> None:
    text = "Host pi1\n  ProxyCommand nc -X 5 %h %p --as %r@%n 100%% %q\n"
    assert route(text, Target("pi1", ADDRESS, 2222, "ann")).command == "nc -X 5 192.168.1.21 2222 --as ann@pi1 100% %q"


def test_keys_and_agents() -> None:
    own = "Host pi1\n  IdentityFile ~/keys/%h\n  IdentityAgent %d/agent.sock\n  IdentitiesOnly yes\n"
    text = f"{own}Host *\n  IdentityFile /k/%r\n"
    found = route(text)
    assert found.identities == (f"{HOME}/keys/192.168.1.21", "/k/pi")
    assert found.agent == f"{HOME}/agent.sock"
    assert found.only_these
    assert route("IdentityFile none\n").identities == ()
    assert route("").identities is None
    assert route("IdentityAgent none\n").agent == ""
    assert route("IdentityAgent SSH_AUTH_SOCK\n").agent is None


def test_included_files_are_read_where_they_stand(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "a.conf").write_text("Host pi1\n  User ann\n")
    (tmp_path / "lab" / "b.conf").write_text("Host pi1\n  User too-late\n  Port 2222\n")
    config = tmp_path / "config"
    config.write_text("Include lab/*.conf nowhere\nIdentityFile /everybody\nHost pi2\n  Include lab/b.conf\n  Port 23\n")
    configuration = Configuration.load(config, tmp_path / "no-system-file")
    one, two = (configuration.routes(Target(node, ADDRESS))[0] for node in ("pi1", "pi2"))
    assert (one.user, one.port, one.identities) == ("ann", 2222, ("/everybody",))
    assert (two.user, two.port, two.identities) == ("pi", 23, ("/everybody",))


def test_a_file_that_includes_itself_comes_to_an_end(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Include config\nPort 24\n")
    assert Configuration.load(config, tmp_path / "none").routes(Target("pi1"))[0].port == 24


def test_the_users_file_wins_over_the_systems(tmp_path: Path) -> None:
    (tmp_path / "user").write_text("Host pi2\n  Port 24\nHost pi1\n  User ann\n")
    (tmp_path / "system").write_text("User bob\nPort 25\n")
    configuration = Configuration.load(tmp_path / "user", tmp_path / "system")
    assert configuration.routes(Target("pi1", ADDRESS)) == (Route("pi1", "192.168.1.21", 25, "ann"),)
    assert configuration.known_hosts == (tmp_path / "known_hosts", tmp_path / "ssh_known_hosts")


@pytest.mark.parametrize("text", ["Host\n", "Host 'pi\n", "Match exec\n"])
def test_a_file_that_cannot_be_understood_is_named(text: str) -> None:
    with pytest.raises(AccessError, match=r"~/\.ssh/config: .*ssh -G"):
        Configuration(text)


def test_a_value_that_cannot_be_followed_is_named() -> None:
    with pytest.raises(AccessError, match=r"~/\.ssh/config: what it says of pi1"):
        route("CanonicalizeHostname yes\n")
    with pytest.raises(AccessError, match=r"~/\.ssh/config: .* Port"):
        route("Port ssh\n")
