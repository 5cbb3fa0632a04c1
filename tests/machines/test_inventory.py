"""What Ansible is told of a node is enough to get in, with the client that Ansible uses; and not a bit laxer than ours."""

from __future__ import annotations

import json
import shlex
import subprocess

from tests.machines.fresh import FreshStage, fresh
from tests.machines.test_life import up


@fresh(1, most_s=180.0)
def test_openssh_gets_in_by_what_ansible_is_told_and_not_where_the_host_key_is_another_one(stage: FreshStage) -> None:
    up(stage, "pi1")
    told = json.loads(stage.picluster("inventory", "--ansible", "--list").text)["_meta"]["hostvars"]["pi1"]

    def called() -> subprocess.CompletedProcess[str]:
        words = [*shlex.split(told["ansible_ssh_common_args"]), "-o", "BatchMode=yes"]
        words += ["-i", told["ansible_ssh_private_key_file"], "-p", str(told["ansible_port"])]
        command = ["ssh", *words, f"{told['ansible_user']}@{told['ansible_host']}", "hostname"]
        with stage.world.controller.entered():
            return subprocess.run(
                command, capture_output=True, text=True, timeout=30, check=False, cwd="/", env=stage.environment
            )

    assert called().stdout == "pi1\n"
    pi = stage.pi("pi1")
    pi.run("sh", "-c", "rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh")
    stage.world.until_reached("pi1")
    refused = called()
    assert (refused.returncode, refused.stdout) == (255, "")
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in refused.stderr
