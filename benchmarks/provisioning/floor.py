"""The least that the job can cost: on each node one script that checks, and one that does what the first has found missing.

    python -m benchmarks.provisioning.floor DIRECTORY {openssh,paramiko} {apply,check}

Both scripts run as root, in a session of their own. All nodes are worked on at once. `check` changes nothing, and prints
what is missing: it is also how the runner finds out whether a contestant has done its job. The exit code is 1 where a node
failed.
"""

from __future__ import annotations

import io
import shlex
import socket
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.provisioning.hosts import Host, hosts_from
from benchmarks.provisioning.job import values_of

__all__ = ["NOTHING", "main"]

PEERS = Path(__file__).parent / "peers"
CHECK = "sh -s"
APPLY = "sh -c 'set -e; cd $(mktemp -d); tar -x; sh apply.sh; cd /; rm -r \"$OLDPWD\"'"
LONGEST_S = 600
NOTHING = "nothing"
"""What is to be done where all is done."""

Run = Callable[[Host, str, bytes], str]
"""A command as root on a node, with this on its standard input; returns what it printed. Raises RuntimeError."""


def main(directory: Path, transport: str, what: str) -> int:
    hosts = hosts_from(directory / "hosts.json")
    run = {"openssh": over_openssh, "paramiko": over_paramiko}[transport]
    work = missing if what == "check" else provision
    failed = False
    with ThreadPoolExecutor(len(hosts)) as pool:
        results = {host: pool.submit(work, directory, host, run, transport) for host in hosts}
        for host, result in results.items():
            error = result.exception()
            print(f"{host.name}: failed: {error}" if error else f"{host.name}: {' '.join(result.result()) or NOTHING}")
            failed |= error is not None
    return 1 if failed else 0


def missing(directory: Path, host: Host, run: Run, _transport: str) -> list[str]:
    """Keys of the steps that are still to be done."""
    script = assignments(values_of(directory, host)) + (PEERS / "check.sh").read_text(encoding="utf-8")
    return run(host, CHECK, script.encode()).split()


def provision(directory: Path, host: Host, run: Run, transport: str) -> list[str]:
    """What was done."""
    steps = missing(directory, host, run, transport)
    if steps:
        # With paramiko as people do it; without pip in the environment where it is to be quick.
        own = {"steps": " ".join(steps), "with_pip": "yes" if transport == "paramiko" else "no"}
        run(host, APPLY, _luggage(directory, host, assignments({**values_of(directory, host), **own})))
    return steps


def assignments(values: Mapping[str, object]) -> str:
    return "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in values.items())


def over_openssh(host: Host, command: str, data: bytes) -> str:
    options = {"UserKnownHostsFile": host.known_hosts, "GlobalKnownHostsFile": "/dev/null", "StrictHostKeyChecking": "yes"}
    options |= {"BatchMode": "yes", "IdentitiesOnly": "yes", "ConnectTimeout": "10"}
    words = ["ssh", "-i", str(host.key), "-p", str(host.port), "-l", host.user]
    words += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    done = subprocess.run(
        [*words, host.address, _as_root(host, command)],
        input=_password(host) + data,
        capture_output=True,
        check=False,
        timeout=LONGEST_S,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace").strip()[-300:])
    return done.stdout.decode()


def over_paramiko(host: Host, command: str, data: bytes) -> str:
    import paramiko  # noqa: PLC0415  its import takes longer than all else that OpenSSH's way needs

    with paramiko.SSHClient() as client, socket.create_connection((host.address, host.port), timeout=10) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.load_host_keys(str(host.known_hosts))
        client.connect(host.address, host.port, host.user, key_filename=str(host.key), allow_agent=False, sock=line)
        given, said, complained = client.exec_command(_as_root(host, command), timeout=LONGEST_S)
        given.write(_password(host) + data)
        given.channel.shutdown_write()
        output = said.read().decode()
        if said.channel.recv_exit_status():
            raise RuntimeError(complained.read().decode(errors="replace").strip()[-300:])
        return output


def _as_root(host: Host, command: str) -> str:
    return f"sudo -k -S -p '' {command}" if host.sudo_password else f"sudo -n {command}"


def _password(host: Host) -> bytes:
    return f"{host.sudo_password}\n".encode() if host.sudo_password else b""


def _luggage(directory: Path, host: Host, variables: str) -> bytes:
    """The job's files, and the script that does it, as a tar archive."""
    files = directory / "files"
    script = variables + (PEERS / "apply.sh").read_text(encoding="utf-8")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for path in (*files.glob("*.*"), *files.glob("wheels/*")):
            archive.add(path, path.name)
        archive.add(files / "agent" / f"{host.name}.toml", "agent.toml")
        entry = tarfile.TarInfo("apply.sh")
        entry.size = len(script.encode())
        archive.addfile(entry, io.BytesIO(script.encode()))
    return data.getvalue()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
