"""A node in a directory: files below a root of its own, and programs that play apt, dpkg and systemd, found by the search
path like real ones. They are programs indeed; what they do to the node is written to files, what they were told to a log.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from picluster.provision.steps import Blob, Step
from picluster.remote import BOOT, payload
from picluster.remote.applying import DOES
from picluster.remote.commands import Commands
from picluster.remote.node import STATE, Node
from picluster.remote.work import Work

__all__ = ["OWN", "Pretended", "Session", "everything", "make_wheel"]

OWN = f"{os.geteuid()}:{os.getegid()}"
"""Whoever runs the tests, as an owner."""
REAL = ("cat", "dd", "sh", "sleep", "sync", "true")
"""Programs that need not be played."""

SYSTEMCTL = """
import pathlib, sys
home, words = pathlib.Path(HOME), [word for word in sys.argv[1:] if not word.startswith("--")]
units = home / "units"
def read(name):
    file = units / name
    text = file.read_text() if file.exists() else "LoadState=not-found\\nActiveState=inactive\\nUnitFileState="
    return dict(line.split("=") for line in text.splitlines())
def change(name, **what):
    found = read(name)
    if found["LoadState"] == "not-found":
        sys.exit(f"Unit {name} not found.")
    (units / name).write_text("".join(f"{key}={value}\\n" for key, value in {**found, **what}.items()))
if words[0] == "show":
    with open(home / "asked", "a") as asked:
        print("systemctl", file=asked)
    print("\\n\\n".join("\\n".join(f"{key}={value}" for key, value in read(name).items()) for name in words[1:]))
    sys.exit()
with open(home / "log", "a") as log:
    print("systemctl", *words, file=log)
if words[0] == "daemon-reload":
    for file in units.iterdir():
        change(file.name, NeedDaemonReload="no")
elif (home / "refuses").exists():
    print("Job for", words[1], "failed.", file=sys.stderr)
    sys.exit(1)
elif words[0] in ("enable", "disable"):
    change(words[1], UnitFileState=words[0] + "d")
elif words[0] in ("start", "stop"):
    change(words[1], ActiveState={"start": "active", "stop": "inactive"}[words[0]])
"""
DPKG_QUERY = """
import pathlib, sys
home = pathlib.Path(HOME)
print((home / "status").read_text(), end="")
with open(home / "asked", "a") as asked:
    print("dpkg-query", file=asked)
"""
DPKG = """
import pathlib, sys
home = pathlib.Path(HOME)
records = [line.split("\\t") for line in (home / "status").read_text().splitlines()]
with open(home / "log", "a") as log:
    print("dpkg", *sys.argv[1:], file=log)
code = 0
if "--configure" in sys.argv:
    records = [["installed", *record[1:]] for record in records]
    for file in pathlib.Path(ROOT, "var/lib/dpkg/updates").iterdir():
        file.unlink()
if "--purge" in sys.argv:
    needed = set((home / "needed").read_text().split())
    for name in set(sys.argv[2:]) & needed:
        print(f"dpkg: error processing package {name} (--purge): dependency problems - not removing")
        code = 1
    records = [record for record in records if record[1] not in set(sys.argv[2:]) - needed]
(home / "status").write_text("".join("\\t".join(record) + "\\n" for record in records))
sys.exit(code)
"""
APT_GET = """
import pathlib, subprocess, sys
home = pathlib.Path(HOME)
words = [word for word in sys.argv[1:] if not word.startswith("--")]
with open(home / "log", "a") as log:
    print("apt-get", *words, file=log)
lists = pathlib.Path(ROOT, "var/lib/apt/lists")
if words[0] == "update":
    lists.mkdir(parents=True, exist_ok=True)
    (lists / "main_Packages").write_text((home / "mirror").read_text())
    print("Get:1 main")
    sys.exit()
known = {line.split()[0]: line.split()[1:] for line in (lists / "main_Packages").read_text().splitlines()}
status = (home / "status").read_text()
new = []
for name in words[1:]:
    if name not in known:
        print(f"E: Unable to locate package {name}", file=sys.stderr)
        sys.exit(100)
    new += [one for one in (*known[name], name) if f"installed\\t{one}\\t" not in status and one not in new]
hook = next(word.split("=", 2)[2] for word in sys.argv if "Pre-Install-Pkgs" in word)
told = "VERSION 2\\nAPT::Architecture=amd64\\n\\nlibc6 2.1 < 2.2 /var/libc6.deb\\n"
told += "".join(f"{one} - < 1.0 /var/{one}.deb\\n{one} - < 1.0 **CONFIGURE**\\n" for one in new)
subprocess.run(hook, shell=True, check=True, input=told.encode())
if (home / "cut").exists():
    print("Killed")
    sys.exit(137)
for one in new:
    print(f"Setting up {one} ...")
    status += f"installed\\t{one}\\t1.0\\tamd64\\n"
(home / "status").write_text(status)
"""
HOSTNAME = """
import pathlib, sys
pathlib.Path(ROOT, "proc/sys/kernel/hostname").write_text(sys.argv[1] + "\\n")
"""
SYSUSERS = """
import os, pathlib, sys
for line in pathlib.Path(ROOT + sys.argv[1]).read_text().splitlines():
    name = line.split()[1]
    for file, record in (("passwd", f"{name}:x:990:990::/run:/bin/false"), ("group", f"{name}:x:990:")):
        with open(f"{ROOT}/etc/{file}", "a") as accounts:
            print(record, file=accounts)
"""
USERDEL = """
import pathlib, sys
for file in ("passwd", "group"):
    place = pathlib.Path(ROOT, "etc", file)
    lines = place.read_text().splitlines()
    place.write_text("".join(f"{line}\\n" for line in lines if not line.startswith(sys.argv[1] + ":")))
"""
PLAYED = {
    "systemctl": SYSTEMCTL,
    "dpkg-query": DPKG_QUERY,
    "dpkg": DPKG,
    "apt-get": APT_GET,
    "hostname": HOSTNAME,
    "systemd-sysusers": SYSUSERS,
    "userdel": USERDEL,
}


class Pretended:
    """The node."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "root"
        self.home = directory / "played"
        self.programs = self.home / "bin"
        (self.home / "units").mkdir(parents=True)
        self.programs.mkdir()
        for place in ("etc/opt", "opt", "proc/sys/kernel", "run", "var/lib/dpkg/updates", "var/lib/apt/lists"):
            (self.root / place).mkdir(parents=True)
        self.put("/proc/sys/kernel/hostname", "raspberrypi\n")
        self.put("/etc/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n")
        self.put("/etc/hostname", "raspberrypi\n")
        self.put("/etc/passwd", f"root:x:{os.geteuid()}:{os.getegid()}::/root:/bin/sh\npi:x:1000:1000::/home/pi:/bin/sh\n")
        self.put("/etc/group", f"root:x:{os.getegid()}:\npi:x:1000:\ngpio:x:993:pi\nvideo:x:44:other,pi\n")
        (self.home / "status").write_text("installed\tdpkg\t1.21\tamd64\ninstalled\tlibc6\t2.1\tamd64\n")
        (self.home / "mirror").write_text("nftables libnftables1\nzsh\n")
        (self.home / "needed").write_text("")
        (self.home / "log").write_text("")
        for name, text in PLAYED.items():
            self.play(name, text)
        for name in REAL:
            (self.programs / name).symlink_to(str(shutil.which(name)))
        self.said: list[str] = []
        self.waited: list[str] = []

    def play(self, name: str, text: str) -> None:
        """A program of that name does this from now on."""
        program = self.programs / name
        program.unlink(missing_ok=True)
        program.write_text(f"#!{sys.executable} -IS\nHOME, ROOT = {str(self.home)!r}, {str(self.root)!r}\n{text}")
        program.chmod(0o755)

    def unit(self, name: str, *, enabled: str = "disabled", active: str = "inactive", stale: bool = False) -> None:
        """systemd knows this unit."""
        lines = (
            "LoadState=loaded",
            f"UnitFileState={enabled}",
            f"ActiveState={active}",
            f"NeedDaemonReload={'yes' if stale else 'no'}",
        )
        (self.home / "units" / name).write_text("\n".join([*lines, ""]))

    def put(self, path: str, text: str, mode: int = 0o644) -> Path:
        place = self.at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)
        return place

    def at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def node(self) -> Node:
        return Node(str(self.root), Commands(str(self.programs)))

    def work(self) -> Work:
        return Work(self.node(), self.said.append, self.waited.append, lambda: False)

    def do(self, *steps: Step) -> list[bool]:
        """As a run of its own; whether each changed anything."""
        work = self.work()
        return [DOES[step.do](work, json.loads(json.dumps(step.request))) for step in steps]

    def have(self, blob: Blob) -> Blob:
        """It has been sent before."""
        place = self.at(f"{STATE}/blobs/{blob.digest}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(blob.data)
        return blob

    @property
    def log(self) -> list[str]:
        return (self.home / "log").read_text().splitlines()


def everything(root: Path) -> dict[str, object]:
    """What is below a root: every name, with what can be seen of it."""
    found: dict[str, object] = {}
    for place in sorted(root.rglob("*")):
        about = place.lstat()
        what: object = "directory"
        if place.is_symlink():
            what = f"→ {place.readlink()}"
        elif place.is_file():
            what = place.read_bytes()
        found[str(place.relative_to(root))] = (what, oct(about.st_mode), about.st_uid, about.st_gid)
    return found


class Session:
    """The real thing: a Python of its own that is sent the program over pipes."""

    def __init__(
        self, environment: Mapping[str, str], directory: Path | None = None, command: Sequence[str] = (sys.executable,)
    ) -> None:
        """`command` begins that of its Python."""
        self.process = subprocess.Popen(
            [*command, "-c", BOOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
            cwd=directory or "/",
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.incoming, self.outgoing = self.process.stdout, self.process.stdin
        assert self.incoming.readline() == b"picluster ready\n"
        self.outgoing.write(f"{len(payload())}\n".encode() + payload())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The connection ends; whatever is at work is waited for."""
        self.hang_up()
        self.incoming.close()
        self.process.wait(30)

    def send(self, request: Mapping[str, object]) -> None:
        self.outgoing.write(json.dumps(request).encode() + b"\n")
        self.outgoing.flush()

    def send_blobs(self, blobs: Iterable[Blob]) -> None:
        for blob in blobs:
            self.send({"blob": blob.digest, "size": len(blob.data)})
            self.outgoing.write(blob.data)
        self.send({"end": True})

    def answer(self) -> dict[str, Any]:
        """The next one; empty where it has ended."""
        answer: dict[str, Any] = json.loads(self.incoming.readline() or "{}")
        return answer

    def answers(self) -> list[dict[str, Any]]:
        """All to one request."""
        told = []
        while answer := self.answer():
            if answer["kind"] == "end":
                break
            told.append(answer)
        return told

    def ask(self, request: Mapping[str, object]) -> list[dict[str, Any]]:
        self.send(request)
        return self.answers()

    def apply(self, root: Path | str, steps: Sequence[Step], who: str = "me@here") -> list[dict[str, Any]]:
        self.begin(root, steps, who)
        return self.answers()

    def begin(self, root: Path | str, steps: Sequence[Step], who: str = "me@here") -> None:
        self.send({"do": "apply", "root": str(root), "who": who, "steps": [step.request for step in steps]})
        self.send_blobs(blob for step in steps for blob in step.blobs)

    def hang_up(self) -> None:
        if not self.outgoing.closed:
            self.outgoing.close()


def make_wheel(name: str, files: Mapping[str, bytes | str], *, record: str | None = None) -> Blob:
    """A wheel with these files; its RECORD is right unless it is given."""
    about = f"{name}-1.0.dist-info"
    rows = io.StringIO()
    with io.BytesIO() as buffer:
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, content in {**files, f"{about}/METADATA": f"Name: {name}\n"}.items():
                data = content.encode() if isinstance(content, str) else content
                digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                csv.writer(rows).writerow([path, f"sha256={digest}", len(data)])
                archive.writestr(path, data)
            csv.writer(rows).writerow([f"{about}/RECORD", "", ""])
            archive.writestr(f"{about}/RECORD", rows.getvalue() if record is None else record)
        return Blob(buffer.getvalue(), f"{name}-1.0-py3-none-any.whl")
