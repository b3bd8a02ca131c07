"""Reading and writing `fleet.resolved.json` against page 6."""

from __future__ import annotations

import json
from copy import deepcopy
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twin import random_fleet

from sim.reducer.artifact import (
    Budget,
    Channel,
    Edge,
    FleetArtifact,
    Host,
    Meta,
    PolicyWave,
    RolloutPolicy,
    Wave,
    artifact_to_json,
    parse_artifact,
)
from sim.reducer.errors import FleetError
from sim.reducer.selectors import Selector

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

DOCUMENT = {
    "schemaVersion": 1,
    "hosts": {
        "web-1": {
            "system": "x86_64-linux",
            "tags": ["web", "eu"],
            "channel": "stable",
            "closureHash": "abc",
            "pubkey": "key",
            "pin": {"until": None},
        },
        "db-1": {"system": "aarch64-linux", "tags": [], "channel": "edge"},
    },
    "channels": {
        "stable": {
            "rolloutPolicy": "staged",
            "reconcileIntervalMinutes": 30,
            "signingIntervalMinutes": 60,
            "freshnessWindow": 180,
            "compliance": {"mode": "enforce", "frameworks": []},
        },
        "edge": {
            "rolloutPolicy": "staged",
            "reconcileIntervalMinutes": 5,
            "signingIntervalMinutes": 7.5,
            "freshnessWindow": 15,
        },
    },
    "rolloutPolicies": {
        "staged": {
            "strategy": "staged",
            "waves": [
                {"selector": {"tags": ["web"], "not": {"hosts": ["web-2"]}}, "soakMinutes": 30},
                {"selector": {"and": [{"all": True}, {"tagsAny": ["eu", "us"]}]}, "soakMinutes": 0.5},
            ],
            "healthGate": {},
            "onHealthFailure": "rollback-and-halt",
        }
    },
    "waves": {"stable": [{"hosts": ["web-1", "db-1"], "soakMinutes": 30}, {"hosts": [], "soakMinutes": 0}]},
    "edges": [{"gates": "web-1", "gated": "web-2", "reason": "schema"}],
    "channelEdges": [{"gates": "edge", "gated": "stable"}],
    "disruptionBudgets": [
        {"selector": {"all": True}, "maxInFlight": 2},
        {"selector": {"channel": "stable"}, "maxInFlightPct": 12.5},
    ],
    "meta": {"schemaVersion": 1, "signedAt": "2026-05-16T01:00:00Z", "ciCommit": "c0ffee", "signatureAlgorithm": "ed"},
}
FLEET = FleetArtifact(
    schema_version=1,
    hosts={
        "web-1": Host("x86_64-linux", "stable", ["web", "eu"], "abc", "key", {"until": None}),
        "db-1": Host("aarch64-linux", "edge", [], None, None, None),
    },
    channels={
        "stable": Channel("staged", 30, 60, 180, {"mode": "enforce", "frameworks": []}),
        "edge": Channel("staged", 5, 7.5, 15, None),
    },
    rollout_policies={
        "staged": RolloutPolicy(
            strategy="staged",
            waves=[
                PolicyWave(Selector(tags=("web",), not_=Selector(hosts=("web-2",))), 30),
                PolicyWave(Selector(and_=(Selector(all=True), Selector(tags_any=("eu", "us")))), 0.5),
            ],
            on_health_failure="rollback-and-halt",
            health_gate={},
        )
    },
    waves={"stable": [Wave(["web-1", "db-1"], 30), Wave([], 0)]},
    edges=[Edge("web-1", "web-2", "schema")],
    channel_edges=[Edge("edge", "stable", None)],
    disruption_budgets=[Budget(Selector(all=True), 2, None), Budget(Selector(channel="stable"), None, 12.5)],
    meta=Meta(1, "2026-05-16T01:00:00Z", "c0ffee", "ed"),
)
DELETED = object()


def changed(path, value):
    """The document with another value at a place, `hosts/web-1/tags/0`, or without it."""
    document = deepcopy(DOCUMENT)
    inside = document
    *outer, last = [int(key) if key.isdigit() else key for key in path.split("/")]
    for key in outer:
        inside = inside[key]
    if value is DELETED:
        del inside[last]
    else:
        inside[last] = value
    return document


def refusal(document):
    with pytest.raises(FleetError) as error:
        parse_artifact(document)
    return str(error.value)


def test_everything_the_page_names_is_read():
    given_ = deepcopy(DOCUMENT)
    assert parse_artifact(given_) == (FLEET, [])
    assert given_ == DOCUMENT  # and not touched


def test_the_least_there_can_be():
    fleet, warnings = parse_artifact({"schemaVersion": 1, "hosts": {}, "channels": {}})
    assert (fleet, warnings) == (FleetArtifact(1, {}, {}), [])


@pytest.mark.parametrize("value", [0, "x", None, [], {"nested": [None, {}]}, float("nan"), "\ud800"])
@pytest.mark.parametrize(
    "path",
    [
        "new",
        "hosts/web-1/new",
        "channels/edge/new",
        "rolloutPolicies/staged/new",
        "rolloutPolicies/staged/waves/0/new",
        "rolloutPolicies/staged/waves/0/selector/new",
        "waves/stable/0/new",
        "edges/0/new",
        "channelEdges/0/new",
        "disruptionBudgets/0/new",
        "meta/new",
    ],
)
def test_keys_not_listed_are_ignored(path, value):
    assert parse_artifact(changed(path, value)) == (FLEET, [])


OPTIONAL = [
    "hosts/web-1/tags",
    "hosts/web-1/closureHash",
    "hosts/web-1/pubkey",
    "hosts/web-1/pin",
    "channels/stable/compliance",
    "rolloutPolicies",
    "rolloutPolicies/staged/healthGate",
    "rolloutPolicies/staged/waves/0/selector/tags",
    "rolloutPolicies/staged/waves/0/selector/not",
    "rolloutPolicies/staged/waves/1/selector/and",
    "rolloutPolicies/staged/waves/1/selector/and/1/tagsAny",
    "waves",
    "edges",
    "edges/0/reason",
    "channelEdges",
    "disruptionBudgets",
    "disruptionBudgets/0/maxInFlight",
    "disruptionBudgets/0/selector/all",
    "disruptionBudgets/1/selector/channel",
    "disruptionBudgets/1/maxInFlightPct",
    "meta",
    "meta/schemaVersion",
    "meta/signedAt",
    "meta/ciCommit",
    "meta/signatureAlgorithm",
]


@pytest.mark.parametrize("path", OPTIONAL)
def test_a_null_counts_as_a_missing_key(path):
    without, _ = parse_artifact(changed(path, DELETED))
    assert parse_artifact(changed(path, None)) == (without, [])
    assert without != FLEET or path == "meta/schemaVersion"  # which is 1 if it is missing


def test_nulls_inside_of_what_is_carried_unread_stay():
    # a null elsewhere must not change what is carried
    fleet, _ = parse_artifact(changed("hosts/web-1/tags", None))
    assert fleet.hosts["web-1"].pin == {"until": None}


@pytest.mark.parametrize(("key", "empty"), [("not", None), ("and", None), ("and", [])])
def test_artifacts_may_carry_empty_not_and_and(key, empty):
    assert parse_artifact(changed(f"disruptionBudgets/0/selector/{key}", empty)) == (FLEET, [])


# -- older spellings


def test_older_channel_edges_are_read_with_a_warning():
    fleet, warnings = parse_artifact(changed("channelEdges", [{"before": "edge", "after": "stable"}]))
    assert fleet == FLEET
    assert warnings == [
        "channelEdges[0]: `before` is an older spelling of `gates`",
        "channelEdges[0]: `after` is an older spelling of `gated`",
    ]


def test_host_edges_may_be_of_the_older_spelling_too():
    fleet, warnings = parse_artifact(changed("edges", [{"before": "web-1", "gated": "web-2", "reason": "schema"}]))
    assert (fleet, warnings) == (FLEET, ["edges[0]: `before` is an older spelling of `gates`"])


def test_todays_spelling_wins():
    edge = {"before": "x", "gates": "edge", "after": "y", "gated": "stable"}
    assert parse_artifact(changed("channelEdges", [edge])) == (FLEET, [])


def test_older_budgets_are_read_with_a_warning():
    fleet, warnings = parse_artifact(changed("disruptionBudgets/1", {"hosts": ["b", "a"], "maxInFlight": 1}))
    hosts = ("b", "a")
    assert fleet.disruption_budgets[1] == Budget(Selector(hosts=hosts), 1, None, list(hosts))
    assert len(warnings) == 1
    assert warnings[0].startswith("disruptionBudgets[1]: `hosts` in place of `selector` is an older spelling")
    assert "refuses" in warnings[0]


def test_a_budget_with_both_goes_by_its_selector():
    assert parse_artifact(changed("disruptionBudgets/0/hosts", ["a"])) == (FLEET, [])


def test_nulls_do_not_hide_older_spellings():
    document = changed("hosts/web-1/tags", None)
    document["channelEdges"] = [{"before": "edge", "gates": None, "gated": "stable"}]
    document["disruptionBudgets"][0] = {"hosts": ["a"], "selector": None}
    fleet, warnings = parse_artifact(document)
    assert fleet.channel_edges == FLEET.channel_edges
    assert fleet.disruption_budgets[0].selector == Selector(hosts=("a",))
    assert [warning.split(":")[0] for warning in warnings] == ["channelEdges[0]", "disruptionBudgets[0]"]


# -- refusals


@pytest.mark.parametrize("version", [2, 0, -1, 99, 10**30])
def test_another_schema_version_is_refused(version):
    assert refusal(changed("schemaVersion", version)).startswith("schemaVersion: expected 1, got ")


def test_another_schema_version_is_refused_before_anything_else():
    assert refusal({"schemaVersion": 2, "hosts": []}) == "schemaVersion: expected 1, got 2"


@pytest.mark.parametrize("version", [None, DELETED])
def test_a_schema_version_there_must_be(version):
    assert refusal(changed("schemaVersion", version)) == "schemaVersion: missing"


@pytest.mark.parametrize("version", ["1", 1.0, 2.5, True, [1], {}])
def test_a_schema_version_is_a_whole_number(version):
    assert refusal(changed("schemaVersion", version)).startswith("schemaVersion: expected a whole number, got ")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("hosts", DELETED, "hosts: missing"),
        ("hosts", None, "hosts: missing"),
        ("hosts", [], "hosts: expected an object, got a list"),
        ("hosts/web-1", None, "hosts.web-1: expected an object, got null"),
        ("hosts/web-1", "web", "hosts.web-1: expected an object, got 'web'"),
        ("hosts/web-1/channel", 3, "hosts.web-1.channel: expected a string, got 3"),
        ("hosts/web-1/channel", DELETED, "hosts.web-1.channel: missing"),
        ("hosts/web-1/channel", None, "hosts.web-1.channel: missing"),
        ("hosts/web-1/system", DELETED, "hosts.web-1.system: missing"),
        ("hosts/web-1/tags", "web", "hosts.web-1.tags: expected a list, got 'web'"),
        ("hosts/web-1/tags/1", 3, "hosts.web-1.tags[1]: expected a string, got 3"),
        ("hosts/web-1/tags/1", None, "hosts.web-1.tags[1]: expected a string, got null"),
        ("hosts/db-1/closureHash", [], "hosts.db-1.closureHash: expected a string or null, got a list"),
        ("hosts/a\nb", {}, "hosts.'a\\nb'.system: missing"),
        ("channels/stable/rolloutPolicy", DELETED, "channels.stable.rolloutPolicy: missing"),
        ("channels/edge/freshnessWindow", "3h", "channels.edge.freshnessWindow: expected a number, got '3h'"),
        ("channels/edge/freshnessWindow", -3, "channels.edge.freshnessWindow: expected a number of at least 0, got -3"),
        (
            "channels/edge/signingIntervalMinutes",
            float("inf"),
            "channels.edge.signingIntervalMinutes: expected a finite number, got inf",
        ),
        (
            "rolloutPolicies/staged/strategy",
            "yolo",
            "rolloutPolicies.staged.strategy: 'yolo' is not one of the values it may have",
        ),
        (
            "rolloutPolicies/staged/onHealthFailure",
            "panic",
            "rolloutPolicies.staged.onHealthFailure: 'panic' is not one of the values it may have",
        ),
        ("rolloutPolicies/staged/waves/0/selector", None, "rolloutPolicies.staged.waves[0].selector: missing"),
        (
            "rolloutPolicies/staged/waves/1/selector/and/0/all",
            1,
            "rolloutPolicies.staged.waves[1].selector.and[0].all: expected true or false, got 1",
        ),
        (
            "rolloutPolicies/staged/waves/0/selector/not/hosts/0",
            True,
            "rolloutPolicies.staged.waves[0].selector.not.hosts[0]: expected a string, got true",
        ),
        ("waves/stable", None, "waves.stable: expected a list, got null"),
        ("waves/stable/1", None, "waves.stable[1]: expected an object, got null"),
        ("waves/stable/0/hosts/1", 7, "waves.stable[0].hosts[1]: expected a string, got 7"),
        ("waves/stable/1/soakMinutes", -1, "waves.stable[1].soakMinutes: expected a number of at least 0, got -1"),
        ("waves/stable/1/soakMinutes", float("nan"), "waves.stable[1].soakMinutes: expected a number"),
        ("edges", {}, "edges: expected a list, got an object"),
        ("edges/0", None, "edges[0]: expected an object, got null"),
        ("edges/0/gates", DELETED, "edges[0].gates: missing"),
        ("channelEdges/0/gated", 5, "channelEdges[0].gated: expected a string, got 5"),
        ("disruptionBudgets/1", {"maxInFlight": 1}, "disruptionBudgets[1].selector: missing"),
        ("disruptionBudgets/1", {"hosts": "a"}, "disruptionBudgets[1].hosts: expected a list or null, got 'a'"),
        (
            "disruptionBudgets/0/maxInFlight",
            -1,
            "disruptionBudgets[0].maxInFlight: expected a whole number of at least 0, got -1",
        ),
        (
            "disruptionBudgets/0/maxInFlight",
            1.5,
            "disruptionBudgets[0].maxInFlight: expected a whole number or null, got 1.5",
        ),
        ("meta", 3, "meta: expected an object, got 3"),
        ("meta", "x" * 100, f"meta: expected an object, got '{'x' * 56}..."),
        ("meta", 10**20, "meta: expected an object, got a very large number"),
        ("meta", -(10**17), "meta: expected an object, got -100000000000000000"),
        ("meta/ciCommit", 3, "meta.ciCommit: expected a string or null, got 3"),
        ("channels/edge/freshnessWindow", 10**400, "channels.edge.freshnessWindow: "),
        ("hosts/web-1/system", "\ud800", r"hosts.web-1.system: '\ud800' is not valid text"),
        ("hosts/web-1/tags/1", "\ud800", r"hosts.web-1.tags[1]: '\ud800' is not valid text"),
        ("hosts/web-1/pin", {"n": 2**70, "s": ["\udfff"]}, r"hosts.web-1.pin.s[0]: '\udfff' is not valid text"),
        ("hosts/\ud800", DOCUMENT["hosts"]["db-1"], r"hosts: '\ud800' is not valid text"),
        ("rolloutPolicies/staged/strategy", "\ud800", "rolloutPolicies.staged.strategy: "),
    ],
)
def test_a_message_names_the_place(path, value, message):
    said = refusal(changed(path, value))
    assert said.startswith(message)
    assert said.isprintable()


@pytest.mark.parametrize("decoded", [None, True, 3, 1.5, "fleet", [], [DOCUMENT]])
def test_an_artifact_is_an_object(decoded):
    assert refusal(decoded).startswith("the artifact: expected an object, got ")


def nested(depth, form):
    value = {}
    for _ in range(depth):
        value = {"not": value} if form == "object" else [value]
    return value


@pytest.mark.parametrize("form", ["object", "list"])
@pytest.mark.parametrize("path", ["new", "hosts/web-1/pin", "disruptionBudgets/0/selector", "edges/0/reason"])
def test_what_is_nested_a_thousand_deep_is_refused(path, form):
    assert "nested deeper" in refusal(changed(path, nested(1000, form)))
    assert "nested deeper" in refusal(changed(path, nested(100_000, form)))


def test_what_contains_itself_is_refused():
    document = changed("new", [])
    document["new"].append(document["new"])
    assert "nested deeper" in refusal(document)


def test_ordinary_nesting_is_fine():
    fleet, _ = parse_artifact(changed("disruptionBudgets/0/selector", nested(40, "object")))
    assert fleet.disruption_budgets[0].selector.not_ is not None


@pytest.mark.parametrize("path", ["hosts", "channels", "waves", "rolloutPolicies", "meta"])
def test_keys_that_are_no_strings_are_refused(path):
    """JSON has none, but other things that decode to objects do."""
    document = deepcopy(DOCUMENT)
    document[path][1] = {}
    assert refusal(document).startswith(f"{path}: expected ")
    assert refusal({1: 2, **DOCUMENT}) == "the artifact: expected strings as keys"


# -- writing


def again(fleet):
    return parse_artifact(json.loads(json.dumps(artifact_to_json(fleet))))


def test_written_and_read_again_it_is_equal():
    assert again(FLEET) == (FLEET, [])
    assert again(FleetArtifact(1, {}, {})) == (FleetArtifact(1, {}, {}), [])


def test_an_older_budget_is_written_as_it_was():
    fleet, warnings = parse_artifact(changed("disruptionBudgets/1", {"hosts": ["b", "a"], "maxInFlight": 1}))
    written = artifact_to_json(fleet)["disruptionBudgets"][1]
    assert written == {"hosts": ["b", "a"], "maxInFlight": 1, "maxInFlightPct": None}
    assert again(fleet) == (fleet, warnings)


def test_a_selector_is_written_in_camel_case():
    written = artifact_to_json(FLEET)
    selector = {"tags": [], "tagsAny": [], "hosts": [], "channel": None, "all": False}
    assert written["rolloutPolicies"]["staged"]["waves"][1]["selector"] == {
        **selector,
        "and": [{**selector, "all": True}, {**selector, "tagsAny": ["eu", "us"]}],
    }
    assert written["disruptionBudgets"][1]["selector"] == {**selector, "channel": "stable"}
    assert written["channels"]["edge"]["signingIntervalMinutes"] == 7.5


@pytest.mark.parametrize("seed", range(50))
def test_random_fleets_are_equal_when_read_again(seed):
    fleet = random_fleet(Random(seed))
    assert again(fleet) == (fleet, [])


# -- anything at all

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, 2**64, -(2**70), 10**400])
    | st.floats()
    | st.text(max_size=4)
    | st.text(st.characters(categories=["Cs", "Cc", "Lu"]), min_size=1, max_size=2)  # half a surrogate pair at times
)
keys = st.sampled_from(
    ["hosts", "selector", "not", "and", "all", "tags", "before", "after", "gates", "waves", "maxInFlight", "x", ""]
) | st.text(st.characters(categories=["Cs", "Lu"]), max_size=1)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=6
)


def places(value, path=()):
    yield path
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(part, (*path, key))


@st.composite
def documents(draw):
    """A good artifact in which a few places hold something else, or nothing, or more."""
    document = deepcopy(DOCUMENT)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(document))[1:]))
        inside = document
        for key in path[:-1]:
            inside = inside[key]
        change = draw(st.sampled_from(["replace", "delete", "add"]))
        if change == "delete" and len(document) > 1:
            del inside[path[-1]]
        elif change == "add" and isinstance(inside, dict):
            inside[draw(keys)] = draw(values)
        else:
            inside[path[-1]] = draw(values)
    return document


def read_or_refused(decoded):
    before = deepcopy(decoded)
    try:
        fleet, warnings = parse_artifact(decoded)
    except FleetError as error:
        assert str(error).isprintable()
        return
    finally:
        assert repr(decoded) == repr(before)  # not by ==, which NaN is not
    assert all(isinstance(warning, str) for warning in warnings)
    written = artifact_to_json(fleet)
    json.dumps(written, ensure_ascii=False).encode()
    fleet_again, warnings_again = parse_artifact(written)
    assert repr(fleet_again) == repr(fleet)
    assert [warning for warning in warnings if "hosts" in warning] == warnings_again


@given(documents())
@settings(UNTIMED, max_examples=500)
def test_an_artifact_gone_wrong_is_read_or_refused(document):
    read_or_refused(document)


@given(values)
@UNTIMED
def test_anything_is_read_or_refused(decoded):
    read_or_refused(decoded)
