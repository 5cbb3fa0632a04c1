"""The beacon's thread: one zeroconf session after another, on whatever interfaces this machine has at the time.

A session lasts as long as the machine's addresses and carriers stay as they are. When they change, it ends without a
goodbye and the next one announces the new addresses at once; so it is with every version of zeroconf, also those that
cannot follow a change. The peers take the new addresses in place of the old ones (RFC 6762 section 10.2). A peer's goodbye
that falls between two sessions goes unheard; then the roster forgets that run as it forgets one that lost its power.

Three habits differ from what a browser of printers would do:

- Questions never ask for an answer by unicast. Where avahi runs as well, port 5353 has two owners, and the kernel hands a
  unicast answer to only one of them.
- The question is put again all the time, every twenty seconds or so, and names as known answers only the agents whose
  address is still in the cache, which is two minutes. So agents that were apart when they started find each other, and a
  change of address that was announced while the cable was out is not missed for good. One answer by multicast serves all.
- When a second run of an agent appears, the first one is asked whether it is still there. A dead one is silent, a twin
  answers. Caches alone cannot tell: what lost its power stays in them for an hour.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import socket
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from zeroconf import Error as ZeroconfError
from zeroconf import RecordUpdate, RecordUpdateListener, Zeroconf, current_time_millis

# zeroconf offers these under its own name too, but leaves them out of what it declares to type checkers.
from zeroconf._dns import DNSPointer, DNSQuestion
from zeroconf._protocol.outgoing import DNSOutgoing
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from picluster.adapters.own_addresses import AddressWatch, OwnInterface, own_interfaces
from picluster.discovery.records import SERVICE_TYPE, Announcement, is_instance, read, worth_announcing
from picluster.model.inventory import IPAddress
from picluster.model.sighting import Sighting

# RFC 1035 section 3.2, RFC 2782, RFC 3596
A, PTR, TXT, AAAA, SRV, IN = 1, 12, 16, 28, 33, 1
QUERY = 0

FIRST_QUESTIONS_S = (0.05, 1.3, 2.6)
"""Pauses before the first questions: a short one, then a second at least, and growing (RFC 6762 section 5.2)."""
QUESTION_S = 20.0
DEBOUNCE_S = 0.05
"""Addresses rarely change alone: DHCP takes one away and gives another."""
RETRY_S = 5.0
POLL_S = 1.0
"""Where the system does not tell of changes."""
SETTLE_S = 1.2
"""Addresses that a new announcement no longer has stay in the cache for a second (RFC 6762 section 10.2)."""
BELATED_S = 2.0
"""So long an instance that has said goodbye is not believed to be back: an answer that it had queued before may follow its
goodbye (half a second later, at most), and zeroconf takes the goodbye's repetitions for copies of the first."""
AGAIN_S = 60.0
"""An agent that is heard again is told of again after this."""
MOST_INSTANCES = 64

log = logging.getLogger(__name__)

Value = TypeVar("Value")


class Report(Protocol):
    """Where everything goes that is heard; called in the beacon's thread."""

    def put(self, sighting: Sighting) -> None: ...


def run(
    announcement: Announcement,
    interfaces: Collection[str],
    leave_out: Collection[IPAddress],
    report: Report,
    stop: socket.socket,
) -> None:
    """Announce and watch until the other end of `stop` is closed."""
    # What zeroconf would warn of (an interface without multicast, a send that fails) is said here, in our words, once.
    logging.getLogger("zeroconf").setLevel(logging.CRITICAL)
    asyncio.run(Sessions(announcement, interfaces, leave_out, report).run(stop))


class Sessions:
    """Keeps a session open, and opens another one when this machine's addresses have changed."""

    def __init__(
        self, announcement: Announcement, interfaces: Collection[str], leave_out: Collection[IPAddress], report: Report
    ) -> None:
        self._announcement = announcement
        self._interfaces = interfaces
        self._leave_out = leave_out
        self._report = report
        self._wake = asyncio.Event()
        self.stopping = False
        self._said: set[str] = set()

    async def run(self, stop: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(stop, self._stop, stop)
        watch = self._watch()
        if watch is not None:
            loop.add_reader(watch.fileno(), self._look, watch)
        goodbye_due = False
        while not self.stopping or goodbye_due:
            self._wake.clear()  # before looking, so that no change is missed
            interfaces = self._present()
            session = await self._open(interfaces)
            failed = session is None and bool(interfaces)
            await self._until_changed(interfaces, RETRY_S if failed else None if watch else POLL_S)
            # Told to stop while a session ends for another reason? Then it takes one more to say goodbye.
            goodbye_due = session is not None and not self.stopping
            if session is not None:
                await session.close(goodbye=not goodbye_due)
        if watch is not None:
            loop.remove_reader(watch.fileno())
            watch.close()

    async def _open(self, interfaces: tuple[OwnInterface, ...]) -> Session | None:
        """A session on these interfaces, or None where there is none or mDNS does not work on them."""
        if not interfaces:
            self._say_once("no interface has a carrier and an address yet; waiting for one")
            return None
        session = Session(self._announcement, interfaces, self._report)
        try:
            await session.open()
        except (OSError, RuntimeError, ZeroconfError) as error:
            self._say_once(f"multicast DNS does not work on {', '.join(i.name for i in interfaces)}: {error}; trying again")
            await session.close(goodbye=False)
            return None
        self._said.clear()
        return session

    async def _until_changed(self, interfaces: tuple[OwnInterface, ...], patience_s: float | None) -> None:
        """Wait for the end or for other interfaces than these, and look again at the latest after so many seconds."""
        while not self.stopping:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), patience_s)
            if self._wake.is_set() and not self.stopping:
                await asyncio.sleep(DEBOUNCE_S)
            self._wake.clear()
            if patience_s == RETRY_S or self._present() != interfaces:
                return

    def _watch(self) -> AddressWatch | None:
        try:
            return AddressWatch(self._leave_out)
        except (OSError, AttributeError):
            return None

    def _present(self) -> tuple[OwnInterface, ...]:
        try:
            return own_interfaces(self._interfaces, self._leave_out)
        except OSError as error:
            self._say_once(f"this system does not tell its addresses: {error}; trying again")
            return ()

    def _look(self, watch: AddressWatch) -> None:
        if watch.changed():
            self._wake.set()

    def _stop(self, stop: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(stop)
        self.stopping = True
        self._wake.set()

    def _say_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            log.warning("discovery: %s", sentence)


@dataclass(frozen=True, slots=True)
class Instance:
    """What was last told of an instance, and when, in milliseconds of zeroconf's clock."""

    sighting: Sighting
    told_ms: float


class Session(RecordUpdateListener):
    """One announcement on a fixed set of interfaces, and everything that is heard of others on these.

    Instances go by their full name in lower case, as DNS compares names.
    """

    def __init__(self, announcement: Announcement, interfaces: Sequence[OwnInterface], report: Report) -> None:
        self._incarnation = announcement.incarnation
        self._loopback = all(address.is_loopback for interface in interfaces for address in interface.addresses)
        self._sources = _sources(interfaces)
        self._service = _service(announcement, interfaces)
        self._report = report
        self._zeroconf: AsyncZeroconf | None = None
        self._tasks: list[asyncio.Future[None]] = []
        self._instances: dict[str, Instance] = {}
        self._touched: set[str] = set()
        self._heard: set[str] = set()
        self._gone: set[str] = set()
        self._settling: dict[str, asyncio.TimerHandle] = {}
        self._farewells: dict[str, float] = {}
        """When each that said goodbye did so, in milliseconds of zeroconf's clock."""

    async def open(self) -> None:
        """Announce, and begin to ask. Raises OSError, RuntimeError or zeroconf's own error where multicast does not work."""
        self._zeroconf = AsyncZeroconf(interfaces=self._sources)
        zeroconf = self._zeroconf.zeroconf
        await zeroconf.async_wait_for_start()
        if not zeroconf.engine.senders:
            raise OSError("no interface joins the multicast group")
        zeroconf.async_add_listener(self, None)
        # The name is unique by its incarnation, so there is nothing to probe for.
        announcing = await self._zeroconf.async_register_service(self._service, cooperating_responders=True)
        self._tasks = [asyncio.ensure_future(announcing), asyncio.ensure_future(self._keep_talking())]

    async def close(self, *, goodbye: bool) -> None:
        """End it. Takes a quarter of a second if it says goodbye, which is sent three times."""
        for task in self._tasks:
            task.cancel()
        if self._zeroconf is None:
            return
        closing, self._zeroconf = self._zeroconf, None
        if not goodbye:
            # Takes the service out of the registry; the goodbye that it returns is not sent.
            closing.zeroconf.generate_unregister_all_services()
        # It may not have opened properly, or its interface is gone: there is nobody left to tell.
        with suppress(OSError, RuntimeError, ZeroconfError):
            await closing.async_close()

    # What is heard. zeroconf calls these two for every datagram of answers.

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        """These records were heard, or have run out; the cache does not have them yet."""
        for update in records:
            record = update.new
            if isinstance(record, DNSPointer):
                if record.key == SERVICE_TYPE and is_instance(record.alias):
                    (self._gone if record.is_expired(now) else self._touched).add(record.alias.lower())
            elif record.is_expired(now):
                continue
            elif record.type in (A, AAAA):
                self._touched.update(service.key for service in zc.cache.async_entries_with_server(record.name))
            elif record.type in (SRV, TXT):
                self._touched.add(record.key)
                if record.type == SRV:
                    self._heard.add(record.key)

    def async_update_records_complete(self) -> None:
        """Now the cache has them."""
        for name in self._gone:
            self._forget(name)
        for name in filter(is_instance, self._touched - self._gone):
            self._consider(name, heard=name in self._heard)
        for names in (self._gone, self._touched, self._heard):
            names.clear()

    def _consider(self, name: str, *, heard: bool) -> None:
        """Tell of an instance if that is news. `heard`: it has spoken just now."""
        sighting = self._sighting(name)
        if sighting is None or sighting.incarnation == self._incarnation:
            return
        now_ms = current_time_millis()
        if now_ms - self._farewells.get(name, -math.inf) < BELATED_S * 1_000:
            return
        if self._is_news(name, sighting, now_ms, heard=heard):
            if name not in self._instances:
                self._ask_rival(sighting)
            self._remember(name, Instance(sighting, now_ms))
            self._report.put(sighting)
        if heard:
            self._settle_later(name)

    def _is_news(self, name: str, sighting: Sighting, now_ms: float, *, heard: bool) -> bool:
        """Only a run that has just spoken itself is told of after a later run of the same node: that makes it a twin."""
        known = self._instances.get(name)
        if known is None:
            return True
        is_latest = self._latest(sighting) == name
        if known.sighting != sighting:
            return heard or is_latest
        return heard and (not is_latest or now_ms - known.told_ms > AGAIN_S * 1_000)

    def _sighting(self, name: str) -> Sighting | None:
        """What the cache says of an instance; None while it is incomplete, or if it is not an agent's."""
        if self._zeroconf is None:
            return None
        service = AsyncServiceInfo(SERVICE_TYPE, name)
        if not service.load_from_cache(self._zeroconf.zeroconf):
            return None
        hosts = map(_with_zone_name, service.parsed_scoped_addresses())
        return read(service.text, service.port or 0, hosts, loopback=self._loopback)

    def _settle_later(self, name: str) -> None:
        """Look at the instance again when it has been silent for so long that addresses it has dropped have run out."""
        if name in self._settling:
            self._settling[name].cancel()
        self._settling[name] = asyncio.get_running_loop().call_later(SETTLE_S, self._settle, name)

    def _settle(self, name: str) -> None:
        del self._settling[name]
        if name in self._instances:
            self._consider(name, heard=False)

    def _remember(self, name: str, instance: Instance) -> None:
        _put_last(self._instances, name, instance)

    def _forget(self, name: str) -> None:
        _put_last(self._farewells, name, current_time_millis())
        known = self._instances.pop(name, None)
        if known is not None:
            self._report.put(replace(known.sighting, endpoints=()))

    def _latest(self, sighting: Sighting) -> str | None:
        """The name of the run of this node that was told of last."""
        who = sighting.cluster, sighting.node
        same = (name for name, known in self._instances.items() if (known.sighting.cluster, known.sighting.node) == who)
        return next(reversed(list(same)), None)

    # What is said.

    async def _keep_talking(self) -> None:
        for pause_s in FIRST_QUESTIONS_S:
            await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))
            self._ask()
        self._announce_again()
        while True:
            await asyncio.sleep(QUESTION_S * random.uniform(0.75, 1.25))
            self._ask()

    def _announce_again(self) -> None:
        """zeroconf announces three times within half a second. An announcement a second later (RFC 6762 section 8.3) also
        flushes from the caches what was younger than a second at the first ones: two changes in quick succession."""
        if self._zeroconf is not None:
            zeroconf = self._zeroconf.zeroconf
            zeroconf.async_send(zeroconf.generate_service_broadcast(self._service, None))

    def _ask(self) -> None:
        """Which agents are there? Those whose address is still known need not answer (RFC 6762 section 7.1)."""
        if self._zeroconf is None:
            return
        zeroconf, now_ms = self._zeroconf.zeroconf, current_time_millis()
        question = DNSOutgoing(QUERY)
        question.add_question(DNSQuestion(SERVICE_TYPE, PTR, IN))
        question.add_answer_at_time(self._service.dns_pointer(), 0)
        for record in zeroconf.cache.get_all_by_details(SERVICE_TYPE, PTR, IN):
            if isinstance(record, DNSPointer) and self._is_known(zeroconf, record, now_ms):
                question.add_answer_at_time(record, now_ms)
        zeroconf.async_send(question)

    def _is_known(self, zeroconf: Zeroconf, pointer: DNSPointer, now_ms: float) -> bool:
        if pointer.alias.lower() not in self._instances or pointer.is_stale(now_ms):
            return False
        service = zeroconf.cache.get_by_details(pointer.alias, SRV, IN)
        return service is not None and not service.is_expired(now_ms)

    def _ask_rival(self, sighting: Sighting) -> None:
        """Before a new run of a node is remembered: ask the run that was there before it whether it still is."""
        rival = self._latest(sighting)
        if rival is not None:
            asyncio.get_running_loop().call_later(random.uniform(0.1, 0.5), self._ask_whether_there, rival)

    def _ask_whether_there(self, name: str) -> None:
        if self._zeroconf is None or name not in self._instances:
            return
        question = DNSOutgoing(QUERY)
        question.add_question(DNSQuestion(name, SRV, IN))
        self._zeroconf.zeroconf.async_send(question)


def _put_last(entries: dict[str, Value], name: str, value: Value) -> None:
    """As the latest of at most so many."""
    entries.pop(name, None)
    entries[name] = value
    if len(entries) > MOST_INSTANCES:
        del entries[next(iter(entries))]


def _service(announcement: Announcement, interfaces: Sequence[OwnInterface]) -> AsyncServiceInfo:
    own = (str(address) for interface in interfaces for address in interface.addresses)
    return AsyncServiceInfo(
        SERVICE_TYPE,
        announcement.instance,
        port=announcement.port,
        properties=announcement.text,
        server=announcement.host,
        parsed_addresses=list(worth_announcing(own)),
    )


def _sources(interfaces: Sequence[OwnInterface]) -> list[str | int | tuple[tuple[str, int, int], int]]:
    """The addresses to send from: for each interface one of each family, for IPv6 the link-local one if there is one.

    zeroconf tells interfaces apart by address: of two that have the same one, the second is left to its other family.
    """
    sources: dict[str, None] = {}
    for interface in interfaces:
        for version in (4, 6):
            own = [address for address in interface.addresses if address.version == version]
            best = sorted(own, key=lambda address: address.version == 6 and not address.is_link_local)
            sources.update(dict.fromkeys(map(str, best[:1])))
    return list(sources)


def _with_zone_name(host: str) -> str:
    """`fe80::1%2` as `fe80::1%eth0`, the form that endpoints have; as it is if the interface has just gone."""
    address, percent, index = host.partition("%")
    if not percent:
        return host
    try:
        return f"{address}%{socket.if_indextoname(int(index))}"
    except (OSError, ValueError):
        return host
