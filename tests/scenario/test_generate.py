"""The fleet that a scenario generates: names, tags, waves."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.reducer.artifact import Edge, FleetArtifact, Wave
from sim.reducer.selectors import Selector, matches
from sim.scenario.generate import generate
from sim.scenario.schema import Generate
from sim.scenario.units import quantize

QUICK = settings(deadline=None, derandomize=True, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def fleet(hosts: int = 100, waves: Any = (), *, seed: int = 1, more: Any = None, **channel: Any) -> FleetArtifact:
    """The fleet of one channel `c`, and of the channels `more`."""
    declared = {
        "channels": {"c": {"hosts": hosts, "policy": "p", **channel}, **(more or {})},
        "policies": {"p": {"waves": list(waves)}, "plain": {}},
    }
    return generate(Generate.model_validate(declared), seed)


def percents(*shares: Any) -> list[dict[str, Any]]:
    """Waves by share."""
    return [{"percent": share, "soak": "5m"} for share in shares]


def sizes(artifact: FleetArtifact, channel: str = "c") -> list[int]:
    """How many hosts each wave lists."""
    return [len(wave.hosts) for wave in artifact.waves[channel]]


# -- hosts


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{channel}-{index:05d}", ["c-00000", "c-00001", "c-00002"]),
        ("{index}", ["0", "1", "2"]),
        ("{index:d}", ["0", "1", "2"]),
        ("{index:2d}", None),
        ("web{index:03d}.example.org", ["web000.example.org", "web001.example.org", "web002.example.org"]),
        ("{index}/{index:02d}/{channel}{channel}", ["0/00/cc", "1/01/cc", "2/02/cc"]),
        ("%s%d%%{index}%(x)s", ["%s%d%%0%(x)s", "%s%d%%1%(x)s", "%s%d%%2%(x)s"]),
        ("größe-{index}", ["größe-0", "größe-1", "größe-2"]),
        ("\n{index}", ["\n0", "\n1", "\n2"]),
        ("{index:099d}", ["0" * 99, "0" * 98 + "1", "0" * 98 + "2"]),
        ("{index:00d}", ["0", "1", "2"]),
        # a template is no format string: nothing of an object can be looked up
        ("{channel.__class__}-{index}", None),
        ("{channel!r}-{index}", None),
        ("{index.real}", None),
        ("{index:05x}", None),
        ("{index:٣d}", None),
        ("{index:0100d}", None),
        ("{0}{index}", None),
        ("{}{index}", None),
        ("{{index}}", None),
        ("{host}{index}", None),
        ("{index", None),
        ("index}", None),
        ("{index:{index}d}", None),
        ("  ", None),
    ],
)
def test_names(template: str, names: list[str] | None) -> None:
    if names is None:
        with pytest.raises(ValueError, match="expected"):
            fleet(3, name=template)
    else:
        assert list(fleet(3, name=template).hosts) == names


def test_a_channel_may_be_called_like_a_format() -> None:
    declared = {"channels": {"%0d%s{index}": {"hosts": 2, "policy": "p"}}, "policies": {"p": {}}}
    assert list(generate(Generate.model_validate(declared), 1).hosts) == ["%0d%s{index}-00000", "%0d%s{index}-00001"]


def test_hosts_are_in_the_order_of_channels_and_indices() -> None:
    found = fleet(3, name="{index}", system="aarch64-linux", more={"b": {"hosts": 2, "policy": "plain"}})
    assert list(found.hosts) == ["0", "1", "2", "b-00000", "b-00001"]
    assert [host.channel for host in found.hosts.values()] == ["c", "c", "c", "b", "b"]
    assert [host.system for host in found.hosts.values()] == ["aarch64-linux"] * 3 + ["x86_64-linux"] * 2
    assert all(host.closure_hash is None for host in found.hosts.values())
    assert list(found.channels) == ["c", "b"]
    assert [channel.rollout_policy for channel in found.channels.values()] == ["p", "plain"]


def test_a_channel_may_have_no_hosts() -> None:
    found = fleet(0, percents(50, 100))
    assert found.hosts == {}
    assert sizes(found) == [0, 0]


def test_what_is_declared_comes_through(loaded: Callable[..., Any], minimal: str) -> None:
    text = minimal + (
        "    edges: [{gates: c-00000, gated: c-00001, reason: because}]\n"
        "    channel_edges: [{gates: c, gated: d}]\n"
        "    disruption_budgets:\n"
        "      - {selector: {tags: [web], tags_any: [a], hosts: [x], channel: c, not: {all: true}}, max_in_flight: 5}\n"
        "      - {selector: {and: [{all: true}]}, max_in_flight_pct: 12.5%}\n"
    )
    found = loaded(text).artifact()
    assert found.edges == [Edge("c-00000", "c-00001", "because")]
    assert found.channel_edges == [Edge("c", "d")]
    first, second = found.disruption_budgets
    assert first.selector == Selector(
        tags=("web",), tags_any=("a",), hosts=("x",), channel="c", not_=Selector(all=True)
    )
    assert (first.max_in_flight, first.max_in_flight_pct) == (5, None)
    assert second.selector == Selector(and_=(Selector(all=True),))
    assert (second.max_in_flight, second.max_in_flight_pct) == (None, 12.5)
    assert found.rollout_policies["p"].on_health_failure == "rollback-and-halt"
    assert [wave.soak_minutes for wave in found.rollout_policies["p"].waves] == [5.0, 10.0]


# -- tags


def test_tags_are_drawn_by_the_seed_alone(loaded: Callable[..., Any], minimal: str) -> None:
    text = minimal.replace("hosts: 20", "hosts: 200, tags: {web: 0.6, laptop: 0.1}")
    scenario = loaded(text + "seed: 3\n")
    assert scenario.artifact() == scenario.artifact(3)  # the replication has no part in it
    assert scenario.artifact() != scenario.artifact(4)
    assert loaded(text + "seed: 4\n").artifact() == scenario.artifact(4)


def test_a_host_keeps_its_tags_whatever_else_is_in_the_fleet() -> None:
    few = fleet(50, tags={"web": 0.5}).hosts
    many = fleet(500, tags={"laptop": 0.3, "web": 0.5}, more={"b": {"hosts": 9, "policy": "p"}}).hosts
    assert all(("web" in few[name].tags) == ("web" in many[name].tags) for name in few)
    # the more likely, the more hosts: none loses the tag
    likelier = fleet(50, tags={"web": 0.7}).hosts
    assert all("web" in likelier[name].tags for name in few if "web" in few[name].tags)


def test_tags_are_pinned() -> None:
    assert [host.tags for host in fleet(8, tags={"web": 0.6, "laptop": 0.3}).hosts.values()] == [
        ["web", "laptop"],
        ["web", "laptop"],
        ["web"],
        ["web"],
        ["laptop"],
        ["web", "laptop"],
        ["web", "laptop"],
        ["web"],
    ]


def test_tags_are_as_frequent_as_declared_at_one_in_a_thousand() -> None:
    hosts = fleet(20_000, tags={"web": 0.6, "laptop": 0.1}).hosts.values()
    for tags, probability in ((["web"], 0.6), (["laptop"], 0.1), (["web", "laptop"], 0.06)):
        count = sum(all(tag in host.tags for tag in tags) for host in hosts)
        assert abs(count - 20_000 * probability) < 3.3 * sqrt(20_000 * probability * (1 - probability))


def test_certain_tags() -> None:
    for tags in ({"a": 1.0, "b": 1.0}, {"a": 1, "b": 1, "never": 0}, {"b": 1.0, "a": 1.0}):
        wanted = [tag for tag, probability in tags.items() if probability]
        assert all(host.tags == wanted for host in fleet(50, tags=tags).hosts.values())


# -- waves


def test_shares_are_cumulative_and_rounded_up() -> None:
    found = fleet(250, percents(1, "10%", 100))
    assert sizes(found) == [3, 22, 225]  # 2.5 -> 3, 25, 250
    assert [name for wave in found.waves["c"] for name in wave.hosts] == sorted(found.hosts)
    assert found.waves["c"][0] == Wave(["c-00000", "c-00001", "c-00002"], 5.0)


def test_exact_shares_are_not_rounded_up() -> None:
    # 0.07 * 100 and 0.29 * 100 are above 7 and 29 in floats
    assert sizes(fleet(100, percents(7, 29, 57, 100))) == [7, 22, 28, 43]
    assert sizes(fleet(1000, percents(0.7, 1.1, 100))) == [7, 4, 989]


def test_waves_go_by_name_not_by_index() -> None:
    found = fleet(12, percents(25, 100), name="{index}")
    assert found.waves["c"][0].hosts == ["0", "1", "10"]


def test_shares_need_not_reach_a_hundred_and_may_be_equal() -> None:
    assert sizes(fleet(100, percents(0, 10, 10, 50))) == [0, 10, 0, 40]


@QUICK
@given(st.integers(0, 300), st.lists(st.integers(0, 1000).map(lambda tenths: tenths / 10), min_size=1, max_size=5))
def test_any_shares(hosts: int, shares: list[float]) -> None:
    shares.sort()
    found = fleet(hosts, percents(*shares))
    listed = [name for wave in found.waves["c"] for name in wave.hosts]
    assert len(set(listed)) == len(listed)
    assert listed == sorted(found.hosts)[: len(listed)]
    upto = 0
    for size, share in zip(sizes(found), shares, strict=True):
        upto += size
        assert upto >= hosts * round(share * 10) / 1000 > upto - 1


def test_selectors_are_over_the_whole_fleet() -> None:
    waves = [{"selector": {"tags": ["web"]}, "soak": "5m"}, {"selector": {"all": True}, "soak": "10m"}]
    found = fleet(100, waves, tags={"web": 0.3}, more={"b": {"hosts": 50, "policy": "p", "tags": {"web": 0.3}}})
    web = sorted(name for name, host in found.hosts.items() if "web" in host.tags)
    assert found.waves["c"] == found.waves["b"]
    assert [wave.hosts for wave in found.waves["c"]] == [web, sorted(found.hosts)]
    assert {found.hosts[name].channel for name in web} == {"b", "c"}


def test_selectors_with_not_and_and() -> None:
    waves = [
        {"selector": {"and": [{"channel": "c"}, {"tags_any": ["web", "db"]}]}, "soak": 60},
        {"selector": {"not": {"hosts": ["c-00000", "c-00001"]}}, "soak": 60},
        {"selector": {"tags": []}, "soak": 60},
    ]
    found = fleet(60, waves, tags={"web": 0.2, "db": 0.2}, more={"b": {"hosts": 4, "policy": "plain"}})
    expected = []
    for wave in found.rollout_policies["p"].waves:
        hosts = found.hosts.items()
        meant = [n for n, host in hosts if matches(wave.selector, name=n, channel=host.channel, tags=host.tags)]
        expected.append(sorted(meant))
    assert [wave.hosts for wave in found.waves["c"]] == expected
    assert len(expected[0]) > 5
    assert len(expected[1]) == 62
    assert expected[2] == []


def test_a_share_lists_none_that_an_earlier_wave_lists() -> None:
    waves = [{"selector": {"hosts": ["c-00009", "c-00001"]}, "soak": 60}, *percents(30, 100)]
    found = fleet(10, waves)
    assert found.waves["c"][0].hosts == ["c-00001", "c-00009"]
    assert found.waves["c"][1].hosts == ["c-00000", "c-00002"]  # three are due by then, one of them listed
    assert found.waves["c"][2].hosts == [f"c-0000{n}" for n in (3, 4, 5, 6, 7, 8)]


def test_a_policy_without_waves_has_none() -> None:
    found = fleet(10)
    assert found.waves == {}
    assert found.rollout_policies["p"].waves == []


def test_soaks_need_not_be_whole_minutes() -> None:
    found = fleet(10, [{"percent": 100, "soak": "90s"}])
    assert found.waves["c"][0].soak_minutes == 1.5
    assert found.rollout_policies["p"].waves[0].soak_minutes == 1.5


@QUICK
@given(st.integers(0, 2**52 - 1).map(lambda steps: steps / 2**20))
def test_soaks_in_minutes_are_the_same_time(soak: float) -> None:
    found = fleet(1, [{"percent": 100, "soak": soak}])
    assert quantize(found.waves["c"][0].soak_minutes * 60.0) == soak


def test_the_freshness_of_a_generated_channel_is_no_lint() -> None:
    channel = fleet(1).channels["c"]
    assert channel.freshness_window >= 2 * channel.signing_interval_minutes
