"""What an agent announces, and what is believed of records that anybody may have sent."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picluster.discovery.records import (
    LONGEST_TEXT,
    MOST_ADDRESSES,
    SERVICE_TYPE,
    Announcement,
    decode_text,
    encode_text,
    is_instance,
    read,
    worth_announcing,
)
from picluster.model.endpoint import Endpoint
from picluster.model.inventory import Role
from picluster.model.sighting import Sighting

names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True)
announcements = st.builds(
    Announcement,
    cluster=names,
    node=names,
    role=st.sampled_from(Role),
    version=st.from_regex(r"[A-Za-z0-9.+~-]{1,32}", fullmatch=True),
    incarnation=st.integers(0, 2**64 - 1),
    port=st.integers(1, 65_535),
)
PI1 = Announcement("home", "pi1", Role.MEMBER, "0.1.0", 0x5F0C_0000_0000_0001, 7654)


def pairs(**changed: str) -> bytes:
    """The text of pi1's announcement with some values changed; an empty value takes the key away."""
    changes = (decode_text(PI1.text) or {}) | changed
    return encode_text({key: value for key, value in changes.items() if value})


@given(announcements)
def test_what_is_announced_is_read_back(announcement: Announcement) -> None:
    sighting = read(announcement.text, announcement.port, ["192.168.1.11"])
    assert sighting == Sighting(
        announcement.node,
        announcement.cluster,
        announcement.role,
        announcement.version,
        (Endpoint("192.168.1.11", announcement.port),),
        announcement.incarnation,
    )


@given(announcements)
def test_names_fit_a_label_and_are_recognised(announcement: Announcement) -> None:
    assert len(announcement.label) <= 63
    assert is_instance(announcement.instance)
    assert is_instance(announcement.instance.upper())
    assert announcement.host == announcement.label + ".local."
    assert len(announcement.text) <= LONGEST_TEXT


def test_clusters_nodes_and_runs_have_names_of_their_own() -> None:
    others = [
        Announcement("lab", "pi1", Role.MEMBER, "0.1.0", PI1.incarnation, 7654),
        Announcement("home", "pi2", Role.MEMBER, "0.1.0", PI1.incarnation, 7654),
        Announcement("home", "pi1", Role.MEMBER, "0.1.0", 2, 7654),
    ]
    assert PI1.instance not in [other.instance for other in others]
    long = Announcement("c" * 32, "n" * 32, Role.MEMBER, "0.1.0", 1, 7654)
    longer = Announcement("c" * 32, "n" * 32, Role.MEMBER, "0.1.0", 2, 7654)
    assert long.instance != longer.instance


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "pi1",
        SERVICE_TYPE,
        f".{SERVICE_TYPE}",
        f"a.b.{SERVICE_TYPE}",
        f"pi 1.{SERVICE_TYPE}",
        f"\x1b[2J.{SERVICE_TYPE}",
    ],
)
def test_other_names_are_not_instances(name: str) -> None:
    assert not is_instance(name)


@given(
    st.dictionaries(
        st.from_regex(r"[ -<>-~]{1,9}", fullmatch=True).map(str.lower), st.from_regex(r"[ -~]{0,200}", fullmatch=True)
    )
)
def test_texts_survive_the_wire(text: dict[str, str]) -> None:
    assert decode_text(encode_text(text)) == text


def test_the_first_of_equal_keys_counts_whatever_its_case() -> None:
    assert decode_text(b"\x05Run=1\x05run=2\x04flag\x02=x\x00") == {"run": "1"}


@given(st.binary(max_size=400), st.integers(0, 65_535), st.lists(st.text(max_size=20), max_size=10))
def test_noise_is_never_an_agent(text: bytes, port: int, hosts: list[str]) -> None:
    assert read(text, port, [*hosts, "192.168.1.11"]) is None


@given(st.data())
def test_a_damaged_text_never_raises_nor_yields_a_bad_name(data: st.DataObject) -> None:
    text = bytearray(PI1.text)
    for at in data.draw(st.lists(st.integers(0, len(text) - 1), max_size=4)):
        text[at] = data.draw(st.integers(0, 255))
    sighting = read(bytes(text), 7654, ["192.168.1.11"])
    if sighting is not None:
        assert all(re.fullmatch(r"[a-z0-9-]{1,32}", name) for name in (sighting.node, sighting.cluster))
        assert sighting.version.isprintable()


@pytest.mark.parametrize(
    "changed",
    [
        {"txtvers": "2"},
        {"node": "pi_1"},
        {"node": "-pi1"},
        {"node": "p" * 33},
        {"node": "Pi1"},
        {"cluster": "h" * 33},
        {"node": ""},
        {"cluster": "home.lan"},
        {"cluster": "\x1b[31mhome"},
        {"role": "king"},
        {"version": "0.1.0\n"},
        {"version": "1" * 33},
        {"run": "5f0c"},
        {"run": "5F0C000000000001"},
    ],
    ids=str,
)
def test_what_we_would_not_have_written_is_refused(changed: dict[str, str]) -> None:
    assert read(pairs(), 7654, ["192.168.1.11"]) is not None
    assert read(pairs(**changed), 7654, ["192.168.1.11"]) is None


def test_an_overlong_text_is_refused_and_an_unknown_key_is_not() -> None:
    assert read(pairs(x="y"), 7654, ["192.168.1.11"]) is not None
    assert read(pairs(**{f"x{number}": "y" * 200 for number in range(7)}), 7654, ["192.168.1.11"]) is None


def test_a_service_without_a_usable_endpoint_is_no_goodbye() -> None:
    assert read(PI1.text, 7654, []) is None
    assert read(PI1.text, 7654, ["127.0.0.1"]) is None
    assert read(PI1.text, 0, ["192.168.1.11"]) is None
    assert read(PI1.text, 65_536, ["192.168.1.11"]) is None


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "::",
        "224.0.0.251",
        "ff02::fb",
        "255.255.255.255",
        "240.0.0.1",
        "127.0.0.1",
        "::1",
        "::ffff:192.168.1.11",
        "::ffff:127.0.0.1",
        "fe80::1",
        "fe80::1%",
        "fe80::1%two words",
        "fe80::1%" + "e" * 16,
        "2001:db8::1%eth0",
        "pi1.local",
        "",
    ],
)
def test_addresses_that_are_no_hint_are_dropped(host: str) -> None:
    sighting = read(PI1.text, 7654, [host, "192.168.1.11"])
    assert sighting is not None
    assert sighting.endpoints == (Endpoint("192.168.1.11", 7654),)


@pytest.mark.parametrize(
    "host", ["192.168.1.12", "169.254.7.7", "2001:db8::1", "fd77::1", "fe80::1%eth0", "fe80::1%wlan0.10"]
)
def test_addresses_that_are_hints_keep_their_order_and_their_zone(host: str) -> None:
    sighting = read(PI1.text, 7654, [host, "192.168.1.11", host])
    assert sighting is not None
    assert sighting.endpoints == (Endpoint(host, 7654), Endpoint("192.168.1.11", 7654))


def test_loopback_counts_on_loopback_only() -> None:
    sighting = read(PI1.text, 7654, ["127.0.0.1", "::1", "::ffff:127.0.0.1"], loopback=True)
    assert sighting is not None
    assert [endpoint.host for endpoint in sighting.endpoints] == ["127.0.0.1", "::1"]


def test_addresses_are_bounded_when_read_and_when_written() -> None:
    many = [f"192.168.1.{number}" for number in range(1, 30)]
    sighting = read(PI1.text, 7654, many)
    assert sighting is not None
    assert [endpoint.host for endpoint in sighting.endpoints] == many[:MOST_ADDRESSES]
    assert worth_announcing(many) == tuple(many[:MOST_ADDRESSES])


def test_what_reaches_farthest_is_announced_first() -> None:
    own = ["fe80::1", "fd77::1", "192.168.1.11", "169.254.1.1", "10.0.0.1", "10.0.0.1"]
    assert worth_announcing(own) == ("192.168.1.11", "10.0.0.1", "fd77::1", "169.254.1.1", "fe80::1")
