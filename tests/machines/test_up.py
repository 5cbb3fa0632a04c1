"""`picluster new`, `up` and `reset` as a new user types them, on fresh cards: from the first login to an address that
answers, and back to a card on which nothing of it is left."""

from __future__ import annotations

import json
import re
import time

from picluster.lab.card import PASSWORD, Card
from tests.machines.fresh import FreshStage, fresh
from tests.machines.snapshots import Snapshot, differences
from tests.machines.test_life import card_of
from tests.machines.test_life import up as up_by_key

WEB = "10.77.0.100"
PROMPT = r"Password of pi\b.*: $"
YES = r"\[y/N\] $"
SUDOS_OWN = ("/home/pi/.sudo_as_admin_successful", "/var/lib/sudo/.*")
"""sudo itself writes down who has used it."""
LEFT = (*SUDOS_OWN, *(f"/var/{place}/.*" for place in ("log", "cache", "lib/apt", "lib/dpkg", "tmp/systemd-private-.*")))
"""Logs, caches and package databases, and what running services have of their own."""


def new(stage: FreshStage, *words: str) -> None:
    nodes = [word for name in stage.names for word in ("--node", f"{name}={stage.world.address(name)}")]
    stage.picluster("new", "home", "--yes", "--no-look", *nodes, "--address", f"web={WEB}", *words)


def changed(stage: FreshStage, before: dict[str, Snapshot], but: tuple[str, ...]) -> dict[str, list[str]]:
    """What is different on which Pi's card."""
    now = stage.snapshots()
    found = {name: differences(before[name], now[name], but) for name in stage.names}
    return {name: lines for name, lines in found.items() if lines}


def holder_by_its_key(stage: FreshStage) -> str:
    """Who answers at the floating address, by the host key that it shows there."""
    key = stage.host_key_at(WEB)
    return next(name for name in stage.names if stage.host_key(name) == key)


@fresh(3)
def test_from_fresh_cards_to_an_address_that_answers_and_back(stage: FreshStage) -> None:
    """Whatever can be found on the network is found: Enter takes it."""
    said = stage.picluster(
        "new", "home", answers=[*[(r"\]: $", "")] * 3, (r"\]: $", f"web={WEB}"), *[(r"\]: $", "")] * 2]
    ).text
    assert "The Pis, with blanks between; NAME=ADDRESS where mDNS does not find one [pi1=10.77.0.11" in said
    assert "Your router [10.77.0.1]" in said
    before = stage.snapshots()
    logins = [(YES, "y")] * 3 + [(PROMPT, PASSWORD)]
    said = stage.picluster("up", "--dry-run", "--diff", answers=logins).text
    assert said.count("ssh-keygen -lf") == 3, "each card is to be compared"
    assert "+PasswordAuthentication no" in said
    assert changed(stage, before, SUDOS_OWN) == {}

    said = stage.picluster("up", answers=[(PROMPT, PASSWORD), (YES, "y")]).text
    assert "done in" in said
    assert stage.pi("pi2").run("hostname") == "pi2"
    held = holder_by_its_key(stage)
    assert f"web is held by {held}" in said

    ready = stage.snapshots()
    said = stage.picluster("up", "--yes", answers=[(PROMPT, PASSWORD)]).text
    assert said.count("nothing to do") >= 3
    assert changed(stage, ready, SUDOS_OWN) == {}

    for name in stage.names:
        stage.picluster("reset", name, "--yes", "--force", answers=[(PROMPT, PASSWORD)])
    assert changed(stage, before, LEFT) == {}
    assert stage.pi("pi2").run("hostname") == "raspberrypi"
    assert [stage.pi(name).run("systemctl", "--failed", "--no-legend", check=False) for name in stage.names] == ["", "", ""]


@fresh(3)
def test_an_inventory_change_is_all_that_is_done(stage: FreshStage) -> None:
    """Cards that carry keys: nobody is asked for anything, from the first login on."""
    up_by_key(stage, *stage.names)
    stage.world.count(going=False)
    inventory = stage.desk / "home.toml"
    text = inventory.read_text()
    assert "# packages = " in text
    inventory.write_text(re.sub("^# packages = .*$", 'packages = ["lab-hello", "tree"]', text, flags=re.MULTILINE))
    plan = json.loads(stage.picluster("up", "--dry-run", "--json", "--limit", "pi3").text)["plan"]
    [changes] = [node["changes"] for node in plan["nodes"]]
    assert {change["part"] for change in changes} == {"packages", "agent"}, changes
    before = stage.snapshots()
    stage.picluster("up", "--yes", "--only", "packages")
    assert all("hello" in stage.pi(name).run("cat", "/usr/share/lab-hello") for name in stage.names)
    packages = (*LEFT, "/usr/share/lab-hello", "/usr/bin/tree", "/var/lib/picluster/.*", "/usr/share/.*tree.*")
    assert changed(stage, before, packages) == {}
    stage.picluster("up", "--yes")
    assert "nothing to do" in stage.picluster("up", "--yes").text
    said = stage.picluster("run", "--root", "--", "id", "-u").text
    assert said.count("│ 0") == 3


@fresh(3)
def test_a_card_that_was_flashed_again_is_refused_until_it_is_said_that_it_was(stage: FreshStage) -> None:
    up_by_key(stage, *stage.names)
    stage.world.flash("pi2", Card(lets_in=card_of(stage, "pi2").lets_in, sudo_asks=False))
    stage.world.boot_all()
    said = stage.picluster("up", "--yes", code=1).text
    assert "the host key is not the one by which pi2 is known" in said
    assert "nothing to do" in said, "the others are done"
    [command] = re.findall(r"^\s*picluster (forget-host pi2)\s*$", said, re.MULTILINE)[:1]
    stage.picluster(*command.split())
    said = stage.picluster("up", "--yes", answers=[(YES, "y")]).text
    assert "done in" in said
    assert "Traceback" not in said
    assert "nothing to do" in stage.picluster("up", "--yes").text


OTHER = "three-words-of-somebody-else"


@fresh(3, cards=dict.fromkeys(("pi1", "pi2", "pi3"), Card(password=OTHER)))
def test_secrets_stay_where_they_belong(stage: FreshStage) -> None:
    """In no command line of any process on any machine, in no log, and in no file that others may read."""
    new(stage)
    secrets = stage.desk / "home.secrets"
    words = [OTHER, *re.findall("[0-9a-f]{64}", (secrets / "cluster.key").read_text())]
    for key in (secrets / "controller", *(secrets / "hosts" / name for name in stage.names)):
        # The end of what stands between the first and the last line is private.
        words.append(key.read_text().splitlines()[-3][:60])
    with stage.watched_command_lines() as seen:
        said = stage.picluster("up", "--yes", "--diff", answers=[(YES, "y")] * 3 + [(PROMPT, OTHER)])
    assert any("picluster agent" in line for line in seen), "nobody looked"
    places = {"a command line": "\n".join(seen), "what picluster says": said.text}
    for name in stage.names:
        places[f"the log of {name}"] = stage.world.log(name).read_text(errors="replace")
        for path in stage.world.written(name).rglob("*"):
            if path.is_file() and not path.is_symlink() and path.lstat().st_mode & 0o044:
                places[f"{name}: {path}"] = path.read_bytes().decode(errors="replace")
    for path in stage.desk.rglob("*"):
        if path.is_file() and path.stat().st_mode & 0o044 and path.name not in {".password"}:
            places[str(path)] = path.read_bytes().decode(errors="replace")
    found = [place for place, text in places.items() if any(word in text for word in words)]
    assert found == []
    assert secrets.stat().st_mode & 0o077 == 0


@fresh(3)
def test_the_controller_is_told_nothing_that_a_plan_was_not(stage: FreshStage) -> None:
    """An inventory that is edited while somebody reads the plan: it is planned again."""
    up_by_key(stage, *stage.names)
    inventory = stage.desk / "home.toml"
    text = inventory.read_text()
    inventory.write_text(text.replace('time_zone = "Etc/UTC"', 'time_zone = "Europe/Berlin"'))
    edit = f"inventory edited {time.time()}"

    def edited(question: str) -> str:
        if edit not in inventory.read_text():
            inventory.write_text(f"{inventory.read_text()}\n# {edit}\n")
        return "y" if question else ""

    said = stage.picluster("up", answers=[(YES, edited), (YES, "y")]).text
    assert "has been edited since it was read; planning again" in said
    assert all(edit in stage.pi(name).run("cat", "/etc/picluster/cluster.toml") for name in stage.names)
    assert "Berlin" in stage.pi("pi1").run("readlink", "/etc/localtime")
