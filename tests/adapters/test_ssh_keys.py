"""Key pairs that OpenSSH takes for its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import paramiko
import pytest

from picluster.adapters.ssh_keys import fingerprint, make_key_pair


def test_a_pair_belongs_together_and_is_never_the_same(tmp_path: Path) -> None:
    private, public = make_key_pair("picluster of home")
    assert private != make_key_pair("picluster of home")[0]
    assert private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert public.startswith("ssh-ed25519 AAAA")
    assert public.endswith(" picluster of home\n")
    file = tmp_path / "key"
    file.write_text(private)
    key = paramiko.PKey.from_path(file)
    assert key.get_base64() == public.split()[1]
    assert key.fingerprint == fingerprint(public)


def test_openssh_reads_both_and_prints_the_same_fingerprint(tmp_path: Path) -> None:
    if not shutil.which("ssh-keygen"):
        pytest.skip("ssh-keygen is missing: apt install openssh-client")
    private, public = make_key_pair("home")
    file = tmp_path / "key"
    file.write_text(private)
    file.chmod(0o600)
    file.with_suffix(".pub").write_text(public)

    def keygen(*words: str) -> str:
        return subprocess.run(["ssh-keygen", *words], capture_output=True, text=True, check=True, timeout=10).stdout

    assert keygen("-y", "-f", str(file)).split()[:2] == public.split()[:2]
    assert keygen("-l", "-f", str(file.with_suffix(".pub"))) == f"256 {fingerprint(public)} home (ED25519)\n"
