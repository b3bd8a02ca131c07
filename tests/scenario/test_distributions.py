"""Every law against scipy.stats and against numerical integration, whole and truncated; the empirical one against
numpy's quantiles of type 7."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy import integrate, stats

from sim.scenario.distributions import Constant, Distribution, Law
from sim.scenario.loader import ScenarioError, load
from sim.scenario.units import LONGEST, parse_duration, quantize

QUICK = settings(deadline=None, derandomize=True, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
ANY: TypeAdapter[Any] = TypeAdapter(Distribution)
U = np.concatenate([(np.arange(2000) + 0.5) / 2000, [2.0**-53, 1e-12, 1e-6, 1 - 1e-6, 1 - 1e-12, 1 - 2.0**-53]])
Z95 = stats.norm.ppf(0.95)


def make(**written: object) -> Any:
    """The law that a file writes so."""
    return ANY.validate_python(written)


def lognormal(median: float, p95: float) -> Any:
    """scipy's law of the same median and 95 % point."""
    return stats.lognorm(math.log(p95 / median) / Z95, scale=median)


def lognormal_by_moments(mean: float, cv: float) -> Any:
    """scipy's law of the same mean and coefficient of variation."""
    variance = math.log1p(cv**2)
    return stats.lognorm(math.sqrt(variance), scale=mean * math.exp(-variance / 2))


LAWS = {
    "exponential": ({"dist": "exponential", "mean": "10m"}, stats.expon(scale=600.0)),
    "exponential, short": ({"dist": "exponential", "mean": 0.25}, stats.expon(scale=0.25)),
    "uniform": ({"dist": "uniform", "min": "1h", "max": "24h"}, stats.uniform(3600.0, 82_800.0)),
    "uniform from 0": ({"dist": "uniform", "min": 0, "max": 1}, stats.uniform(0.0, 1.0)),
    "lognormal": ({"dist": "lognormal", "median": "90s", "p95": "300s"}, lognormal(90.0, 300.0)),
    "lognormal, narrow": ({"dist": "lognormal", "median": 90, "p95": 91}, lognormal(90.0, 91.0)),
    "lognormal by moments": ({"dist": "lognormal", "mean": 120, "cv": 0.5}, lognormal_by_moments(120.0, 0.5)),
    "lognormal, wide": ({"dist": "lognormal", "mean": 120, "cv": 3}, lognormal_by_moments(120.0, 3.0)),
    "gamma": ({"dist": "gamma", "mean": 120, "cv": 0.5}, stats.gamma(4.0, scale=30.0)),
    "gamma, steep": ({"dist": "gamma", "mean": 120, "cv": 2}, stats.gamma(0.25, scale=480.0)),
    "weibull": ({"dist": "weibull", "scale": "2m", "shape": 1.5}, stats.weibull_min(1.5, scale=120.0)),
    "weibull, steep": ({"dist": "weibull", "scale": "2m", "shape": 0.6}, stats.weibull_min(0.6, scale=120.0)),
}
BOUNDED = {
    "exponential": ("5m", "20m"),
    "exponential, short": (0.125, 0.5),
    "lognormal": ("60s", "4m"),
    "lognormal, narrow": (89, 90.5),
    "lognormal by moments": ("60s", "4m"),
    "lognormal, wide": ("60s", "4m"),
    "gamma": ("60s", "4m"),
    "gamma, steep": (1, "4m"),
    "weibull": ("60s", "4m"),
    "weibull, steep": (1, "4m"),
}
SIDES = [("min",), ("max",), ("min", "max")]


def close(found: Any, expected: Any) -> None:
    """Equal but for rounding: six steps of a float, or the last of a truncation's differences."""
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


# -- the laws


@pytest.mark.parametrize("name", LAWS)
def test_quantiles_are_those_of_scipy(name: str) -> None:
    written, law = LAWS[name]
    close(make(**written).quantile(U), np.minimum(law.ppf(U), LONGEST))


@pytest.mark.parametrize("name", LAWS)
def test_draws_one_by_one_and_all_at_once_agree_on_the_grid(name: str) -> None:
    law = make(**LAWS[name][0])
    one_by_one = [quantize(float(law.quantile(u))) for u in U.tolist()]
    assert one_by_one == quantize(np.asarray(law.quantile(U))).tolist()


@pytest.mark.parametrize("sides", SIDES, ids="-".join)
@pytest.mark.parametrize("name", BOUNDED)
def test_bounded_draws_one_by_one_and_all_at_once_agree_on_the_grid(name: str, sides: tuple[str, ...]) -> None:
    law = bounded(name, sides)
    one_by_one = [quantize(float(law.quantile(u))) for u in U.tolist()]
    assert one_by_one == quantize(np.asarray(law.quantile(U))).tolist()


@pytest.mark.parametrize("name", LAWS)
def test_means_are_those_of_scipy(name: str) -> None:
    written, law = LAWS[name]
    assert make(**written).mean() == pytest.approx(law.mean(), rel=1e-12)


def bounded(name: str, sides: tuple[str, ...]) -> Any:
    """The law between some of its bounds."""
    values = dict(zip(("min", "max"), BOUNDED[name], strict=True))
    return make(**LAWS[name][0], **{side: values[side] for side in sides})


@pytest.mark.parametrize("sides", SIDES, ids="-".join)
@pytest.mark.parametrize("name", BOUNDED)
def test_bounds_truncate(name: str, sides: tuple[str, ...]) -> None:
    """The conditional law: P(X <= x | min <= X <= max) at a draw is its uniform number."""
    found, law = bounded(name, sides), LAWS[name][1]
    low = law.cdf(found.min) if "min" in sides else 0.0
    high = law.cdf(found.max) if "max" in sides else 1.0
    close(found.quantile(U[:2000]), law.ppf(low + U[:2000] * (high - low)))
    drawn = found.quantile(U)
    assert np.all((drawn >= (found.min or 0.0)) & (drawn <= (LONGEST if found.max is None else found.max)))
    np.testing.assert_allclose((law.cdf(drawn[:2000]) - low) / (high - low), U[:2000], atol=1e-9)
    # clipping would heap draws on the bounds
    assert len(np.unique(drawn[:2000])) == 2000


@pytest.mark.parametrize("sides", SIDES, ids="-".join)
@pytest.mark.parametrize("name", BOUNDED)
def test_bounded_means_are_those_of_the_conditional_law(name: str, sides: tuple[str, ...]) -> None:
    found, law = bounded(name, sides), LAWS[name][1]
    low, high = found.min or 0.0, math.inf if found.max is None else found.max
    # by halves of the probability, so that the integrator sees where the law is
    points = [low, *(p for p in law.ppf([0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.9999]) if low < p < high), high]
    pieces = [
        integrate.quad(lambda x: x * law.pdf(x), begin, end, epsabs=1e-9, epsrel=1e-11, limit=200)[0]
        for begin, end in pairwise(points)
    ]
    assert found.mean() == pytest.approx(sum(pieces) / (law.cdf(high) - law.cdf(low)), rel=1e-8)


@pytest.mark.parametrize("sides", [(), *SIDES], ids="-".join)
@pytest.mark.parametrize("name", BOUNDED)
def test_means_are_the_area_under_the_quantiles(name: str, sides: tuple[str, ...]) -> None:
    found = bounded(name, sides)
    area = sum(
        integrate.quad(lambda u: float(found.quantile(u)), begin, end, limit=200)[0]
        for begin, end in ((0.0, 0.5), (0.5, 0.9), (0.9, 0.99), (0.99, 0.9999), (0.9999, 0.999999), (0.999999, 1.0))
    )
    assert found.mean() == pytest.approx(area, rel=2e-4)


def test_parameters_mean_what_their_names_say() -> None:
    law = make(dist="lognormal", median="90s", p95="300s")
    assert law.quantile(0.5) == pytest.approx(90.0, rel=1e-14)
    assert law.quantile(0.95) == pytest.approx(300.0, rel=1e-14)
    for name, (written, law) in LAWS.items():
        if "cv" in written:
            assert law.std() / law.mean() == pytest.approx(written["cv"]), name
            assert law.mean() == pytest.approx(120.0), name


def test_quantiles_rise_with_the_number() -> None:
    u = np.sort(U)
    for name in LAWS:
        assert np.all(np.diff(make(**LAWS[name][0]).quantile(u)) >= 0), name
    for name in BOUNDED:
        assert np.all(np.diff(bounded(name, ("min", "max")).quantile(u)) >= 0), name


def test_a_constant_is_written_as_a_duration_too() -> None:
    for law in (ANY.validate_python("90s"), ANY.validate_python(90), make(dist="constant", value="90s")):
        assert law == Constant(value=90.0)
        assert law.quantile(0.3) == 90.0
        assert law.quantile(U).tolist() == [90.0] * len(U)
        assert law.mean() == 90.0
    assert make(dist="constant", value=5, min=5, max=5).mean() == 5.0


def test_draws_end_where_times_do() -> None:
    wild = [
        make(dist="weibull", scale="100d", shape=0.05),
        make(dist="lognormal", mean="30d", cv=100),
        make(dist="gamma", mean="100d", cv=100),
        make(dist="exponential", mean="40000d"),
        make(dist="weibull", scale="100d", shape=0.05, min="1d"),
        make(dist="lognormal", median=1e-5, p95="40000d"),
    ]
    for law in wild:
        drawn = law.quantile(U)
        assert np.all((drawn >= 0) & (drawn <= LONGEST))
        assert math.isfinite(law.mean())


def test_a_bound_far_out_leaves_finite_draws() -> None:
    # the last numbers are rounded up to a probability of 1, where the whole law is infinite
    for law in (
        make(dist="exponential", mean=1, min=20.7),
        make(dist="weibull", scale=1, shape=1, min=20.7),
        make(dist="gamma", mean=1, cv=1, min=20.7),
        make(dist="lognormal", median=1, p95=5.18, min=395),
    ):
        drawn = law.quantile(np.concatenate([U, np.nextafter(np.ones(1), 0)]))
        assert np.all(drawn >= law.min)
        assert np.all(drawn < 10_000), law


# -- what is refused


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"dist": "exponential", "mean": 1, "min": "1h"}, "next to none"),
        ({"dist": "gamma", "mean": 3600, "cv": 0.01, "max": 1}, "next to none"),
        ({"dist": "lognormal", "median": 90, "p95": 91, "min": 95, "max": 99}, "next to none"),
        ({"dist": "weibull", "scale": 1e-3, "shape": 100, "min": 1, "max": "3h"}, "next to none"),
        ({"dist": "exponential", "mean": 60, "min": 5, "max": 5}, "next to none"),
        ({"dist": "exponential", "mean": 60, "min": 6, "max": 5}, "`min` that is not above `max`"),
        ({"dist": "uniform", "min": 6, "max": 5}, "`min` that is not above `max`"),
        ({"dist": "constant", "value": 5, "min": 6}, "`value` between `min` and `max`"),
        ({"dist": "constant", "value": 5, "max": 4}, "`value` between `min` and `max`"),
        ({"dist": "empirical", "values": [1, 2, 3], "min": 4}, "it has none"),
        ({"dist": "empirical", "values": [2, 3], "max": 1}, "it has none"),
        ({"dist": "empirical", "values": [1, 5], "min": 2, "max": 2}, "it has none"),
        ({"dist": "empirical", "values": [5], "min": 6}, "it has none"),
        ({"dist": "empirical", "values": [5], "max": 4}, "it has none"),
        ({"dist": "lognormal", "median": 5}, "either `median` and `p95`, or `mean` and `cv`"),
        ({"dist": "lognormal", "median": 5, "cv": 1}, "either `median` and `p95`, or `mean` and `cv`"),
        ({"dist": "lognormal", "median": 5, "p95": 6, "mean": 5}, "either `median` and `p95`, or `mean` and `cv`"),
        ({"dist": "lognormal", "median": 5, "p95": 5}, "`p95` above the `median`"),
        ({"dist": "empirical"}, "Field required"),
        ({"dist": "empirical", "file": "x.csv"}, "`file` and `column`, both as text"),
        ({"dist": "empirical", "column": "x"}, "`file` and `column`, both as text"),
        ({"dist": "empirical", "file": "x.csv", "column": 5}, "`file` and `column`, both as text"),
        ({"dist": "empirical", "file": "x.csv", "column": "x", "values": [1]}, "not both"),
        ({"dist": "exponential", "mean": 0}, "above 0"),
        ({"dist": "weibull", "scale": 0, "shape": 1}, "above 0"),
        ({"dist": "weibull", "scale": 1, "shape": 0}, "greater than or equal to 0.05"),
        ({"dist": "gamma", "mean": 1, "cv": 0}, "greater than or equal to 0.001"),
        ({"dist": "gamma", "mean": 1, "cv": math.nan}, "finite number"),
        ({"dist": "gamma", "mean": 1, "cv": "1"}, "valid number"),
        ({"dist": "empirical", "values": []}, "at least 1 item"),
        ({"dist": "empirical", "values": [1, -1]}, "0 or more"),
        ({"dist": "exponential"}, "Field required"),
        ({"dist": "exponential", "mean": 1, "cv": 1}, "Extra inputs"),
        ({"value": 1}, "Unable to extract tag"),
        ({"dist": "normal", "mean": 1}, "does not match any of the expected tags"),
        ({"dist": None}, "Unable to extract tag"),
    ],
)
def test_what_is_no_law_is_refused(written: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        make(**written)
    assert said in str(error.value)


def test_bounds_that_change_nothing_are_fine() -> None:
    # as far out as can be written, and a power there that no float holds
    far = {"min": 0, "max": 2**32 - 1}
    for written, law in LAWS.values():
        if written["dist"] != "uniform":
            close(make(**written, **far).quantile(U[:2000]), law.ppf(U[:2000]))
    assert make(dist="weibull", scale=1e-5, shape=100, max="3h").mean() == pytest.approx(
        stats.weibull_min(100, scale=parse_duration(1e-5)).mean()
    )


# -- the empirical law

SAMPLE = st.lists(st.integers(0, 1000).map(lambda steps: steps / 8), min_size=1, max_size=30)


@QUICK
@given(SAMPLE)
def test_empirical_quantiles_are_of_type_seven(values: list[float]) -> None:
    law = make(dist="empirical", values=values)
    close(law.quantile(U), np.quantile(values, U, method="linear"))
    assert [law.quantile(u) for u in (0.25, 0.5)] == pytest.approx(np.quantile(values, [0.25, 0.5], method="linear"))


@QUICK
@given(SAMPLE)
def test_an_empirical_mean_is_the_area_under_the_quantiles(values: list[float]) -> None:
    # linear between the order statistics: the trapezoid rule is exact
    places = np.sort(np.array(values))
    area = np.trapezoid(places, dx=1 / (len(values) - 1)) if len(values) > 1 else places[0]
    assert make(dist="empirical", values=values).mean() == pytest.approx(area)


@QUICK
@given(SAMPLE, st.integers(0, 1000), st.integers(0, 1000))
def test_bounds_truncate_an_empirical_law(values: list[float], first: int, second: int) -> None:
    low, high = sorted((first / 8, second / 8))
    try:
        law = make(dist="empirical", values=values, min=low, max=high)
    except ValidationError:
        # refused where no draw of the whole law lies between, but for single ones
        whole = make(dist="empirical", values=values).quantile(U)
        assert len(values) == 1 or np.mean((whole > low) & (whole < high)) < 2 / 2000
        return
    assume(len(values) > 1)
    fine = (np.arange(100_000) + 0.5) / 100_000
    whole = np.quantile(values, fine, method="linear")
    kept = whole[(whole >= low) & (whole <= high)]
    assume(len(kept) > 2000)
    drawn = law.quantile(U[:2000])
    assert np.all((drawn >= low) & (drawn <= high))
    # the order statistics of what is kept of the whole law are the truncated law's quantiles
    expected = kept[np.minimum((U[:2000] * len(kept)).astype(int), len(kept) - 1)]
    slack = 2 * (max(values) - min(values)) * (len(values) - 1) / len(fine) + 1e-9
    assert np.max(np.abs(drawn - expected)) <= slack
    assert law.mean() == pytest.approx(kept.mean(), abs=slack)


def test_ties_of_an_empirical_law_are_kept_whole() -> None:
    values = [1, 1, 1, 5]
    assert make(dist="empirical", values=values, min=1).mean() == pytest.approx(5 / 3)
    assert make(dist="empirical", values=values, max=1).quantile(U).tolist() == [1.0] * len(U)
    assert make(dist="empirical", values=values, min=1, max=1).mean() == 1.0
    assert make(dist="empirical", values=[3, 3, 3], min=3, max=3).mean() == 3.0
    assert make(dist="empirical", values=[3], min=3, max=3).quantile(0.9) == 3.0
    # a quarter of the way from 1 to 5 is at 2, and 3/4 of the probability lie below
    assert make(dist="empirical", values=values, min=2).quantile(np.array([1e-12]))[0] == pytest.approx(2.0)


def test_the_order_of_a_sample_does_not_matter() -> None:
    assert make(dist="empirical", values=[3, 1, "2s"]) == make(dist="empirical", values=[1, 2, 3])


# -- columns of files


def column(folder: Path, text: str | bytes, name: str = "seconds", **more: object) -> Law:
    """The law of a scenario whose activation comes from a column of `x.csv`."""
    (folder / "x.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    activation = "".join(f", {key}: {value}" for key, value in more.items())
    (folder / "scenario.yaml").write_text(
        "fleet: {generate: {channels: {c: {hosts: 1, policy: p}}, policies: {p: {}}}}\n"
        f"hosts: {{default: {{activation: {{dist: empirical, file: x.csv, column: {name}{activation}}}}}}}\n"
    )
    found = load(folder / "scenario.yaml").hosts.default.activation
    assert isinstance(found, Law)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "seconds\n3\n1\n2\n",
        "host,seconds,what\na,3,x\nb,1,x\nc,2s,x\n",
        "host, seconds ,what\r\na,3,x\r\nb,1,x\r\nc,2000ms,x",
        "seconds\n\n3\n1\n\n2\n\n",
        '"seconds"\n"3"\n"1"\n"2"\n',
        '\ufeffseconds,"a note\nof two lines"\n3,"x\n9"\n1,\n2\n',
        "seconds,note\n3,a\u2028b\n1,\x0b\n2,\x1c\n",
        "seconds,seconds\n3,7\n1,8\n2,9\n",
    ],
)
def test_columns(tmp_path: Path, text: str) -> None:
    found = column(tmp_path, text)
    assert found == make(dist="empirical", values=[1, 2, 3])
    assert column(tmp_path, text, max=2) == make(dist="empirical", values=[1, 2, 3], max=2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seconds\n1\nx\n", "x.csv, line 3, column seconds: expected a duration such as 90s"),
        ("host,seconds\na,1\nb\n", "x.csv, line 3, column seconds: expected a duration such as 90s"),
        ("seconds\n-1\n", "x.csv, line 2, column seconds: expected a duration of 0 or more, got '-1'"),
        ("seconds\nnan\n", "x.csv, line 2, column seconds: expected a duration such as 90s"),
        ("seconds\n", "expected values in x.csv, got only the header 'seconds'"),
        ("a,b\n1,2\n", "expected a column 'seconds' in x.csv; its columns are a, b"),
        ("", "expected a column 'seconds' in x.csv; its columns are none"),
        (b"seconds\n\xff\n", "x.csv: expected UTF-8 text; this byte is none"),
        ("seconds\n" + "1" * 200_000 + "\n", "x.csv, line 2: field larger than field limit"),
    ],
)
def test_columns_that_are_none(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(ScenarioError) as error:
        column(tmp_path, text)
    assert len(error.value.problems) == 1
    problem = error.value.problems[0]
    assert (problem.line, problem.path) == (2, "hosts.default.activation")
    assert said in problem.message


def test_a_file_that_is_not_there(tmp_path: Path, refused: Callable[..., list[str]], minimal: str) -> None:
    for file in ("no.csv", str(tmp_path), "/dev/zero"):
        lines = refused(minimal + f"hosts: {{default: {{boot: {{dist: empirical, file: {file}, column: a}}}}}}\n")
        assert len(lines) == 1
        assert lines[0].startswith(f"x.yaml:5: hosts.default.boot: {file}: ")
