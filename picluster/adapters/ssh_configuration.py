"""The user's ~/.ssh/config, and what follows from it for one node: address, port, user, jump hosts, keys (man 5 ssh_config).

paramiko parses the file. What it lacks is done here: `Include`, which it skips; `%h` and its kind, where it asks the name
server for this machine's own name whether anybody wants it or not, for seconds where there is none; and `ProxyJump` through
several hosts, whose order fabric turns around.

A node is looked up by its name, as `ssh pi3` would, and by the address that it is called at, as `ssh 192.168.1.23` would.
Where both say something, the name wins, unless all it says is what the file says of every host.

What the inventory says wins over the file, and the file over what holds where nobody says anything.
"""

from __future__ import annotations

import getpass
import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Self

import paramiko
from paramiko.ssh_exception import ConfigParseError, CouldNotCanonicalize

from picluster.errors import AccessError
from picluster.model.inventory import DEFAULT_SSH_PORT, DEFAULT_USER

__all__ = ["Configuration", "Route", "Target"]

USER_FILE, SYSTEM_FILE = Path("~/.ssh/config"), Path("/etc/ssh/ssh_config")
KNOWN_HOSTS = ("known_hosts", "ssh_known_hosts")
DEEPEST_INCLUDE = 16
LINE = re.compile(r"\s*(?P<key>\w+)(?:\s*=\s*|\s+)(?P<value>.*?)\s*$")
TOKEN = re.compile(r"%(.)")
NOBODY = "none"


@dataclass(frozen=True, slots=True)
class Target:
    """A node to log in on. What is None or empty is what ~/.ssh/config says, or else user pi, port 22 and NAME.local."""

    node: str
    hosts: tuple[str, ...] = ()
    """Addresses or names, tried in this order."""
    port: int | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One way to a machine."""

    name: str
    """Whom it leads to, for people: the node, or the jump host as it is called in the file."""
    host: str
    port: int
    user: str
    jumps: tuple[str, ...] = ()
    """`[USER@]HOST[:PORT]`, in the order in which they are passed."""
    command: str = ""
    """A ProxyCommand to be run, complete."""
    identities: tuple[str, ...] | None = None
    """Files with private keys, which need not be there; None where nobody names any."""
    agent: str | None = None
    """The agent's socket; None where the environment names it, empty where none is to be asked."""
    only_these: bool = False
    """Of the agent's keys only those that are in `identities` too."""


class _Parsed(paramiko.SSHConfig):
    """Leaves `%h` and its kind as they are, but for `Match exec`, which needs them while it is matched."""

    TOKENS_BY_CONFIG_KEY = {"match-exec": ["%d", "%h", "%n", "%p", "%r", "%u"]}  # noqa: RUF012 (paramiko declares it so)


class Configuration:
    """Both files, read once. `known_hosts` are the files by which jump hosts are known."""

    def __init__(self, text: str, known_hosts: Sequence[Path] = ()) -> None:
        self.known_hosts = tuple(known_hosts)
        self._parsed = _Parsed()
        try:
            self._parsed.parse(StringIO(text))
        except ConfigParseError as error:
            raise AccessError(f"~/.ssh/config: {error}; ssh -G localhost shows what ssh makes of it") from error

    @classmethod
    def load(cls, user_file: Path = USER_FILE, system_file: Path = SYSTEM_FILE) -> Self:
        """Files that are not there say nothing. Raises AccessError where one cannot be understood."""
        files = user_file.expanduser(), system_file
        known_hosts = [file.with_name(name) for file, name in zip(files, KNOWN_HOSTS, strict=True)]
        return cls("\n".join(f"Host *\n{_with_includes(file, file.parent)}" for file in files), known_hosts)

    def routes(self, target: Target) -> tuple[Route, ...]:
        """The ways to a node, in the order in which they are to be tried."""
        named = self._host_name(target.node)
        hosts = target.hosts or (named if named != target.node else f"{target.node}.local",)
        return tuple(self._route(target.node, host, target.port, target.user or None, DEFAULT_USER) for host in hosts)

    def jump(self, jump: str) -> Route:
        """The way to a jump host, `[USER@]HOST[:PORT]` or `ssh://[USER@]HOST[:PORT]`. Whose name differs from the node's."""
        user, _, place = jump.removeprefix("ssh://").rstrip("/").rpartition("@")
        host, colon, port = place.rpartition(":") if re.search(r"(\]|^[^:]+):\d+$", place) else (place, "", "")
        name = host.strip("[]")
        route = self._route(name, self._host_name(name), int(port) if colon else None, user or None, getpass.getuser())
        return replace(route, jumps=tuple(other for other in route.jumps if other != jump))  # `Host *` means it too

    def _route(self, name: str, host: str, port: int | None, user: str | None, default_user: str) -> Route:
        options = self._options(name, host)
        port = port or _port(options.get("port", str(DEFAULT_SSH_PORT)), name)
        user = user or options.get("user") or default_user
        tokens = {"%": "%", "h": host, "n": name, "p": str(port), "r": user, "u": getpass.getuser(), "d": str(Path.home())}
        jumps = _unless_none(options.get("proxyjump"))
        agent = options.get("identityagent")
        return Route(
            name=name,
            host=host,
            port=port,
            user=user,
            jumps=tuple(_expand(jump.strip(), tokens) for jump in jumps.split(",")) if jumps else (),
            command="" if jumps else _expand(_unless_none(options.get("proxycommand")), tokens),
            identities=_identities(options.get("identityfile"), tokens),
            agent=None if agent in {None, "SSH_AUTH_SOCK"} else _path(_unless_none(agent), tokens),
            only_these=str(options.get("identitiesonly", "no")).lower() == "yes",
        )

    def _host_name(self, name: str) -> str:
        return _expand(self._lookup(name)["hostname"], {"%": "%", "h": name})

    def _lookup(self, name: str) -> Mapping[str, str]:
        try:
            return self._parsed.lookup(name)
        except (CouldNotCanonicalize, KeyError, ValueError) as error:
            raise AccessError(f"~/.ssh/config: what it says of {name} cannot be followed: {error}") from error

    def _options(self, name: str, host: str) -> Mapping[str, str]:
        """What the file says of the node by its name, else by its address."""
        everybody, by_name, by_host = (self._lookup(each) for each in ("", name, host))
        return {
            key: value
            for key in (*by_name, *by_host)
            if (value := (by_name if by_name.get(key) != everybody.get(key) else by_host).get(key)) is not None
        }


def _port(word: str, name: str) -> int:
    if word.isascii() and word.isdecimal() and 0 < int(word) < 1 << 16:
        return int(word)
    raise AccessError(f"~/.ssh/config: what it says of {name} cannot be followed: Port {word}")


def _unless_none(value: str | None) -> str:
    return value if value and value.lower() != NOBODY else ""


def _identities(files: Sequence[str] | None, tokens: Mapping[str, str]) -> tuple[str, ...] | None:
    return None if files is None else tuple(_path(file, tokens) for file in files if file.lower() != NOBODY)


def _expand(text: str, tokens: Mapping[str, str]) -> str:
    """Put in the tokens; what is not known stays."""
    return TOKEN.sub(lambda match: tokens.get(match[1], match[0]), text)


def _path(text: str, tokens: Mapping[str, str]) -> str:
    return str(Path(os.path.expandvars(_expand(text, tokens))).expanduser()) if text else ""


def _with_includes(file: Path, directory: Path, depth: int = 0) -> str:
    """The file's text with what it includes in its place; empty where there is none."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(_lines_with_includes(lines, directory, depth))


def _lines_with_includes(lines: list[str], directory: Path, depth: int) -> Iterator[str]:
    section = "Host *"
    for line in lines:
        found = LINE.match(line)
        key = found["key"].lower() if found else ""
        if key in {"host", "match"}:
            section = line
        if key != "include" or found is None:
            yield line
        elif depth < DEEPEST_INCLUDE:
            for pattern in found["value"].split():
                wanted = directory / Path(pattern.strip('"')).expanduser()
                for included in sorted(glob.glob(str(wanted))):  # noqa: PTH207 (the pattern may be absolute)
                    yield _with_includes(Path(included), directory, depth + 1)
            yield section  # whatever sections the included files opened end with them
