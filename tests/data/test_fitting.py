"""Laws fitted to durations: against scipy.stats, closed forms and the truth, censored samples included.

Where a test counts how often an interval holds the truth, its bounds are those which a coverage of 95 % leaves with a
probability of one in ten thousand; the draws are fixed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from sim.data.durations import Durations, kaplan_meier
from sim.data.fitting import FEWEST, Share, akaike, empirical, fit, median_interval
from sim.data.fitting import LAWS as LAW
from sim.data.goodness import anderson_darling, p_value
from sim.data.laws import EXPONENTIAL, GAMMA, LOGNORMAL, SMOOTH, WEIBULL, Law
from sim.data.likeliest import intervals, likeliest, uniform, uniform_intervals
from sim.data.worded import law as written
from sim.scenario.distributions import Z95

PLACES = {"exponential": (4.6,), "lognormal": (4.5, -0.3), "gamma": (4.6, -0.5), "weibull": (4.7, 0.4)}
SCIPY = {
    "exponential": stats.expon,
    "lognormal": stats.lognorm,
    "gamma": stats.gamma,
    "weibull": stats.weibull_min,
}


class Drawn(NamedTuple):
    """A law and what it draws: its parameters as page 9 has them, and the mean censoring time for some 30 %."""

    law: Law | None
    truth: dict[str, float]
    draw: Callable[[np.random.Generator, int], NDArray[np.float64]]
    censoring: float


LAWS = {
    "exponential": Drawn(EXPONENTIAL, {"mean": 100.0}, lambda random, n: random.exponential(100.0, n), 230.0),
    "lognormal": Drawn(
        LOGNORMAL,
        {"median": 90.0, "p95": 90.0 * math.exp(0.7 * Z95)},
        lambda random, n: 90.0 * np.exp(0.7 * random.standard_normal(n)),
        280.0,
    ),
    "gamma": Drawn(GAMMA, {"mean": 100.0, "cv": 0.5}, lambda random, n: random.gamma(4.0, 25.0, n), 280.0),
    "weibull": Drawn(WEIBULL, {"scale": 100.0, "shape": 1.5}, lambda random, n: 100.0 * random.weibull(1.5, n), 250.0),
    "uniform": Drawn(None, {"min": 50.0, "max": 150.0}, lambda random, n: random.uniform(50.0, 150.0, n), 280.0),
}


def sample(random: np.random.Generator, name: str, count: int, *, censored: bool) -> Durations:
    times = LAWS[name].draw(random, count)
    if not censored:
        return Durations(times)
    until = random.exponential(LAWS[name].censoring, count)
    return Durations(times[times <= until], until[times > until])


# -- likelihood


@pytest.mark.parametrize("law", SMOOTH, ids=lambda law: law.name)
def test_the_likelihood_is_that_of_scipy(law: Law) -> None:
    durations = sample(np.random.default_rng(1), law.name, 200, censored=True)
    assert len(durations.censored) > 20
    at = law.frozen(PLACES[law.name])
    expected = at.logpdf(durations.observed).sum() + at.logsf(durations.censored).sum()
    assert law.log_likelihood(PLACES[law.name], durations) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("censored", [False, True], ids=["whole", "censored"])
@pytest.mark.parametrize("law", SMOOTH, ids=lambda law: law.name)
def test_the_likeliest_place_is_that_of_scipy(law: Law, censored: bool) -> None:
    durations = sample(np.random.default_rng(2), law.name, 120, censored=censored)
    place, likelihood = likeliest(law, durations)
    theirs = SCIPY[law.name](*SCIPY[law.name].fit(durations.for_scipy(), floc=0))
    ours = law.frozen(place)
    for share in (0.05, 0.5, 0.95):
        assert ours.ppf(share) == pytest.approx(theirs.ppf(share), rel=2e-3)
    reached = theirs.logpdf(durations.observed).sum() + theirs.logsf(durations.censored).sum()
    assert likelihood >= reached - 1e-6


def test_the_mean_of_an_exponential_law_is_the_total_time_over_the_ends() -> None:
    place, _ = likeliest(EXPONENTIAL, Durations([10.0, 20.0, 30.0], [40.0, 50.0]))
    assert EXPONENTIAL.values(place)["mean"] == pytest.approx(150.0 / 3)


def test_the_interval_of_a_lognormal_median_is_students() -> None:
    durations = sample(np.random.default_rng(3), "lognormal", 12, censored=False)
    place, _ = likeliest(LOGNORMAL, durations)
    logs = np.log(durations.observed)
    assert LOGNORMAL.values(place)["median"] == pytest.approx(math.exp(logs.mean()), rel=1e-5)
    exact = stats.ttest_1samp(logs, 0.0).confidence_interval(0.95)
    assert intervals(LOGNORMAL, place, durations)["median"] == pytest.approx(
        (math.exp(exact.low), math.exp(exact.high)), rel=1e-4
    )


def test_the_interval_of_a_uniform_end_is_exact() -> None:
    durations = Durations([10.0, 12.0, 13.0, 17.0, 20.0])
    values, _ = uniform(durations)
    assert values == {"min": 10.0, "max": 20.0}
    # (max - 20) / (20 - 10) exceeds x with probability (1 + x)^-4
    beyond = 10.0 * (20.0 ** (1 / 4) - 1.0)
    found = uniform_intervals(values, durations)
    assert found["max"] == pytest.approx((20.0, 20.0 + beyond))
    assert found["min"] == pytest.approx((max(10.0 - beyond, 0.0), 10.0))


# -- intervals hold the truth


def covered(name: str, count: int, samples: int, *, censored: bool) -> dict[str, int]:
    drawn = LAWS[name]
    random = np.random.default_rng([sum(map(ord, name)), count, censored])
    held = dict.fromkeys(drawn.truth, 0)
    for _ in range(samples):
        durations = sample(random, name, count, censored=censored)
        if drawn.law is None:
            found = uniform_intervals(uniform(durations)[0], durations)
        else:
            found = intervals(drawn.law, likeliest(drawn.law, durations)[0], durations)
        for parameter, truth in drawn.truth.items():
            low, high = found[parameter]
            held[parameter] += (low is None or low <= truth) and (high is None or truth <= high)
    return held


def as_often_as_said(held: int, samples: int) -> bool:
    low, high = stats.binom(samples, 0.95).interval(1 - 1e-4)
    return bool(low <= held <= high)


@pytest.mark.parametrize("censored", [False, True], ids=["whole", "censored"])
@pytest.mark.parametrize("name", LAWS)
def test_intervals_hold_the_truth_in_95_percent(name: str, censored: bool) -> None:
    held = covered(name, 25, 40, censored=censored)
    assert all(as_often_as_said(count, 40) for count in held.values()), held


@pytest.mark.slow
@pytest.mark.parametrize("name", LAWS)
def test_intervals_of_small_samples_hold_the_truth_too(name: str) -> None:
    held = covered(name, 12, 200, censored=True)
    assert all(as_often_as_said(count, 200) for count in held.values()), held


def test_what_is_censored_is_heeded() -> None:
    durations = sample(np.random.default_rng(4), "exponential", 400, censored=True)
    assert 0.25 < len(durations.censored) / 400 < 0.35
    low, high = fit(durations, only="exponential").intervals["mean"]
    assert low is not None and high is not None and low <= 100.0 <= high
    # 1 / (1/100 + 1/230) = 70 s is the mean of those that ended in view, and of all as far as they were seen
    for naive in (durations.observed, np.concatenate([durations.observed, durations.censored])):
        assert stats.ttest_1samp(naive, 0.0).confidence_interval(0.999).high < 90.0


# -- the choice of a law, and its fit


@pytest.mark.parametrize("censored", [False, True], ids=["whole", "censored"])
@pytest.mark.parametrize("name", [name for name in LAWS if name != "exponential"])
def test_the_right_law_is_found(name: str, censored: bool) -> None:
    found = fit(sample(np.random.default_rng(6), name, 2_000, censored=censored))
    assert found.dist == name
    assert found.gof_p is not None and found.gof_p > 0.01


def test_the_right_law_is_found_among_those_that_hold_it() -> None:
    # the gamma and Weibull laws hold the exponential one: each is preferred where twice the logarithm of its likelihood
    # ratio, chi-squared with one degree, is above 2, which it is by chance in 16 %
    random = np.random.default_rng(6)
    right = 0
    for _ in range(60):
        aic = akaike(sample(random, "exponential", 100, censored=True))
        right += min(aic, key=aic.__getitem__) == "exponential"
    assert right >= stats.binom(60, 1 - 2 * stats.chi2(1).sf(2.0)).ppf(1e-4)


def test_the_statistic_is_that_of_anderson_and_darling() -> None:
    durations = sample(np.random.default_rng(7), "gamma", 40, censored=False)
    law = stats.gamma(4.0, scale=25.0)
    below = law.cdf(durations.observed)
    odd = 2 * np.arange(1, 41) - 1
    expected = -40 - float((odd * (np.log(below) + np.log1p(-below[::-1]))).mean())
    assert anderson_darling(durations, law.cdf) == pytest.approx(expected, rel=1e-9)


def test_with_censored_ones_it_is_the_integral_up_to_the_longest() -> None:
    durations = Durations([1.0, 2.0, 4.0], [2.5, 5.0])
    law = stats.expon(scale=3.0)
    times, shares = kaplan_meier(durations)
    at = np.linspace(1e-6, 5.0, 1_000_001)
    below = law.cdf(at)
    seen = np.concatenate([[0.0], shares])[np.searchsorted(times, at, side="right")]
    integral = np.trapezoid((seen - below) ** 2 / (below * (1 - below)) * law.pdf(at), at)
    assert anderson_darling(durations, law.cdf) == pytest.approx(5 * integral, rel=1e-4)


def test_the_product_limit_estimate_is_scipys() -> None:
    durations = Durations([1.0, 2.0, 2.0, 4.0, 7.0], [2.0, 3.0, 7.0, 9.0])
    times, shares = kaplan_meier(durations)
    theirs = stats.ecdf(durations.for_scipy()).cdf
    assert shares == pytest.approx(theirs.evaluate(times))


def exponential_fitted(durations: Durations) -> tuple[Callable[..., NDArray[np.float64]], ...]:
    mean = durations.total / len(durations.observed)
    return lambda times: -np.expm1(-times / mean), lambda shares: -mean * np.log1p(-shares)


@pytest.mark.slow
def test_a_law_that_is_right_is_refused_as_often_as_the_p_value_says() -> None:
    random = np.random.default_rng(8)
    found = [
        p_value(sample(random, "exponential", 30, censored=True), exponential_fitted, seed=n)  # type: ignore[arg-type]
        for n in range(200)
    ]
    for level in (0.05, 0.2, 0.5):
        low, high = stats.binom(200, level).interval(1 - 1e-4)
        assert low <= sum(p <= level for p in found) <= high


def test_a_law_that_is_wrong_is_refused() -> None:
    durations = sample(np.random.default_rng(9), "uniform", 100, censored=True)
    assert p_value(durations, exponential_fitted) == pytest.approx(1 / 200)  # type: ignore[arg-type]


def test_where_no_law_fits_the_sample_itself_is_the_law() -> None:
    random = np.random.default_rng(10)
    times = np.concatenate([random.normal(30.0, 1.0, 150), random.normal(300.0, 10.0, 150)])
    found = fit(Durations(times))
    assert found.dist == "empirical" and found.gof_p is not None and found.gof_p < 0.01
    law = found.law()
    for share in (0.1, 0.3, 0.7, 0.9):
        assert law.quantile(share) == pytest.approx(float(np.quantile(times, share)), rel=0.02)


def test_a_censored_sample_as_its_own_law_follows_the_product_limit_estimate() -> None:
    # 1, 3, 5 ended; one of four was lost sight of at 2: 1/4, then 1/4 + 3/8, then all
    values, tail = empirical(Durations([1.0, 3.0, 5.0], [2.0]))
    assert (values, tail) == ([1.0, 3.0, 5.0], 0.0)
    # of four two were lost after the last end: half of the law is beyond it, put at the longest time
    values, tail = empirical(Durations([1.0, 3.0], [9.0, 9.0]))
    assert (values, tail) == ([1.0, 9.0], 0.5)


def test_the_interval_of_a_median_holds_it_and_may_have_no_end() -> None:
    low, high = median_interval(Durations(range(1, 22)))
    assert low is not None and high is not None and low < 11.0 < high
    few = Durations([1.0, 2.0, 3.0, 4.0, 5.0], [6.0] * 20)
    assert median_interval(few)[1] is None


def test_times_that_are_alike_are_constant() -> None:
    found = fit(Durations([60.0, 60.0004, 59.9997, 60.0, 60.0]))
    assert (found.dist, found.parameters, found.gof_p) == ("constant", {"value": 60.0}, None)
    with patch("sim.data.goodness.DRAWN", 3):
        assert fit(Durations([60.0] * 5, [61.0])).dist != "constant"


def test_too_few_are_not_fitted() -> None:
    with pytest.raises(ValueError, match=f"at least {FEWEST} durations observed to their end, got 4"):
        fit(Durations([1.0, 2.0, 3.0, 4.0], [5.0] * 100))


times = st.one_of(st.floats(0.0, 1e-3), st.just(5e-324), st.floats(0.0, 1e3), st.floats(0.0, 1e8), st.just(7.0))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(times, min_size=FEWEST, max_size=12), st.lists(times, max_size=8))
def test_whatever_the_sample_a_scenario_takes_the_law(observed: list[float], censored: list[float]) -> None:
    with patch("sim.data.goodness.DRAWN", 3):
        found = fit(Durations(observed, censored))
    assert found.law().mean() >= 0
    assert found.observed == len(observed)
    assert LAW.validate_python(written(found)).mean() >= 0
    for low, high in found.intervals.values():
        assert low is None or high is None or low <= high


def test_a_share_has_wilsons_interval() -> None:
    # of 10 runs 1: centre (0.1 + z²/20)/(1 + z²/10), half z/(1 + z²/10) sqrt(0.009 + z²/400)
    z = 1.959964
    centre, half = (0.1 + z**2 / 20) / (1 + z**2 / 10), z / (1 + z**2 / 10) * math.sqrt(0.009 + z**2 / 400)
    assert Share(1, 10).interval == pytest.approx((centre - half, centre + half), rel=1e-5)
    assert Share(0, 10).interval[0] == 0.0
