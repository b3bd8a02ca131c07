"""A check of a baseline in words, as plain data and as rows of a table; `formats` makes files of it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.experiment.moved import ALPHA, Change
from sim.experiment.wording import Scale, columns, percent
from sim.result.sentences import moment
from sim.result.words import counted, some

if TYPE_CHECKING:
    from sim.experiment.regression import Check, Compared, Drift
    from sim.experiment.trajectory import Moments, Parting

HEADS = ("scenario", "metric", "unit", "was", "is", "change", "", "known by")
STATISTICS, GONE = "Compared by statistics alone", "Not in the scenario any more"
WAYS = {"worse": "worse", "better": "better", "other": "neither better nor worse"}
HOWS = {"trajectory": "the same seeds", "statistics": "statistics"}


class Row(NamedTuple):
    """A compared metric as cells under `HEADS`."""

    scenario: str
    metric: str
    unit: str
    was: str
    is_now: str
    change: str
    way: str
    how: str


def summary(check: Check) -> dict[str, Any]:
    """The plain data of spec page 10."""
    return {
        "baseline": str(check.file),
        "ok": check.ok,
        "moved": [
            {
                "scenario": one.scenario,
                "metric": one.metric,
                "was": one.change.was,
                "is": one.change.is_now,
                "worse": None if one.way == "other" else one.way == "worse",
                "kind": one.how,
                "unit": one.kind.unit,
                "relative": one.change.relative,
                "reached": {"was": one.change.reached[0], "is": one.change.reached[1]},
                "p": None if one.is_speed else one.change.p,
            }
            for one in check.moved
        ],
        "trajectories": [
            {
                "scenario": drift.scenario,
                "replications": drift.replications,
                "of": drift.of,
                "first": _first(drift),
            }
            for drift in check.drifts
        ],
        "changed": [{"scenario": name, "what": what} for name, what in check.changed.items()],
        "gone": [{"scenario": name, "metrics": paths} for name, paths in check.gone.items()],
        "speed": [
            {"scenario": one.scenario, "was": one.change.was, "is": one.change.is_now, "relative": one.change.relative}
            for one in check.compared
            if one.is_speed
        ],
        "versions": {name: {"was": was, "is": now} for name, (was, now) in check.versions.items()},
        "compared": len(check.compared),
        "runs": check.runs,
        "tolerance": check.tolerance,
        "speed_tolerance": check.speed_tolerance,
    }


def describe(check: Check) -> str:
    """In words, over several lines."""
    lines = [headline(check), facts(check)]
    table = rows(check)
    if table:
        lines += ["", *(f"  {line}" for line in columns([HEADS, *table], left=3))]
    for head, sentences in sections(check):
        lines += ["", f"{head}:", *(f"  {sentence}" for sentence in sentences)]
    lines += ["", *closing(check)]
    if check.stands_apart:
        lines.append(f"If this is meant, record it: {again(check)}")
    return "\n".join(lines)


def headline(check: Check) -> str:
    """The answer in a sentence."""
    count = {way: sum(one.way == way for one in check.moved) for way in WAYS}
    of = counted(len(check.compared), "metric")
    if count["worse"]:
        said = f"{count['worse']:,} of {of} {_is(count['worse'])} worse"
        if count["better"]:
            said += f", {count['better']:,} better"
    elif count["better"]:
        said = f"nothing is worse, {count['better']:,} of {of} {_is(count['better'])} better"
    elif count["other"]:
        said = f"nothing is worse, {count['other']:,} of {of} moved"
    elif check.changed or check.drifts:
        said = f"nothing is worse, none of {of} moved"
    else:
        said = f"as it was, all {of}"
    return f"{check.file}: {said}"


def facts(check: Check) -> str:
    """What was run, and against what."""
    return f"{runs(check)}, {recorded(check)}"


def runs(check: Check) -> str:
    """How much was run."""
    return f"{counted(check.runs, 'run')} of {counted(len(check.baseline.scenarios), 'scenario')}"


def recorded(check: Check) -> str:
    """By what the baseline was recorded, and what has another version now."""
    others = [f"{name} {now or '?'} (was {was or '?'})" for name, (was, now) in check.versions.items()]
    said = f"recorded with nixfleet-sim {check.baseline.versions.get('nixfleet-sim')}"
    return said + (f"; now {', '.join(others)}" if others else "")


def rows(check: Check) -> list[Row]:
    """What moved, the worse first."""
    return [row(check, one) for one in check.moved]


def row(check: Check, one: Compared) -> Row:
    """A compared metric in words."""
    change = one.change
    scale = Scale("", 1.0) if one.is_speed else Scale.of(one.kind.unit, (change.was, change.is_now))
    return Row(
        labels(check)[one.scenario],
        one.metric,
        scale.unit,
        scale.shown(change.was),
        scale.shown(change.is_now),
        _size(change),
        WAYS[one.way],
        "measured" if one.is_speed else HOWS[one.how],
    )


def sections(check: Check) -> Iterator[tuple[str, list[str]]]:
    """What else there is to say: heads, with sentences under each."""
    names = labels(check)
    if check.drifts:
        yield (
            "Other trajectories with the same seeds",
            [f"{names[one.scenario]}: {drifted(one)}" for one in check.drifts],
        )
    if check.changed:
        groups: dict[str, list[str]] = {}
        for name, what in check.changed.items():
            groups.setdefault(" and ".join(what), []).append(names[name])
        yield (
            STATISTICS,
            [f"{some(of)}: other {what} than recorded" for what, of in groups.items()],
        )
    if check.gone:
        yield (
            GONE,
            [f"{names[name]}: {some(paths)}" for name, paths in check.gone.items()],
        )
    speeds = [one for one in check.compared if one.is_speed]
    if speeds:
        yield (
            "Speed against bare SimPy, of what it was",
            [", ".join(f"{names[one.scenario]} {100 * (1 + (one.change.relative or 0)):.0f} %" for one in speeds)],
        )


def drifted(drift: Drift) -> str:
    """Which runs went another way, and where."""
    which = "all" if len(drift.replications) == drift.of else f"{len(drift.replications):,} of"
    return f"{which} {counted(drift.of, 'run')}; in replication {drift.replication} {parted(drift.first)}"


def parted(first: Parting) -> str:
    """Where two runs part."""
    if first.host is None:
        return f"the transitions end before one of {first.number:,} to {first.up_to:,}"
    what = f"{first.rollout_id} {first.host} {first.source} -> {first.target}"
    if first.number < first.up_to:
        at = moment(first.is_now[0]) if first.is_now is not None else "-"
        return (
            f"the first transition that differs is one of {first.number:,} to {first.up_to:,}; "
            f"these begin now with {what} at {at}"
        )
    said = f"transition {first.number:,} is the first that differs: {what}"
    if first.is_now is None:
        return f"{said} is not made, and was at {_shown(first.was)}"
    if first.was is None:
        return f"{said} at {_shown(first.is_now)}, was {'later or ' if first.unknown else ''}not made"
    now, was = _both(first.is_now, first.was)
    return f"{said} at {now}, was at {was}"


def closing(check: Check) -> list[str]:
    """What counts as moved, over two lines."""
    tolerance, in_all = _tolerance(check.tolerance), _tolerance(ALPHA)
    return [
        f"Moved is more than {tolerance} and more than chance explains: by a paired t test for equal seeds, Welch's",
        f"for others, Fisher's and Mann-Whitney's where not all got there; with Holm's correction, {in_all} in all.",
    ]


def again(check: Check) -> str:
    """The command that recorded the baseline, as from here."""
    baseline = check.baseline
    words = ["nixfleet-sim", "bench", "record", str(check.file)]
    words += [os.path.relpath(check.file.parent / name) for name in baseline.scenarios]
    words += ["-n", str(max((len(one.runs) for one in baseline.scenarios.values()), default=0))]
    words += [word for path in baseline.asked for word in ("--metric", path)]
    words += [word for key, value in baseline.settings.items() for word in ("--set", f"{key}={value}")]
    if not any(one.speed for one in baseline.scenarios.values()):
        words.append("--no-speed")
    return shlex.join(words)


def labels(check: Check) -> dict[str, str]:
    """A short name for each scenario, the path where that would be ambiguous."""
    stems = [Path(name).stem for name in check.baseline.scenarios]
    return {
        name: stem if stems.count(stem) == 1 else name
        for name, stem in zip(check.baseline.scenarios, stems, strict=True)
    }


def _first(drift: Drift) -> dict[str, Any]:
    first = drift.first
    was, now = first.was or (None, None), first.is_now or (None, None)
    return {
        "replication": drift.replication,
        "transition": first.number,
        "up_to": first.up_to,
        "rollout_id": first.rollout_id,
        "host": first.host,
        "from": first.source,
        "to": first.target,
        "was": {"at": was[0], "cp_at": was[1]},
        "is": {"at": now[0], "cp_at": now[1]},
    }


def _both(now: Moments, was: Moments) -> tuple[str, str]:
    """Two times so that their difference is seen: the control plane's if the agent's agree, finer if need be."""
    place = 0 if now[0] != was[0] else 1
    clock = " by the control plane's clock" if place else ""
    texts = moment(now[place]), moment(was[place])
    if texts[0] == texts[1]:
        texts = f"{now[place]!r} s", f"{was[place]!r} s"
    return f"{texts[0]}{clock}", texts[1]


def _shown(moments: Moments | None) -> str:
    return moment(None if moments is None else moments[0])


def _size(change: Change) -> str:
    if change.relative is not None and change.reached[0] == change.reached[1]:
        return f"{100 * change.relative:+.3g} %"
    if change.reached[0] != change.reached[1]:
        return f"reached by {percent(change.reached[1])}, was {percent(change.reached[0])}"
    return "from nothing" if change.was == 0.0 else ""


def _tolerance(share: float) -> str:
    return f"{100 * share:g} %"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
