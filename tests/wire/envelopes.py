"""Envelopes for the tests: any valid one from Hypothesis, and a handful by hand that use every field."""

from __future__ import annotations

from hypothesis import strategies as st

from picluster.model.inventory import Role
from picluster.model.messages import (
    Cause,
    Claim,
    Envelope,
    Grant,
    Hearing,
    Heartbeat,
    Held,
    Message,
    Refusal,
    RefusalReason,
    Release,
)
from picluster.wire import Codec, Keyring

KEY = "00112233445566778899aabbccddeeff" * 2
OTHER_KEY = "ffeeddccbbaa99887766554433221100" * 2
CODEC = Codec("home", Keyring.parse(KEY))

u8, u32, u64 = (st.integers(0, 2**bits - 1) for bits in (8, 32, 64))
texts = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=32)
optional_names = texts.filter(lambda text: len(text.encode()) <= 32)
names = optional_names.filter(bool)
notes = texts.filter(lambda text: len(text.encode()) <= 100)
causes = st.sampled_from(Cause)

claims = st.builds(Claim, names, u64, u32, u32, st.booleans(), causes)
grants = st.builds(Grant, names, u64, st.booleans())
refusals = st.builds(Refusal, names, u64, st.sampled_from(RefusalReason), optional_names, u32)
releases = st.builds(Release, names, u64, optional_names, causes)
held = st.builds(Held, names, u32, u64, optional_names, causes, u64)
hearings = st.builds(Hearing, names, u64, u32, st.integers(0, 100), u32)
heartbeats = st.builds(
    Heartbeat,
    st.sampled_from(Role),
    u32,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    u64,
    optional_names,
    u64,
    notes,
    st.lists(held, max_size=5).map(tuple),
    st.lists(hearings, max_size=9).map(tuple),
)


def in_envelopes(messages: st.SearchStrategy[Message]) -> st.SearchStrategy[Envelope]:
    return st.builds(Envelope, names, u64, names, st.integers(1, 2**64 - 1), u64, messages)


envelopes = in_envelopes(st.one_of(claims, grants, refusals, releases, heartbeats))


def envelope(message: Message, sequence: int = 41) -> Envelope:
    return Envelope("pi1", 0x0123456789ABCDEF, "pi2", sequence, 0xFEDCBA9876543210, message)


def heartbeat(
    holds: tuple[Held, ...] = (), hearings: tuple[Hearing, ...] = (), note: str = "", loss_percent: int | None = None
) -> Heartbeat:
    if loss_percent is not None:
        hearings = (Hearing("pi2", 7, 1_000, loss_percent, 400),)
    return Heartbeat(
        Role.MEMBER,
        epoch=3,
        fit=True,
        standby=False,
        leaving=False,
        uptime_us=86_400_000_000,
        version="0.1.0",
        challenge=77,
        note=note,
        holds=holds,
        hearings=hearings,
    )


EXAMPLES: tuple[Envelope, ...] = (
    envelope(Claim("web", 12, 150_000, 3, ask=True, cause=Cause.SILENCE)),
    envelope(Grant("web", 12)),
    envelope(Refusal("web", 12, RefusalReason.HELD, "pi3", 131_072)),
    envelope(Release("web", 12, "pi3", Cause.STANDBY)),
    envelope(heartbeat()),
    envelope(
        heartbeat(
            holds=(
                Held("web", 140_000, 3_600_000_000, "pi3", Cause.SILENCE, 152_000),
                Held("dns", 90_000, 5_000_000, "", Cause.FIRST, 0),
                Held("käse", 90_000, 5_000_000, "pi3", Cause.MOVED, 2_000),
            ),
            hearings=(Hearing("pi2", 40, 20_000, 0, 450), Hearing("pi3", 900, 4_000_000_000, 100, 0)),
            note="eth0 has no link",
        )
    ),
)
