"""Measuring from inside the agent: what is counted, and that nothing else notices."""

from __future__ import annotations

from pathlib import Path

import pytest

from picluster.agent.configuration import AgentConfiguration
from picluster.agent.measuring import PATIENCE_NS, Measuring, Task, task_of
from picluster.agent.plain import Plain, rebuilt
from picluster.failover.ballot import NEVER_NS
from picluster.inventory import load
from picluster.model.inventory import Configuration
from picluster.model.messages import Claim, Grant, Refusal, RefusalReason
from picluster.tuning.measurement import Measurement
from tests.agent.workbench import KEYRING, MS, SECOND, Bench, inventory

TASK = Task("pi1", "home", "web", ("pi2", "pi3"), 1, 150_000, 1, 10 * MS)


class Ear:
    """Listens until it does not want to any more."""

    def __init__(self, most: int = 1_000) -> None:
        self.heard: list[dict[str, Plain]] = []
        self.most = most

    def __call__(self, words: dict[str, Plain]) -> bool:
        self.heard.append(words)
        return len(self.heard) <= self.most

    @property
    def measurement(self) -> Measurement:
        return rebuilt(Measurement, self.heard[-1]["measured"])


class Play:
    """A measurement without an agent: the network is what the test makes of it."""

    def __init__(self, seconds: float = 2.0, task: Task = TASK) -> None:
        self.ear = Ear()
        self.now_ns = 0
        self.number = 0
        self.measuring = Measuring(task, seconds, self.now_ns, self.ear)
        self.asked: list[tuple[int, Claim]] = []

    def next_number(self) -> int:
        self.number += 1
        return self.number

    def next_round(self, late_ns: int = 0) -> Claim:
        """Wake up at every deadline, so much too late, until there is something to ask."""
        while True:
            self.now_ns = max(self.now_ns, self.measuring.deadline_ns + late_ns)
            claim = self.measuring.tick(self.now_ns, self.next_number)
            if claim is not None:
                self.asked.append((self.now_ns, claim))
                return claim

    def answer(self, claim: Claim, voter: str, after_ns: int) -> None:
        self.now_ns += after_ns
        assert self.measuring.heard(self.now_ns, voter, claim.number)

    def finish(self) -> Measurement:
        while not self.measuring.finished:
            self.now_ns = max(self.now_ns, self.measuring.deadline_ns)
            self.measuring.tick(self.now_ns, self.next_number)
        return self.ear.measurement


# ── one measurement ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_rounds_come_in_pairs_a_retry_apart() -> None:
    play = Play()
    for _ in range(6):
        play.answer(play.next_round(), "pi2", 0)
    times_ms = [asked_ns // MS for asked_ns, _ in play.asked]
    assert times_ms == [0, 10, 80, 90, 160, 170]
    assert all(claim.ask and claim.address == "web" for _, claim in play.asked)


def test_round_trips_waits_and_lateness_are_told_apart() -> None:
    play = Play(seconds=1.0)
    first = play.next_round(late_ns=3 * MS)
    play.answer(first, "pi2", 2 * MS)
    play.answer(first, "pi3", 2 * MS)
    seen = play.finish()
    assert seen.late.longest_us == 3_000
    assert [path.round_trip.longest_us for path in seen.paths] == [2_000, 4_000]
    assert seen.waits.longest_us == 5_000, "from when it was due to the first answer, which completes a majority of three"
    assert (seen.waits.count, seen.rounds, seen.failed) == (1, 26, 25)


def test_losses_are_counted_by_voter_by_round_and_in_pairs() -> None:
    play = Play(seconds=1.0)
    #            pair 1      pair 2      pair 3      the rest
    answered = [("", "pi2"), ("", ""), ("pi2", ""), *[("pi2", "pi2")] * 10]
    for pair in answered:
        for voter in pair:
            claim = play.next_round()
            if voter:
                play.answer(claim, voter, MS)
    seen = play.finish()
    by_voter = {path.voter: path for path in seen.paths}
    assert (seen.failed, seen.first_failed, seen.both_failed) == (4, 2, 1)
    assert (by_voter["pi2"].asked, by_voter["pi2"].answered) == (26, 22)
    assert by_voter["pi2"].bursts == ((1, 2), (2, 1))
    assert by_voter["pi3"].bursts == ((26, 1),)


def test_a_repeated_answer_counts_once() -> None:
    play = Play()
    claim = play.next_round()
    play.answer(claim, "pi2", MS)
    play.answer(claim, "pi2", MS)
    play.answer(claim, "stranger", MS)
    seen = play.finish()
    assert (seen.paths[0].answered, seen.paths[0].round_trip.count, seen.waits.count) == (1, 1, 1)


def test_what_waited_for_one_and_the_same_stall_counts_once() -> None:
    """A voter that slept for 300 ms answers everything at once when it wakes up."""
    play = Play()
    stalled = []
    while play.now_ns < 300 * MS:
        stalled.append(play.next_round())
    for claim in stalled:
        play.answer(claim, "pi2", 0)
    later = play.next_round()
    play.answer(later, "pi2", MS)
    seen = play.finish()
    assert len(stalled) > 5
    assert [often for _, often in seen.waits.buckets] == [1, 1]
    assert seen.waits.longest_us >= 300_000


def test_after_a_stall_of_its_own_it_does_not_ask_in_a_heap() -> None:
    play = Play()
    play.next_round()
    play.next_round(late_ns=500 * MS)
    play.next_round()
    assert [asked_ns // MS for asked_ns, _ in play.asked] == [0, 510, 520]
    assert play.finish().late.longest_us == 500_000


def test_unanswered_rounds_are_given_up_so_memory_does_not_grow() -> None:
    play = Play(seconds=60.0)
    most = 0
    while play.now_ns < 59 * SECOND:
        play.next_round()
        most = max(most, len(play.measuring._open))
    assert most <= 25 * PATIENCE_NS // SECOND + 2
    seen = play.finish()
    assert (seen.rounds, seen.failed, seen.waits.count) == (1_500, 1_500, 0)
    assert play.now_ns <= 60 * SECOND + PATIENCE_NS


def test_progress_is_told_every_second_and_whoever_does_not_listen_ends_it() -> None:
    play = Play(seconds=3.0)
    play.finish()
    reports = [words["measuring"] for words in play.ear.heard[:-1]]
    assert [one["seconds"] for one in reports if isinstance(one, dict)][:3] == [1.0, 2.0, 3.0]
    deaf = Play(seconds=3.0)
    deaf.ear.most = 0
    while not deaf.measuring.finished:
        deaf.now_ns = deaf.measuring.deadline_ns
        deaf.measuring.tick(deaf.now_ns, deaf.next_number)
    assert deaf.now_ns == SECOND


@pytest.mark.parametrize("seconds", [0, 0.5, -1, 1e9, float("nan"), float("inf")])
def test_odd_lengths_are_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="measure for 1 to 86400 seconds"):
        Measuring(TASK, seconds, 0, Ear())


# ── what a node can measure ─────────────────────────────────────────────────────────────────────────────────────────


def configuration(text: str) -> Configuration:
    return load('[cluster]\nname = "home"\n' + text, "home.toml").configuration


THREE = "[nodes.pi1]\n[nodes.pi2]\n[nodes.pi3]\n"
WEB = '[addresses.web]\naddress = "10.0.0.9"\n'


def test_a_candidate_asks_all_other_voters_for_what_it_may_hold() -> None:
    task = task_of("pi2", "home", configuration(WEB + THREE + "[failover]\nlease_ms = 90\nrenewal_ms = 30"))
    assert (task.address, task.others, task.needed, task.term_us) == ("web", ("pi1", "pi3"), 1, 90_000)
    outside = task_of(
        "pi4", "home", configuration('[quorum]\nvoters = ["pi1", "pi2", "pi3"]\n' + WEB + THREE + "[nodes.pi4]")
    )
    assert (outside.others, outside.needed) == (("pi1", "pi2", "pi3"), 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (THREE, "no address floats in this cluster"),
        (WEB + 'candidates = ["pi2"]\n' + THREE, "pi1 may hold no floating address"),
        (WEB + "[nodes.pi1]\n", "pi1 is the only voter"),
    ],
)
def test_where_there_is_nothing_to_measure_it_says_so(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        task_of("pi1", "home", configuration(text))


# ── in an agent ─────────────────────────────────────────────────────────────────────────────────────────────────────


def claims(bench: Bench) -> list[Claim]:
    return [message for puppet in bench.puppets.values() for message in puppet.heard if isinstance(message, Claim)]


def test_a_holder_measures_and_goes_on_holding() -> None:
    bench, ear = Bench().holding(), Ear()
    bench.agent.measure(2, ear)
    bench.run(2_500)
    seen = ear.measurement
    assert (seen.node, seen.cluster, seen.seconds, seen.failed) == ("pi1", "bench", 2.0, 0)
    assert seen.rounds == 50
    assert [path.voter for path in seen.paths] == ["pi2", "pi3"]
    assert bench.keeper.held == {"web"}
    assert bench.events == [], "no event tells of it"
    assert bench.deeds("remember", "let_go", "probe") == [], "and nothing is written"
    questions, renewals = ([one for one in claims(bench) if one.ask is ask] for ask in (True, False))
    assert not {one.number for one in questions} & {one.number for one in renewals}
    assert bench.agent.surveyor.deadline_ns == NEVER_NS


def test_refusals_are_answers_as_well_and_disturb_no_candidacy() -> None:
    """On a node that holds nothing the voters refuse, since somebody else does hold it."""
    bench, ear = Bench().ready(), Ear()
    pi2, pi3 = bench.puppets.values()
    pi2.mute = pi3.mute = True
    bench.agent.measure(1, ear)
    for number in range(200):
        bench.clock.ns += 5 * MS
        if number % 5 == 0:
            pi2.say(Claim("web", 1_000 + number, 150_000, 1))
            for puppet in (pi2, pi3):
                puppet.beat()
        bench.step()
        for puppet in (pi2, pi3):
            for question in [message for message in puppet.heard if isinstance(message, Claim) and message.ask]:
                puppet.say(Refusal("web", question.number, RefusalReason.HELD, "pi2", 100_000))
            puppet.heard.clear()
    bench.run(10)
    assert ear.measurement.failed == 0
    assert bench.keeper.held == set()
    assert bench.agent.member.last_holder("web") == "pi2"


def test_a_grant_to_a_measuring_question_is_no_vote() -> None:
    bench, ear = Bench().holding(), Ear()
    bench.agent.measure(2, ear)
    for puppet in bench.puppets.values():
        puppet.mute = True
    for _ in range(60):
        bench.clock.ns += 5 * MS
        bench.step()
        for puppet in bench.puppets.values():
            for question in [message for message in puppet.heard if isinstance(message, Claim) and message.ask]:
                puppet.say(Grant("web", question.number, ask=False))
            puppet.heard.clear()
    assert bench.keeper.held == set(), "nobody renewed it"


def test_one_at_a_time_and_not_while_it_stops() -> None:
    bench, ear = Bench().ready(), Ear()
    bench.agent.measure(5, ear)
    with pytest.raises(ValueError, match="somebody measures on this node already"):
        bench.agent.measure(5, Ear())
    bench.agent.stop()
    assert ear.heard[-1] == {"ok": False, "error": "the measurement was broken off: the agent stops"}
    with pytest.raises(ValueError, match="the agent stops"):
        bench.agent.measure(5, Ear())


def test_a_new_inventory_ends_it() -> None:
    bench, ear = Bench().ready(), Ear()
    bench.agent.measure(5, ear)
    newer = inventory(epoch=2)
    node = newer.node("pi1")
    assert node is not None
    bench.agent.reconfigure(AgentConfiguration(node, newer, KEYRING, Path("/nowhere")))
    assert ear.heard[-1]["error"] == "the measurement was broken off: the inventory was read again"
    bench.agent.measure(5, Ear())


def test_a_caller_that_hangs_up_ends_it_within_a_second() -> None:
    bench = Bench().ready()
    bench.agent.measure(60, Ear(most=0))
    bench.run(1_100)
    bench.agent.measure(60, Ear())
