"""An experiment is points times replications. A point is a scenario under some settings, a run one replication of it.

The result of a run is the values of the experiment's metrics, in their order; of all runs together a table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import count, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from sim.experiment.metrics import Metric
from sim.result.versions import versions
from sim.scenario.loader import with_settings
from sim.scenario.schema import Scenario
from sim.scenario.write import ARTIFACT, bundle, plain

if TYPE_CHECKING:
    import pandas as pd

Values = tuple[float | None, ...]
"""A run's values, None where the run ended before they were reached."""
Columns = dict[str, NDArray[Any] | list[str | None]]
"""A table: numbers, truth values or texts by the name of the column."""


class Point:
    """A scenario, and by which settings it differs from the experiment's other points: its columns of the table."""

    def __init__(self, scenario: Scenario, settings: Mapping[str, Any] | None = None):
        self.scenario = scenario
        self.settings: dict[str, Any] = dict(settings or {})

    @classmethod
    def of(cls, scenario: Scenario, settings: Mapping[str, Any]) -> Point:
        """The point of a scenario under settings by path (spec page 10).

        Raises:
            ScenarioError: a path that does not exist, or a value that does not fit there.
        """
        return cls(with_settings(scenario, settings) if settings else scenario, settings)

    @cached_property
    def key(self) -> str:
        """The settings as text, the same whatever their order."""
        return msgspec.json.encode(self.settings, order="deterministic").decode()

    def replications(self, most: int | None = None, first: int = 0) -> Iterable[Run]:
        """Its runs from replication `first` on, without end if `most` is None."""
        return (Run(self, number) for number in islice(count(first), most))


class Run(NamedTuple):
    """One replication of a point."""

    point: Point
    replication: int

    def __str__(self) -> str:
        where = ", ".join(f"{key}={value}" for key, value in self.point.settings.items())
        return f"replication {self.replication}{f' of {where}' if where else ''}"


def content_hash(scenario: Scenario) -> str:
    """SHA-256 of what a scenario's file says, with the artifact and samples it refers to. Name, description, seed and
    layout do not count. Nor do defaults: where one of them changes, the program has changed, not the scenario."""
    content = _content(scenario, as_given=True)
    content.pop("seed", None)
    return _digest(content)


def identity(kind: str, scenario: Scenario, metrics: Sequence[Metric], **more: Any) -> dict[str, Any]:
    """By what an experiment is known again: its kind, the scenario, the metrics, the versions, and what else it needs.

    Long values are told apart by their hash.
    """
    return {
        "kind": kind,
        "scenario": _content(scenario),
        "metrics": [metric.path for metric in metrics],
        "versions": dict(versions()),
        **more,
    }


def columns_of(rows: Iterable[tuple[Run, Values]], metrics: Sequence[Metric]) -> Columns:
    """The table of an experiment, a row per run in the order given: a column per setting, `replication`, and a column
    per metric with NaN where it was not reached."""
    given = list(rows)
    settings = dict.fromkeys(key for run, _ in given for key in run.point.settings)
    found: Columns = {key: _column([run.point.settings.get(key) for run, _ in given]) for key in settings}
    found["replication"] = np.array([run.replication for run, _ in given], dtype=np.int64)
    for place, metric in enumerate(metrics):
        found[metric.path] = np.array([values[place] for _, values in given], dtype=np.float64)
    return found


def frame(given: Columns) -> pd.DataFrame:
    """A table as pandas has it."""
    # here, because loading pandas takes longer than a finished experiment may take to answer
    import pandas as pd

    return pd.DataFrame(
        {name: pd.Series(column, dtype="str") if isinstance(column, list) else column for name, column in given.items()}
    )


def _column(values: list[Any]) -> NDArray[Any] | list[str | None]:
    """The values of a setting: as numbers or as truth values if all are, else as text."""
    kinds = {type(value) for value in values}
    if kinds <= {int, float} or kinds == {bool}:
        return np.array(values)
    return [value if isinstance(value, str) else _text(value) for value in values]


def _text(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


LONG = 200
"""Entries above which a list is told by its hash."""


def _content(scenario: Scenario, *, as_given: bool = False) -> dict[str, Any]:
    """The scenario as data, long values by their hash, with every default or `as_given`."""
    data = plain(scenario, as_given=as_given)
    data.pop("name", None)
    data.pop("description", None)
    if scenario.fleet.resolved is not None:
        data["fleet"]["resolved"] = f"sha256:{hashlib.sha256(bundle(scenario)[ARTIFACT]).hexdigest()}"
    found: dict[str, Any] = _shortened(data)
    return found


def _shortened(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _shortened(value) for key, value in data.items()}
    if isinstance(data, list):
        return f"sha256:{_digest(data)}" if len(data) > LONG else [_shortened(value) for value in data]
    return data


def _digest(data: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(data, order="deterministic")).hexdigest()
