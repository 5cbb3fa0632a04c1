"""What goes wrong while nodes are brought up, against real sshd, sudo and apt: the others are done, nobody waits for ever,
and running it again does the rest.

A clock that is off by years cannot be played here, since all Pis share this machine's; tests/provision does that with facts.
"""

from __future__ import annotations

import re

from picluster.lab.card import PASSWORD
from tests.machines.fresh import FreshStage, fresh
from tests.machines.test_life import card_of
from tests.machines.test_up import PROMPT, YES, new

MEBIBYTE = 1 << 20
BOUNDED_S = 60.0
"""How long `up` may take where a node is silent."""


def prepared(stage: FreshStage, *words: str) -> None:
    """Cards that the controller has made: they let it in, and ask for nothing."""
    new(stage, *words)
    for name in stage.names:
        stage.world.flash(name, card_of(stage, name))
    stage.world.boot_all()


def is_done(stage: FreshStage) -> None:
    """All is as it should be, and the address answers."""
    assert "nothing to do" in stage.picluster("up", "--yes").text
    assert stage.host_key_at("10.77.0.100")


def wish(stage: FreshStage, *packages: str) -> None:
    inventory = stage.desk / "home.toml"
    names = ", ".join(f'"{name}"' for name in packages)
    inventory.write_text(re.sub("^(# )?packages = .*$", f"packages = [{names}]", inventory.read_text(), flags=re.MULTILINE))


@fresh(1)
def test_the_connection_is_cut_again_and_again_and_each_run_goes_on_from_there(stage: FreshStage) -> None:
    prepared(stage)
    runs = 0
    while True:
        with stage.begun("up", "--yes") as process:
            if stage.says(process, r"pi1: (?!1/)\d+/\d+ "):
                stage.cut_sessions("pi1")
            code = stage.ended(process)
        runs += 1
        if code == 0:
            break
        assert runs < 60
    assert runs > 2, "it was never cut"
    is_done(stage)


@fresh(3)
def test_the_controller_is_killed_again_and_again(stage: FreshStage) -> None:
    prepared(stage)
    for step in (1, 5, 9, 14):
        with stage.begun("up", "--yes") as process:
            stage.says(process, rf"pi\d: {step}/\d+ ")
            process.kill()
    stage.picluster("up", "--yes")
    is_done(stage)


@fresh(3)
def test_the_cable_is_pulled_and_the_others_are_done(stage: FreshStage) -> None:
    prepared(stage)
    with stage.begun("up", "--yes") as process:
        assert stage.says(process, r"pi2: 3/\d+ ")
        with stage.unplugged("pi2"):
            code = stage.ended(process, BOUNDED_S)
    assert code == 1
    stage.picluster("up", "--yes")
    is_done(stage)


@fresh(3)
def test_one_has_no_power_one_says_nothing_and_the_third_is_done(stage: FreshStage) -> None:
    prepared(stage)
    stage.world.cut("pi1")
    with stage.hung_server("pi2"):
        said = stage.picluster("up", "--yes", code=1, most_s=BOUNDED_S).text
    assert "✗ pi1" in said
    assert "✗ pi2" in said
    assert "Traceback" not in said
    assert stage.pi("pi3").run("hostname") == "pi3"
    stage.world.boot_all()
    stage.picluster("up", "--yes")
    is_done(stage)


@fresh(3)
def test_one_card_is_full_and_another_one_cannot_be_written_to(stage: FreshStage) -> None:
    prepared(stage)
    with stage.full("pi1", MEBIBYTE // 2), stage.read_only("pi2"):
        said = stage.picluster("up", "--yes", code=1).text
    assert re.search(r"pi1.*(full|space)", said), said
    assert re.search(r"pi2.*read-only", said, re.IGNORECASE), said
    assert stage.pi("pi3").run("hostname") == "pi3"
    stage.picluster("up", "--yes")
    is_done(stage)


@fresh(3)
def test_packages_whose_lock_is_taken_and_packages_that_were_left_half_way(stage: FreshStage) -> None:
    prepared(stage)
    wish(stage, "lab-hello")
    broken = stage.pi("pi2")
    broken.run("apt-get", "update")
    broken.run("touch", "/run/lab-fragile-fails")
    assert "lab-fragile" in broken.run("sh", "-c", "apt-get install --yes lab-fragile 2>&1", check=False)
    broken.run("rm", "/run/lab-fragile-fails")
    with stage.begun("up", "--yes") as process:
        with stage.package_lock("pi1"):
            assert stage.says(process, r"pi1: .*has dpkg's lock"), "it does not say what it waits for"
        assert stage.ended(process) == 0
    assert all(stage.pi(name).run("cat", "/usr/share/lab-hello") == "hello" for name in stage.names)
    assert broken.run("dpkg", "--audit") == ""
    is_done(stage)


@fresh(1)
def test_apt_is_cut_half_way_and_mended_by_the_next_run(stage: FreshStage) -> None:
    prepared(stage)
    wish(stage, "lab-fragile")
    pi = stage.pi("pi1")
    pi.run("touch", "/run/lab-fragile-waits", "/run/lab-fragile-fails")
    with stage.begun("up", "--yes") as process:
        stage.until(lambda: pi.run("pgrep", "-f", "lab-fragile.postinst", check=False), "apt is at it")
        stage.cut_sessions("pi1")
        assert stage.ended(process) == 2
    pi.run("rm", "/run/lab-fragile-waits")
    stage.until(lambda: not pi.run("pgrep", "-x", "apt-get", check=False), "apt has ended")
    assert stage.picluster("up", "--yes", code=2).text.count("lab-fragile") > 0
    pi.run("rm", "/run/lab-fragile-fails")
    stage.picluster("up", "--yes")
    assert pi.run("dpkg", "--audit") == ""
    is_done(stage)


@fresh(1)
def test_passwords_that_are_wrong_or_that_nobody_is_there_to_type(stage: FreshStage) -> None:
    new(stage)
    said = stage.picluster("up", "--yes", answers=[(YES, "n")], code=2).text
    assert "nobody confirmed" in said
    said = stage.picluster("up", "--yes", answers=[(YES, "y"), *[(PROMPT, "wrong")] * 5], code=2).text
    assert "Traceback" not in said
    assert stage.pi("pi1").run("hostname") == "raspberrypi"
    with stage.begun("up", "--yes") as process:
        assert stage.ended(process) == 2
        assert process.stdout is not None
        said = process.stdout.read()
    assert "no terminal" in said
    assert "Traceback" not in said
    stage.picluster("up", "--yes", answers=[(PROMPT, PASSWORD)])


@fresh(3)
def test_two_cards_with_one_host_key(stage: FreshStage) -> None:
    new(stage)
    stage.clone("pi1", "pi2")
    said = stage.picluster("up", "--yes", answers=[(YES, "y")] * 2 + [(PROMPT, PASSWORD)], code=1)
    assert "this is the host key of pi" in said.text


@fresh(3)
def test_two_nodes_with_one_address(stage: FreshStage) -> None:
    prepared(stage)
    inventory = stage.desk / "home.toml"
    inventory.write_text(inventory.read_text().replace("10.77.0.12", "10.77.0.11"))
    said = stage.picluster("up", "--yes", code=None).text
    assert "10.77.0.11" in said


@fresh(1)
def test_two_controllers_at_once(stage: FreshStage) -> None:
    prepared(stage)
    wish(stage, "lab-hello")
    with stage.package_lock("pi1"), stage.begun("up", "--yes") as first:
        assert stage.says(first, r"pi1: .*has dpkg's lock")
        said = stage.picluster("up", "--yes", code=2).text
        assert re.search(r"somebody@\S+ .*has been at work here since \d\d:\d\d", said) or "has been at work" in said, said
        # Another machine knows nothing of this one's lock: the node itself refuses.
        (stage.desk / "home.secrets/lock").unlink()
        said = stage.picluster("up", "--yes", code=2).text
        assert "has been at work" in said, said
    stage.picluster("up", "--yes")
    is_done(stage)
