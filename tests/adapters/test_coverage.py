"""What `picluster agent --check` finds, on a kernel that has everything, and for somebody who may do nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from picluster.adapters.coverage import Finding, examine, examine_interfaces, examine_timing, gate_holds_ms
from picluster.adapters.gate import Gate
from picluster.adapters.netlink import Netlink
from picluster.adapters.nftables import NETLINK_NETFILTER, NFPROTO_INET, batch, generation, new_table, trial
from picluster.model.timing import PRESETS, Timing
from tests.adapters.isolation import isolated, unprivileged
from tests.adapters.scene import FLOATING, MS, Scene, tables


@isolated
def test_where_the_tests_of_the_gate_run_everything_is_found() -> None:
    assert [finding.line for finding in examine() if finding.why_not] == []


@isolated
def test_looking_changes_nothing() -> None:
    with Scene() as scene, Netlink(NETLINK_NETFILTER) as netlink:
        gate = Gate()
        gate.cover(FLOATING)
        before = (tables(), generation(netlink), scene.pi.addresses())
        assert list(examine())
        assert list(examine_interfaces(["eth0"]))
        assert (tables(), generation(netlink), scene.pi.addresses()) == before


@isolated
def test_a_trial_is_refused_as_the_change_itself_would_be() -> None:
    with Netlink(NETLINK_NETFILTER) as netlink:
        netlink.commit(trial(new_table(NFPROTO_INET, "tried")))
        assert tables() == []
        with pytest.raises(OSError, match="Numerical result"):
            netlink.commit(trial(new_table(NFPROTO_INET, "n" * 2_000)))
        netlink.commit(batch(new_table(NFPROTO_INET, "made")))
        assert tables() == [(NFPROTO_INET, "made")]


@isolated
def test_an_interface_is_there_or_down_or_missing() -> None:
    with Scene() as scene:
        scene.switch.down("pi-eth0")
        scene.plug_in_pi("wlan0", "dc:a6:32:00:00:02", last=2)
        down, up, missing = examine_interfaces(["eth0", "wlan0", "eth7"])
        assert "no carrier" in down.line
        assert up.line.startswith("✓ interface wlan0")
        assert missing.line.startswith("✗ interface eth7: is not there.")


def test_without_privileges_it_says_which_is_missing() -> None:
    lines = unprivileged(lambda: "\n".join(finding.line for finding in examine())).splitlines()
    refused = [line for line in lines if line.startswith("✗")]
    assert any("CAP_NET_ADMIN and CAP_NET_RAW missing" in line for line in refused)
    assert any(line.startswith("✗ raw sockets") for line in refused)
    assert any(line.startswith("✗ nftables for ARP") for line in refused)
    assert any(line.startswith("✗ sock_diag") for line in refused)
    assert all("run it as root" in line for line in refused)


@pytest.mark.parametrize(("tick_ms", "holds_ms"), [(1, 29), (4, 20), (10, 10)])
def test_the_gate_is_early_by_ticks(tick_ms: int, holds_ms: int) -> None:
    assert gate_holds_ms(Timing(lease_ms=32), tick_ms * MS) == holds_ms


def test_the_default_outlives_a_lost_renewal_on_every_kernel_and_sprint_not_on_the_slowest() -> None:
    for tick_ms in (1, 4, 10):
        assert not examine_timing(PRESETS["wired"], tick_ms * MS).why_not
        assert not examine_timing(PRESETS["wifi"], tick_ms * MS).why_not
    assert not examine_timing(PRESETS["sprint"], 4 * MS).why_not
    assert examine_timing(PRESETS["sprint"], 10 * MS).why_not


def test_the_page_about_the_kernels_lease_has_the_figures_of_the_code() -> None:
    page = (Path(__file__).parents[2] / "docs" / "kernel-lease.md").read_text(encoding="utf-8")
    for tick_ms in (1, 4, 10):
        cells = " | ".join(f"{gate_holds_ms(PRESETS[name], tick_ms * MS):,} ms" for name in ("wired", "sprint", "wifi"))
        assert f"| {tick_ms} ms ({1_000 // tick_ms}) | {cells} |" in page


def test_a_line_says_what_is_covered_or_what_to_do() -> None:
    assert Finding("part", "it works").line == "✓ part: it works"
    missing = Finding("part", "it works", "is missing", "Get one")
    assert missing.line == "✗ part: is missing. Get one. Otherwise this does not hold: it works"
