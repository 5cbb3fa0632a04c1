# Does the steps that are named in $steps. It runs as root in a directory with the job's files; variables come before this text.
set -eu
wanted() { case " $steps " in *" $1 "*) return 0 ;; esac; return 1; }
put() { # FILE TARGET MODE OWNER: whole or not at all
    install -D --mode="$3" --owner="$4" "$1" "$2.new"
    mv "$2.new" "$2"
}

if wanted hostname || wanted hosts; then
    printf '%s\n' "$name" >/etc/hostname
    hostname "$name"
    sed -i '/^127\.0\.1\.1[[:space:]]/d' /etc/hosts
    printf '127.0.1.1 %s\n' "$name" >>/etc/hosts
fi
wanted timezone && ln -sf "/usr/share/zoneinfo/$time_zone" /etc/localtime
if wanted packages; then
    apt-get -qq update
    # shellcheck disable=SC2086  # several words are meant
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $packages >/dev/null
fi
wanted user && useradd --system --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin "$user"
wanted key && printf '%s\n' "$public_key" >>"/home/$login/.ssh/authorized_keys"
if wanted sshd; then
    put sshd.conf "$sshd_file" 644 root
    systemctl reload ssh
fi
if wanted sysctl || wanted sysctl_live; then
    put sysctl.conf "$sysctl_file" 644 root
    /usr/lib/systemd/systemd-sysctl "$sysctl_file"
fi
wanted boot && sed -i "s/^console=/$boot_word console=/" "$boot_file"
wanted journald && put journald.conf "$journald_file" 644 root
wanted directory && install -d --mode=755 /etc/ballast
wanted agent && put agent.toml /etc/ballast/agent.toml 644 root
wanted cluster && put cluster.toml /etc/ballast/cluster.toml 644 root
wanted secret && put cluster.key /etc/ballast/cluster.key 600 "$user"
wanted wheels && put "$wheel" "/var/lib/ballast/$wheel" 644 root
if wanted environment && [ "$with_pip" = yes ]; then
    python3 -m venv /opt/ballast
    /opt/ballast/bin/pip -q --disable-pip-version-check install --no-index --find-links /var/lib/ballast ballast
elif wanted environment; then
    python3 -m venv --without-pip /opt/ballast
    python3 -m zipfile --extract "/var/lib/ballast/$wheel" "$(echo /opt/ballast/lib/python3.*/site-packages)"
    printf '#!/opt/ballast/bin/python3\nfrom ballast import main\nmain()\n' >/opt/ballast/bin/ballast
    chmod 755 /opt/ballast/bin/ballast
fi
wanted unit && put ballast.service /etc/systemd/system/ballast.service 644 root && systemctl daemon-reload
wanted service && systemctl -q enable --now ballast
exit 0
