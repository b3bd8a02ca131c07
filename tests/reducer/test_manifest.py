"""The projection of a fleet to a rollout's manifest against page 6."""

from __future__ import annotations

import json
from random import Random

import msgspec
import pytest
from msgspec.structs import replace
from twin import random_fleet, small_fleet

from sim.reducer.artifact import Budget
from sim.reducer.errors import FleetError
from sim.reducer.manifest import Manifest, ManifestBudget, ManifestHost, manifest_to_json, project_manifest
from sim.reducer.selectors import Selector

COMMIT = "0123456789abcdef"


def test_a_manifest():
    fleet = small_fleet(
        {"stable": ["web-2", "web-1", "db-1", "new-1"], "edge": ["web-9"]},
        waves={"stable": [["db-1", "web-9"], ["web-2", "db-1"]], "edge": [["web-1"]]},
        tags={"web-2": ["web"], "web-9": ["web"], "new-1": ["web"]},
        budgets=[(Selector(tags=("web",)), 2), (Selector(all=True), None)],
        bare=["new-1"],
    )
    fleet = replace(fleet, disruption_budgets=[fleet.disruption_budgets[0], Budget(Selector(all=True), None, 12.5)])
    assert project_manifest(fleet, "stable", COMMIT) == Manifest(
        channel="stable",
        channel_ref=COMMIT,
        display_name="stable@01234567",
        # by name; db-1 in the first of its waves, web-1 in none of the channel's: 0; new-1 has no closure
        host_set=[
            ManifestHost("db-1", 0, "db-1-new"),
            ManifestHost("web-1", 0, "web-1-new"),
            ManifestHost("web-2", 1, "web-2-new"),
        ],
        # over the whole fleet: hosts of other channels and without a closure as well
        disruption_budgets=[
            ManifestBudget(Selector(tags=("web",)), ["new-1", "web-2", "web-9"], 2, None),
            ManifestBudget(Selector(all=True), ["db-1", "new-1", "web-1", "web-2", "web-9"], None, 12.5),
        ],
    )


@pytest.mark.parametrize(
    ("commit", "ref", "name"),
    [
        (COMMIT, COMMIT, "c@01234567"),
        ("r1", "r1", "c@r1"),
        (None, "", "c@unknown"),
    ],
)
def test_the_commit_names_the_rollout(commit, ref, name):
    manifest = project_manifest(small_fleet({"c": ["a"]}), "c", commit)
    assert (manifest.channel_ref, manifest.display_name, manifest.rollout_id) == (ref, name, f"c@{ref}")


def test_without_a_closure_there_is_nothing():
    fleet = small_fleet({"c": ["a", "b"], "d": ["e"], "empty": []}, bare=["a", "b"])
    assert project_manifest(fleet, "c", COMMIT) is None
    assert project_manifest(fleet, "empty", COMMIT) is None
    assert project_manifest(fleet, "d", COMMIT) is not None


def test_given_closures_stand_in_for_the_artifacts():
    fleet = small_fleet({"c": ["a", "b", "d"]}, bare=["b"])
    manifest = project_manifest(fleet, "c", "r", {"b": "x", "d": "y"})
    assert manifest.host_set == [ManifestHost("b", 0, "x"), ManifestHost("d", 0, "y")]
    assert project_manifest(fleet, "c", "r", {}) is None


def test_an_unknown_channel_is_an_error():
    with pytest.raises(FleetError, match="unknown channel 'nowhere'"):
        project_manifest(small_fleet({"c": ["a"]}), "nowhere", COMMIT)


def test_an_unknown_policy_is_an_error():
    fleet = replace(small_fleet({"c": ["a"]}), rollout_policies={})
    with pytest.raises(FleetError, match=r"channels\.c\.rolloutPolicy: unknown policy 'policy'"):
        project_manifest(fleet, "c", COMMIT)


def test_budgets_ignore_not_and_and():
    web = Selector(hosts=("a",))
    written = Selector(hosts=("a",), not_=web, and_=(Selector(hosts=("b",)),))
    manifest = project_manifest(small_fleet({"c": ["a", "b"]}, budgets=[(written, 1)]), "c", COMMIT)
    assert manifest.disruption_budgets == [ManifestBudget(web, ["a"], 1)]


def test_how_it_is_written():
    fleet = small_fleet({"c": ["a"]}, budgets=[(Selector(channel="c"), 1)])
    assert manifest_to_json(project_manifest(fleet, "c", None)) == {
        "channel": "c",
        "channelRef": "",
        "displayName": "c@unknown",
        "hostSet": [{"hostname": "a", "waveIndex": 0, "targetClosure": "a-new"}],
        "disruptionBudgets": [
            {
                "selector": {"tags": [], "tagsAny": [], "hosts": [], "channel": "c", "all": False},
                "hosts": ["a"],
                "maxInFlight": 1,
                "maxInFlightPct": None,
            }
        ],
    }


@pytest.mark.parametrize("seed", range(50))
def test_random_fleets(seed):
    fleet = random_fleet(Random(seed))
    for channel in fleet.channels:
        built = [name for name, host in fleet.hosts.items() if host.channel == channel and host.closure_hash]
        manifest = project_manifest(fleet, channel, COMMIT)
        if not built:
            assert manifest is None
            continue
        assert [host.hostname for host in manifest.host_set] == sorted(built)
        for host in manifest.host_set:
            assert host.target_closure == fleet.hosts[host.hostname].closure_hash
            listing = [n for n, wave in enumerate(fleet.waves.get(channel, [])) if host.hostname in wave.hosts]
            assert host.wave_index == min(listing, default=0)
        assert len(manifest.disruption_budgets) == len(fleet.disruption_budgets)
        assert all(budget.hosts == sorted(set(budget.hosts)) for budget in manifest.disruption_budgets)
        again = msgspec.convert(json.loads(json.dumps(manifest_to_json(manifest))), Manifest)
        assert again == manifest
