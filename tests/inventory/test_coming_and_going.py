"""Nodes and voters come and go in an inventory that was written by hand: comments, order and layout stay, and what the file
means changes by just that."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picluster.errors import InventoryError
from picluster.inventory import load
from picluster.inventory.editing import with_node, with_voters, without_node
from picluster.model.inventory import Role
from tests.inventory.test_load import EVERYTHING

EXAMPLES = sorted((Path(__file__).parents[2] / "inventory").glob("*.toml"))
BY_HAND = """# My cluster. Do not touch!
[cluster]
name = "home"   # sweet

[network]
interface = "eth0"
# port = 7000
# (the default will do)

[addresses.web]           # answers on the shelf
address = '10.77.0.100'
candidates = [
    "pi1",    # new
    'pi2',    # old
    "pi3"     # oldest
]
priorities = { pi2 = 200, pi3 = 50 }

# The Pis.
[nodes.pi1]
# in the attic
lights = { board = "traffic-light" }   # nice

[nodes.pi2]

[nodes.pi3]
[nodes.pi3.lights]
board = "traffic-light"
# the last word
"""


def read(text: str) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    inventory = load(text, "home.toml")
    return inventory.node_names, inventory.configuration.voters, inventory.configuration.epoch


def changes(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that went and those that came, if all others stayed in their order."""
    old, new = before.splitlines(), after.splitlines()
    gone, come = [], []
    while old or new:
        if old and new and old[0] == new[0]:
            del old[0], new[0]
        elif old and old[0] not in new:
            gone.append(old.pop(0))
        elif new:
            come.append(new.pop(0))
        else:
            gone.append(old.pop(0))
    return gone, come


def test_a_node_comes_below_the_others_and_looks_like_them() -> None:
    after = with_node(BY_HAND, "home.toml", "pi4", {"address": "10.77.0.14", "user": "admin", "ssh_port": 2222})
    gone, come = changes(BY_HAND, after)
    assert gone == []
    section = ["[nodes.pi4]", 'address = "10.77.0.14"', 'user = "admin"', "ssh_port = 2222"]
    assert [line for line in come if line] == ["[quorum]", 'voters = ["pi1", "pi2", "pi3"]', *section]
    assert after.endswith("# the last word\n\n" + "\n".join(section) + "\n")
    # It does not vote: so those that have voted without being named are named from now on, in the same epoch.
    assert read(after) == (("pi1", "pi2", "pi3", "pi4"), ("pi1", "pi2", "pi3"), 1)
    node = load(after, "home.toml").nodes[3]
    assert (node.address, node.access.user, node.access.port) == (ip_address("10.77.0.14"), "admin", 2222)


def test_what_votes_makes_a_new_epoch() -> None:
    after = with_node(BY_HAND, "home.toml", "nas", {"role": "witness"}, votes=True)
    assert read(after) == (("pi1", "pi2", "pi3", "nas"), ("pi1", "pi2", "pi3", "nas"), 2)
    assert 'name = "home"   # sweet\nepoch = 2\n\n[quorum]\nvoters = ["pi1", "pi2", "pi3", "nas"]\n\n[network]' in after
    with pytest.raises(InventoryError, match="the witness nas is no voter"):
        with_node(BY_HAND, "home.toml", "nas", {"role": "witness"})


def test_a_node_goes_from_wherever_it_is_named() -> None:
    after = without_node(BY_HAND, "home.toml", "pi3")
    assert read(after) == (("pi1", "pi2"), ("pi1", "pi2"), 2)
    gone, come = changes(BY_HAND, after)
    old_priorities, new_priorities = "priorities = { pi2 = 200, pi3 = 50 }", "priorities = { pi2 = 200 }"
    lights = ["[nodes.pi3]", "[nodes.pi3.lights]", 'board = "traffic-light"']
    assert [line for line in gone if line] == ['    "pi3"     # oldest', old_priorities, *lights]
    assert [line for line in come if line] == ["epoch = 2", "[quorum]", 'voters = ["pi1", "pi2"]', new_priorities]
    assert after.endswith("[nodes.pi2]\n\n# the last word\n")


def test_what_stands_in_a_section_goes_with_it_and_what_stands_above_stays() -> None:
    after = without_node(BY_HAND, "home.toml", "pi1")
    assert "in the attic" not in after
    assert "# The Pis.\n\n[nodes.pi2]\n\n[nodes.pi3]" in after
    assert "    'pi2',    # old\n" in after


def test_what_came_goes_again_without_a_trace_but_for_the_epoch() -> None:
    text = BY_HAND.replace("[network]", '[quorum]\nvoters = ["pi1", "pi2", "pi3"]\n\n[network]')
    grown = with_node(text, "home.toml", "pi4", {"address": "10.77.0.14"})
    assert without_node(grown, "home.toml", "pi4") == text
    voting = with_voters(grown, "home.toml", ("pi1", "pi2", "pi3", "pi4"))
    assert read(voting)[1:] == (("pi1", "pi2", "pi3", "pi4"), 2)
    assert without_node(voting, "home.toml", "pi4") == text.replace("# sweet\n", "# sweet\nepoch = 3\n")


def test_voters_come_and_go_one_at_a_time() -> None:
    grown = with_node(with_node(BY_HAND, "home.toml", "pi4", {}), "home.toml", "pi5", {})
    four = with_voters(grown, "home.toml", ("pi4", "pi1", "pi2", "pi3"))
    assert read(four)[1:] == (("pi1", "pi2", "pi3", "pi4"), 2)
    five = with_voters(four, "home.toml", ("pi1", "pi2", "pi3", "pi4", "pi5"))
    assert read(five)[1:] == (("pi1", "pi2", "pi3", "pi4", "pi5"), 3)
    assert with_voters(five, "home.toml", ("pi5", "pi4", "pi3", "pi2", "pi1")) == five
    back = with_voters(five, "home.toml", ("pi1", "pi2", "pi3", "pi5"))
    assert read(back)[1:] == (("pi1", "pi2", "pi3", "pi5"), 4)
    with pytest.raises(InventoryError, match=r"quorum\.voters: pi4 and pi5 would come or go at once"):
        with_voters(grown, "home.toml", ("pi1", "pi2", "pi3", "pi4", "pi5"))
    with pytest.raises(InventoryError, match=r'"pi9" names no node'):
        with_voters(grown, "home.toml", ("pi1", "pi2", "pi3", "pi9"))


LISTS = [
    ('["pi1", "pi2", "pi3"] # all', '["pi1", "pi2", "pi3", "pi4"] # all', '["pi1", "pi3"] # all'),
    ('["pi1","pi2","pi3",]', '["pi1","pi2","pi3", "pi4",]', '["pi1","pi3",]'),
    ("[\n  'pi1',\n  'pi2', # x\n  'pi3', # y\n]", "[\n  'pi1',\n  'pi2', # x\n  'pi3', # y\n  \"pi4\",\n]", None),
    ('[\n"pi1",\n"pi2",\n"pi3" # no, comma\n]', '[\n"pi1",\n"pi2",\n"pi3", # no, comma\n"pi4",\n]', None),
    ('["pi1",\n "pi2", "pi3"]', '["pi1",\n "pi2", "pi3", "pi4"]', '["pi1",\n "pi3"]'),
    ('["pi1", # a ] here\n "pi3", "pi2"]', '["pi1", # a ] here\n "pi3", "pi2", "pi4"]', '["pi1", # a ] here\n "pi3"]'),
    ('[ "pi2", "pi1", "pi3" ]', '[ "pi2", "pi1", "pi3", "pi4" ]', '[ "pi1", "pi3" ]'),
]


@pytest.mark.parametrize(("before", "with_pi4", "without_pi2"), LISTS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_way_to_write_a_list(before: str, with_pi4: str, without_pi2: str | None, end: str) -> None:
    def whole(voters: str, epoch: int) -> str:
        text = f'[quorum]\nvoters = {voters}\n[cluster]\nname = "home"\nepoch = {epoch}\n'
        return (text + "".join(f"[nodes.pi{number}]\n" for number in (1, 2, 3, 4))).replace("\n", end)

    assert with_voters(whole(before, 1), "home.toml", ("pi1", "pi2", "pi3", "pi4")) == whole(with_pi4, 2)
    if without_pi2 is not None:
        assert with_voters(whole(before, 1), "home.toml", ("pi1", "pi3")) == whole(without_pi2, 2)


INLINE = 'cluster = { name = "home", epoch = 1 }\nnodes = { pi1 = {}, pi2 = {}, pi3 = { address = "10.77.0.13" } }\n'
DOTTED = 'cluster.name = "home"\nquorum.voters = ["pi1"]\n[nodes]\npi1 = {}\npi2.address = "10.77.0.12"\n\n[addresses]\n'


def test_every_way_to_write_a_node() -> None:
    text = INLINE + 'quorum = { voters = ["pi1", "pi2", "pi3"] }'
    after = with_node(text, "home.toml", "pi4", {"address": "10.77.0.14"})
    assert after == text.replace(" } }\n", ' }, pi4 = { address = "10.77.0.14" } }\n')
    assert without_node(after, "home.toml", "pi4") == text
    after = with_node(DOTTED, "home.toml", "pi3", {})
    assert after == DOTTED.replace("\n\n[addresses]", "\n\n[nodes.pi3]\n\n[addresses]")
    assert without_node(DOTTED, "home.toml", "pi2") == DOTTED.replace('pi2.address = "10.77.0.12"\n', "")


def test_what_only_a_person_should_edit_is_left_alone_and_told() -> None:
    with pytest.raises(InventoryError, match=r'by hand: \[nodes.pi4\], voters = \["pi1", "pi2", "pi3", "pi4"\], epoch = 2'):
        with_node(INLINE, "home.toml", "pi4", {}, votes=True)


@pytest.mark.parametrize(
    ("name", "message"), [("pi1", r"home.toml:20: nodes\.pi1: is there already"), ("Pi 4", "is no name")]
)
def test_a_name_that_cannot_be_is_refused(name: str, message: str) -> None:
    with pytest.raises(InventoryError, match=message):
        with_node(BY_HAND, "home.toml", name, {})


def test_a_name_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(InventoryError, match=r'there is no node pi22\. Perhaps you mean "pi2"'):
        without_node(BY_HAND, "home.toml", "pi22")


def test_nobody_is_left_over_with_what_nobody_holds() -> None:
    text = BY_HAND.replace("    \"pi1\",    # new\n    'pi2',    # old\n", "").replace("pi2 = 200, ", "")
    with pytest.raises(InventoryError, match="nobody may hold this address"):
        without_node(text, "home.toml", "pi3")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_can_be_edited(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    nodes, voters, epoch = read(text)
    grown = with_node(text, path.name, "attic", {})
    assert read(grown) == ((*nodes, "attic"), voters, epoch)
    assert changes(text, grown)[0] == []
    for name in nodes:
        left = without_node(text, path.name, name)
        remaining = tuple(one for one in nodes if one != name)
        assert read(left) == (remaining, tuple(one for one in voters if one != name), epoch + (name in voters))
        comments = [line for line in text.splitlines() if line.startswith("#")]
        assert [line for line in left.splitlines() if line.startswith("#")] == comments


PIECES = (
    "# note",
    "",
    "  # [nodes.pi9]",
    "[nodes.pi7]",
    "[nodes.pi7.lights]\nboard = 'traffic-light'",
    "[nodes]",
    "[system]",
)


@settings(deadline=None)
@given(
    st.sampled_from((EVERYTHING, BY_HAND)),
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(PIECES)), max_size=4),
    st.sampled_from(("\n", "\r\n")),
    st.booleans(),
)
def test_whatever_is_around_it_an_edit_means_what_it_says_or_is_refused(
    text: str, inserted: list[tuple[int, str]], end: str, marked: bool
) -> None:
    lines = text.splitlines()
    for at, piece in inserted:
        lines.insert(min(at, len(lines)), piece)
    text = "\ufeff" * marked + "\n".join(lines).replace("\n", end)
    try:
        before = load(text, "home.toml")
        after = load(with_node(text, "home.toml", "pi4", {"address": "192.168.1.14"}), "home.toml")
        left = load(without_node(text, "home.toml", "pi1"), "home.toml")
    except InventoryError:
        return
    assert set(after.node_names) == {*before.node_names, "pi4"}
    assert after.configuration.voters == before.configuration.voters
    assert after.configuration.epoch == before.configuration.epoch
    assert set(left.node_names) == set(before.node_names) - {"pi1"}
    assert [node for node in left.nodes if node.role is Role.WITNESS] == [
        node for node in before.nodes if node.role is Role.WITNESS
    ]
    assert left.configuration.epoch == before.configuration.epoch + 1
