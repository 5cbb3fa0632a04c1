"""The packages that apt finds on a Pi of the lab, where there is no internet: a flat repository (man 5 sources.list, "exact
path"), which is a directory of packages, an index of them, and a file that vouches for the index.

Some come from the distribution. Two are made up:

    lab-hello      a file, /usr/share/lab-hello, and nothing that could go wrong
    lab-fragile    its installation waits for as long as /run/lab-fragile-waits is there, and then fails if
                   /run/lab-fragile-fails is: so a test can catch apt half-way

    python -m picluster.lab.packages DIRECTORY ADDRESS PORT

serves them over HTTP, and says `ready` once it does.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer

__all__ = ["HELLO", "RECIPE", "complete", "main"]

HELLO = "usr/share/lab-hello"
CONTROL = """Package: {name}
Version: 1.0
Architecture: all
Maintainer: picluster <picluster@lab.invalid>
Description: {description}
"""
FRAGILE = """#!/bin/sh
set -e
while [ -e /run/lab-fragile-waits ]; do sleep 0.05; done
[ ! -e /run/lab-fragile-fails ]
"""
RECIPE = (CONTROL, FRAGILE, HELLO)
"""What the made-up ones are made of."""


def complete(directory: Path) -> None:
    """Put the made-up packages beside those that are there, and make the index of all."""
    _pack(directory, "lab-hello", "a file that harms nobody", {HELLO: "hello\n"})
    _pack(directory, "lab-fragile", "waits and fails when told to", {"DEBIAN/postinst": FRAGILE})
    index = "\n".join(map(_entry, sorted(directory.glob("*.deb")))).encode()
    (directory / "Packages").write_bytes(index)
    # Without a date apt does not believe it.
    lines = [f"Date: {formatdate(usegmt=True)}", "SHA256:", f" {hashlib.sha256(index).hexdigest()} {len(index)} Packages"]
    (directory / "Release").write_text("\n".join([*lines, ""]), encoding="ascii")


def _pack(directory: Path, name: str, description: str, files: Mapping[str, str]) -> None:
    """A package of these files; whatever is below DEBIAN is for dpkg (man 5 deb)."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / name
        control = {"DEBIAN/control": CONTROL.format(name=name, description=description)}
        for place, text in {**control, **files}.items():
            file = tree / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            file.chmod(0o755 if text.startswith("#!") else 0o644)
        target = directory / f"{name}_1.0_all.deb"
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, target], check=True, stdout=subprocess.DEVNULL)


def _entry(package: Path) -> str:
    """Its part of the index (wiki.debian.org/DebianRepository/Format, "Packages" indices)."""
    told = subprocess.run(["dpkg-deb", "--field", package], check=True, capture_output=True, text=True).stdout
    content = package.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return f"{told.rstrip()}\nFilename: ./{package.name}\nSize: {len(content)}\nSHA256: {digest}\n"


class Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    """apt asks for one thing after the other over one connection."""


class Server(ThreadingTCPServer):
    """Not `http.server`'s own, which asks a name server for the name of the address first."""

    allow_reuse_address = True
    daemon_threads = True


def main(arguments: Sequence[str]) -> None:
    directory, address, port = arguments
    with Server((address, int(port)), partial(Handler, directory=directory)) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
