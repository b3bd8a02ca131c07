"""Goals and ranges: how they are read, and what is said of those that make no sense."""

from __future__ import annotations

from fractions import Fraction

import pytest

from sim.experiment import ExperimentError
from sim.experiment.goals import goals
from sim.experiment.ranges import STEPS, Span, span
from sim.scenario.schema import Scenario

P99 = "rollouts.stable.time_to_converged_s.p99"
VERIFIED = "rollouts.stable.waves.1.verified_at_promotion"
FAILED = "rollouts.stable.exposure.failed"
SOAK = "fleet.generate.policies.p.waves.0.soak"
PERCENT = "fleet.generate.policies.p.waves.0.percent"
DEFER = "hosts.default.defer.probability"


@pytest.mark.parametrize(
    ("text", "sign", "value", "share"),
    [
        (f"{P99} <= 4h in 95%", "<=", 14_400.0, 0.95),
        (f"{P99}<4h", "<", 14_400.0, 0.95),
        (f"  {P99}  <=  1h 30m  in  90  ", "<=", 5_400.0, 0.9),
        (f"{P99} <= 600 in 99.5 %", "<=", 600.0, 0.995),
        (f"{VERIFIED} >= 90% in 0.5%", ">=", 0.9, 0.005),
        (f"{VERIFIED} > 0.9", ">", 0.9, 0.95),
        (f"{FAILED} <= 2 in 100%", "<=", 2.0, 1.0),
    ],
)
def test_a_goal(twenty_hosts: Scenario, text: str, sign: str, value: float, share: float) -> None:
    [goal] = goals(twenty_hosts, [text])
    assert (goal.sign, goal.value, goal.share) == (sign, value, share)


def test_what_holds(twenty_hosts: Scenario) -> None:
    def holds(text: str, *values: float | None) -> list[bool]:
        [goal] = goals(twenty_hosts, [text])
        return [goal.holds(value) for value in values]

    assert holds(f"{P99} <= 10", 9.0, 10.0, 11.0, None) == [True, True, False, False]
    assert holds(f"{P99} < 10", 9.0, 10.0, None) == [True, False, False]
    assert holds(f"{P99} > 10", 10.0, 11.0, None) == [False, True, True]
    # a throughput that was not reached is below all that were
    assert holds("rollouts.stable.waves.1.eligible_per_h >= 10", 9.0, 10.0, None) == [False, True, False]


@pytest.mark.parametrize(
    ("text", "mark", "said"),
    [
        (P99, None, "expected a metric, then <=, <, >= or >"),
        ("", None, "expected a metric"),
        (f"{P99} = 4h", "=", "expected <=, <, >= or >, got ="),
        (f"{P99} => 4h", "=>", "expected <=, <, >= or >, got =>"),
        (f"{P99} <= 4x", "4x", "expected a duration such as 4h or 90s, because"),
        (f"{P99} <= ", None, "got nothing"),
        (f"{P99} <= 4h in many", "many", "expected a percentage of the runs such as 95%, got many"),
        (f"{P99} <= 4h in", None, "got nothing"),
        (f"{P99} <= 4h in 0%", "0%", "above 0"),
        (f"{P99} <= 4h in 0.95", "0.95", "did you mean 95%?"),
        (f"{P99} <= 4h in 120%", "120%", "expected a percentage of the runs"),
        (f"{VERIFIED} >= 90", "90", "expected a percentage such as 90% or a share from 0 to 1"),
        (f"{FAILED} <= 5%", "5%", "expected a number of hosts"),
    ],
)
def test_a_goal_that_cannot_be_read_is_pointed_at(
    twenty_hosts: Scenario, text: str, mark: str | None, said: str
) -> None:
    with pytest.raises(ExperimentError) as raised:
        goals(twenty_hosts, [text])
    first, shown, caret, form = str(raised.value).splitlines()
    assert said in first
    assert shown == text.strip()
    assert len(caret) - 1 == (len(shown) if mark is None else text.index(mark))
    assert form.startswith("a goal is PATH <= VALUE in SHARE")


def test_a_goal_of_an_unknown_metric_names_near_ones(twenty_hosts: Scenario) -> None:
    with pytest.raises(ExperimentError, match=r"the goal .*: no metric .*; did you mean rollouts.stable.time_to"):
        goals(twenty_hosts, ["rollouts.stabel.time_to_converged_s.p99 <= 4h"])


def test_a_goal_twice_and_none(twenty_hosts: Scenario) -> None:
    with pytest.raises(ExperimentError, match="is there twice"):
        goals(twenty_hosts, [f"{P99} <= 4h", f"{P99} <= 240m in 95%"])
    with pytest.raises(ExperimentError, match="expected a goal: PATH <= VALUE in SHARE"):
        goals(twenty_hosts, [])


def values(found: Span) -> list[float]:
    return [found.at(place) for place in range(found.size)]


def test_the_values_of_a_range(twenty_hosts: Scenario) -> None:
    whole = span(twenty_hosts, "fleet.generate.channels.stable.hosts", ("2", "5"))
    assert (values(whole), whole.unit, whole.said(1200)) == ([2, 3, 4, 5], "", "1,200")
    times = span(twenty_hosts, SOAK, ("1m", "5m"), "90s")
    assert (values(times), times.unit, times.said(150.0)) == ([60.0, 150.0, 240.0, 300.0], "s", "2m30s")
    shares = span(twenty_hosts, PERCENT, ("0.1%", 0.4), "0.1%")
    assert (values(shares), shares.unit, shares.said(0.3)) == ([0.1, 0.2, 0.3, 0.4], "%", "0.3%")
    plain = span(twenty_hosts, DEFER, (0, 0.3), 0.1)
    assert (values(plain), plain.unit, plain.said(0.3)) == ([0.0, 0.1, 0.2, 0.3], "", "0.3")
    # what stands for a distribution, a word or a duration is a duration, too
    for path in ("hosts.default.boot", "hosts.default.activation_timeout", "hosts.default.reboot.max"):
        assert span(twenty_hosts, path, ("2h", "9h")).kind == "duration"


@pytest.mark.parametrize(
    ("path", "between", "step"),
    [
        (SOAK, ("5m", "2h"), "60"),
        (SOAK, ("0s", "10m"), "5"),
        (SOAK, ("1h", "3d"), "3600"),
        (SOAK, ("0s", "30ms"), "1/1000"),
        (PERCENT, ("1%", "90%"), "1"),
        (PERCENT, ("1%", "9%"), "1/10"),
        (DEFER, ("0", "1"), "1/50"),
        ("fleet.generate.channels.stable.hosts", ("2", "5"), "1"),
    ],
)
def test_steps_are_round(twenty_hosts: Scenario, path: str, between: tuple[str, str], step: str) -> None:
    found = span(twenty_hosts, path, between)
    assert found.step == Fraction(step)
    assert found.kind == "integer" or found.size > STEPS or found.step == Fraction(1, 1000)


@pytest.mark.parametrize(
    ("path", "between", "step", "said"),
    [
        ("rules.deferred", ("1", "2"), None, "rules.deferred cannot be searched: expected a setting that holds"),
        ("rules.defered", ("1", "2"), None, "did you mean 'deferred'?"),
        ("fleet.generate.disruption_budgets.0.max_in_flight", ("1", "2"), None, "has 0 entries"),
        ("fleet.generate.channels.stable.hosts", ("1.5", "2"), None, "expected a whole number, got '1.5'"),
        ("fleet.generate.channels.stable.hosts", ("few", "2"), None, "expected a whole number, got 'few'"),
        ("fleet.generate.channels.stable.hosts", ("-5", "2"), None, "stable.hosts=-5: expected a number of at least 0"),
        (SOAK, ("5m", "2x"), None, "expected a duration such as 90s, 15m or 1h30m, got '2x'"),
        (SOAK, ("2h", "5m"), None, "expected a lower end below the higher"),
        (SOAK, ("5m", "5m"), None, "expected a lower end below the higher"),
        (SOAK, ("5m", "2h"), "3h", "a step of 3h: expected more than nothing and at most the whole range"),
        (PERCENT, ("5%", "200%"), None, "expected a percentage such as 10%, got '200%'"),
        (DEFER, ("0", "2"), None, "defer.probability=2: expected a probability from 0 to 1, got 2.0"),
    ],
)
def test_a_range_that_makes_no_sense(
    twenty_hosts: Scenario, path: str, between: tuple[str, str], step: str | None, said: str
) -> None:
    with pytest.raises(ExperimentError) as raised:
        span(twenty_hosts, path, between, step)
    assert said in str(raised.value)
