"""A real rollout against simulations: what is told of one that is as the model says, and of one that is not."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import sim
from sim.experiment import ExperimentError, Validation, validate
from sim.experiment import metrics as named
from sim.experiment.measured import measure
from sim.experiment.metrics import Kind, Metric
from sim.experiment.outline import PARTS, STEPS, Which, outline, unpacked
from sim.result import Result, read, save
from tests.experiment.conftest import ONE_HOST, TIME, TWENTY_HOSTS, Load

P99 = "rollouts.stable.time_to_converged_s.p99"
CHANCE = 1e-3
"""How often a test of what is random fails though all is well."""

TEN_HOSTS: dict[str, Any] = {
    "name": "ten-hosts",
    "fleet": {
        "generate": {
            "channels": {"c": {"hosts": 10, "policy": "p"}},
            "policies": {"p": {"waves": [{"percent": 20, "soak": "0s"}, {"percent": 100, "soak": "0s"}]}},
        }
    },
    "hosts": {"default": {"network_delay": "0s", "activation": "100s"}},
    "control_plane": {
        "phases": "zero",
        "plan_tick": "30s",
        "manifest_poll": "30s",
        "advance_tick": "1s",
        "heartbeat": "10s",
        "default_soak": "0s",
    },
}
"""Without luck. Wave 0 is sent at 0 s and there at 100 s; the pass at 120 s lets wave 1 go, which is there at 220 s."""

STAGED: dict[str, Any] = {
    "name": "staged",
    "fleet": {
        "generate": {
            "channels": {"c": {"hosts": 100, "policy": "p"}},
            "policies": {"p": {"waves": [{"percent": p, "soak": "2m"} for p in (10, 60, 100)]}},
        }
    },
    "hosts": {"default": {"activation": {"dist": "lognormal", "median": "90s", "p95": "150s"}}},
    "rules": {"soak_from": "activation"},
}
WAVE_1 = [f"c-{number:05d}" for number in range(10, 60)]


def judged(found: Validation) -> Any:
    [one] = found.rollouts
    return one


# -- a rollout that is as the model says


@pytest.mark.slow
def test_a_rollout_of_the_model_is_inside_as_often_as_is_said_and_its_p_is_uniform(load: Load) -> None:
    found = []
    for seed in range(24):
        scenario = load(ONE_HOST, seed=seed)
        found.append(validate(sim.run(scenario), scenario, 39, metrics=[TIME], workers=1))
    inside = sum(bool(one.measures[TIME].inside) for one in found)
    # of 39 runs the band is the range, and a 40th is outside with 2 / 40
    low, high = stats.binom.ppf([CHANCE / 2, 1 - CHANCE / 2], len(found), 0.95)
    assert low <= inside <= high
    # multiples of 1 / 40, each as likely: less a part of that they are uniform
    spread = np.random.default_rng(1).uniform(size=len(found)) / 40
    assert (
        stats.kstest([judged(one).p - part for one, part in zip(found, spread, strict=True)], "uniform").pvalue > CHANCE
    )


def test_it_is_told_so(load: Load) -> None:
    scenario = load(TWENTY_HOSTS)
    found = validate(sim.run(scenario, replication=3), scenario, 39, workers=1)
    assert found.curve_coverage > 0.9
    assert judged(found).deviation is None
    assert judged(found).p > 0.05
    first, second = found.sentences[:2]
    assert first.startswith("accurate to ")
    assert " % on the 99 % point of stable (real " in first
    assert "; as a whole it stays within what 95 % of the simulated curves cover (p = 0." in second
    assert len(found.table) == 39
    assert found.table["replication"].min() == 1_000_000


# -- one that is not


def test_without_luck_every_number_is_known(load: Load) -> None:
    # one that opens an hour into its log and takes a minute longer to activate: wave 0 is there at 160 s, the pass at
    # 180 s lets wave 1 go, which is there at 340 s
    real = sim.run(load(TEN_HOSTS, hosts__default__activation="160s", releases=[{"at": "1h", "ref": "r1"}]))
    p50, wave, early = (
        "rollouts.c.time_to_converged_s.p50",
        "rollouts.c.waves.1.eligible_per_h",
        "rollouts.c.waves.1.opened_at_s",
    )
    found = validate(real, load(TEN_HOSTS), 39, metrics=[p50, wave, early], workers=1)
    numbers = {path: (one.real, one.simulated_median, one.band95, one.inside) for path, one in found.measures.items()}
    assert numbers == {
        p50: (340.0, 220.0, (220.0, 220.0), False),
        # 8 hosts in 160 s, and in 100 s
        wave: (180.0, 288.0, (288.0, 288.0), False),
        early: (180.0, 120.0, (120.0, 120.0), False),
    }
    errors = [one.error for one in found.measures.values()]
    assert errors == pytest.approx([340 / 220 - 1, 180 / 288 - 1, 180 / 120 - 1])
    one = judged(found)
    assert one.p == 1 / 40
    assert (one.curves["converged"].coverage, found.curve_coverage) == (0.0, 0.0)
    # two of ten hosts are 40 of 200 points
    assert one.curves["converged"].real.tolist() == [160.0] * 40 + [340.0] * 160
    assert one.curves["converged"].band.high.tolist() == [100.0] * 40 + [220.0] * 160
    assert one.curves["converged"].share(200.0) == (0.2, 0.2, 0.2)
    assert one.curves["converged"].share(250.0) == (0.2, 1.0, 1.0)
    left = one.deviation
    assert (left.at_s, left.curve, left.ahead, left.wave) == (100.0, "converged", False, 0)
    assert left.cause == (0, "activating_s", 160.0, 100.0, 100.0, 100.0)
    assert [(part.wave, part.what, part.real, part.inside) for part in one.parts if part.real] == [
        (0, "activating_s", 160.0, False),
        (1, "opening_s", 20.0, True),
        (1, "activating_s", 160.0, False),
    ]
    accuracy, curve, deviation = found.sentences
    assert accuracy == (
        "accurate to 55 % on the 50 % point of c (real 5.667, simulated 3.667 min); 0 of 3 measures are inside the "
        "95 % band"
    )
    assert curve == (
        "the curve of c@r1 is inside its band for 0 % of the hosts; as a whole it leaves what 95 % of the simulated "
        "curves cover (p = 0.025)"
    )
    assert deviation == (
        "from 1m40s after its opening on, in wave 0, it is behind: 0 % converged, 20 % expected; wave 0: its hosts "
        "activate slower, 2m40s each on average (1m40s expected)"
    )
    assert found.notes == []


def test_one_that_is_faster_is_ahead_from_when_its_first_host_is_there(load: Load) -> None:
    found = validate(sim.run(load(TEN_HOSTS, hosts__default__activation="40s")), load(TEN_HOSTS), 39, workers=1)
    left = judged(found).deviation
    assert (left.at_s, left.ahead, left.wave) == (40.0, True, 0)
    assert left.cause[:3] == (0, "activating_s", 40.0)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for the simulations of STAGED, which all real rollouts share."""
    return tmp_path_factory.mktemp("kept") / "runs"


PLANTED = {
    "slow wave": (
        {
            "hosts.overrides": [
                {"match": {"hosts": WAVE_1}, "activation": {"dist": "lognormal", "median": "3m", "p95": "5m"}}
            ]
        },
        (1, "activating_s", "its hosts activate slower"),
    ),
    # of two waves whose start is late by up to a minute in place of a quarter of one, the one of this luck
    "plan tick": ({"control_plane.plan_tick": "60s"}, (2, "opening_s", "it starts later")),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_was_planted_is_found_where_it_is(load: Load, kept: Path, name: str) -> None:
    settings, (wave, what, words) = PLANTED[name]
    real = sim.run(load(STAGED, **settings), replication=1)
    found = validate(real, load(STAGED), 79, workers=1, out=kept)
    one = judged(found)
    outside = [(part.wave, part.what) for part in one.parts if not part.inside and part.real > part.median]
    assert (wave, what) in outside
    assert f"wave {wave}: {words}" in "\n".join(found.sentences)
    if name == "slow wave":
        assert one.p <= 0.05
        assert one.deviation.wave == 1
        assert not one.deviation.ahead
        assert one.deviation.cause[:2] == (wave, what)
        # not before the wave begins, nor after its time to be there
        begun = real.waves["first_dispatch_at"][1]
        assert begun < one.deviation.at_s < begun + 900


def test_simulations_that_are_kept_serve_another_real_rollout(load: Load, kept: Path) -> None:
    scenario = load(STAGED)
    ran = []
    with ThreadPoolExecutor(1) as one:
        first = validate(sim.run(scenario, replication=1), scenario, 39, out=kept, executor=one)
        again = validate(
            sim.run(scenario, replication=2), scenario, 39, out=kept, workers=1, look=lambda: ran.append(1)
        )
    assert again.table.equals(first.table)
    assert ran == []
    assert again.measures != first.measures


# -- the same whatever carries it out, and from a directory


def test_the_same_from_two_processes_and_from_a_saved_result(load: Load, tmp_path: Path) -> None:
    scenario = load(TWENTY_HOSTS)
    real = sim.run(scenario, replication=3)
    save(real, tmp_path / "real")
    one = validate(real, scenario, 39, workers=1)
    other = validate(read(tmp_path / "real"), scenario, 39, workers=2)
    assert one.summary == other.summary
    assert one.table.equals(other.table)
    assert str(one) == str(other)
    plain = json.loads(json.dumps(one.summary, allow_nan=False))
    assert {"measures", "curve_coverage"} <= plain.keys()
    assert {"real", "simulated_median", "band95", "inside", "error"} <= plain["measures"][P99].keys()


def test_what_is_seen_of_a_rollout_does_not_depend_on_when_its_log_begins(load: Load) -> None:
    asked = named.defaults(load(TEN_HOSTS))
    which = [Which("c@r1", "c", 2)]
    early, late = (
        outline(sim.run(load(TEN_HOSTS, releases=[{"at": at, "ref": "r1"}])), which, asked, False)
        for at in ("0s", "2h")
    )
    assert early == late
    assert len(early) == len(asked) + 1 + 2 * STEPS + 2 + 2 * len(PARTS)
    [seen] = unpacked(np.array([early[len(asked) :]], dtype=np.float64), which)
    assert seen.begun_s.tolist() == [[0.0, 120.0]]
    assert seen.parts.tolist() == [[[0.0, 0.0, 0.0, 100.0, 0.0, 0.0], [20.0, 0.0, 0.0, 100.0, 0.0, 0.0]]]


# -- what was not seen to its end


def test_a_rollout_that_is_under_way_is_compared_as_far_as_it_was_seen(load: Load) -> None:
    paths = ["rollouts.c.time_to_converged_s.p50", "rollouts.c.time_to_converged_s.p100", "rollouts.c.states.Converged"]
    scenario = load(TEN_HOSTS)
    real = sim.run(load(TEN_HOSTS, until="150s"))
    found = validate(real, scenario, 39, metrics=paths, workers=1)
    one = judged(found)
    assert not one.finished
    # it has two of ten hosts; what comes later than 150 s is known of neither side
    assert [(found.measures[path].real, found.measures[path].inside) for path in paths] == [
        (None, None),
        (None, None),
        (2.0, None),
    ]
    assert found.curve_coverage == 1.0
    assert one.p == 1.0
    assert "no error of the 50 % point of c can be told (real not reached, simulated 3.667 min)" in found.sentences[0]
    assert " as far as it was seen" in found.sentences[1]
    soon = validate(sim.run(load(TEN_HOSTS, until="90s")), scenario, 39, metrics=paths, workers=1)
    assert soon.curve_coverage is None
    assert soon.sentences[1].startswith("of the curve of c@r1 nothing can be said")
    late = validate(sim.run(load(TEN_HOSTS, until="150s", hosts__default__activation="1h")), scenario, 39, workers=1)
    assert judged(late).curves["converged"].coverage == 0.0  # of the two that are due by then
    assert late.measures[paths[1]].inside is None
    later = validate(sim.run(load(TEN_HOSTS, until="300s", hosts__default__activation="1h")), scenario, 39, workers=1)
    assert later.measures[paths[1]].inside is False  # it was due at 220 s


TIME_OF = Metric("t", (), Kind("s", "less"))
HOSTS_OF = Metric("h", (), Kind("hosts", "less"))
SPEED_OF = Metric("v", (), Kind("hosts/h", "more", -math.inf))


def test_what_runs_do_not_reach_is_beyond_all_times_and_below_all_throughputs() -> None:
    times = [*map(float, range(1, 39)), None]
    assert measure(TIME_OF, None, times).band95 == (1.0, None)
    assert measure(TIME_OF, None, times).inside is True
    assert measure(TIME_OF, 1e9, times).inside is True
    assert measure(TIME_OF, None, [1.0] * 39).inside is False
    assert measure(SPEED_OF, None, times).band95 == (None, 38.0)
    assert measure(SPEED_OF, None, times).inside is True
    assert measure(SPEED_OF, None, [1.0] * 39).inside is False
    assert measure(SPEED_OF, None, times, 9.0).inside is None
    # a real rollout that takes longer than the runs were seen is beyond all of them, as are those that they do not show
    assert measure(TIME_OF, 50.0, times, simulated_s=40.0).inside is True
    assert measure(TIME_OF, 50.0, [None] * 39, simulated_s=40.0).inside is True
    assert measure(TIME_OF, 50.0, [1.0] * 39, simulated_s=40.0).inside is False
    assert measure(TIME_OF, 30.0, [None] * 39, simulated_s=40.0).inside is False
    assert measure(SPEED_OF, 50.0, [None] * 39, simulated_s=40.0).inside is None
    assert measure(SPEED_OF, 5.0, times, simulated_s=40.0).inside is True
    assert measure(HOSTS_OF, 5.0, [5.0] * 39, simulated_s=40.0).inside is None
    nothing = measure(TIME_OF, 5.0, [None] * 39)
    assert (nothing.simulated_median, nothing.error) == (None, None)
    zero = measure(TIME_OF, 0.0, [0.0] * 39)
    assert (zero.error, zero.inside) == (0.0, True)
    assert measure(TIME_OF, 1.0, [0.0] * 39).error is None


# -- which rollout is which


def releases(*refs: str, **settings: Any) -> dict[str, Any]:
    return {"releases": [{"at": f"{place}h", "ref": ref} for place, ref in enumerate(refs)], **settings}


def pairs(real: Result, scenario: Any, rollouts: list[str] | None = None) -> tuple[list[tuple[str, str]], list[str]]:
    found = validate(real, scenario, 39, workers=1, rollouts=rollouts, metrics=["rollouts.0.terminal_at_s"])
    return [(one.pair.real, one.pair.simulated) for one in found.rollouts], found.notes


def test_rollouts_are_matched_by_id_or_else_by_order(load: Load) -> None:
    three = sim.run(load(TEN_HOSTS, **releases("r1", "r2", "r3")))
    held = "is held against {}: no release of the scenario makes a rollout of that id"
    assert pairs(three, load(TEN_HOSTS, **releases("r2"))) == (
        [("c@r2", "c@r2")],
        ["only real, not compared: c@r1, c@r3"],
    )
    assert pairs(three, load(TEN_HOSTS, **releases("x", "y"))) == (
        [("c@r2", "c@x"), ("c@r3", "c@y")],
        [f"c@r2 {held.format('c@x')}", f"c@r3 {held.format('c@y')}", "only real, not compared: c@r1"],
    )
    assert pairs(three, load(TEN_HOSTS, **releases("x")), ["c@r1"]) == (
        [("c@r1", "c@x")],
        [f"c@r1 {held.format('c@x')}"],
    )
    one = sim.run(load(TEN_HOSTS))
    assert pairs(one, load(TEN_HOSTS, **releases("r1", "r2"))) == (
        [("c@r1", "c@r1")],
        ["only simulated, not compared: c@r2"],
    )


def test_fleets_that_are_not_alike_are_told(load: Load) -> None:
    channels, policies = "fleet.generate.channels.c.hosts", "fleet.generate.policies.p.waves"
    _, notes = pairs(sim.run(load(TEN_HOSTS, **{channels: 20})), load(TEN_HOSTS))
    assert notes == ["c@r1 has 20 hosts, the scenario 10: compared are shares"]
    _, notes = pairs(sim.run(load(TEN_HOSTS, **{policies: []})), load(TEN_HOSTS))
    assert notes == ["c@r1 has 1 wave, the scenario 2"]
    _, notes = pairs(sim.run(load(TEN_HOSTS)), load(TEN_HOSTS, **{policies: []}))
    assert notes == ["c@r1 has 2 waves, the scenario 1"]
    _, notes = pairs(sim.run(load(TEN_HOSTS, **{f"{policies}.0.percent": 50})), load(TEN_HOSTS))
    assert notes == ["the waves of c@r1 have 5, 5 hosts, those of the scenario 2, 8"]


# -- what cannot be done


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "too few": ({"n": 38}, "expected at least 39 runs, got 38"),
    "no such rollout": ({"rollouts": ["c@r7"]}, "no real rollout c@r7; there is c@r1"),
    "of a run": ({"metrics": ["ended_at_s"]}, "ended_at_s: it is of a run, not of a rollout"),
    "an opening": ({"metrics": ["rollouts.c.opened_at_s"]}, "times count from it"),
    "unknown": ({"metrics": ["rollouts.c.p99"]}, "no metric 'rollouts.c.p99'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_asked_wrongly_is_told_before_anything_runs(load: Load, name: str) -> None:
    arguments, message = WRONG[name]
    scenario = load(TEN_HOSTS)
    with pytest.raises(ExperimentError, match=message):
        validate(sim.run(scenario), scenario, **{"n": 39, **arguments}, executor=None, workers=1, look=pytest.fail)


def test_without_a_common_channel_there_is_nothing_to_compare(load: Load) -> None:
    with pytest.raises(ExperimentError, match=r"the real ones is stable@r1, and the scenario's is c@r1"):
        validate(sim.run(load(TWENTY_HOSTS)), load(TEN_HOSTS), 39, workers=1)


def test_a_rollout_that_does_not_open_in_the_scenario_is_told(load: Load) -> None:
    real = sim.run(load(TEN_HOSTS, **releases("r1", "r2")))
    told = (
        r"c@r2 does not open in replication 1000000: .* \(give a longer --until\), or none of its hosts has a closure"
    )
    with pytest.raises(ExperimentError, match=told):
        validate(real, load(TEN_HOSTS, **releases("r1", "r2"), until="30m"), 39, workers=1)
    bare = load(TEN_HOSTS, releases=[{"at": "0s", "ref": "r2", "closures": "declared"}])
    with pytest.raises(ExperimentError, match=told):
        validate(real, bare, 39, workers=1)
    with pytest.raises(ExperimentError, match="no rollout to compare: the real ones are none"):
        validate(sim.run(bare), load(TEN_HOSTS), 39, workers=1)


def test_interrupted_with_enough_runs_it_says_what_is_known(load: Load) -> None:
    scenario, done = load(TEN_HOSTS), []

    def stop() -> None:
        if len(done) >= limit:
            raise KeyboardInterrupt

    limit = 40
    found = validate(sim.run(scenario), scenario, 50, workers=1, look=stop, progress=done.append)
    assert (found.interrupted, len(found.table)) == (True, 40)
    assert "40 runs, seed 1: interrupted" in str(found)
    limit, done = 20, []
    with pytest.raises(KeyboardInterrupt):
        validate(sim.run(scenario), scenario, 50, workers=1, look=stop, progress=done.append)
