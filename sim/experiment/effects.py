"""How much of what differs between the points of a sweep each setting explains.

The variance of the response over the points is split by functional ANOVA (Hoeffding's decomposition): the share of a
setting is the variance of its main effect, its first-order Sobol index. In a grid, where each level meets all the
others, that is exact: main effects are level means. Elsewhere an additive model is fitted by least squares, with a
parabola for a range and a mean for each listed value, which is an approximation, and the rest says how good.

SALib and `scipy.stats.sobol_indices` estimate the same indices, but from samples of their own design (Saltelli's),
which take d + 2 runs for each point of a table there would be no other use for; what SALib has for given data bins or
fits numbers only, and knows neither words nor that a full grid needs no estimating.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from sim.experiment import intervals
from sim.experiment.designs import Setting
from sim.experiment.intervals import UNKNOWN, Interval

Floats = NDArray[np.float64]


class Effect(msgspec.Struct, frozen=True):
    """What a setting does to a metric, on the average over the other settings."""

    setting: str
    share: float
    """Of the variance over the points that its main effect explains: the first-order Sobol index."""
    total_share: float | None
    """With all interactions it takes part in: the total Sobol index; None where it is no full grid."""
    first: Any
    second: Any
    """Between which two values the change is: the ends of its range or of its list, or, of three words and more, those
    with the lowest and the highest response."""
    change: float
    change_ci95: Interval
    """Student's t over the replications, which see the same luck at all points; unknown for one replication."""


class Effects(msgspec.Struct, frozen=True):
    """What the settings of a sweep do to a metric, the most important first."""

    differ: bool
    """Whether the points differ at all."""
    ranked: list[Effect]
    rest: float
    """The share of the variance that no main effect explains: in a grid interactions, elsewhere lack of fit, too."""
    chance: float | None
    """About how much of the variance over the points is luck that few replications leave; None for one of them."""


def effects(
    settings: Sequence[Setting], points: Sequence[Mapping[str, Any]], response: Floats, *, full: bool
) -> Effects | None:
    """The effects of settings on a response.

    Args:
        points: the values of the settings.
        response: a row per point, a column per replication.
        full: whether the points are all combinations of the settings' values, the last setting changing fastest.

    Returns:
        None where there are too few points to tell the effects apart.
    """
    columns = [_columns(one, [point[one.path] for point in points]) for one in settings]
    model = np.column_stack([np.ones(len(points)), *columns])
    if len(points) < model.shape[1] or np.linalg.matrix_rank(model) < model.shape[1]:
        return None
    coefficients: Floats = np.linalg.lstsq(model, response)[0].astype(np.float64)
    means = response.mean(axis=1)
    # what is left of equal values in floating point is no variance
    size = float(np.max(np.abs(response)))
    nothing = float(np.var(means)) <= (1e-12 * size) ** 2
    parts = np.split(coefficients[1:], np.cumsum([given.shape[1] for given in columns])[:-1])
    mains = [float(np.var((given @ mine).mean(axis=1))) for given, mine in zip(columns, parts, strict=True)]
    rest = float(np.var(means - (model @ coefficients).mean(axis=1)))
    # and not the variance of the means: in a drawn design settings are a little correlated by chance
    whole = 1.0 if nothing else sum(mains) + rest
    found = []
    for place, (one, mine, main) in enumerate(zip(settings, parts, mains, strict=True)):
        first, second, change = _change(one, _settled(mine, size))
        found.append(
            Effect(
                setting=one.path,
                share=0.0 if nothing else _share(main / whole),
                total_share=(0.0 if nothing else _share(_total(settings, place, means) / whole)) if full else None,
                first=first,
                second=second,
                change=float(change.mean()),
                change_ci95=intervals.mean(change.tolist())[1] if len(change) > 1 else UNKNOWN,
            )
        )
    return Effects(
        differ=not nothing,
        ranked=sorted(found, key=lambda one: -one.share),
        rest=0.0 if nothing else _share(rest / whole),
        chance=None if nothing else _chance(response),
    )


def _share(found: float) -> float:
    return min(max(round(found, 12), 0.0), 1.0)


def _settled(found: Floats, size: float) -> Floats:
    """Numbers without the last digits of responses of that size, which are those of the fit."""
    return np.round(found, 11 - math.floor(math.log10(size))) + 0.0 if size else found


def _columns(one: Setting, values: Sequence[Any]) -> Floats:
    """A setting's columns of the model: which of its values but the first it is, or, of a range, where in it, and that
    squared."""
    if one.ends is None:
        return np.array([[float(value == level) for level in one.values[1:]] for value in values]).reshape(
            len(values), len(one.values) - 1
        )
    low, high = one.ends
    place = (np.array(values, dtype=np.float64) - low) / (high - low)
    return np.column_stack([place, place**2])


def _change(one: Setting, coefficients: Floats) -> tuple[Any, Any, Floats]:
    """Two values of a setting, and how the response changes from one to the other in each replication."""
    if one.ends is not None:
        return *one.ends, coefficients.sum(axis=0)
    levels = np.vstack([np.zeros(coefficients.shape[1]), coefficients])
    first, second = 0, len(levels) - 1
    if one.unit == "words" and len(levels) > 2:
        means = levels.mean(axis=1)
        first, second = int(means.argmin()), int(means.argmax())
    return one.values[first], one.values[second], levels[second] - levels[first]


def _total(settings: Sequence[Setting], place: int, means: Floats) -> float:
    """The variance over a full grid that is left when all settings but one are known."""
    cube = means.reshape([len(one.values) for one in settings])
    return float(np.mean(np.var(cube, axis=place)))


def _chance(response: Floats) -> float | None:
    """The variance of a point's mean by its residual against point and replication, over that of the points' means."""
    points, runs = response.shape
    if runs < 2 or points < 2:
        return None
    means = response.mean(axis=1)
    residual = response - means[:, None] - response.mean(axis=0)[None, :] + response.mean()
    squares = float(np.sum(residual**2)) / ((points - 1) * (runs - 1))
    return min(squares / runs / float(np.var(means, ddof=1)), 1.0) if math.isfinite(squares) else None
