"""Fresh nodes as they tell of themselves, a cluster to put them in, and what becomes of facts when steps are obeyed."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import picluster
from picluster.inventory import load
from picluster.model.inventory import Inventory, Node
from picluster.provision.compare import plan_for
from picluster.provision.facts import AgentFact, Facts, FileFact, InterfaceFact, UnitFact
from picluster.provision.plan import NodePlan
from picluster.provision.scene import Material
from picluster.provision.steps import Blob, Step

NOW_S = 1_795_000_000.0
KEY = b"5c0f" * 16 + b"\n"
SYSTEMD = Path(picluster.__file__).parent / "agent" / "systemd"
INVENTORY = """
[cluster]
name = "home"
epoch = 3

[network]
subnet = "192.168.1.0/24"

[system]
time_zone = "Europe/Berlin"
locale = "de_DE.UTF-8"
wifi_country = "DE"
packages = ["htop"]

[addresses.web]
address = "192.168.1.200"

[nodes.pi1]
[nodes.pi2]
lights = { board = "traffic-light" }
[nodes.nas]
role = "witness"
user = "anna"
"""
CLUSTER = load(INVENTORY, "home.toml")
MATERIAL = Material(
    cluster_key=KEY,
    inventory_text=INVENTORY.encode(),
    authorized_key="ssh-ed25519 AAAAC3Nz picluster home",
    unit=(SYSTEMD / "picluster.service").read_text(encoding="utf-8"),
    sysusers=(SYSTEMD / "sysusers.conf").read_text(encoding="utf-8"),
    wheels=(Blob(b"one wheel", "one-1-py3-none-any.whl"), Blob(b"another", "another-2-py3-none-any.whl")),
    software="0123456789abcdef0123456789abcdef",
)


def a_file(text: str, mode: int = 0o644, owner: str = "root:root") -> FileFact:
    content = text.encode()
    return FileFact(hashlib.sha256(content).hexdigest(), mode, owner, content)


RUNS = UnitFact("loaded", "enabled", "active")
PASSWD = "root:x:0:0:root:/root:/bin/bash\n{user}:x:1000:1000:,,,:{home}:/bin/bash\n"
GROUP = "root:x:0:\n{user}:x:1000:\n"
SYSCTLS = {
    "net.ipv4.conf.all.arp_ignore": "0",
    "net.ipv4.conf.all.arp_announce": "0",
    "net.ipv4.conf.all.promote_secondaries": "0",
    "vm.swappiness": "60",
}
CABLE = InterfaceFact("eth0", "dc:a6:32:00:00:01", ("192.168.1.21/24",), wireless=False, up=True)
WIFI = InterfaceFact("wlan0", "dc:a6:32:00:00:02", (), wireless=True, up=False)


def _files(user: str, **more: str) -> dict[str, FileFact]:
    texts = {
        "/etc/passwd": PASSWD.format(user=user, home=f"/home/{user}"),
        "/etc/group": GROUP.format(user=user),
        "/etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\n\nUsePAM yes\n",
        "/etc/hostname": "raspberrypi\n",
        "/etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n",
        "/etc/locale.gen": "# de_DE.UTF-8 UTF-8\nen_GB.UTF-8 UTF-8\n",
        "/usr/share/zoneinfo/Europe/Berlin": "TZif2",
        **more,
    }
    return {path: a_file(text) for path, text in texts.items()}


BOOKWORM = Facts(
    host_name="raspberrypi",
    system="debian",
    release="bookworm",
    architecture="arm64",
    python="3.11.2",
    libc="2.36",
    model="Raspberry Pi 4 Model B Rev 1.4",
    serial="10000000abcdef01",
    clock_s=NOW_S - 20_000_000,
    free_bytes=20_000_000_000,
    command_line="console=tty1 root=PARTUUID=1-02 rootwait",
    time_zone="Europe/London",
    locale="en_GB.UTF-8",
    interfaces=(CABLE, WIFI),
    files=_files(
        "pi",
        **{
            "/boot/firmware/cmdline.txt": "console=tty1 root=PARTUUID=1-02 rootwait cfg80211.ieee80211_regdom=GB\n",
            "/etc/default/locale": "LANG=en_GB.UTF-8\n",
            "/etc/timezone": "Europe/London\n",
            "/sys/class/watchdog/watchdog0/state": "inactive\n",
            "/proc/cgroups": "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t60\t0\n",
            "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io pids\n",
        },
    ),
    packages=dict.fromkeys(("raspberrypi-sys-mods", "dphys-swapfile", "tzdata", "locales", "systemd-timesyncd", "iw"), "1"),
    units=dict.fromkeys(
        ("NetworkManager.service", "ssh.service", "avahi-daemon.service", "systemd-timesyncd.service"), RUNS
    ),
    sysctls=SYSCTLS,
)
TRIXIE = replace(
    BOOKWORM,
    release="trixie",
    python="3.13.5",
    libc="2.41",
    model="Raspberry Pi 5 Model B Rev 1.0",
    cloud_init="done",
    clock_s=NOW_S,
    synchronised=True,
    files={
        "/etc/default/locale": FileFact("", 0o777, "root:root"),
        **_files(
            "pi",
            **{
                "/boot/firmware/cmdline.txt": "console=tty1 root=PARTUUID=1-02 rootwait ds=nocloud;i=rpi-imager-1",
                "/etc/locale.conf": "LANG=en_GB.UTF-8\n",
                "/usr/lib/systemd/system.conf.d/40-rpi-enable-watchdog.conf": "[Manager]\nRuntimeWatchdogSec=1m\n",
                "/sys/class/watchdog/watchdog0/state": "active\n",
                "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io pids\n",
            },
        ),
    },
    packages={**dict.fromkeys(("raspberrypi-sys-mods", "rpi-swap", "tzdata", "systemd-timesyncd"), "1")},
    links={"/etc/default/locale": "../locale.conf", "/etc/localtime": "/usr/share/zoneinfo/Europe/London"},
)
TRIXIE_32_BIT = replace(TRIXIE, system="raspbian", architecture="armhf", model="Raspberry Pi Zero 2 W Rev 1.0")
DEBIAN_PI = replace(
    BOOKWORM,
    packages=dict.fromkeys(("raspi-firmware", "tzdata", "chrony"), "1"),
    units={"ssh.service": RUNS, "chrony.service": RUNS},
    interfaces=(CABLE, replace(WIFI, up=True)),
)
DEBIAN_PC = Facts(
    host_name="attic",
    system="debian",
    release="bookworm",
    architecture="amd64",
    python="3.11.2",
    libc="2.36",
    model="OptiPlex 3050",
    clock_s=NOW_S + 5,
    free_bytes=100_000_000_000,
    time_zone="Europe/Berlin",
    locale="de_DE.UTF-8",
    interfaces=(CABLE,),
    files=_files("pi"),
    packages={"tzdata": "1", "htop": "3"},
    units={"ssh.service": RUNS},
    sysctls=SYSCTLS,
)
UBUNTU_PC = replace(
    DEBIAN_PC,
    system="ubuntu",
    release="noble",
    python="3.12.3",
    libc="2.39",
    cloud_init="done",
    time_zone="Etc/UTC",
    packages={"tzdata": "1", "systemd-timesyncd": "1"},
    # It is started by ssh.socket, at the first connection.
    units={"ssh.service": UnitFact("loaded", "disabled", "active"), "systemd-timesyncd.service": RUNS},
)
NAS = replace(DEBIAN_PC, files=_files("anna"), host_name="nas-of-anna", time_zone="Etc/UTC", locale="C.UTF-8")
FRESH: Mapping[str, tuple[str, Facts]] = {
    "Raspberry Pi OS bookworm": ("pi1", BOOKWORM),
    "Raspberry Pi OS trixie": ("pi1", TRIXIE),
    "Raspberry Pi OS trixie, 32 bit, with lamps": ("pi2", TRIXIE_32_BIT),
    "Debian on a Pi, with lamps": ("pi2", DEBIAN_PI),
    "Debian on a PC": ("pi1", DEBIAN_PC),
    "Ubuntu on a PC": ("pi1", UBUNTU_PC),
    "a NAS that is a witness": ("nas", NAS),
}
"""By kind: the node of the inventory that it is to be, and its facts."""


def node(name: str, inventory: Inventory = CLUSTER) -> Node:
    found = inventory.node(name)
    assert found is not None
    return found


def plan(name: str, facts: Facts, inventory: Inventory = CLUSTER, material: Material = MATERIAL) -> NodePlan:
    return plan_for(inventory, node(name, inventory), material, facts, now_s=NOW_S)


def obey(facts: Facts, steps: Iterable[Step]) -> Facts:
    """The facts afterwards, as a node would tell them."""
    for step in steps:
        facts = _DEEDS[step.do](facts, step.request)
    return facts


Request = Mapping[str, Any]


def _write(facts: Facts, request: Request) -> Facts:
    content = base64.b64decode(request["content"])
    fact = FileFact(hashlib.sha256(content).hexdigest(), request["mode"], request["owner"], content)
    if request["path"].endswith("cluster.key"):
        fact = replace(fact, content=None)
    links = {path: target for path, target in facts.links.items() if path != request["path"]}
    after = replace(facts, files={**facts.files, request["path"]: fact}, links=links)
    if request["path"] in {"/etc/default/locale", "/etc/locale.conf"}:
        after = replace(after, locale=content.decode().strip().removeprefix("LANG="))
    return replace(after, cloud_init="disabled") if request["path"].endswith("cloud-init.disabled") else after


def _remove(facts: Facts, request: Request) -> Facts:
    gone = request["path"]
    kept = {path: fact for path, fact in facts.files.items() if path != gone and not path.startswith(f"{gone}/")}
    return replace(facts, files=kept)


def _directory(facts: Facts, request: Request) -> Facts:
    return replace(facts, files={**facts.files, request["path"]: FileFact("", request["mode"], request["owner"])})


def _link(facts: Facts, request: Request) -> Facts:
    path, target = request["path"], request["target"]
    after = replace(facts, links={**facts.links, path: target})
    if path == "/etc/localtime":
        return replace(after, time_zone=target.partition("zoneinfo/")[2])
    program = facts.files.get(f"{target}/bin/picluster")
    return replace(after, files={**after.files, f"{path}/bin/picluster": program}) if program else after


def _packages(facts: Facts, request: Request) -> Facts:
    new = dict.fromkeys(request["names"], "1")
    units = {f"{name}.service": RUNS for name in new if name == "systemd-timesyncd"}
    return replace(facts, packages={**facts.packages, **new}, packages_broken=False, units={**facts.units, **units})


def _unit(facts: Facts, request: Request) -> Facts:
    name = request["name"]
    before = facts.units.get(name, UnitFact("loaded", "disabled", "inactive"))
    enabled = "enabled" if request["enabled"] else before.enabled
    active = "active" if request["state"] in {"started", "restarted"} else before.active
    after = replace(facts, units={**facts.units, name: UnitFact("loaded", enabled, active)})
    if name != "picluster.service":
        return after
    files = [facts.files[f"/etc/picluster/{file}"] for file in ("agent.toml", "cluster.toml", "cluster.key")]
    digest = hashlib.sha256("".join(file.digest for file in files).encode()).hexdigest()
    inventory = load((files[1].content or b"").decode(), "cluster.toml")
    name = next(one.name for one in inventory.nodes if f'"{one.name}"' in (files[0].content or b"").decode())
    return replace(after, agent=AgentFact("1", name, inventory.cluster, inventory.configuration.epoch, digest))


def _sysctl(facts: Facts, request: Request) -> Facts:
    return replace(facts, sysctls={**facts.sysctls, request["name"]: request["value"]})


def _host_name(facts: Facts, request: Request) -> Facts:
    name = request["name"]
    texts = {"/etc/hostname": f"{name}\n", "/etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {name}\n"}
    return replace(facts, host_name=name, files={**facts.files, **{path: a_file(text) for path, text in texts.items()}})


def _environment(facts: Facts, request: Request) -> Facts:
    return replace(facts, files={**facts.files, f"{request['path']}/bin/picluster": a_file("#!", 0o755)})


def _run(facts: Facts, request: Request) -> Facts:
    words = request["words"]
    if words[0] == "date":
        return replace(facts, clock_s=float(words[-1].removeprefix("@")))
    if words[0] == "systemd-sysusers":
        assert words[1] in facts.files
        lines = (
            facts.files["/etc/passwd"].content or b""
        ).decode() + "picluster:x:996:996::/run/picluster:/usr/sbin/nologin\n"
        return replace(facts, files={**facts.files, "/etc/passwd": a_file(lines)})
    return facts


def _stamp(facts: Facts, request: Request) -> Facts:
    return replace(facts, stamps={**facts.stamps, request["name"]: request["value"]})


_DEEDS: Mapping[str, Callable[[Facts, Request], Facts]] = {
    "write": _write,
    "remove": _remove,
    "directory": _directory,
    "link": _link,
    "packages": _packages,
    "unit": _unit,
    "sysctl": _sysctl,
    "host_name": _host_name,
    "environment": _environment,
    "run": _run,
    "stamp": _stamp,
}
