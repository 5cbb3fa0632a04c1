"""What nodes of all kinds get: they arrive at it from wherever they are, keep it, and show nothing that is secret."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from picluster.provision.compare import plan_for, question, unasked
from picluster.provision.facts import AgentFact, Facts, InterfaceFact, UnitFact, covers
from picluster.provision.plan import NodePlan, Plan
from picluster.provision.recipe import PARTS, questions, wanted
from picluster.provision.telling import told
from tests.provision.nodes import (
    BOOKWORM,
    CABLE,
    CLUSTER,
    DEBIAN_PC,
    DEBIAN_PI,
    FRESH,
    KEY,
    MATERIAL,
    NAS,
    NOW_S,
    TRIXIE,
    TRIXIE_32_BIT,
    UBUNTU_PC,
    WIFI,
    a_file,
    node,
    obey,
    plan,
)

KINDS = pytest.mark.parametrize(("name", "fresh"), FRESH.values(), ids=FRESH.keys())


def written(found: NodePlan) -> dict[str, str]:
    """What the files are to say, by path."""
    requests = [step.request for step in found.steps if step.do == "write"]
    return {str(request["path"]): base64.b64decode(str(request["content"])).decode() for request in requests}


def what(found: NodePlan) -> list[str]:
    return [change.what for change in found.changes]


def words(found: NodePlan) -> list[str]:
    """The commands that are run."""
    requests: list[dict[str, Any]] = [step.request for step in found.steps if step.do == "run"]
    return [" ".join(request["words"]) for request in requests]


def done(name: str, fresh: Facts) -> Facts:
    return obey(fresh, plan(name, fresh).steps)


@KINDS
def test_a_fresh_node_arrives_in_one_go_and_stays(name: str, fresh: Facts) -> None:
    found = plan(name, fresh)
    assert found.problem == ""
    assert found.changes
    after = obey(fresh, found.steps)
    assert what(plan(name, after)) == (["/boot/firmware/cmdline.txt"] if found.reboot else [])
    assert after.agent is not None
    assert after.agent.node == name


@KINDS
def test_after_the_reboot_nothing_is_left_to_do(name: str, fresh: Facts) -> None:
    rebooted = {"/sys/fs/cgroup/cgroup.controllers": a_file("cpuset cpu io memory pids\n")}
    after = done(name, fresh)
    assert what(plan(name, replace(after, files={**after.files, **rebooted}))) == []


@KINDS
def test_one_question_is_enough_for_whatever_it_turns_out_to_be(name: str, fresh: Facts) -> None:
    asked = questions(CLUSTER, node(name), replace(MATERIAL, wheels=(), software=""))
    for facts in (fresh, done(name, fresh)):
        assert unasked(CLUSTER, node(name), MATERIAL, facts, asked) is None
        known = question(wanted(CLUSTER, node(name), MATERIAL, facts, now_s=NOW_S))
        assert covers(asked, replace(known, blobs=()))


@KINDS
def test_cut_off_after_any_step_it_arrives_all_the_same(name: str, fresh: Facts) -> None:
    steps = plan(name, fresh).steps
    whole = obey(fresh, steps)
    for count in range(len(steps)):
        half = obey(fresh, steps[:count])
        found = plan(name, half)
        assert found.problem == ""
        assert found.changes
        assert obey(half, found.steps) == whole, f"cut off after {count} steps"


@KINDS
def test_every_change_has_a_part_a_reason_and_something_to_do(name: str, fresh: Facts) -> None:
    for change in plan(name, fresh).changes:
        assert change.part in PARTS
        assert change.what
        assert change.reason
        assert change.steps
        assert change.reboot == (change.what == "/boot/firmware/cmdline.txt" and "cgroup" in change.reason)


@KINDS
def test_the_key_is_in_its_file_and_nowhere_else(name: str, fresh: Facts) -> None:
    found = plan(name, fresh)
    holders = [step for step in found.steps if base64.b64encode(KEY).decode() in json.dumps(step.request)]
    assert [(step.request["path"], step.request["mode"], step.secret) for step in holders] == [
        ("/etc/picluster/cluster.key", 0o600, True)
    ]
    half = obey(fresh, found.steps)
    changed = plan(name, half, material=replace(MATERIAL, cluster_key=KEY * 2))
    assert [one for one in what(changed) if one.startswith("/etc/")] == ["/etc/picluster/cluster.key"]
    for one in (found, changed):
        lines = told(Plan((one,)), diff=True)
        shown = json.dumps([Plan((one,)).as_json(), lines, one.problem, one.notes])
        secret = [KEY.decode().strip(), base64.b64encode(KEY).decode().rstrip("=")[:40]]
        assert not [text for text in secret if text in shown]
    assert KEY.decode().strip() not in repr(MATERIAL)
    assert KEY.decode().strip() not in repr(wanted(CLUSTER, node(name), MATERIAL, fresh, now_s=NOW_S))


@KINDS
def test_nobody_is_locked_out_on_the_way(name: str, fresh: Facts) -> None:
    """The key comes before anything that could keep it from being used, and sshd checks its files before it reads them."""
    order = [
        step.request.get("path") or step.request.get("words") or step.request.get("name") for step in plan(name, fresh).steps
    ]
    (key,) = [index for index, one in enumerate(order) if str(one).endswith("/.ssh/authorized_keys")]
    hardening = [index for index, one in enumerate(order) if one == "/etc/ssh/sshd_config.d/10-picluster.conf"]
    assert bool(hardening) == (name != "nas")
    for index in hardening:
        check, reload = order.index(["/usr/sbin/sshd", "-t"]), order.index("ssh.service", index)
        assert key < index < check < reload


def test_a_clock_that_is_off_by_years_is_set_before_anything_else() -> None:
    found = plan("pi1", BOOKWORM)
    assert found.steps[0].request == {"do": "run", "words": ["date", "-u", "-s", "@1795000000"]}
    assert found.changes[0].reason == "is 231 days behind"
    assert "clock" not in what(plan("pi1", TRIXIE))


def test_a_pi_on_bookworm() -> None:
    found = plan("pi1", BOOKWORM)
    files = written(found)
    assert files["/boot/firmware/cmdline.txt"] == (
        "console=tty1 root=PARTUUID=1-02 rootwait cgroup_enable=memory cgroup_memory=1 cfg80211.ieee80211_regdom=DE\n"
    )
    assert files["/etc/systemd/system.conf.d/99-picluster.conf"].endswith(
        "RuntimeWatchdogSec=1min\nRebootWatchdogSec=2min\n"
    )
    assert "Storage=volatile" in files["/etc/systemd/journald.conf.d/99-picluster.conf"]
    assert files["/etc/sysctl.d/90-picluster-card.conf"].endswith("vm.swappiness = 1\n")
    assert "/etc/rpi/swap.conf.d/90-picluster.conf" not in files
    assert "wifi.powersave=2" in files["/etc/NetworkManager/conf.d/zz-picluster.conf"]
    assert files["/home/pi/.ssh/authorized_keys"] == MATERIAL.authorized_key + "\n"
    assert "PermitRootLogin no" in files["/etc/ssh/sshd_config.d/10-picluster.conf"]
    assert "ClientAliveInterval 15" in files["/etc/ssh/sshd_config.d/10-picluster.conf"]
    assert files["/etc/timezone"] == "Europe/Berlin\n"
    assert "/etc/cloud/cloud-init.disabled" not in files
    assert "/etc/systemd/system/picluster.service.d/pins.conf" not in files
    assert "packages htop" not in what(found)
    assert "package htop" in what(found)
    assert found.reboot
    assert {"systemctl daemon-reexec", "iw reg set DE", "nmcli radio wifi on", "locale-gen"} <= set(words(found))


def test_a_pi_on_trixie() -> None:
    files = written(plan("pi1", TRIXIE))
    assert files["/etc/rpi/swap.conf.d/90-picluster.conf"].endswith("[Main]\nMechanism=zram\n")
    assert "/etc/sysctl.d/90-picluster-card.conf" not in files
    assert "/etc/systemd/system.conf.d/99-picluster.conf" not in files
    assert files["/etc/locale.conf"] == "LANG=de_DE.UTF-8\n"
    assert "/etc/default/locale" not in files
    assert files["/etc/cloud/cloud-init.disabled"] == ""
    assert what(plan("pi1", TRIXIE))[-1] == "/etc/cloud/cloud-init.disabled"


def test_lamps_need_pins() -> None:
    vendors, debians = plan("pi2", TRIXIE_32_BIT), plan("pi2", DEBIAN_PI)
    drop_in, rule = "/etc/systemd/system/picluster.service.d/pins.conf", "/etc/udev/rules.d/90-picluster-pins.rules"
    assert "SupplementaryGroups=gpio" in written(vendors)[drop_in]
    assert rule not in written(vendors)
    assert "SupplementaryGroups" not in written(debians)[drop_in]
    assert 'GROUP="picluster"' in written(debians)[rule]


def test_lamps_that_are_gone_take_their_drop_in_along() -> None:
    after = done("pi2", TRIXIE_32_BIT)
    without = replace(CLUSTER, nodes=tuple(replace(one, wiring=node("pi1").wiring) for one in CLUSTER.nodes))
    found = plan("pi2", after, inventory=without)
    assert [change.reason for change in found.changes][-2:] == ["is not needed any more", "runs with what was there before"]


def test_debian_on_a_pi() -> None:
    found = plan("pi2", DEBIAN_PI)
    files = written(found)
    assert files["/etc/default/raspi-extra-cmdline"] == "cgroup_enable=memory cgroup_memory=1\n"
    assert "power_save off" in files["/etc/udev/rules.d/90-picluster-wifi.rules"]
    assert "/etc/NetworkManager/conf.d/zz-picluster.conf" not in files
    assert "iw dev wlan0 set power_save off" in words(found)
    assert not any("timesyncd" in name for name in what(found)), "chrony was chosen there"


def test_a_pc_gets_nothing_that_is_for_a_pi() -> None:
    for facts in (DEBIAN_PC, UBUNTU_PC):
        found = plan("pi1", facts)
        files = written(found)
        assert not [
            path for path in files if path.startswith(("/boot", "/etc/rpi", "/etc/default/raspi", "/etc/NetworkManager"))
        ]
        assert not [path for path in files if "journald" in path or "system.conf.d" in path]
        assert not found.reboot
    assert "package systemd-timesyncd" in what(plan("pi1", DEBIAN_PC))


def test_a_guest_stays_what_it_is() -> None:
    """A witness that is no Pi: it gets what its vote needs."""
    found = plan("nas", NAS)
    assert set(written(found)) == {
        "/home/anna/.ssh/authorized_keys",
        "/etc/sysusers.d/picluster.conf",
        "/etc/picluster/agent.toml",
        "/etc/picluster/cluster.toml",
        "/etc/picluster/cluster.key",
        "/etc/systemd/system/picluster.service",
    }
    assert {change.part for change in found.changes} == {"packages", "system", "ssh", "agent"}
    assert [change.what for change in found.changes if change.part == "system"] == ["systemd-timesyncd"]
    assert "host name" in what(plan("nas", replace(NAS, model=BOOKWORM.model))), "a Pi that is a witness is ours"


def test_what_is_in_place_already_is_left_alone() -> None:
    with_key = {
        "/home/pi/.ssh/authorized_keys": a_file(f"ssh-rsa AAAA mine\n{MATERIAL.authorized_key} old\n", 0o600, "pi:pi")
    }
    facts = replace(
        TRIXIE, files={**TRIXIE.files, **with_key}, locale="de_DE.UTF-8", time_zone="Europe/Berlin", host_name="pi1"
    )
    assert not {"locale", "time zone", "/home/pi/.ssh/authorized_keys"} & set(what(plan("pi1", facts)))


def test_other_peoples_keys_stay() -> None:
    facts = replace(
        TRIXIE, files={**TRIXIE.files, "/home/pi/.ssh/authorized_keys": a_file("ssh-rsa AAAA mine\n", 0o600, "pi:pi")}
    )
    expected = f"ssh-rsa AAAA mine\n{MATERIAL.authorized_key}\n"
    assert written(plan("pi1", facts))["/home/pi/.ssh/authorized_keys"] == expected


def test_root_may_come_in_by_key_where_the_controller_is_root() -> None:
    as_root = replace(CLUSTER, nodes=tuple(replace(one, access=replace(one.access, user="root")) for one in CLUSTER.nodes))
    files = written(plan("pi1", TRIXIE, inventory=as_root))
    assert "/root/.ssh/authorized_keys" in files
    assert "PermitRootLogin prohibit-password" in files["/etc/ssh/sshd_config.d/10-picluster.conf"]


def test_sshd_that_looks_for_keys_elsewhere_keeps_its_passwords() -> None:
    config = a_file("Include /etc/ssh/sshd_config.d/*.conf\nauthorizedkeysfile /etc/keys/%u\n")
    found = plan("pi1", replace(TRIXIE, files={**TRIXIE.files, "/etc/ssh/sshd_config": config}))
    assert "/etc/ssh/sshd_config.d/10-picluster.conf" not in written(found)
    assert any("AuthorizedKeysFile" in note for note in found.notes)


def test_another_server_for_ssh_is_left_alone() -> None:
    files = {path: fact for path, fact in TRIXIE.files.items() if path != "/etc/ssh/sshd_config"}
    found = plan("pi1", replace(TRIXIE, files=files))
    assert not [path for path in written(found) if path.startswith("/etc/ssh")]
    assert "sshd" not in what(found)


def test_sshd_that_reads_no_drop_ins_is_told_to() -> None:
    found = plan("pi1", replace(TRIXIE, files={**TRIXIE.files, "/etc/ssh/sshd_config": a_file("UsePAM yes\n", 0o600)}))
    assert written(found)["/etc/ssh/sshd_config"] == "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n"


def test_a_home_that_is_elsewhere_takes_a_second_question() -> None:
    passwd = a_file("pi:x:1000:100:,,,:/srv/pi:/bin/bash\n")
    facts = replace(TRIXIE, files={**TRIXIE.files, "/etc/passwd": passwd, "/etc/group": a_file("users:x:100:pi\n")})
    asked = questions(CLUSTER, node("pi1"), MATERIAL)
    assert "ask" in plan("pi1", facts).problem
    more = unasked(CLUSTER, node("pi1"), MATERIAL, facts, asked)
    assert more is not None
    assert covers(more, asked)
    found = plan_for(CLUSTER, node("pi1"), MATERIAL, facts, now_s=NOW_S, asked=more)
    (step,) = [step for step in found.steps if str(step.request.get("path")).endswith("authorized_keys")]
    assert (step.request["path"], step.request["owner"]) == ("/srv/pi/.ssh/authorized_keys", "pi:users")


def test_a_renamed_node_tells_avahi() -> None:
    found = plan("pi1", BOOKWORM)
    assert what(found).index("avahi") == what(found).index("host name") + 1
    assert "avahi" not in what(plan("pi1", DEBIAN_PC))
    named = {"/etc/hostname": a_file("pi1\n"), "/etc/hosts": a_file("127.0.1.1 pi1\n")}
    assert "avahi" not in what(plan("pi1", replace(BOOKWORM, host_name="pi1", files={**BOOKWORM.files, **named})))


def test_only_the_holder_to_be_gets_the_settings_of_a_floating_address() -> None:
    assert "net.ipv4.conf.all.arp_ignore" in what(plan("pi1", BOOKWORM))
    assert "net.ipv4.conf.all.arp_ignore" not in what(plan("nas", replace(NAS, model=BOOKWORM.model)))


def test_a_reverted_setting_of_the_kernel_is_found() -> None:
    after = done("pi1", TRIXIE)
    found = plan("pi1", replace(after, sysctls={**after.sysctls, "net.ipv4.conf.all.arp_ignore": "0"}))
    assert "net.ipv4.conf.all.arp_ignore" in what(found)


def test_new_wifi_is_made_to_listen() -> None:
    after = replace(done("pi1", TRIXIE), interfaces=(CABLE,))
    again = replace(after, interfaces=(CABLE, InterfaceFact("wlan1", "", (), wireless=True, up=True)))
    assert "/etc/NetworkManager/conf.d/zz-picluster.conf" not in what(plan("pi1", again)), "it has that already"
    never = replace(TRIXIE, interfaces=(CABLE,))
    assert "/etc/NetworkManager/conf.d/zz-picluster.conf" not in what(plan("pi1", never))
    assert "iw dev wlan0 set power_save off" not in words(plan("pi1", TRIXIE)), "it is not up"
    assert not WIFI.up


def test_an_inventory_that_changed_is_read_and_a_new_version_is_started() -> None:
    after = done("pi1", TRIXIE)
    rebooted = {"/sys/fs/cgroup/cgroup.controllers": a_file("memory\n")}
    after = replace(after, files={**after.files, **rebooted})
    text = MATERIAL.inventory_text.replace(b"epoch = 3", b"epoch = 3 # mine")
    found = plan("pi1", after, material=replace(MATERIAL, inventory_text=text))
    assert what(found) == ["/etc/picluster/cluster.toml", "picluster"]
    assert "+epoch = 3 # mine" in found.changes[0].diff
    assert [step.request["state"] for step in found.steps if step.do == "unit"] == ["reloaded"]
    upgraded = plan("pi1", after, material=replace(MATERIAL, software="f" * 32))
    assert what(upgraded) == ["software", "picluster", "old software"]
    assert [step.request["state"] for step in upgraded.steps if step.do == "unit"] == ["restarted"]
    assert upgraded.changes[0].steps[-1].request["target"] != after.links["/opt/picluster"]
    assert upgraded.changes[-1].steps[0].request["path"] == after.links["/opt/picluster"]
    assert what(plan("pi1", replace(after, python="3.14.1"))) == what(upgraded), "an upgraded system"


def test_an_upgrade_that_is_cut_off_arrives_and_leaves_one_environment() -> None:
    """Whichever version is wanted after the cut: the new one, or the old one again."""
    before = done("pi1", TRIXIE)
    new = replace(MATERIAL, software="f" * 32)
    steps = plan("pi1", before, material=new).steps
    for count in range(len(steps)):
        for material in (new, MATERIAL):
            half = obey(before, steps[:count])
            after = obey(half, plan("pi1", half, material=material).steps)
            there = [path for path in after.files if path.startswith("/opt/picluster-")]
            assert there == [f"{after.links['/opt/picluster']}/bin/picluster"], f"cut off after {count} steps"
            assert not [change for change in plan("pi1", after, material=material).changes if change.steps]


@pytest.mark.parametrize(
    ("agent", "why"),
    [
        (AgentFact("1", "pi1", "home", 2, ""), "lives by epoch 2 of the inventory, not 3"),
        (AgentFact("1", "pi1", "home", 3, "ab"), "lives by other files than these"),
        (AgentFact("1", "pi1", "home", 3, ""), ""),
    ],
)
def test_an_agent_that_says_it_lives_by_others_reads_its_files(agent: AgentFact, why: str) -> None:
    found = plan("pi1", replace(done("pi1", TRIXIE), agent=agent))
    assert [change.reason for change in found.changes if change.what == "picluster"] == ([why] if why else [])


@pytest.mark.parametrize(("epoch", "state"), [(2, "reloaded"), (1, "restarted")])
def test_an_agent_that_missed_an_epoch_comes_in_anew(epoch: int, state: str) -> None:
    """It would refuse to live on from one configuration to the next but one."""
    found = plan("pi1", replace(done("pi1", TRIXIE), agent=AgentFact("1", "pi1", "home", epoch, "")))
    [change] = [change for change in found.changes if change.what == "picluster"]
    assert change.steps[0].request["state"] == state


def test_a_service_that_was_stopped_is_started_again() -> None:
    after = done("pi1", TRIXIE)
    stopped = {**after.units, "picluster.service": UnitFact("loaded", "enabled", "inactive")}
    found = plan("pi1", replace(after, units=stopped, agent=None))
    assert [(change.what, change.reason) for change in found.changes if change.part == "agent"] == [
        ("picluster", "does not run")
    ]


def test_parts_can_be_picked() -> None:
    whole = Plan((plan("pi1", BOOKWORM), plan("pi2", TRIXIE)))
    for part in PARTS[:-1]:
        kept = whole.only([part])
        assert {change.part for one in kept.nodes for change in one.changes} == {part}
    assert asdict(whole.only(PARTS)) == asdict(whole)


def test_a_kernel_that_does_not_take_the_words_is_not_rebooted_for_ever() -> None:
    after = done("pi1", TRIXIE)
    assert plan("pi1", after).reboot
    assert not plan("pi1", replace(after, command_line="cgroup_disable=memory cgroup_memory=1 cgroup_enable=memory")).reboot
