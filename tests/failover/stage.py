"""A stage for scripted scenes: members, a network in which each datagram takes one millisecond, a script in plain words.

A scene is a text file in `scenes/`, as in etcd-io/raft's `testdata`: lines that begin with `>` are the script, the lines
after them are what happened. `pytest tests/failover --rewrite-scenes` writes down anew what happens; the difference is then
the thing to read. Everything is exact: there is no chance in it, and time is whole microseconds.

    > nodes pi1 pi2 pi3                 who votes and is a candidate; `box*` is a witness
    > addresses web dns                 floating addresses (`web!` fails back; `web:pi2=200,pi1=100` has priorities)
    > timing lease_ms=100               other timers than the scenes' usual ones
    > start pi1 pi2 pi3                 start agents; `quarantine=50` keeps their votes back that long (ms)
    > run 250                           let so many ms pass
    > quietly run 200                   the same, and say nothing of it
    > kill pi1                          power cut, or a crash: it says nothing more, and everybody has noticed
    > crash pi1                         the same, and nobody has noticed yet: its last heartbeat still counts
    > freeze pi1 / thaw pi1             stop the process; datagrams wait for it
    > cut pi1 pi3 / mend pi1 pi3        the link between two nodes, both ways; `cut pi1` all of them
    > lose release                      the next datagram of that kind and its repeats are lost
    > stop|standby|active|unfit|fit pi1
    > move web pi1 pi3                  ask pi1 to move it to pi3
    > refuse pi1                        its kernel refuses from now on
    > foreign web                       a machine outside the cluster has the address
    > gateway dead|alive                whether the gateway answers
    > reconfigure 2 pi1 pi2 pi3         epoch and voters, on every node that is alive (`@pi1` at the end: only there)
    > who                               who holds what

What is shown is the time (ms), the node and the effect. Renewals are left out, unless they are asked for with `verbose`.
"""

from __future__ import annotations

import heapq
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from picluster.errors import TransitionError
from picluster.failover.effects import Announce, AskGateway, Effect, Hold, LetGo, Probe, RememberTerm, Send, Tell
from picluster.failover.member import Member
from picluster.failover.voter import Holder
from picluster.model.events import EventKind
from picluster.model.inventory import Candidate, Configuration, FloatingAddress
from picluster.model.membership import PeerView
from picluster.model.messages import Claim, Grant, Refusal, Release
from picluster.model.timing import NANOSECONDS_PER_MS, Timing

MS = NANOSECONDS_PER_MS
TIMING = Timing(lease_ms=100, renewal_ms=20, retry_ms=5, heartbeat_ms=50, rank_step_ms=5, settle_ms=300, probe_ms=30)
UPTIME_NS = 10_000 * MS


class NoJitter(Random):
    """A chance that leaves nothing to chance."""

    def randrange(self, *_arguments: object) -> int:
        return 0


@dataclass(slots=True)
class Actor:
    """One node on the stage."""

    member: Member
    frozen: bool = False
    refuses: bool = False
    open_until_ns: dict[str, int] = field(default_factory=dict)
    waiting: list[tuple[str, int, Claim | Grant | Refusal | Release]] = field(default_factory=list)


class Stage:
    """Plays a script, and writes down what happens."""

    def __init__(self) -> None:
        self.now_ns = UPTIME_NS
        self.lines: list[str] = []
        self.timing = TIMING
        self.voters: tuple[str, ...] = ()
        self.nodes: tuple[str, ...] = ()
        self.addresses: tuple[FloatingAddress, ...] = ()
        self.epoch = 1
        self.tie_breaker = False
        self.gateway = True
        self.verbose = False
        self.actors: dict[str, Actor] = {}
        self.cuts: set[frozenset[str]] = set()
        self.foreign: set[str] = set()
        self.losing = ""
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._ghosts: dict[str, PeerView] = {}
        self._well: dict[Holder, int] = {}
        self._count = 0
        self._starts = 0

    # ── the script ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def now_ms(self) -> float:
        """As the lines tell it."""
        return float(self._ms(self.now_ns))

    def play(self, line: str) -> list[str]:
        """One line of the script; what happened."""
        self.lines = []
        word, *rest = line.split()
        getattr(self, f"play_{word}")(*rest)
        self._settle()
        return self.lines

    def play_nodes(self, *names: str) -> None:
        self.nodes = tuple(name.rstrip("*") for name in names)
        self.voters = self.nodes
        self._able = tuple(name for name in names if not name.endswith("*"))

    def play_voters(self, *names: str) -> None:
        self.voters = names

    def play_gateway(self, state: str) -> None:
        self.tie_breaker = True
        self.gateway = state == "alive"

    def play_addresses(self, *specifications: str) -> None:
        self.addresses = tuple(self._floating(number, text) for number, text in enumerate(specifications))

    def play_timing(self, *settings: str) -> None:
        self.timing = replace(self.timing, **{name: int(value) for name, value in (one.split("=") for one in settings)})

    def play_verbose(self) -> None:
        self.verbose = True

    def play_start(self, *names: str) -> None:
        quarantine_ms = next((int(name.partition("=")[2]) for name in names if name.startswith("quarantine=")), 0)
        for name in names:
            if "=" not in name:
                self._starts += 1
                self.actors[name] = Actor(
                    Member(
                        name,
                        self._starts,
                        self.configuration,
                        now_ns=self.now_ns,
                        votes_from_ns=self.now_ns + quarantine_ms * MS,
                        remembered_term_us=self.timing.lease_ms * 1_000,
                        chance=NoJitter(),
                    )
                )
        self._see_all()

    def play_run(self, duration_ms: str) -> None:
        end_ns = self.now_ns + int(float(duration_ms) * MS)
        while (next_ns := self._next_ns()) <= end_ns:
            self.now_ns = max(self.now_ns, next_ns)
            self._happen()
        self.now_ns = end_ns

    def play_quietly(self, *words: str) -> None:
        """What everybody knows by now is not told again."""
        self.play(" ".join(words))
        self.lines = []

    def play_kill(self, name: str) -> None:
        del self.actors[name]
        self._see_all()

    def play_crash(self, name: str) -> None:
        self._ghosts[name] = self._view(self.actors.pop(name).member)

    def play_freeze(self, name: str) -> None:
        self.actors[name].frozen = True

    def play_thaw(self, name: str) -> None:
        actor = self.actors[name]
        actor.frozen = False
        for sender, incarnation, message in actor.waiting:
            self._obey(name, actor.member.receive(self.now_ns, sender, incarnation, message))
        actor.waiting.clear()

    def play_cut(self, *names: str) -> None:
        self.cuts |= self._links(names)

    def play_mend(self, *names: str) -> None:
        self.cuts -= self._links(names)

    def play_lose(self, kind: str) -> None:
        self.losing = kind

    def play_keep(self) -> None:
        self.losing = ""

    def play_stop(self, name: str) -> None:
        self._obey(name, self.actors[name].member.stop(self.now_ns))

    def play_standby(self, name: str) -> None:
        self._obey(name, self.actors[name].member.set_standby(self.now_ns, standby=True))
        self._see_all()

    def play_active(self, name: str) -> None:
        self._obey(name, self.actors[name].member.set_standby(self.now_ns, standby=False))
        self._see_all()

    def play_unfit(self, name: str) -> None:
        self._obey(name, self.actors[name].member.set_problem(self.now_ns, "link", "no cable"))
        self._see_all()

    def play_fit(self, name: str) -> None:
        self._obey(name, self.actors[name].member.set_problem(self.now_ns, "link", ""))
        self._see_all()

    def play_move(self, address: str, holder: str, to: str) -> None:
        try:
            self._obey(holder, self.actors[holder].member.move(self.now_ns, address, to))
        except ValueError as refused:
            self._note(holder, f"refused: {refused}")

    def play_refuse(self, name: str) -> None:
        self.actors[name].refuses = True

    def play_foreign(self, address: str) -> None:
        self.foreign.add(address)
        for name, actor in self.actors.items():
            self._obey(name, actor.member.foreign_claim(self.now_ns, address, "02:00:00:00:00:01"))

    def play_leave(self, address: str) -> None:
        self.foreign.discard(address)

    def play_removed(self, address: str, name: str) -> None:
        self._obey(name, self.actors[name].member.address_removed(self.now_ns, address))

    def play_reconfigure(self, epoch: str, *names: str) -> None:
        only = [name.removeprefix("@") for name in names if name.startswith("@")]
        self.epoch, self.voters = int(epoch), tuple(name for name in names if not name.startswith("@"))
        for name in only or list(self.actors):
            try:
                self._obey(name, self.actors[name].member.reconfigure(self.now_ns, self.configuration))
            except TransitionError as refused:
                self._note(name, f"refused: {refused}")

    def play_who(self) -> None:
        for floating in self.addresses:
            holders = [
                name for name, actor in self.actors.items() if actor.open_until_ns.get(floating.name, 0) > self.now_ns
            ]
            self._note("", f"{floating.name}: {' and '.join(holders) or 'nobody'}")

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def configuration(self) -> Configuration:
        return Configuration(self.epoch, self.voters, self.addresses, self.timing, self.tie_breaker)

    def _floating(self, number: int, text: str) -> FloatingAddress:
        name, _, priorities = text.partition(":")
        pairs = [one.split("=") for one in priorities.split(",")] if priorities else [[node, "100"] for node in self._able]
        candidates = tuple(Candidate(node, int(priority)) for node, priority in pairs)
        ip = ipaddress.ip_address(f"192.0.2.{10 + number}")
        return FloatingAddress(name.rstrip("!"), ip, "eth0", candidates, failback=name.endswith("!"))

    def _links(self, names: tuple[str, ...]) -> set[frozenset[str]]:
        ends = names if len(names) > 1 else tuple(node for node in self.nodes if node != names[0])
        return {frozenset((names[0], other)) for other in ends if other != names[0]}

    def _see_all(self) -> None:
        """Everybody hears everybody's heartbeat."""
        for name, actor in self.actors.items():
            views = {
                other: self._view(peer.member)
                for other, peer in self.actors.items()
                if other != name and frozenset((name, other)) not in self.cuts
            }
            views |= {ghost: view for ghost, view in self._ghosts.items() if ghost not in self.actors}
            if not actor.frozen:
                self._obey(name, actor.member.see(self.now_ns, views))

    def _view(self, member: Member) -> PeerView:
        holds = frozenset(held.address for held in member.held(self.now_ns))
        return PeerView(member.fit, member.standby, holds, self._well_since_ns(member))

    def _well_since_ns(self, member: Member) -> int:
        if not member.fit or member.standby:
            self._well.pop(member.me, None)
            return self.now_ns
        return self._well.setdefault(member.me, self.now_ns)

    def _next_ns(self) -> int:
        times = [actor.member.deadline_ns for actor in self.actors.values() if not actor.frozen]
        times += [self._events[0][0]] if self._events else []
        return min([*times, self._beat_ns()])

    def _beat_ns(self) -> int:
        period_ns = self.timing.heartbeat_ms * MS
        return (self.now_ns // period_ns + 1) * period_ns

    def _happen(self) -> None:
        if self._events and self._events[0][0] <= self.now_ns:
            heapq.heappop(self._events)[2]()
            return
        due = [name for name, actor in self.actors.items() if not actor.frozen and actor.member.deadline_ns <= self.now_ns]
        for name in due:
            self._obey(name, self.actors[name].member.tick(self.now_ns))
        if not due:
            self._see_all()

    def _settle(self) -> None:
        """What is due at this very instant."""
        while self._events and self._events[0][0] <= self.now_ns:
            heapq.heappop(self._events)[2]()

    def _obey(self, name: str, effects: list[Effect]) -> None:
        actor = self.actors[name]
        for effect in effects:
            self._show(name, effect)
            match effect:
                case Send():
                    self._send(name, effect)
                case Hold(address, _) if actor.refuses:
                    self._obey(name, actor.member.could_not_hold(self.now_ns, address, "no such device"))
                    return
                case Hold(address, until_ns):
                    actor.open_until_ns[address] = until_ns
                case LetGo(address):
                    actor.open_until_ns.pop(address, None)
                case RememberTerm(term_us):
                    actor.member.term_remembered(term_us)
                case Probe(address) if address in self.foreign:
                    self._later(name, partial(_answer_foreign, address=address))
                case AskGateway(address, number) if self.gateway:
                    self._later(name, partial(_answer_gateway, address=address, number=number))

    def _later(self, name: str, give: Callable[[Member, int], list[Effect]]) -> None:
        def happen() -> None:
            if name in self.actors:
                self._obey(name, give(self.actors[name].member, self.now_ns))

        self._count += 1
        heapq.heappush(self._events, (self.now_ns + MS, self._count, happen))

    def _send(self, sender: str, effect: Send) -> None:
        incarnation = self.actors[sender].member.me.incarnation
        if effect.to == sender:
            self._obey(sender, self.actors[sender].member.receive(self.now_ns, sender, incarnation, effect.message))
            return
        if frozenset((sender, effect.to)) in self.cuts or type(effect.message).__name__.lower() == self.losing:
            return

        def arrive() -> None:
            actor = self.actors.get(effect.to)
            if actor is not None and actor.frozen:
                actor.waiting.append((sender, incarnation, effect.message))
            elif actor is not None:
                self._obey(effect.to, actor.member.receive(self.now_ns, sender, incarnation, effect.message))

        self._count += 1
        heapq.heappush(self._events, (self.now_ns + MS, self._count, arrive))

    # ── what is shown ───────────────────────────────────────────────────────────────────────────────────────────────

    def _show(self, name: str, effect: Effect) -> None:
        text = self._in_words(name, effect)
        if text:
            self._note(name, text)

    def _in_words(self, name: str, effect: Effect) -> str:
        match effect:
            case Hold(address, until_ns):
                return f"hold {address} until {self._ms(until_ns)}" if self._news(name, address) else ""
            case LetGo(address):
                return f"let go of {address}"
            case Probe(address):
                return f"probe {address}"
            case AskGateway(address, _):
                return f"ask the gateway, for {address}" if self._news(name, address) else ""
            case Announce(address, _):
                return f"announce {address}" if self.verbose else ""
            case Tell(event):
                return "" if event.kind is EventKind.FITNESS else f"“{event.text}”"
            case Send(to, message):
                return f"to {to}: {self._said(name, message)}" if self._said(name, message) and to != name else ""
        return ""

    def _said(self, name: str, message: Claim | Grant | Refusal | Release) -> str:
        match message:
            case Claim(address, _, _, _, ask, _):
                return (
                    f"{'would you grant' if ask else 'claim'} {address}" + ("?" if ask else "")
                    if self._news(name, address)
                    else ""
                )
            case Grant(address, _, ask):
                held = any(actor.member.held(self.now_ns) for actor in self.actors.values())
                return f"{'would grant' if ask else 'grant'} {address}" if self.verbose or ask or not held else ""
            case Refusal(address, _, reason, holder, remaining_us):
                why = f"{reason.value} by {holder}" if holder else reason.value
                return f"refused {address}, {why}, {remaining_us / 1_000:.1f} ms left"
            case Release(address, _, successor, cause):
                return f"released {address} ({cause.value}){', ' + successor + ' is next' if successor else ''}"

    def _news(self, name: str, address: str) -> bool:
        """Renewals are none."""
        return self.verbose or self.actors[name].open_until_ns.get(address, 0) <= self.now_ns

    def _note(self, name: str, text: str) -> None:
        self.lines.append(f"{self._ms(self.now_ns):>7}  {name:<4} {text}".rstrip())

    @staticmethod
    def _ms(at_ns: int) -> str:
        return f"{(at_ns - UPTIME_NS) / MS:.1f}"


def _answer_foreign(member: Member, now_ns: int, address: str) -> list[Effect]:
    return member.foreign_claim(now_ns, address, "02:00:00:00:00:01")


def _answer_gateway(member: Member, now_ns: int, address: str, number: int) -> list[Effect]:
    return member.gateway_answered(now_ns, address, number)
