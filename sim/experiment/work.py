"""One run, and what a worker is sent to make it. It sends back what a function makes of the result, for most uses the
values of metrics."""

from __future__ import annotations

import hashlib
import pickle
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import sim.result
from sim.experiment import metrics as named
from sim.experiment.errors import ExperimentError
from sim.experiment.metrics import Metric
from sim.experiment.points import Point, Values
from sim.result.versions import versions
from sim.scenario.schema import Scenario

if TYPE_CHECKING:
    from sim.result import Result

Look = Callable[[], None]
"""Called several times a second; what it raises ends the run."""
Found = TypeVar("Found")
Measure = Callable[["Result"], Found]
"""What is made of a result; a function that can be pickled, as can what it gives."""


def values_of(result: Result, metrics: Sequence[Metric]) -> Values:
    """The values of metrics in a result."""
    return named.measure(result.summary, metrics)


def simulate(scenario: Scenario, replication: int, metrics: Sequence[Metric], look: Look | None = None) -> Values:
    """The values of metrics of one run, as `measured` gives them."""
    return measured(scenario, replication, partial(values_of, metrics=metrics), look)


def measured(scenario: Scenario, replication: int, measure: Measure[Found], look: Look | None = None) -> Found:
    """What is made of one run.

    Raises:
        KeyboardInterrupt: it was interrupted, so there is nothing to measure.
    """
    result = sim.result.run(scenario, replication=replication, progress=None if look is None else lambda _: look())
    if result.summary["end"] == "interrupted":
        raise KeyboardInterrupt
    return measure(result)


class Package(NamedTuple):
    """A scenario on its way to the workers, each of which opens it once."""

    key: str
    versions: Mapping[str, str | None]
    content: bytes


@lru_cache(maxsize=8)
def packed(point: Point) -> Package:
    """The scenario of a point, ready to be sent."""
    content = zlib.compress(pickle.dumps(point.scenario))
    return Package(hashlib.sha256(content).hexdigest(), dict(versions()), content)


MOST_OPENED = 8
"""Scenarios that a worker keeps."""
_opened: dict[str, Scenario] = {}


def work(package: Package, replication: int, measure: Measure[Found]) -> Found:
    """What a worker does: one run.

    Raises:
        ExperimentError: here are other versions than there, so that the same run may come out otherwise.
    """
    if package.key not in _opened:
        if package.versions != versions():
            other = [
                f"{name} {found}, not {package.versions.get(name)}"
                for name, found in versions().items()
                if found != package.versions.get(name)
            ]
            raise ExperimentError(f"a worker has {'; '.join(other)}: it may give other runs; install the same versions")
        while len(_opened) >= MOST_OPENED:
            _opened.pop(next(iter(_opened)))
        _opened[package.key] = pickle.loads(zlib.decompress(package.content))
    return measured(_opened[package.key], replication, measure)
