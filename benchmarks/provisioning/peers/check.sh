# Prints the keys of the steps that are still to be done, one a line, and changes nothing. Variables come before this text.
todo() { printf '%s\n' "$1"; }
same() { [ "$(sha256sum <"$1" 2>/dev/null)" = "$2  -" ]; }

[ "$(cat /proc/sys/kernel/hostname)" = "$name" ] && [ "$(cat /etc/hostname 2>/dev/null)" = "$name" ] || todo hostname
grep -q "^127\.0\.1\.1 $name\$" /etc/hosts || todo hosts
[ "$(readlink /etc/localtime)" = "/usr/share/zoneinfo/$time_zone" ] || todo timezone
for package in $packages; do
    case "$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null)" in
        installed) ;;
        *) todo packages; break ;;
    esac
done
getent passwd "$user" >/dev/null || todo user
grep -qxF "$public_key" "/home/$login/.ssh/authorized_keys" 2>/dev/null || todo key
same "$sshd_file" "$sshd_digest" || todo sshd
same "$sysctl_file" "$sysctl_digest" || todo sysctl
[ "$(cat "$sysctl_place")" = "$sysctl_value" ] || todo sysctl_live
grep -q "$boot_word" "$boot_file" || todo boot
same "$journald_file" "$journald_digest" || todo journald
[ -d /etc/ballast ] || todo directory
same /etc/ballast/agent.toml "$agent_digest" || todo agent
same /etc/ballast/cluster.toml "$cluster_digest" || todo cluster
same /etc/ballast/cluster.key "$key_digest" || todo secret
same "/var/lib/ballast/$wheel" "$wheel_digest" || todo wheels
[ -x /opt/ballast/bin/ballast ] || todo environment
same /etc/systemd/system/ballast.service "$unit_digest" || todo unit
[ "$(systemctl is-enabled ballast 2>/dev/null) $(systemctl is-active ballast)" = "enabled active" ] || todo service
exit 0
