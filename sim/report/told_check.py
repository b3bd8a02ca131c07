"""What the page of a check of a baseline tells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sim import plot
from sim.experiment import Check
from sim.experiment.regression import Compared, Drift
from sim.experiment.verdict import (
    GONE,
    HEADS,
    STATISTICS,
    again,
    closing,
    drifted,
    headline,
    labels,
    recorded,
    row,
    runs,
    sections,
)
from sim.experiment.wording import as_given
from sim.plot.changes import Moved
from sim.report.figures import Shown
from sim.report.tables import Table, table
from sim.report.told import MOST_DRAWN, Told, made_by, said, source, text_table
from sim.result.sentences import moment
from sim.result.words import counted, some

WORDS = 3
"""Columns of words in front of the numbers: scenario, metric, unit."""
UNKNOWN = "-"
NOT_MOVED = "not moved"
MOST_SAID = 3
"""Scenarios of which the answer says where their runs go another way; the others are in the table."""


def of_check(found: Check) -> Told:
    """Whether anything is worse, what moved and by how much, and which runs go another way than they did."""
    names = labels(found)
    several = len(found.scenarios) > 1
    drawn = [name for name in found.scenarios if _differing(found, name)]
    speeds = [one for one in found.compared if one.is_speed]
    moved = [_cells(found, one) for one in found.moved]
    tables = [text_table("What moved, the worse first.", [_HEADS, *moved], words=WORDS)] if moved else []
    tables += [_drifts(found)] if found.drifts else []
    tables.append(_all(found))
    sizeless = [one.metric for one in found.moved if one.change.relative is None]
    rest = [names[name] for name in drawn[MOST_DRAWN:]]
    return Told(
        kind="Baseline check",
        title=found.file.name,
        description=None,
        run=runs(found),
        question="Has anything got worse?",
        sentences=said([headline(found).removeprefix(f"{found.file}: "), *_more(found)]),
        enough=said(
            [f"{runs(found)}: as many as were recorded", recorded(found), " ".join(closing(found)), *_aside(found)]
        ),
        figures=[
            *(_changes(found, name, several=several) for name in drawn[:MOST_DRAWN]),
            *([_speed(found, speeds)] if speeds else []),
        ],
        not_drawn=" ".join(
            [
                *([f"In the tables alone: {some(rest, len(rest))}."] if rest else []),
                *([f"Of no known size: {some(sizeless, len(sizeless))}."] if sizeless else []),
            ]
        ),
        tables=tables,
        notes=[],
        scenarios=[
            source(scenario, names[name], f"{names[name]}{Path(name).suffix}")
            for name, scenario in found.scenarios.items()
        ],
        again=None,
        about=[
            ("Baseline", str(found.file)),
            ("Recorded by", f"nixfleet-sim {found.baseline.versions.get('nixfleet-sim')}"),
            ("Seeds", ", ".join(_seeds(found, name) for name in found.scenarios)),
            ("Tolerance", f"{as_given(found.tolerance)} of a metric, {as_given(found.speed_tolerance)} of the speed"),
            *made_by(),
        ],
    )


_HEADS = tuple(head or "way" for head in HEADS)


def _more(found: Check) -> list[str]:
    """What there is to say of the answer: which runs differ, what the scenarios lack, and what to do."""
    names, parted = labels(found), found.drifts[:MOST_SAID]
    told = [f"with the same seeds {names[one.scenario]} goes another way in {drifted(one)}" for one in parted]
    if len(parted) < len(found.drifts):
        told.append(f"so do {counted(len(found.drifts) - len(parted), 'more scenario')}")
    told += [f"{head}: {some(what, len(what))}" for head, what in sections(found) if head in (STATISTICS, GONE)]
    if not found.drifts and not found.changed:
        told.append("every run makes the same transitions as when it was recorded")
    if found.stands_apart:
        told.append(f"if this is meant, record it: {again(found)}")
    return told


def _aside(found: Check) -> list[str]:
    """By what a move is known."""
    told = []
    if found.drifts:
        told.append("what is known by the same seeds moved because the program gives other transitions than it did")
    if found.changed:
        told.append("what is known by statistics could be luck, with the chance that is said above")
    return told


def _cells(found: Check, one: Compared) -> tuple[str, ...]:
    cells = row(found, one)
    if one.moved:
        return cells
    same = one.change.relative == 0.0 and one.change.reached[0] == one.change.reached[1]
    return cells._replace(change=UNKNOWN, way="as it was", how="") if same else cells._replace(way=NOT_MOVED, how="")


def _all(found: Check) -> Table:
    rows = [_cells(found, one) for one in found.compared]
    return text_table("All that was compared, one row each.", [_HEADS, *rows], words=WORDS)


def _drifts(found: Check) -> Table:
    names = labels(found)
    rows = [
        [
            names[one.scenario],
            f"{one.first.rollout_id} {one.first.host}" if one.first.host is not None else UNKNOWN,
            f"{one.first.source} → {one.first.target}" if one.first.host is not None else UNKNOWN,
            f"{len(one.replications):,} of {one.of:,}",
            str(one.replication),
            _number(one),
            *(moment(at[0]) if at is not None else UNKNOWN for at in (one.first.was, one.first.is_now)),
        ]
        for one in found.drifts
    ]
    return table(
        "Where runs with the same seed first go another way than when they were recorded, one of each scenario.",
        ["Scenario", "Host", "Transition", "Runs that differ", "Replication", "Its number", "Was at", "Is at"],
        rows,
        words=3,
    )


def _number(drift: Drift) -> str:
    first = drift.first
    return f"{first.number:,}" if first.number >= first.up_to else f"{first.number:,} to {first.up_to:,}"


def _differing(found: Check, name: str) -> list[Compared]:
    """The metrics of a scenario whose size is known and that are not what they were."""
    return [
        one
        for one in found.compared
        if one.scenario == name and not one.is_speed and one.change.relative not in (None, 0.0)
    ]


def _changes(found: Check, name: str, *, several: bool) -> Shown:
    rows = _differing(found, name)
    label = labels(found)[name]
    caption = (
        f"By how much the metrics{f' of {label}' if several else ''} that differ changed, beside the tolerance of "
        f"{as_given(found.tolerance)}."
    )
    return _shown(found, rows, [one.metric for one in rows], label, found.tolerance, caption)


def _speed(found: Check, rows: Sequence[Compared]) -> Shown:
    names = labels(found)
    caption = (
        "By how much the speed against bare SimPy changed, beside the tolerance of "
        f"{as_given(found.speed_tolerance)}; it is rough."
    )
    return _shown(found, rows, [names[one.scenario] for one in rows], "Speed", found.speed_tolerance, caption)


def _shown(
    found: Check, rows: Sequence[Compared], names: Sequence[str], title: str, tolerance: float, caption: str
) -> Shown:
    axes = plot.changes(
        names,
        [one.change.relative or 0.0 for one in rows],
        [_became(one) for one in rows],
        tolerance=tolerance,
        title=title,
    )
    told = []
    for name, one in zip(names, rows, strict=True):
        cells = row(found, one)
        told.append(
            f"{name}: was {cells.was}, is {cells.is_now} {cells.unit}".rstrip() + f" ({cells.change}), {_became(one)}."
        )
    return Shown(plot.svg(axes), caption, " ".join([caption, *told]))


def _became(one: Compared) -> Moved:
    if not one.moved:
        return "not moved"
    return "moved" if one.way == "other" else one.way


def _seeds(found: Check, name: str) -> str:
    first, runs = found.scenarios[name].seed, len(found.baseline.scenarios[name].runs)
    return f"{labels(found)[name]} {first} to {first + runs - 1}"
