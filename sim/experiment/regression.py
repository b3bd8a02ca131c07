"""Running the scenarios of a baseline again: what has moved since, and is any of it worse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from sim.experiment import metrics as named
from sim.experiment.baseline import Baseline, Recorded, Source, measured, read, source
from sim.experiment.errors import ExperimentError
from sim.experiment.execute import Look, values_of, workers_of
from sim.experiment.metrics import Kind, Metric
from sim.experiment.moved import ALPHA, Change, How, Way, change, holm
from sim.experiment.observing import Told, observe
from sim.experiment.points import Values
from sim.experiment.progress import Progress
from sim.experiment.speed import Speed, speed
from sim.experiment.trajectory import Parting, Trajectory, parting
from sim.result import Result
from sim.result.versions import versions
from sim.scenario.schema import Scenario

TOLERANCE = 0.05
SPEED_TOLERANCE = 0.5
SPEED = "speed"
"""Under this name the speed is among the metrics."""
ROUNDS = 3
"""How often a speed that seems too low is measured before it counts."""


class Compared(msgspec.Struct, frozen=True):
    """A metric of a scenario against what it was; `how` says by what a move is known: the same seeds gave other
    trajectories, or statistics."""

    scenario: str
    metric: str
    kind: Kind
    change: Change
    moved: bool
    way: Way
    how: How

    @property
    def is_speed(self) -> bool:
        """Whether it is the speed, which is no metric of a run."""
        return self.metric == SPEED


class Drift(msgspec.Struct, frozen=True):
    """Runs of a scenario that went another way with the same seeds: which replications of how many, and where one of
    them did, the first of which the very transition is known if there is one."""

    scenario: str
    replications: list[int]
    of: int
    replication: int
    first: Parting


@dataclass(frozen=True)
class Check:
    """What has become of a baseline; `print` it."""

    file: Path
    baseline: Baseline
    scenarios: dict[str, Scenario]
    """What was run, by the names of the baseline."""
    tolerance: float
    speed_tolerance: float
    compared: list[Compared]
    drifts: list[Drift]
    changed: dict[str, list[str]]
    """Scenarios that are not what they were, with what has changed: `content`, `settings`, `seed`."""
    gone: dict[str, list[str]]
    """Metrics that a scenario no longer has."""
    versions: dict[str, tuple[str | None, str | None]]
    """What has another version now, with both."""
    runs: int

    @property
    def moved(self) -> list[Compared]:
        """What moved, the worse first."""
        order = ("worse", "better", "other")
        return sorted((one for one in self.compared if one.moved), key=lambda one: order.index(one.way))

    @property
    def ok(self) -> bool:
        """Whether nothing moved the wrong way."""
        return not any(one.way == "worse" for one in self.moved)

    @property
    def stands_apart(self) -> bool:
        """Whether the files or the program give something else than what is recorded, and not the settings or the seed
        of this check."""
        changed = [what for what in self.changed.values() if what != ["seed"]]
        if any("settings" in what for what in changed):
            return False
        return bool(self.moved or self.drifts or self.gone or changed)

    @property
    def summary(self) -> dict[str, Any]:
        """The plain data of spec page 10 that `bench check --json` prints."""
        from sim.experiment.verdict import summary

        return summary(self)

    def describe(self) -> str:
        """In words: is anything worse, what moved and by how much, and how the runs differ."""
        from sim.experiment.verdict import describe

        return describe(self)

    def markdown(self) -> str:
        """The same as Markdown, for a comment on a change."""
        from sim.experiment.formats import markdown

        return markdown(self)

    def junit(self) -> str:
        """As JUnit XML, for a CI server."""
        from sim.experiment.formats import junit

        return junit(self)

    def __str__(self) -> str:
        return self.describe()


def check(
    file: str | Path,
    *,
    tolerance: float = TOLERANCE,
    speed_tolerance: float = SPEED_TOLERANCE,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
    with_speed: bool = True,
    workers: int | None = None,
    dask: str | None = None,
    executor: Executor | None = None,
    look: Look | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Check:
    """Run the scenarios of a baseline again and compare.

    Args:
        tolerance: how far a metric may move, relative to what it was; 0.05 is 5 %.
        speed_tolerance: the same for the speed, which is rough.
        seed, settings: in place of the scenarios' own; then statistics alone tell what moved.
        with_speed: measure the speed of the scenarios that are what they were, where the baseline has it;
            in this process.
        workers, dask, executor, look, progress: as `sim.experiment.replicate` has them.

    Raises:
        ExperimentError: there is no such baseline, or a scenario of it is gone.
        ScenarioError: a scenario cannot be used any more.
    """
    for name, given in (("tolerance", tolerance), ("speed tolerance", speed_tolerance)):
        if not given >= 0:
            raise ExperimentError(f"expected a {name} of 0 % or more, got {given:.0%}")
    place = Path(file)
    baseline = read(place)
    over = {**(settings or {}), **({} if seed is None else {"seed": seed})}
    now = {name: _source(name, place, baseline.settings, over) for name in baseline.scenarios}
    changed = {name: _changes(was, now[name], over) for name, was in baseline.scenarios.items()}
    compared: list[Compared] = []
    drifts: list[Drift] = []
    gone: dict[str, list[str]] = {}
    told = Told(sum(len(was.runs) for was in baseline.scenarios.values()), progress)
    with workers_of(workers, dask=dask, executor=executor) as crew:
        for name, was in baseline.scenarios.items():
            scenario = now[name].scenario
            metrics, lost = _still_there(now[name], was)
            if lost:
                gone[name] = lost
            trajectories = tuple(was.runs) if not changed[name] else ()
            measure = partial(_observed, tuple(metrics), trajectories)
            try:
                rows = observe(scenario, len(was.runs), measure, metrics, crew, look, told)
            except ExperimentError as error:
                raise ExperimentError(f"{place}: {name}: {error}") from None
            drift = _drift(name, [one for _, one in rows])
            drifts += [drift] if drift is not None else []
            compared += _compare(name, was, metrics, [values for values, _ in rows], scenario.seed, drift)
    compared = _judged(compared, tolerance)
    if with_speed:
        for name, was in baseline.scenarios.items():
            if was.speed is not None and not set(changed[name]) - {"seed"}:
                told.speed(name)
                compared.append(_speed(name, was.speed, now[name], speed_tolerance, look))
    here = versions()
    return Check(
        file=place,
        baseline=baseline,
        scenarios={name: one.scenario for name, one in now.items()},
        tolerance=tolerance,
        speed_tolerance=speed_tolerance,
        compared=compared,
        drifts=drifts,
        changed={name: what for name, what in changed.items() if what},
        gone=gone,
        versions={
            name: (baseline.versions.get(name), here.get(name))
            for name in dict.fromkeys([*here, *baseline.versions])
            if baseline.versions.get(name) != here.get(name)
        },
        runs=told.done,
    )


def _source(name: str, file: Path, recorded: Mapping[str, Any], over: Mapping[str, Any]) -> Source:
    path = file.parent / name
    if not path.exists():
        raise ExperimentError(
            f"{file} names the scenario {name}, and there is no {path}; bring it back, or record the baseline again"
        )
    return source(path, {**recorded, **over})


def _changes(was: Recorded, now: Source, over: Mapping[str, Any]) -> list[str]:
    found = {
        "content": now.content != was.content,
        "settings": any(key != "seed" for key in over),
        "seed": now.scenario.seed != was.seed,
    }
    return [what for what, differs in found.items() if differs]


def _still_there(now: Source, was: Recorded) -> tuple[list[Metric], list[str]]:
    """The metrics that the scenario still has, and the paths of those it has not."""
    metrics, lost = [], []
    for path in was.metrics:
        try:
            metrics += named.find(now.scenario, [path])
        except ExperimentError:
            lost.append(path)
    return metrics, lost


def _observed(
    metrics: Sequence[Metric], trajectories: Sequence[Trajectory], result: Result
) -> tuple[Values, Parting | None]:
    """A run's values, and where it leaves the trajectory of its replication, if there is one to compare with."""
    number = result.summary["replication"]
    parts = parting(trajectories[number], result.transitions) if trajectories else None
    return values_of(result, metrics), parts


def _drift(name: str, partings: Sequence[Parting | None]) -> Drift | None:
    parted = [(number, one) for number, one in enumerate(partings) if one is not None]
    if not parted:
        return None
    replication, first = next((row for row in parted if not row[1].unknown), parted[0])
    return Drift(name, [number for number, _ in parted], len(partings), replication, first)


def _compare(
    name: str, was: Recorded, metrics: Sequence[Metric], rows: Sequence[Values], seed: int, drift: Drift | None
) -> list[Compared]:
    """The metrics of a scenario, not yet judged."""
    found = []
    for place, metric in enumerate(metrics):
        values = measured([row[place] for row in rows]).values
        moved = change(was.metrics[metric.path].values, values, metric.kind, paired=seed == was.seed)
        how: How = "trajectory" if drift is not None else "statistics"
        found.append(Compared(name, metric.path, metric.kind, moved, False, moved.way(metric.kind), how))
    return found


def _judged(compared: Sequence[Compared], tolerance: float) -> list[Compared]:
    """Which of them moved, the chances corrected for their number."""
    chances = holm([one.change.p for one in compared])
    return [
        msgspec.structs.replace(
            one,
            change=msgspec.structs.replace(one.change, p=p),
            moved=p < ALPHA and one.change.exceeds(tolerance),
        )
        for one, p in zip(compared, chances, strict=True)
    ]


def _speed(name: str, was: Speed, now: Source, tolerance: float, look: Look | None) -> Compared:
    """The speed against what it was. It has moved if the best is beyond the tolerance, and beyond all that was measured
    then; what seems too slow is measured again, as the machine may have been busy."""
    is_now = speed(now.scenario, look=look)
    for _ in range(ROUNDS - 1):
        if is_now.best >= was.best * (1 - tolerance):
            break
        again = speed(now.scenario, look=look)
        is_now = Speed(max(is_now.best, again.best), min(is_now.low, again.low), max(is_now.high, again.high))
    relative = is_now.best / was.best - 1
    apart = is_now.high < was.low or is_now.low > was.high
    moved = Change(was.best, is_now.best, (1.0, 1.0), relative, 0.0 if apart else 1.0)
    kind = Kind("count", "more")
    return Compared(name, SPEED, kind, moved, apart and abs(relative) > tolerance, moved.way(kind), "statistics")
