"""Each kind of resource: what it finds different, how it says so, and what it does not touch."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from picluster.errors import ProvisionError
from picluster.provision.facts import Facts, FileFact
from picluster.provision.plan import Change
from picluster.provision.resources import Absent, Directory, Line, Link, Resource, TextFile, Words
from picluster.provision.settings import Clock, HostName, Locale, OldSoftware, Packages, Software, Sysctl, TimeZone, User
from tests.provision.nodes import MATERIAL, NOW_S, a_file

FILE = TextFile("system", "/etc/x.conf", b"colour = green\n", mode=0o640, owner="root:adm")
SECRET = TextFile("agent", "/etc/secret", b"hunter2\n", mode=0o600, secret=True)
LINE = Line("ssh", "/etc/list", "b  two", known_by="b")
WORDS = Words("system", "/boot/firmware/cmdline.txt", ("x=1", "y"), instead_of="x=")


def only(resource: Resource, facts: Facts) -> Change:
    (change,) = resource.changes(facts)
    return change


def reason(resource: Resource, facts: Facts) -> str:
    """Why something is to be done; empty where nothing is."""
    return " | ".join(change.reason for change in resource.changes(facts))


def with_file(path: str, text: str, mode: int = 0o644, owner: str = "root:root") -> Facts:
    return Facts(files={path: a_file(text, mode, owner)})


def written(change: Change) -> str:
    """What the one file is to say."""
    (content,) = [str(step.request["content"]) for step in change.steps if step.do == "write"]
    return base64.b64decode(content).decode()


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (Facts(), "missing"),
        (with_file("/etc/x.conf", "colour = red\n", 0o640, "root:adm"), "differs"),
        (with_file("/etc/x.conf", "colour = green\n", 0o644, "root:adm"), "has mode 0644, not 0640"),
        (with_file("/etc/x.conf", "colour = green\n", 0o640), "belongs to root:root, not root:adm"),
        (with_file("/etc/x.conf", "colour = green\n", 0o640, "root:adm"), ""),
        (Facts(files={"/etc/x.conf": FileFact("", 0o755, "root:root")}), "differs"),
    ],
)
def test_a_text_file(facts: Facts, why: str) -> None:
    assert reason(FILE, facts) == why


def test_its_diff_shows_both_sides() -> None:
    diff = only(FILE, with_file("/etc/x.conf", "colour = red\n")).diff
    assert "-colour = red" in diff
    assert "+colour = green" in diff
    assert only(FILE, Facts()).diff.endswith("+colour = green")
    assert only(FILE, with_file("/etc/x.conf", "colour = green\n")).diff == ""


def test_a_secret_is_never_shown() -> None:
    for facts in (Facts(), with_file("/etc/secret", "hunter1\n", 0o600)):
        change = only(SECRET, facts)
        assert change.diff == ""
        assert all(step.secret for step in change.steps)
    assert "hunter" not in repr(SECRET)
    assert SECRET.question.secrets == ("/etc/secret",)
    assert SECRET.question.files == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [("", "b  two\n"), ("a\n", "a\nb  two\n"), ("a", "a\nb  two\n"), ("#b two\nbb\n", "#b two\nbb\nb  two\n")],
)
def test_a_line_joins_the_others(before: str, after: str) -> None:
    assert written(only(LINE, with_file("/etc/list", before))) == after


@pytest.mark.parametrize("there", ["b two\n", "  b\tthree\n", "b\n", "a\nb two # mine"])
def test_a_line_that_is_there_in_another_shape_is_left_alone(there: str) -> None:
    assert not list(LINE.changes(with_file("/etc/list", there)))


def test_a_line_on_top_and_the_rights_of_others() -> None:
    change = only(replace(LINE, at_top=True), with_file("/etc/list", "a\n", 0o640, "root:adm"))
    assert written(change) == "b  two\na\n"
    assert (change.steps[0].request["mode"], change.steps[0].request["owner"]) == (0o640, "root:adm")
    mine = replace(LINE, mode=0o600, owner="pi:pi")
    assert reason(mine, with_file("/etc/list", "b\n", 0o644, "pi:pi")) == "has mode 0644, not 0600"
    assert reason(mine, with_file("/etc/list", "b\n", 0o600)) == "belongs to root:root, not pi:pi"


@pytest.mark.parametrize("fact", [FileFact("ab", 0o644, "root:root"), FileFact("ab", 0o644, "root:root", b"\xff\xfe")])
def test_what_cannot_be_read_is_not_edited(fact: FileFact) -> None:
    for resource in (LINE, replace(WORDS, path="/etc/list")):
        with pytest.raises(ProvisionError, match="/etc/list"):
            list(resource.changes(Facts(files={"/etc/list": fact})))


@pytest.mark.parametrize(
    ("before", "after"),
    [("root=1 rootwait\n", "root=1 rootwait x=1 y\n"), ("x=2 y root=1", "y root=1 x=1\n"), ("y", "y x=1\n")],
)
def test_words_join_the_one_line(before: str, after: str) -> None:
    assert written(only(WORDS, with_file(WORDS.path, before))) == after


def test_words_that_are_there_wait_for_a_reboot_or_need_none() -> None:
    there = with_file(WORDS.path, "x=1 root=1 y\n")
    assert not list(WORDS.changes(there))
    waiting = only(replace(WORDS, in_force=False), there)
    assert (waiting.steps, waiting.reboot) == ((), True)
    assert only(replace(WORDS, in_force=False), with_file(WORDS.path, "root=1")).reboot
    assert not only(WORDS, with_file(WORDS.path, "root=1")).reboot


def test_directories_links_and_what_should_not_be() -> None:
    folder = Directory("ssh", "/home/pi/.ssh", 0o700, "pi:pi")
    assert reason(folder, Facts()) == "missing"
    assert reason(folder, Facts(files={folder.path: FileFact("", 0o755, "pi:pi")})) == "has mode 0755, not 0700"
    assert reason(folder, Facts(files={folder.path: FileFact("", 0o700, "pi:pi")})) == ""
    link = Link("agent", "/a", "/b")
    assert [reason(link, Facts(links=links)) for links in ({}, {"/a": "/c"}, {"/a": "/b"})] == ["missing", "leads to /c", ""]
    gone = Absent("agent", "/etc/old")
    assert reason(gone, Facts()) == ""
    assert only(gone, with_file("/etc/old", "x\n")).steps[0].do == "remove"


@pytest.mark.parametrize(
    ("clock_s", "why"),
    [
        (NOW_S, ""),
        (NOW_S + 59, ""),
        (NOW_S - 59, ""),
        (NOW_S - 61, "is 61 seconds behind"),
        (NOW_S + 7_200, "is 2 hours ahead"),
        (0.0, "is 57 years behind"),
    ],
)
def test_the_clock(clock_s: float, why: str) -> None:
    assert reason(Clock("system", NOW_S), Facts(clock_s=clock_s)) == why


def test_a_clock_that_is_synchronised_knows_better() -> None:
    assert not list(Clock("system", NOW_S).changes(Facts(clock_s=0.0, synchronised=True)))


@pytest.mark.parametrize(
    ("name", "file", "hosts", "why"),
    [
        ("pi1", "pi1\n", "127.0.1.1 pi1\n", ""),
        ("pi1", "pi1\n", "127.0.0.1 localhost\n127.0.1.1\tpi1.home pi1 # mine\n", ""),
        ("raspberrypi", "pi1\n", "127.0.1.1 pi1\n", "is raspberrypi"),
        ("pi1", "raspberrypi\n", "127.0.1.1 pi1\n", "is another one after the next boot"),
        ("pi1", "pi1\n", "127.0.1.1 raspberrypi\n", "is not in /etc/hosts, so every sudo asks a name server"),
        ("pi1", "pi1\n", "127.0.1.1\n", "is not in /etc/hosts, so every sudo asks a name server"),
    ],
)
def test_the_host_name_in_all_three_places(name: str, file: str, hosts: str, why: str) -> None:
    facts = Facts(host_name=name, files={"/etc/hostname": a_file(file), "/etc/hosts": a_file(hosts)})
    assert reason(HostName("system", "pi1"), facts) == why


def test_the_time_zone() -> None:
    berlin = TimeZone("system", "Europe/Berlin")
    assert reason(berlin, Facts(time_zone="Europe/Berlin")) == ""
    assert reason(berlin, Facts()) == "is UTC"
    assert reason(TimeZone("system", "UTC"), Facts(time_zone="Etc/UTC")) == ""
    known = with_file(berlin.file, "TZif2")
    assert [step.do for step in only(berlin, known).steps] == ["link"]
    older = replace(known, files={**known.files, "/etc/timezone": a_file("Etc/UTC\n")})
    assert [step.do for step in only(berlin, older).steps] == ["write", "link"]
    with pytest.raises(ProvisionError, match="no time zone Europe/Berlin"):
        list(berlin.changes(Facts(packages={"tzdata": "2026"})))


def test_a_locale_is_made_before_it_is_named() -> None:
    german = Locale("system", "de_DE.UTF-8")
    assert reason(german, Facts(locale="de_DE.UTF-8")) == ""
    facts = replace(with_file("/etc/locale.gen", "# de_DE.UTF-8 UTF-8\n"), locale="en_GB.UTF-8")
    steps = only(german, facts).steps
    assert [step.do for step in steps] == ["write", "run", "write"]
    assert [step.request.get("path") for step in steps] == ["/etc/locale.gen", None, "/etc/default/locale"]
    newer = replace(facts, links={"/etc/default/locale": "../locale.conf"})
    assert only(german, newer).steps[-1].request["path"] == "/etc/locale.conf"
    assert [step.do for step in only(german, with_file("/etc/locale.gen", "de_DE.UTF-8 UTF-8\n")).steps] == ["run", "write"]


def test_all_missing_packages_are_one_change() -> None:
    resource = Packages("packages", ("a", "b", "c"))
    change = only(resource, Facts(packages={"b": "1"}))
    assert (change.what, change.steps[0].request["names"]) == ("packages a, c", ["a", "c"])
    assert reason(resource, Facts(packages=dict.fromkeys("abc", "1"))) == ""
    assert only(Packages("packages", ("a",)), Facts()).what == "package a"


def test_a_broken_dpkg_is_mended_even_where_nothing_is_missing() -> None:
    change = only(Packages("packages", ()), Facts(packages_broken=True))
    assert change.steps[0].request["names"] == []
    assert change.what == "dpkg"


def test_a_setting_of_the_kernel() -> None:
    resource = Sysctl("network", "net.x", "1")
    assert [reason(resource, Facts(sysctls=found)) for found in ({"net.x": "0"}, {"net.x": "1"}, {})] == [
        "is 0, not 1",
        "",
        "",
    ]


def test_a_user() -> None:
    resource = User("agent", "picluster", "/etc/sysusers.d/picluster.conf")
    assert (
        reason(resource, with_file("/etc/passwd", "root:x:0:0::/root:/bin/sh\npicluster2:x:1:1::/:/bin/sh\n")) == "missing"
    )
    assert reason(resource, with_file("/etc/passwd", "picluster:x:996:996::/:/bin/false\n")) == ""


def test_software_counts_once_it_is_whole_and_linked() -> None:
    new, old = (Software("agent", f"/opt/p-{digit}", "/opt/p", "p", MATERIAL.wheels) for digit in "21")
    assert reason(new, Facts()) == "missing"
    there = Facts(links={"/opt/p": "/opt/p-1"}, files={"/opt/p/bin/p": a_file("#!")})
    assert reason(new, there) == "is another version"
    assert reason(old, there) == ""
    assert reason(old, replace(there, files={})) == "is not whole"
    change = only(new, there)
    assert [step.do for step in change.steps] == ["stamp", "environment", "link"]
    assert change.steps[1].blobs == MATERIAL.wheels


def test_old_software_goes_and_that_of_others_stays() -> None:
    resource = OldSoftware("agent", "/opt/p")
    assert reason(resource, Facts()) == ""
    linked = Facts(links={"/opt/p": "/opt/p-2"})
    assert reason(resource, linked) == ""
    listed = replace(linked, stamps={"environments": "/opt/p-1\n/opt/p-2\n/srv/theirs"})
    assert [step.request for step in only(resource, listed).steps] == [
        {"do": "remove", "path": "/opt/p-1"},
        {"do": "stamp", "name": "environments", "value": "/opt/p-2"},
    ]
    new = Software("agent", "/opt/p-3", "/opt/p", "p", MATERIAL.wheels)
    theirs = only(new, Facts(links={"/opt/p": "/srv/theirs"}))
    assert theirs.steps[0].request["value"] == "/opt/p-3"
