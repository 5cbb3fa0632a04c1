"""What a cluster keeps secret, in a private directory beside its inventory: `home.toml` has `home.secrets/`.

    cluster.key          seals what the nodes say to each other; goes to every node
    controller, .pub     the key pair by which the controller logs in
    hosts/pi1, .pub      the host key that pi1's card is to carry, made beforehand: so it is known at its first word
    known_hosts          the host keys that were seen and believed
    lock, history.jsonl  who is at work, and what drills have shown

Nothing in it is ever overwritten; what is missing is made. `.gitignore` keeps it out of repositories. Whoever can read the
directory can be the cluster's controller, so what others may read is refused rather than used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from picluster.errors import PiclusterError
from picluster.trust.host_key import HostKey

__all__ = ["KeyMaker", "Secrets", "make_secrets", "open_secrets", "place_of"]

KeyMaker = Callable[[str], tuple[str, str]]
"""From a comment to a new key pair: the private file's text, and the public line."""
SUFFIX = ".secrets"
OPEN_TO_OTHERS = 0o077
PRIVATE, PRIVATE_DIRECTORY = 0o600, 0o700


@dataclass(frozen=True, slots=True)
class Secrets:
    """A directory of them that is there, and closed to others."""

    directory: Path

    @property
    def cluster_key_path(self) -> Path:
        return self.directory / "cluster.key"

    @property
    def controller_key_path(self) -> Path:
        """The private half; the public one is beside it, with `.pub`."""
        return self.directory / "controller"

    @property
    def known_hosts_path(self) -> Path:
        return self.directory / "known_hosts"

    def host_key_path(self, node: str) -> Path:
        """The private half; the public one is beside it, with `.pub`. Neither need be there."""
        return self.directory / "hosts" / node

    def cluster_key(self) -> bytes:
        """The whole file, as it goes to every node. Raises PiclusterError."""
        return _read(self.cluster_key_path)

    def host_key(self, node: str) -> HostKey | None:
        """The public half of what was made for that node's card; None where nothing was. Raises PiclusterError."""
        path = Path(f"{self.host_key_path(node)}.pub")
        if not path.exists():
            return None
        try:
            return HostKey.parse(_read(path).decode("ascii", errors="replace"))
        except ValueError as error:
            raise PiclusterError(f"{path} is no public key ({error}); remove it and the file beside it") from None


def place_of(inventory: Path) -> Path:
    """Where the secrets of that inventory are, or would be."""
    return inventory.with_suffix(SUFFIX)


def open_secrets(inventory: Path) -> Secrets:
    """Raises PiclusterError where there are none, where others may look into them, or where the login key is missing."""
    secrets = Secrets(place_of(inventory))
    if not secrets.directory.is_dir():
        made = f"picluster new {inventory.stem}"
        raise PiclusterError(f"{inventory} has no secrets beside it ({secrets.directory}); make them with `{made}`")
    private = [secrets.cluster_key_path, secrets.controller_key_path]
    for path in (secrets.directory, *private):
        try:
            mode = path.stat().st_mode
        except OSError as error:
            mend = f"`picluster new {inventory.stem}` makes what is missing"
            raise PiclusterError(f"{path} cannot be read: {error.strerror}; {mend}") from error
        if mode & OPEN_TO_OTHERS:
            how = "700" if path is secrets.directory else "600"
            raise PiclusterError(f"others may read {path}; run: chmod {how} {path}")
    return secrets


def make_secrets(inventory: Path, nodes: Sequence[str], fresh_key: Callable[[], str], make_pair: KeyMaker) -> list[Path]:
    """Make what is missing; returns the files that were made. Raises PiclusterError where they cannot be written."""
    secrets = Secrets(place_of(inventory))
    try:
        for directory in (secrets.directory, secrets.directory / "hosts"):
            directory.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        return list(_made(secrets, inventory.stem, nodes, fresh_key, make_pair))
    except OSError as error:
        raise PiclusterError(f"{error.filename or secrets.directory} cannot be written: {error.strerror}") from error


def _made(
    secrets: Secrets, cluster: str, nodes: Sequence[str], fresh_key: Callable[[], str], make_pair: KeyMaker
) -> Iterator[Path]:
    yield from _put(secrets.directory / ".gitignore", lambda: "*\n")
    yield from _put(secrets.cluster_key_path, fresh_key)
    yield from _pair(secrets.controller_key_path, f"picluster {cluster}", make_pair)
    for node in nodes:
        yield from _pair(secrets.host_key_path(node), f"{node} of {cluster}", make_pair)


def _pair(path: Path, comment: str, make_pair: KeyMaker) -> Iterator[Path]:
    """The public half first: where a cut leaves it alone, both are made anew, since nobody has seen it."""
    public = Path(f"{path}.pub")
    if path.exists():
        return
    public.unlink(missing_ok=True)
    private_text, public_line = make_pair(comment)
    yield from _put(public, lambda: public_line)
    yield from _put(path, lambda: private_text)


def _put(path: Path, make: Callable[[], str]) -> Iterator[Path]:
    """All of it or nothing, and never over what is there: a second name is given to the finished file (man 2 link)."""
    if path.exists():
        return
    beside = path.with_name(f".{path.name}.part")
    beside.unlink(missing_ok=True)
    beside.touch(mode=PRIVATE, exist_ok=False)
    try:
        beside.write_text(make(), encoding="ascii")
        path.hardlink_to(beside)
    finally:
        beside.unlink()
    yield path


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PiclusterError(f"{path} cannot be read: {error.strerror}") from error
