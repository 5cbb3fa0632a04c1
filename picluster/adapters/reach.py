"""Whether anybody answers at an address, seen from this machine.

Asked by TCP: whoever accepts a connection is there, and so is whoever refuses it (RFC 9293 section 3.10.7.1), so it does not
matter much which port is named. Silence says something only within a subnet of this machine: from elsewhere, a router or a
firewall may be in between.
"""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress

import ifaddr

from picluster.model.inventory import IPAddress

__all__ = ["answers"]


def answers(address: IPAddress, port: int, most_s: float) -> bool | None:
    """None where that cannot be told from here."""
    try:
        socket.create_connection((str(address), port), timeout=most_s).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False if _is_near(address) else None
    return True


def _is_near(address: IPAddress) -> bool:
    for adapter in ifaddr.get_adapters():
        for own in adapter.ips:
            ip = own.ip if isinstance(own.ip, str) else own.ip[0]
            with suppress(ValueError):
                if address in ipaddress.ip_network(f"{ip}/{own.network_prefix}", strict=False):
                    return True
    return False
