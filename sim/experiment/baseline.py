"""Baselines: what scenarios gave when they were last looked at, in a file that is kept under version control.

The file is JSON with a line per metric and per run, in the order in which the scenarios were named, so that recording
again shows in a diff what has changed. Scenarios are named relative to the file.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from sim.experiment import metrics as named
from sim.experiment.errors import ExperimentError
from sim.experiment.execute import Look, values_of, workers_of
from sim.experiment.metrics import Metric
from sim.experiment.observing import Told, observe
from sim.experiment.points import Values, content_hash
from sim.experiment.progress import Progress
from sim.experiment.speed import Speed, speed
from sim.experiment.store import replace_file
from sim.experiment.trajectory import Trajectory, trajectory, trimmed
from sim.result import Result
from sim.result.versions import versions
from sim.scenario.loader import load
from sim.scenario.schema import Scenario

FORMAT = 1
REPLICATIONS = 10
LEAST = 2
"""Runs of a scenario: of one run nothing tells how much runs differ."""
DIGITS = 7
"""Significant digits of the values that are kept."""


class Measured(msgspec.Struct, frozen=True):
    """A metric's values by replication, None where the run ended before it was reached, and then there is no mean."""

    mean: float | None
    values: list[float | None]


class Recorded(msgspec.Struct, frozen=True, omit_defaults=True):
    """One scenario: the hash of its file's content, the seed of replication 0, the metrics by path, a trajectory per
    replication, and its speed where that was measured."""

    content: str
    seed: int
    metrics: dict[str, Measured]
    runs: list[Trajectory]
    speed: Speed | None = None


class Baseline(msgspec.Struct, frozen=True):
    """What the file holds: its format, the versions that gave it, settings in place of the scenarios' own, the paths of
    metrics that were asked for (none: the defaults), and the scenarios by path."""

    baseline: int
    versions: dict[str, str | None]
    settings: dict[str, Any]
    asked: list[str]
    scenarios: dict[str, Recorded]


class Source(NamedTuple):
    """A scenario as it is to be run, and the hash of its file's content, without the settings in place of its own."""

    scenario: Scenario
    content: str


def record(
    file: str | Path,
    scenarios: Sequence[str | Path],
    n: int = REPLICATIONS,
    *,
    metrics: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    with_speed: bool = True,
    workers: int | None = None,
    dask: str | None = None,
    executor: Executor | None = None,
    look: Look | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Baseline:
    """Run scenarios and write what they gave to a file, in place of the baseline that is there.

    Args:
        n: replications of each scenario, the first with its seed, each next one with the next seed.
        metrics: paths into the summary (spec page 10); see `sim.experiment.metrics.defaults`.
        settings: in place of the scenarios' own, by setting path; `check` uses them, too.
        with_speed: measure how fast each runs, too, after all the runs and in this process.
        workers, dask, executor, look, progress: as `sim.experiment.replicate` has them.

    Raises:
        ExperimentError: an unknown metric, fewer than two replications, no scenario, or a file that is something else.
        ScenarioError: a scenario cannot be used.
    """
    target = Path(file)
    if n < LEAST:
        raise ExperimentError(f"expected at least {LEAST} replications, got {n}: one run has no spread")
    if not scenarios:
        raise ExperimentError("name the scenarios to record")
    if target.exists():
        read(target)
    elif not target.parent.is_dir():
        raise ExperimentError(f"cannot write {file}: there is no directory {target.parent}")
    sources = {relative(one, target): source(Path(one), settings) for one in scenarios}
    asked = {name: _metrics(name, one.scenario, metrics) for name, one in sources.items()}
    found: dict[str, Recorded] = {}
    told = Told(n * len(sources), progress)
    with workers_of(workers, dask=dask, executor=executor) as crew:
        for name, (scenario, content) in sources.items():
            rows = observe(scenario, n, partial(_observed, asked[name]), asked[name], crew, look, told)
            found[name] = Recorded(
                content,
                scenario.seed,
                {
                    metric.path: measured([values[place] for values, _ in rows])
                    for place, metric in enumerate(asked[name])
                },
                trimmed([one for _, one in rows]),
            )
    if with_speed:
        for name, (scenario, _) in sources.items():
            told.speed(name)
            found[name] = msgspec.structs.replace(found[name], speed=speed(scenario, look=look))
    baseline = Baseline(FORMAT, dict(versions()), dict(settings or {}), list(metrics or []), found)
    replace_file(target, text(baseline).encode())
    return baseline


def read(file: str | Path) -> Baseline:
    """Read a baseline.

    Raises:
        ExperimentError: there is none, or it is of a later format or damaged.
    """
    try:
        content = Path(file).read_bytes()
    except FileNotFoundError:
        raise ExperimentError(
            f"there is no baseline {file}; record one: nixfleet-sim bench record {file} SCENARIO..."
        ) from None
    except IsADirectoryError:
        raise ExperimentError(f"{file} is a directory; give the file of a baseline") from None
    try:
        data = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        data = None
    if not isinstance(data, dict) or type(data.get("baseline")) is not int:
        raise ExperimentError(f"{file} is no baseline that nixfleet-sim bench record wrote; give another file")
    if data["baseline"] > FORMAT:
        about = data.get("versions")
        writer = about.get("nixfleet-sim") if isinstance(about, dict) else None
        raise ExperimentError(
            f"{file} was written by nixfleet-sim {writer}, in a later format; use that version, or record it again "
            "under another name"
        )
    try:
        found = msgspec.convert(data, Baseline)
        for name, one in found.scenarios.items():
            if any(len(metric.values) != len(one.runs) for metric in one.metrics.values()) or len(one.runs) < LEAST:
                raise msgspec.ValidationError(f"{name}: expected a value of each metric for each of its runs")
    except msgspec.ValidationError as error:
        raise ExperimentError(f"{file} is damaged: {error}; take it from version control, or record it again") from None
    return found


def text(baseline: Baseline) -> str:
    """A baseline as the file has it: objects over several lines, but those that hold values or rows on one."""
    return _pretty(msgspec.to_builtins(baseline), "") + "\n"


# -- shared with `regression`


def source(path: Path, settings: Mapping[str, Any] | None) -> Source:
    """A scenario with other values for some settings."""
    plain = load(path)
    return Source(load(path, settings) if settings else plain, content_hash(plain))


def measured(values: Sequence[float | None]) -> Measured:
    """A metric's values as they are kept: rounded, with their mean."""
    kept = [rounded(value) for value in values]
    there = [value for value in kept if value is not None]
    return Measured(rounded(math.fsum(there) / len(there)) if len(there) == len(kept) else None, kept)


def rounded(value: float | None) -> float | None:
    """A value to as many digits as are kept."""
    return None if value is None else float(f"{value:.{DIGITS}g}")


def relative(scenario: str | Path, file: Path) -> str:
    """The name of a scenario in a baseline: its path from there."""
    return Path(os.path.relpath(Path(scenario).resolve(), file.resolve().parent)).as_posix()


def _observed(metrics: Sequence[Metric], result: Result) -> tuple[Values, Trajectory]:
    return values_of(result, metrics), trajectory(result.transitions)


def _metrics(name: str, scenario: Scenario, paths: Sequence[str] | None) -> list[Metric]:
    try:
        found = named.find(scenario, paths) if paths else named.defaults(scenario)
    except ExperimentError as error:
        raise ExperimentError(f"{name}: {error}") from None
    if not found:
        raise ExperimentError(f"{name} has no channel with hosts and a release; name the metrics to record")
    return found


def _pretty(data: Any, indent: str) -> str:
    """JSON in which whatever holds no further objects is on one line."""
    deeper = f"{indent}  "
    if isinstance(data, dict) and any(map(_nests, data.values())):
        entries = [f"{deeper}{json.dumps(key)}: {_pretty(value, deeper)}" for key, value in data.items()]
        return "{\n" + ",\n".join(entries) + f"\n{indent}}}"
    if isinstance(data, list) and _nests(data):
        return "[\n" + ",\n".join(f"{deeper}{_pretty(value, deeper)}" for value in data) + f"\n{indent}]"
    return json.dumps(data)


def _nests(data: Any) -> bool:
    return isinstance(data, dict) or (isinstance(data, list) and any(isinstance(value, dict) for value in data))
