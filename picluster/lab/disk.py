"""What lies on the disk of a machine lab's Pi: three layers, of which only the last one is its own.

    the Pi's own        what it writes; it outlives a power cut, and vanishes with the lab
    what all share      this very picluster with what it imports, its unit, and a service to be asked; on a fresh card
                        (`picluster.lab.card`) nothing of ours
    the root system     Debian or Ubuntu, `picluster.lab.root_system`

The software is copied from around this process, as `pip install` into /opt/picluster would leave it. Compiled parts fit only
the Python that they were made for; the Pi's Python uses the plain ones where it is another (zeroconf has both).
"""

from __future__ import annotations

import compileall
import importlib.util
import shutil
import subprocess
from collections.abc import Collection, Mapping
from ipaddress import ip_interface
from pathlib import Path

import picluster
from picluster.errors import LabError

__all__ = [
    "CONFIGURATION",
    "HOME",
    "STAND_IN",
    "UNIT",
    "add_user",
    "let_network_manager_run",
    "put",
    "write_files",
    "write_settings",
    "write_software",
]

HOME = Path("opt/picluster")
"""Where the unit looks for it."""
CONFIGURATION = Path("etc/picluster")
UNIT = "picluster.service"
IMPORTED = ("ifaddr", "zeroconf")
PROGRAM = """#!/usr/bin/python3
import sys
sys.path.insert(0, "/opt/picluster/lib")
from picluster.cli.main import main
sys.exit(main())
"""
RESPONDER = """[Unit]
Description=the service behind the floating address
[Service]
ExecStart=/usr/bin/python3 -m picluster.lab.responder %H {port} {addresses}
Environment=PYTHONPATH=/opt/picluster/lib
DynamicUser=yes
[Install]
WantedBy=multi-user.target
"""
STAND_IN = f"{UNIT}.d/stand-in.conf"
PRIVILEGES = """# On a Pi the unit's limits are enough. Here nobody can raise limits.
[Service]
CapabilityBoundingSet=CAP_SYS_NICE CAP_IPC_LOCK
AmbientCapabilities=CAP_SYS_NICE CAP_IPC_LOCK
"""
CAP_SYS_RESOURCE = 24
"""linux/capability.h; whoever has it may raise limits."""
JOURNAL = """[Journal]
Storage=volatile
ForwardToConsole=yes
MaxLevelConsole=info
"""
"""A Pi's console is its log in the lab."""
IDLE = ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "console-getty.service")
"""What would only wake up in the midst of a test."""
NETWORK_MANAGER = "NetworkManager.service"
REACHABLE = ("ssh.service", "ssh.socket", "avahi-daemon.service", "avahi-daemon.socket")
"""How people find a Pi and get in; Pis that have picluster already need neither."""
PROFILE = """[connection]
id=Wired connection 1
uuid=5a8c1e0e-0c8e-4d4f-9d6b-7069636c7573
type=ethernet
interface-name=eth0

[ipv4]
method=manual
{ipv4}

[ipv6]
method=manual
{ipv6}
"""
"""A keyfile (man 5 nm-settings-keyfile) as Raspberry Pi OS has it, but for addresses that no DHCP server gives."""


def write_software(layer: Path, port: int, addresses: Mapping[str, str]) -> None:
    """`port` and `addresses`: where the service is asked."""
    library = layer / HOME / "lib"
    shutil.copytree(Path(picluster.__file__).parent, library / "picluster")
    for name in IMPORTED:
        shutil.copytree(_package(name), library / name)
    compileall.compile_dir(library, quiet=2)
    program = layer / HOME / "bin" / "picluster"
    put(program, PROGRAM)
    program.chmod(0o755)
    link = layer / "usr/local/bin/picluster"
    link.parent.mkdir(parents=True)
    link.symlink_to(f"/{program.relative_to(layer)}")
    _write_units(layer, RESPONDER.format(port=port, addresses=" ".join(addresses.values())))
    write_settings(layer, REACHABLE)


def write_settings(layer: Path, masked: Collection[str] = ()) -> None:
    """What any Pi needs to be one of a lab. These units never start, besides those that never do in a lab; NetworkManager is
    one of them, until it is let."""
    put(layer / "etc/systemd/journald.conf.d/lab.conf", JOURNAL)
    units = layer / "etc/systemd/system"
    units.mkdir(parents=True, exist_ok=True)
    for unit in (*IDLE, NETWORK_MANAGER, *masked):
        (units / unit).symlink_to("/dev/null")


def write_files(root: Path, name: str, inventory: Path, key: Path) -> None:
    """What is each Pi's own: its name, and the agent's configuration. The user has to be there."""
    put(root / "etc/hostname", f"{name}\n")
    put(root / "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n")
    place = root / CONFIGURATION
    put(place / "agent.toml", f'node = "{name}"\n')
    shutil.copy(inventory, place / "cluster.toml")
    shutil.copy(key, place / "cluster.key")
    user = _user_of(root)
    shutil.chown(place / "cluster.key", user, user)


def let_network_manager_run(root: Path, addresses: Collection[str]) -> None:
    """From the next boot, with a profile that gives `eth0` these addresses. It reads no profile that others may read."""
    (root / "etc/systemd/system" / NETWORK_MANAGER).unlink()
    lines: dict[int, list[str]] = {4: [], 6: []}
    for address in addresses:
        found = lines[ip_interface(address).version]
        found.append(f"address{len(found) + 1}={address}")
    profile = root / "etc/NetworkManager/system-connections/wired.nmconnection"
    put(profile, PROFILE.format(ipv4="\n".join(lines[4]), ipv6="\n".join(lines[6])))
    profile.chmod(0o600)


def add_user(root: Path) -> None:
    """As the boot would, but the key has to be given to it before."""
    added = subprocess.run(["systemd-sysusers", f"--root={root}"], capture_output=True, text=True, check=False)
    if added.returncode != 0:
        raise LabError(f"the agent's user cannot be made. systemd-sysusers says: {added.stderr.strip()}")


def _write_units(layer: Path, responder: str) -> None:
    data = Path(picluster.__file__).parent / "agent" / "systemd"
    units = layer / "etc/systemd/system"
    put(units / UNIT, (data / UNIT).read_text(encoding="utf-8"))
    if not _limits_can_be_raised():
        put(units / STAND_IN, PRIVILEGES)
    put(layer / "usr/lib/sysusers.d/picluster.conf", (data / "sysusers.conf").read_text(encoding="utf-8"))
    put(units / "responder.service", responder)
    wanted = units / "multi-user.target.wants"
    wanted.mkdir()
    for unit in (UNIT, "responder.service"):
        (wanted / unit).symlink_to(f"/etc/systemd/system/{unit}")


def _limits_can_be_raised() -> bool:
    """Whether the systemd of a Pi may do here what it may do on a board."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    bounding = next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd:"))
    return bool(int(bounding, 16) >> CAP_SYS_RESOURCE & 1)


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise LabError(f"this Python has no {name}, which the Pis need. Run: pip install {name}")
    return Path(spec.origin).parent


def _user_of(root: Path) -> int:
    for line in (root / "etc/passwd").read_text(encoding="utf-8").splitlines():
        name, _, number, *_ = line.split(":")
        if name == "picluster":
            return int(number)
    raise LabError(f"{root} has no user picluster")


def put(path: Path, text: str) -> None:
    """Write it, wherever that may be, for everybody to read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
