"""Listening for services by mDNS for a moment (RFC 6762, RFC 6763), as a person's command does; the agent's own lasting
watch is `mdns`.

Questions are put by multicast only, never asking for an answer by unicast: where avahi runs as well, port 5353 has two
owners, and the kernel hands such an answer to only one of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from zeroconf import DNSQuestionType, InterfaceChoice, ServiceStateChange
from zeroconf import Error as ZeroconfError
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from picluster.errors import KernelError
from picluster.model.surroundings import Service

__all__ = ["browse"]

DOMAIN = ".local."
LISTENING = 0.7
"""The part of the time in which services are heard of; the rest is for their addresses, where these did not come along."""
MOST_SERVICES = 256


def browse(kinds: Iterable[str], seconds: float) -> list[Service]:
    """The services of these kinds (`_ssh._tcp`) that are heard within so many seconds, on every interface with IPv4 but the
    loopback. Raises KernelError where multicast does not work."""
    logging.getLogger("zeroconf").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(_browse([f"{kind}{DOMAIN}" for kind in kinds], seconds))
    except (OSError, RuntimeError, ZeroconfError) as error:
        raise KernelError(f"multicast DNS does not work on this machine: {error}") from error


async def _browse(kinds: list[str], seconds: float) -> list[Service]:
    names: dict[str, str] = {}

    def hear(**words: Any) -> None:
        if words["state_change"] is not ServiceStateChange.Removed and len(names) < MOST_SERVICES:
            names[words["name"]] = words["service_type"]

    network = AsyncZeroconf(interfaces=InterfaceChoice.All)
    try:
        browser = AsyncServiceBrowser(network.zeroconf, kinds, handlers=[hear], question_type=DNSQuestionType.QM)
        await asyncio.sleep(seconds * LISTENING)
        await browser.async_cancel()
        found = [AsyncServiceInfo(kind, name) for name, kind in names.items()]
        left_ms = seconds * (1 - LISTENING) * 1_000
        await asyncio.gather(
            *(
                service.async_request(network.zeroconf, left_ms, question_type=DNSQuestionType.QM)
                for service in found
                if not service.load_from_cache(network.zeroconf)
            )
        )
        return [_service(service) for service in found if service.server]
    finally:
        await network.async_close()


def _service(found: AsyncServiceInfo) -> Service:
    return Service(
        kind=found.type.removesuffix(DOMAIN),
        instance=found.name.removesuffix(f".{found.type}"),
        host=(found.server or "").rstrip("."),
        addresses=tuple(host for host in found.parsed_addresses() if not ip_address(host).is_link_local),
        port=found.port or 0,
        text=found.text or b"",
    )
