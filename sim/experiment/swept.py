"""What a sweep has found, as tables, as figures and in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from sim.experiment.designs import Design, Setting
from sim.experiment.effects import Effects
from sim.experiment.intervals import half_width
from sim.experiment.metrics import Metric
from sim.experiment.points import Point
from sim.experiment.wording import Scale, columns, percent
from sim.result.words import counted, some
from sim.scenario.schema import Scenario

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Statistic = Literal["mean", "median", "reached"]
CALLED = {"mean": "mean", "median": "median", "reached": "share of runs that reached"}


@dataclass(frozen=True)
class Sweep:
    """What the points of a sweep say; `print` it."""

    scenario: Scenario
    settings: list[Setting]
    design: Design
    points: list[Point]
    replications: int
    asked: list[Metric]
    first: Metric
    """The metric that the answer begins with."""
    table: pd.DataFrame
    """A row per point and replication: a column per setting (durations in seconds), `replication`, and a column per
    metric with NaN where the run ended without reaching it."""
    estimates: pd.DataFrame
    """A row per point and metric: the settings, `metric`, `n`, `reached`, `mean`, `median`, and of each the ends of its
    95 % interval; NaN where unknown."""
    statistics: dict[str, Statistic]
    """By metric what its points are compared by: the mean; where some run did not reach it the median; where some
    point has none, the share of its runs that reached it."""
    effects: dict[str, Effects]
    """By metric, those that can be told; none of an interrupted sweep."""
    interrupted: bool
    notes: list[str]
    """What was done otherwise than asked."""
    files: dict[str, Path] = field(default_factory=dict)
    """Where the `table` is, and the figure of each metric."""

    @property
    def summary(self) -> dict[str, Any]:
        """The plain data of spec page 10 that `sweep --json` prints."""
        figures = {path: str(file) for path, file in self.files.items() if path != "table"}
        return {
            "scenario": self.scenario.name,
            "seed": self.scenario.seed,
            "design": self.design,
            "points": len(self.points),
            "replications": self.replications,
            "runs": len(self.table),
            "interrupted": self.interrupted,
            "table": str(self.files["table"]) if "table" in self.files else None,
            "figures": figures,
            "effects": {
                metric.path: {
                    "unit": metric.kind.unit if self.statistics[metric.path] != "reached" else "share",
                    "statistic": self.statistics[metric.path],
                    **msgspec.to_builtins(self.effects[metric.path]),
                }
                for metric in self.asked
                if metric.path in self.effects
            },
            "notes": self.notes,
        }

    def describe(self) -> str:
        """In words: the range of one metric over the points, what each setting does to it, and to all metrics."""
        first, *more = self.sentences
        # the rows of a metric stand together: its name once is enough
        lines = [("", *row[1:]) if row[0] == above[0] else row for above, row in pairwise([("",), *self.rows])]
        return "\n".join(
            [
                f"{self.scenario.name}: {first}",
                *more,
                self.enough,
                *self.notes,
                *(["", *(f"  {line}" for line in columns(lines, left=5)), ""] if lines else []),
                *self.footnotes,
            ]
        )

    def __str__(self) -> str:
        return self.describe()

    @property
    def sentences(self) -> list[str]:
        """The answer: over what one metric ranges, and what each setting that matters does to it."""
        return [self._range(), *self._changes()]

    @property
    def enough(self) -> str:
        """How many points and runs there are, and why not more."""
        runs = f"{counted(len(self.points), 'point')}, {counted(len(self.table), 'run')}, seed {self.scenario.seed}"
        said = "interrupted before all points were done" if self.interrupted else f"{self.replications:,} at each point"
        return f"{runs}: {said}, under the same luck at each"

    def figure(self, path: str | None = None, axes: Axes | None = None) -> Figure:
        """A metric over the settings: see `sim.plot.response` for one or two settings, `sim.plot.responses` for more.

        Args:
            path: the metric; the one that the answer begins with if None.
            axes: where to draw one or two settings; a new figure if None.

        Raises:
            KeyError: it was not measured.
        """
        from matplotlib.figure import Figure

        from sim.plot import response, responses

        metric = self._metric(path)
        statistic = self.statistics[metric.path]
        table = self.response(metric.path)
        units: dict[str, str] = {one.path: one.unit for one in self.settings}
        units["value"] = "" if statistic == "reached" else metric.kind.unit
        looks: dict[str, Any] = {
            "title": metric.path,
            "label": "share of runs that reached it" if statistic == "reached" else statistic,
            "units": units,
        }
        keys = [one.path for one in self.settings]
        if len(keys) > 2:
            return responses(table, keys, **looks)
        found = response(table, keys, axes, **looks).figure
        assert isinstance(found, Figure)
        return found

    def response(self, path: str | None = None) -> pd.DataFrame:
        """Per point the settings, and what it says of a metric by its statistic: `value`, and `low` and `high`, the
        ends of the interval; NaN where unknown. The metric is the one that the answer begins with if None.

        Raises:
            KeyError: it was not measured.
        """
        metric = self._metric(path)
        statistic = self.statistics[metric.path]
        rows = self.estimates[self.estimates["metric"] == metric.path]
        names = {f"{statistic}{end}": name for end, name in (("", "value"), ("_low", "low"), ("_high", "high"))}
        if statistic == "reached":
            names = {"reached_share": "value", "reached_low": "low", "reached_high": "high"}
        keys = [one.path for one in self.settings]
        return rows[[*keys, *names]].rename(columns=names).reset_index(drop=True)

    def _metric(self, path: str | None) -> Metric:
        if path is None:
            return self.first
        return {metric.path: metric for metric in self.asked}[path]

    def _range(self) -> str:
        """Over what the first metric ranges, and where its ends are."""
        table = self.response()
        statistic = self.statistics[self.first.path]
        what = f"the {CALLED[statistic]} {'' if statistic == 'reached' else 'of '}{self.first.path}"
        known = table.dropna(subset=["value"])
        if known.empty:
            return f"no run reached {self.first.path}"
        ends = [known.iloc[int(place)] for place in (known["value"].argmin(), known["value"].argmax())]
        values = [float(end["value"]) for end in ends]
        low, high = (_with_unit(self._scale(self.first, [value]), value) for value in values)
        if values[0] == values[1]:
            return f"{what} is {low} at all points"
        at = [", ".join(f"{one.path}={one.said(end[one.path])}" for one in self.settings) for end in ends]
        return f"{what} goes from {low} ({at[0]}) to {high} ({at[1]})"

    def _changes(self) -> list[str]:
        """A sentence for each setting that matters to the first metric."""
        found = self.effects.get(self.first.path)
        if found is None or not found.differ:
            return []
        said = []
        settings = {one.path: one for one in self.settings}
        for one in found.ranked:
            setting = settings[one.setting]
            scale = self._scale(self.first, [one.change])
            low, high = one.change_ci95
            sure = low is not None and high is not None and not low <= 0.0 <= high
            half = half_width(one.change_ci95)
            between = f" ({scale.interval(one.change_ci95)})" if half else ""
            change = f"{_signed(scale, one.change, half)} {scale.unit}".rstrip()
            part = f"{one.setting} explains {percent(one.share)} of the differences"
            move = f"{change}{between} from {setting.said(one.first)} to {setting.said(one.second)}"
            if one.change == 0.0 and not half:
                said.append(part)
            else:
                said.append(f"{part}: {move}" if sure or half is None else f"{part}: {move}, which may be luck")
        return said

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The table of what each setting does to each metric as text, its heads first; empty where that cannot be told
        or no metric changes."""
        rows: list[tuple[str, ...]] = [
            ("metric", "unit", "setting", "from", "to", "change", "95 % interval", "share", "total")
        ]
        settings = {one.path: one for one in self.settings}
        for metric in self.asked:
            found = self.effects.get(metric.path)
            for one in found.ranked if found and found.differ else []:
                setting = settings[one.setting]
                scale = self._scale(metric, [one.change])
                rows.append(
                    (
                        metric.path,
                        scale.unit,
                        one.setting,
                        setting.said(one.first),
                        setting.said(one.second),
                        _signed(scale, one.change, half_width(one.change_ci95)),
                        scale.interval(one.change_ci95),
                        percent(one.share),
                        "-" if one.total_share is None else percent(one.total_share),
                    )
                )
        return rows if len(rows) > 1 else []

    @property
    def footnotes(self) -> list[str]:
        """What to know to read the table and the figures."""
        notes = []
        for statistic in ("median", "reached"):
            paths = [path for path, found in self.statistics.items() if found == statistic and path in self.effects]
            if paths:
                by = "the share of runs that did" if statistic == "reached" else "the median"
                notes.append(f"Not all runs reached {some(paths)}: compared by {by}.")
        if len(self.settings) > 1 and any(found.differ for found in self.effects.values()):
            notes.append(
                "share: of the variance over the points that the setting explains by itself; total: with what it does "
                "together with others."
            )
        same = [path for path, found in self.effects.items() if not found.differ]
        if same:
            notes.append(f"The same at all points: {some(same)}.")
        chance = [one.chance for one in self.effects.values() if one.chance is not None]
        if chance and max(chance) >= 0.05:
            notes.append(f"Up to {percent(max(chance))} of a metric's variance is luck that more runs would take away.")
        return notes

    def _scale(self, metric: Metric, values: list[float]) -> Scale:
        return Scale.of("share" if self.statistics[metric.path] == "reached" else metric.kind.unit, values)


def _with_unit(scale: Scale, value: float) -> str:
    return f"{scale.shown(value)} {scale.unit}".rstrip()


def _signed(scale: Scale, value: float, half: float | None) -> str:
    shown = scale.shown(value, half)
    return f"+{shown}" if value > 0 else shown
