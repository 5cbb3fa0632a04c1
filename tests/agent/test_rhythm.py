"""When an agent speaks of its own accord: seldom, and all at once, since what costs is waking up."""

from __future__ import annotations

from itertools import pairwise

from tests.agent.workbench import MS, TWO_ADDRESSES, Bench


def rhythm(bench: Bench, turns: int) -> list[tuple[int, set[str]]]:
    """Let the agent wake up when it wants to; when that was (ms), and what kinds of things it said then."""
    began_ns, said = bench.clock.ns, []
    for _ in range(turns):
        bench.clock.ns = bench.agent.deadline_ns
        bench.forget()
        bench.step()
        bench.step()  # the answers
        said.append(((bench.clock.ns - began_ns) // MS, {deed[0] for deed in bench.history() if deed[0].startswith("sent")}))
    return said


def test_a_holder_speaks_when_it_renews() -> None:
    bench = Bench().holding()
    bench.run(3_000)  # until it has announced itself often enough
    timing = bench.inventory.configuration.timing
    said = rhythm(bench, 40)
    assert all("sent claim" in kinds for _, kinds in said), said
    assert {later[0] - earlier[0] for earlier, later in pairwise(said)} == {timing.renewal_ms}
    heartbeats = [at_ms for at_ms, kinds in said if "sent heartbeat" in kinds]
    nearest_ms = round(timing.heartbeat_ms / timing.renewal_ms) * timing.renewal_ms
    assert {later - earlier for earlier, later in pairwise(heartbeats)} == {nearest_ms}


def test_all_addresses_are_renewed_together_and_by_the_same_voter() -> None:
    bench = Bench(TWO_ADDRESSES).holding()
    asked = []
    for _ in range(0, 1_000, 5):
        bench.forget()
        bench.run(5)
        claims = [deed[1] for deed in bench.history() if deed[0] == "sent claim"]
        if claims:
            assert len(claims) == 2
            asked.append(set(claims))
    assert asked[:4] in ([{"pi2"}, {"pi3"}] * 2, [{"pi3"}, {"pi2"}] * 2)


def test_where_nothing_else_wakes_it_up_a_heartbeat_goes_out_at_its_deadline() -> None:
    bench = Bench().ready()
    bench.agent.set_standby(True)
    bench.step()
    bench.forget()
    timing, before_ns = bench.inventory.configuration.timing, bench.clock.ns
    assert before_ns + timing.heartbeat_ns < bench.agent.deadline_ns <= before_ns + timing.heartbeat_ns * 3 // 2
    bench.clock.ns = bench.agent.deadline_ns - MS * timing.heartbeat_ms // 2
    bench.step()
    assert not bench.history()
    bench.clock.ns = bench.agent.deadline_ns
    bench.step()
    assert [deed[0] for deed in bench.history()] == ["sent heartbeat"] * 2
