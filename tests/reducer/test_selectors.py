"""Selectors against page 6, and their summaries against page 3."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.reducer.selectors import Selector, matches, matches_plain, plain, selector_to_json, summary

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

WEB = {"name": "web-1", "channel": "stable", "tags": ["web", "eu"]}


@pytest.mark.parametrize(
    ("selector", "meant"),
    [
        (Selector(), False),  # nothing said, nobody meant
        (Selector(all=True), True),
        (Selector(hosts=("db-1", "web-1")), True),
        (Selector(hosts=("web-10", "web")), False),
        (Selector(channel="stable"), True),
        (Selector(channel="edge"), False),
        (Selector(channel=""), False),
        (Selector(tags=("web",)), True),
        (Selector(tags=("eu", "web")), True),
        (Selector(tags=("web", "db")), False),  # all of them
        (Selector(tags_any=("web", "db")), True),  # any of them
        (Selector(tags_any=("db",)), False),
        (Selector(hosts=("web-1",), channel="edge", tags=("db",)), True),  # any part will do
        (Selector(channel="edge", tags=("db",), tags_any=("us",), hosts=("db-1",)), False),
        (Selector(tags=("db",), tags_any=("eu",)), True),
    ],
)
def test_any_part_may_mean_the_host(selector, meant):
    assert matches(selector, **WEB) is matches_plain(selector, **WEB) is meant


def test_a_host_without_tags_is_not_meant_by_tags():
    bare = {**WEB, "tags": []}
    assert not matches(Selector(tags=("web",), tags_any=("web",)), **bare)


MEANT, NOT_MEANT = Selector(tags=("web",)), Selector(tags=("db",))


@pytest.mark.parametrize(
    ("selector", "meant"),
    [
        (Selector(not_=NOT_MEANT), True),
        (Selector(not_=MEANT), False),
        (Selector(not_=Selector()), True),  # everybody but nobody
        (Selector(all=True, hosts=("web-1",), not_=MEANT), False),  # wins over the rest
        (Selector(not_=MEANT, and_=(MEANT,)), False),  # over `and` too
        (Selector(not_=NOT_MEANT, and_=(NOT_MEANT,)), True),
        (Selector(not_=Selector(not_=MEANT)), True),
        (Selector(and_=(MEANT, Selector(channel="stable"))), True),
        (Selector(and_=(MEANT, NOT_MEANT)), False),
        (Selector(all=True, and_=(NOT_MEANT,)), False),  # `and` before the parts
        (Selector(channel="edge", and_=(MEANT,)), True),
        (Selector(tags=("web",), and_=()), True),  # empty is as good as absent
        (Selector(and_=(Selector(not_=NOT_MEANT), MEANT)), True),
    ],
)
def test_not_and_and_of_a_declaration(selector, meant):
    assert matches(selector, **WEB) is meant


def test_the_planner_sees_neither_not_nor_and():
    selector = Selector(tags=("web",), not_=MEANT, and_=(NOT_MEANT,))
    assert plain(selector) == MEANT
    assert matches_plain(selector, **WEB)
    assert not matches_plain(Selector(not_=NOT_MEANT), **WEB)
    assert plain(MEANT) == MEANT


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        (Selector(all=True, channel="c", tags=("t",), tags_any=("u",), hosts=("h",)), "all"),
        (Selector(channel="c", tags=("t",), tags_any=("u",), hosts=("h",)), "channel:c"),
        (Selector(tags=("b", "a"), tags_any=("u",), hosts=("h",)), "tags:a,b"),
        (Selector(tags_any=("a", "b"), hosts=("h",)), "tags_any:a,b"),
        (Selector(hosts=("a", "b")), "hosts:a,b"),
        (Selector(), "unknown"),
        (Selector(not_=MEANT), "unknown"),
    ],
)
def test_the_summary_is_of_the_first_part_that_says_something(selector, said):
    assert summary(selector) == said


def test_equal_is_equal_as_written():
    assert Selector(tags=("a", "b")) == Selector(tags=("a", "b"))
    assert Selector(tags=("a", "b")) != Selector(tags=("b", "a"))
    assert Selector(tags=("a",)) != Selector(tags_any=("a",))
    assert len({Selector(all=True), Selector(all=True), Selector(all=True, channel="c")}) == 2


def test_how_it_is_written():
    nothing = {"tags": [], "tagsAny": [], "hosts": [], "channel": None, "all": False}
    assert selector_to_json(Selector()) == nothing
    assert selector_to_json(Selector(tags_any=("a", "b"), not_=MEANT, and_=(Selector(all=True),))) == {
        **nothing,
        "tagsAny": ["a", "b"],
        "not": {**nothing, "tags": ["web"]},
        "and": [{**nothing, "all": True}],
    }


tags = st.lists(st.sampled_from(["web", "db", "eu"]), max_size=3)
parts = {
    "tags": tags.map(tuple),
    "tags_any": tags.map(tuple),
    "hosts": st.lists(st.sampled_from(["web-1", "db-1"]), max_size=2).map(tuple),
    "channel": st.none() | st.sampled_from(["stable", "edge"]),
    "all": st.booleans(),
}
selectors = st.recursive(
    st.builds(Selector, **parts),
    lambda inner: st.builds(
        Selector, **parts, not_=st.none() | inner, and_=st.lists(inner, min_size=0, max_size=2).map(tuple)
    ),
    max_leaves=6,
)
hosts = st.fixed_dictionaries(
    {"name": st.sampled_from(["web-1", "db-1"]), "channel": st.sampled_from(["stable", "edge"]), "tags": tags}
)


@given(selectors, selectors, hosts)
@UNTIMED
def test_the_algebra(one, other, host):
    assert matches(Selector(not_=one), **host) is not matches(one, **host)
    both = matches(one, **host) and matches(other, **host)
    assert matches(Selector(and_=(one, other)), **host) is both
    assert matches_plain(one, **host) is matches(plain(one), **host)


@given(selectors)
@UNTIMED
def test_written_and_read_again_it_is_equal(selector):
    assert msgspec.convert(json.loads(json.dumps(selector_to_json(selector))), Selector) == selector
