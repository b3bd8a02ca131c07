"""What the page of an experiment tells, as plain data, and what all kinds of experiments tell alike."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from platform import python_version
from typing import NamedTuple

import pandas as pd

from sim.experiment import metrics as named
from sim.experiment.metrics import Metric, Unit
from sim.experiment.wording import Scale, filled
from sim.report.figures import Shown
from sim.report.phrases import sentence
from sim.report.tables import Table, table
from sim.result.versions import versions
from sim.scenario.schema import Scenario
from sim.scenario.write import plain, to_yaml

MOST_DRAWN = 6
"""Metrics of which there are figures."""
JUDGED = ("s", "hosts/h")
"""Units of the metrics that are drawn first."""
MOMENTS = 5
"""Numbers of runs at which a text says how far an estimate had settled."""
_NAME = re.compile(r"[\w-]*[._=][^ ]")


class Source(NamedTuple):
    """A scenario as used: what to call it, under which name to save it, its content, and whether it names a fleet
    artifact."""

    name: str
    file: str
    yaml: str
    artifact: bool


class Told(NamedTuple):
    """The parts of the page, texts unescaped."""

    kind: str
    title: str
    description: str | None
    run: str
    """How much was run, in a line."""
    question: str
    sentences: list[str]
    """The answer, and what else there is to say of it."""
    enough: list[str]
    """How many runs there are and why that was enough, and what else there is to say of it."""
    figures: list[Shown]
    not_drawn: str
    """What there are no figures of; may be empty."""
    tables: list[Table]
    notes: list[str]
    scenarios: list[Source]
    again: str | None
    """The command from which the same comes out, if there is one."""
    about: list[tuple[str, str]]


def parts(enough: str) -> list[str]:
    """The sentence on how many runs there are and why, and by itself what is known least."""
    return enough.split("; ", maxsplit=1)


def said(sentences: Sequence[str]) -> list[str]:
    """Sentences as a page has them: with a capital, unless they begin with the name of a setting or a metric, and with
    a full stop."""
    return [
        f"{one if _NAME.match(one) else sentence(one)}{'' if one.endswith('.') else '.'}" for one in sentences if one
    ]


def text_table(caption: str, rows: Sequence[Sequence[str]], words: int) -> Table:
    """A table of cells, the first row the heads, without columns that are empty; the first `words` of the columns that
    are left hold words."""
    kept = filled(rows)
    head, *body = [[row[place] for place in kept] for row in rows]
    return table(
        caption,
        [_head(one) for one in head],
        body,
        words,
    )


def _head(words: str) -> str:
    """A head with a capital, but for symbols such as `a` and `p90`, which are no words."""
    return sentence(words) if len(words) > 1 and words.replace(" ", "").isalpha() else words


def source(scenario: Scenario, name: str = "the scenario", file: str = "scenario.yaml") -> Source:
    """A scenario as used."""
    return Source(name, file, to_yaml(plain(scenario)), scenario.fleet.resolved is not None)


def metric_options(scenario: Scenario, asked: Sequence[Metric]) -> str:
    """The options that ask for these metrics; none if they are those that are measured by themselves."""
    if list(asked) == named.defaults(scenario):
        return ""
    return "".join(f" --metric {shlex.quote(metric.path)}" for metric in asked)


def about(scenario: Scenario, *rows: tuple[str, str], precision: float | None = None) -> list[tuple[str, str]]:
    """What was run and by what."""
    told = [("Seed", str(scenario.seed)), *rows]
    if precision is not None:
        told.append(("Precision", f"± {100 * precision:g} % asked for"))
    return [*told, *made_by()]


def made_by() -> list[tuple[str, str]]:
    """By what it was run."""
    numbers = versions()
    libraries = [f"{name} {number}" for name, number in numbers.items() if name != "nixfleet-sim" and number]
    return [
        ("Run by", f"nixfleet-sim {numbers['nixfleet-sim']}"),
        ("With", ", ".join([f"Python {python_version()}", *libraries])),
    ]


def drawn(asked: Sequence[Metric], first: Metric, vary: Sequence[str]) -> list[Metric]:
    """The metrics to draw: the one that the answer begins with, and then those of the main units first, in the order in
    which they were asked for; of those that differ at all."""
    chosen = [metric for metric in asked if metric.path in vary]
    ranked = sorted(chosen, key=lambda metric: (metric != first, metric.kind.unit not in JUDGED))[:MOST_DRAWN]
    return sorted(ranked, key=lambda metric: metric != first)


def settled(what: str, running: pd.DataFrame, unit: Unit) -> str:
    """How an estimate settled, in words after those of `what` it is."""
    counts, centre = str(running.columns[0]), str(running.columns[1])
    places = sorted({round(step * (len(running) - 1) / (MOMENTS - 1)) for step in range(MOMENTS)})
    told = []
    for row in running.iloc[places].to_dict("records"):
        value, low, high = (None if pd.isna(row[key]) else float(row[key]) for key in (centre, "low", "high"))
        head = f"After {int(row[counts]):,}: "
        told.append(f"{head}{estimated(unit, value, (low, high))}.")
    return f"{what} {' '.join(told)}"


def estimated(unit: Unit, value: float | None, around: tuple[float | None, float | None]) -> str:
    """A number with its interval: `17.2 h (16.8 to 17.6)`."""
    if value is None:
        return "not known"
    scale = Scale.of(unit, (value,))
    low, high = around
    half = None if low is None or high is None else (high - low) / 2
    shown = f"{scale.shown(value, half)} {scale.unit}".rstrip()
    return shown if around == (None, None) or half == 0.0 else f"{shown} ({scale.interval(around)})"
