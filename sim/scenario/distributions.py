"""The distributions of a scenario file: inverse distribution functions, truncated (not clipped) to `min` and `max`.

Every draw is `quantile` of a uniform number, so the same number gives the same draw whatever is drawn besides (spec
page 9, Distributions and Randomness). Parameters that are durations are in seconds. A truncated law is the law
given that it falls between the bounds: quantile(u) = Q(F(min) + u (F(max) - F(min))).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from math import erfc, exp, expm1, gamma, inf, log, log1p, nextafter, sqrt
from typing import Annotated, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    Tag,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import CoreSchema

from sim.scenario.fields import DURATION_SCHEMA, Duration, Part, Period
from sim.scenario.reading import read_column
from sim.scenario.units import LONGEST, format_duration

Floats = NDArray[np.float64]
LEAST_MASS = 1e-9
"""Bounds that leave less of a law than this are refused: what is left of its distribution function is rounding."""
Z95 = 1.6448536269514722
"""The 95 % point of the standard normal law."""
BELOW_ONE = nextafter(1.0, 0.0)
Spread = Annotated[float, Field(ge=0.001, le=100)]


class Law(Part, ABC):
    """What all laws share: the bounds, and the interface `quantile` and `mean`."""

    dist: str
    min: Duration | None = None
    max: Duration | None = None

    @overload
    def quantile(self, u: float) -> float: ...
    @overload
    def quantile(self, u: Floats) -> Floats: ...
    @abstractmethod
    def quantile(self, u: Any) -> Any:
        """The draw (s) for a uniform number in (0, 1), or for an array of them; at most 2³² s."""

    @abstractmethod
    def mean(self) -> float:
        """The expected draw (s)."""


class Truncated(Law):
    """A law given that it falls between the bounds: by the inverse of its distribution function without them."""

    @property
    @abstractmethod
    def _mass(self) -> tuple[float, float]:
        """The distribution function at the two bounds."""

    @abstractmethod
    def _ppf(self, p: Any) -> Any:
        """The inverse distribution function without bounds, of a number or an array in (0, 1)."""

    def quantile(self, u: Any) -> Any:
        """The draw (s) for a uniform number in (0, 1), or for an array of them; at most 2³² s."""
        if self.min is None and self.max is None:
            drawn = self._ppf(u)
            # a later stay of an outage is drawn by itself, and numpy's minimum of one number costs as much as the draw
            return np.minimum(drawn, LONGEST) if isinstance(u, np.ndarray) else min(drawn, LONGEST)
        low, high = self._mass
        # the sum may be rounded up to 1, where a law without end has no value
        drawn = self._ppf(np.minimum(low + u * (high - low), BELOW_ONE))
        return np.clip(drawn, self.min or 0.0, LONGEST if self.max is None else self.max)


class Parametric(Truncated):
    """A truncated law with a density."""

    @abstractmethod
    def _cdf(self, x: float) -> float:
        """F(x) of the law without bounds."""

    @abstractmethod
    def _below(self, x: float) -> float:
        """The integral of t dF(t) from 0 to x; the mean of the law without bounds for infinite x."""

    @cached_property
    def _mass(self) -> tuple[float, float]:
        low = 0.0 if self.min is None else self._cdf(self.min)
        return low, 1.0 if self.max is None else self._cdf(self.max)

    @model_validator(mode="after")
    def _something_is_left(self) -> Parametric:
        _in_order(self.min, self.max)
        low, high = self._mass
        if high - low < LEAST_MASS:
            raise ValueError("expected `min` and `max` between which the distribution has values; it has next to none")
        return self

    def mean(self) -> float:
        """The expected draw (s)."""
        low, high = self._mass
        below = self._below(inf if self.max is None else self.max) - (
            0.0 if self.min is None else self._below(self.min)
        )
        return below / (high - low)


class Constant(Law):
    """Always `value`; written as a bare duration, too."""

    # a mapping is told by its `dist`: the default is for whoever makes one in a program
    model_config = ConfigDict(json_schema_extra={"required": ["dist", "value"]})

    dist: Literal["constant"] = "constant"
    value: Duration

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return value if isinstance(value, (dict, cls)) else {"dist": "constant", "value": value}

    @model_validator(mode="after")
    def _something_is_left(self) -> Constant:
        _in_order(self.min, self.max)
        if not (self.min or 0.0) <= self.value <= (inf if self.max is None else self.max):
            raise ValueError("expected a `value` between `min` and `max`")
        return self

    def quantile(self, u: Any) -> Any:
        """`value`, for every uniform number."""
        return np.full(np.shape(u), self.value) if isinstance(u, np.ndarray) else self.value

    def mean(self) -> float:
        """`value` (s)."""
        return self.value

    @model_serializer(mode="wrap")
    def _as_written(self, write: SerializerFunctionWrapHandler) -> Any:
        return format_duration(self.value) if self.min is None and self.max is None else write(self)


class Exponential(Parametric):
    """Density e^(-x/mean) / mean."""

    dist: Literal["exponential"]
    mean_: Annotated[Period, Field(alias="mean")]

    def _cdf(self, x: float) -> float:
        return -expm1(-x / self.mean_)

    def _ppf(self, p: Any) -> Any:
        return -self.mean_ * np.log1p(-p)

    def _below(self, x: float) -> float:
        return self.mean_ if x == inf else self.mean_ - (x + self.mean_) * exp(-x / self.mean_)


class Uniform(Law):
    """Anything from `min` to `max` alike; the bounds are its parameters."""

    dist: Literal["uniform"]
    min: Duration
    max: Duration

    @model_validator(mode="after")
    def _something_is_left(self) -> Uniform:
        _in_order(self.min, self.max)
        return self

    def quantile(self, u: Any) -> Any:
        """min + u (max - min), in seconds."""
        return self.min + u * (self.max - self.min)

    def mean(self) -> float:
        """The middle (s)."""
        return (self.min + self.max) / 2.0


class Lognormal(Parametric):
    """e^(mu + sigma Z): by median and 95 % point, or by mean and coefficient of variation."""

    dist: Literal["lognormal"]
    median: Period | None = None
    p95: Period | None = None
    mean_: Annotated[Period | None, Field(alias="mean")] = None
    cv: Spread | None = None

    @model_validator(mode="after")
    def _one_pair(self) -> Lognormal:
        by_points = self.median is not None and self.p95 is not None and self.mean_ is None and self.cv is None
        by_moments = self.mean_ is not None and self.cv is not None and self.median is None and self.p95 is None
        if not by_points and not by_moments:
            raise ValueError("expected either `median` and `p95`, or `mean` and `cv`")
        if self.median is not None and self.p95 is not None and self.p95 <= self.median:
            raise ValueError("expected a `p95` above the `median`")
        return self

    @cached_property
    def _parameters(self) -> tuple[float, float]:
        if self.median is not None and self.p95 is not None:
            return log(self.median), log(self.p95 / self.median) / Z95
        assert self.mean_ is not None and self.cv is not None
        variance = log1p(self.cv**2)
        return log(self.mean_) - variance / 2.0, sqrt(variance)

    def _cdf(self, x: float) -> float:
        mu, sigma = self._parameters
        return _normal_cdf((log(x) - mu) / sigma) if x > 0 else 0.0

    def _ppf(self, p: Any) -> Any:
        from scipy.special import ndtri  # imported late: most commands draw nothing

        mu, sigma = self._parameters
        return np.exp(np.minimum(mu + sigma * ndtri(p), 700.0))

    def _below(self, x: float) -> float:
        mu, sigma = self._parameters
        whole = exp(min(mu + sigma**2 / 2.0, 700.0))
        if x == inf:
            return whole
        return whole * _normal_cdf((log(x) - mu - sigma**2) / sigma) if x > 0 else 0.0


class Gamma(Parametric):
    """By mean and coefficient of variation: shape 1 / cv², scale mean cv²."""

    dist: Literal["gamma"]
    mean_: Annotated[Period, Field(alias="mean")]
    cv: Spread

    @property
    def _parameters(self) -> tuple[float, float]:
        return self.cv**-2, self.mean_ * self.cv**2

    def _cdf(self, x: float) -> float:
        from scipy.special import gammainc

        shape, scale = self._parameters
        return float(gammainc(shape, x / scale))

    def _ppf(self, p: Any) -> Any:
        from scipy.special import gammaincinv

        shape, scale = self._parameters
        return scale * gammaincinv(shape, p)

    def _below(self, x: float) -> float:
        from scipy.special import gammainc

        shape, scale = self._parameters
        return self.mean_ if x == inf else self.mean_ * float(gammainc(shape + 1.0, x / scale))


class Weibull(Parametric):
    """F(x) = 1 - e^(-(x/scale)^shape)."""

    dist: Literal["weibull"]
    scale: Period
    shape: Annotated[float, Field(ge=0.05, le=100)]

    def _power(self, x: float) -> float:
        """(x/scale)^shape, or enough of it that nothing is left of e^-that: all may be more than a float holds."""
        return exp(min(self.shape * log(x / self.scale), 700.0)) if x > 0 else 0.0

    def _cdf(self, x: float) -> float:
        return -expm1(-self._power(x))

    def _ppf(self, p: Any) -> Any:
        return self.scale * (-np.log1p(-p)) ** (1.0 / self.shape)

    def _below(self, x: float) -> float:
        from scipy.special import gammainc

        whole = self.scale * gamma(1.0 + 1.0 / self.shape)
        return whole if x == inf else whole * float(gammainc(1.0 + 1.0 / self.shape, self._power(x)))


class _Sample:
    """A sorted sample. Equal to itself alone: pydantic compares what a model has cached, and cannot compare arrays."""

    def __init__(self, ordered: list[float]):
        self.values = np.array(ordered)
        self.size = len(ordered)
        self._places = np.arange(self.size)

    def quantile(self, share: Any) -> Any:
        """The value at a share of the sample, of a number or an array."""
        return np.interp(share * (self.size - 1), self._places, self.values)


class Empirical(Truncated):
    """The inverse of a sample's distribution function, linear between order statistics: type 7 of Hyndman and Fan
    (1996). The sample is `values`, or the column `column` of the CSV file `file`, relative to the scenario file."""

    dist: Literal["empirical"]
    values: Annotated[list[Duration], Field(min_length=1)]
    file: Annotated[str | None, Field(exclude=True)] = None
    column: Annotated[str | None, Field(exclude=True)] = None

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found = handler(schema)
        # read from the file where that is given
        handler.resolve_ref_schema(found)["required"] = ["dist"]
        return found

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, dict) or ("file" not in value and "column" not in value):
            return value
        if "values" in value:
            raise ValueError("expected either `values`, or `file` and `column`, not both")
        file, column = value.get("file"), value.get("column")
        if not isinstance(file, str) or not isinstance(column, str):
            raise ValueError("expected `file` and `column`, both as text")
        folder = (info.context or {}).get("folder")
        read = read_column(folder, file, column)
        return {**{key: given for key, given in value.items() if key not in ("file", "column")}, "values": read}

    @field_validator("values", mode="after")
    @classmethod
    def _sorted(cls, values: list[float]) -> list[float]:
        return sorted(values)

    @cached_property
    def _sample(self) -> _Sample:
        return _Sample(self.values)

    @cached_property
    def _mass(self) -> tuple[float, float]:
        """The shares of the sample's quantile function that the bounds leave, from and to."""
        sample = self._sample.values
        low = 0.0 if self.min is None else _share(sample, self.min, "left")
        return low, 1.0 if self.max is None else _share(sample, self.max, "right")

    @model_validator(mode="after")
    def _something_is_left(self) -> Empirical:
        _in_order(self.min, self.max)
        low, high = self._mass
        if self._sample.size == 1:  # a step, whose quantile function has no places between
            left = (self.min or 0.0) <= self.values[0] <= (inf if self.max is None else self.max)
        else:
            left = high - low >= LEAST_MASS
        if not left:
            raise ValueError("expected `min` and `max` between which the sample has values; it has none")
        return self

    def _ppf(self, p: Any) -> Any:
        return self._sample.quantile(p)

    def mean(self) -> float:
        """The expected draw (s): the area under the quantile function between the bounds, over their distance."""
        sample = self._sample
        if sample.size == 1:
            return self.values[0]
        low, high = self._mass
        inner = np.arange(sample.size) / (sample.size - 1)
        at = np.concatenate([[low], inner[(inner > low) & (inner < high)], [high]])
        return float(np.trapezoid(self._ppf(at), at)) / (high - low)


def _share(sample: Floats, bound: float, side: Literal["left", "right"]) -> float:
    """The least (`left`) share whose quantile is at or above the bound, or the greatest at or below it."""
    last = sample.size - 1
    place = int(np.searchsorted(sample, bound, side=side))
    if place == 0:
        return 0.0
    if place > last:
        return 1.0
    before, after = sample[place - 1], sample[place]
    return float((place - 1 + (bound - before) / (after - before)) / last)


def _in_order(low: float | None, high: float | None) -> None:
    if low is not None and high is not None and low > high:
        raise ValueError("expected a `min` that is not above `max`")


def _normal_cdf(z: float) -> float:
    return 0.5 * erfc(-z / sqrt(2.0))


NAMES = ("constant", "exponential", "uniform", "lognormal", "gamma", "weibull", "empirical")


def _which(value: Any) -> str | None:
    if isinstance(value, Law):
        return value.dist
    if isinstance(value, dict):
        name = value.get("dist")
        return name if isinstance(name, str) else None
    return "constant"


class _Written:
    """In the JSON Schema a distribution may be a bare duration."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [DURATION_SCHEMA, handler(schema)]}


Distribution = Annotated[
    Annotated[Constant, Tag("constant")]
    | Annotated[Exponential, Tag("exponential")]
    | Annotated[Uniform, Tag("uniform")]
    | Annotated[Lognormal, Tag("lognormal")]
    | Annotated[Gamma, Tag("gamma")]
    | Annotated[Weibull, Tag("weibull")]
    | Annotated[Empirical, Tag("empirical")],
    Discriminator(_which),
    _Written,
]
