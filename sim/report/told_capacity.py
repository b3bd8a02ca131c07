"""What the page of a search for the value that meets service goals tells."""

from __future__ import annotations

import shlex

from sim import plot
from sim.experiment import Capacity
from sim.experiment.goals import Goal
from sim.experiment.wording import as_given, percent
from sim.report.figures import Shown
from sim.report.tables import Table, table
from sim.report.told import MOST_DRAWN, Told, about, parts, said, source, text_table
from sim.result.words import counted, some

BINDS = {True: "yes", False: "no"}
MOST_PARTS = 8
"""Parts of the time that are drawn; the others are in the text."""


def of_capacity(found: Capacity) -> Told:
    """The answer, in which share of the runs each value tried meets each goal, and what the runs at the answer wait
    for."""
    scenario, values = found.scenario, found.values
    others = [goal.said for goal in found.goals[MOST_DRAWN:]]
    which = "largest" if found.largest else "smallest"
    runs = f"{counted(len(found.tried), 'value')} · {counted(len(found.table), 'run')}"
    return Told(
        kind="Capacity",
        title=scenario.name,
        description=scenario.description,
        run=f"{runs} · seed {scenario.seed} · fidelity {scenario.fidelity}",
        question=f"What is the {which} {values.path} that is enough?",
        sentences=said(found.sentences),
        enough=said(parts(found.enough)),
        figures=[*(_shares(found, place) for place in range(min(len(found.goals), MOST_DRAWN))), *_time(found)],
        not_drawn=f"In the tables alone: {some(others, len(others))}." if others else "",
        tables=[_goals(found), text_table("The values that were tried, one row each.", found.rows, words=1)],
        notes=found.footnotes,
        scenarios=[source(scenario)],
        again=_again(found),
        about=about(
            scenario,
            ("Setting", f"{values.path} from {_end(found, 0)} to {_end(found, -1)}, in steps of {_step(found)}"),
            ("Values", f"{len(found.tried):,} tried, at most {found.at_most:,}"),
            ("Runs", f"as many as each verdict takes, at most {found.most:,} of a value, each from replication 0 on"),
            ("Confidence", f"{as_given(found.confidence)} that no verdict is wrong"),
            ("Margin", f"{as_given(found.margin)} around a goal's share"),
            ("Fidelity", scenario.fidelity),
        ),
    )


def _goals(found: Capacity) -> Table:
    rows = [
        [f"goal {number}", goal.asks, as_given(goal.share), percent(share), _interval(around), BINDS[binds]]
        for number, (goal, (share, around), binds) in enumerate(
            zip(found.goals, found.judged.estimates(), found.binding, strict=True), 1
        )
    ]
    at = found.values.said(found.judged.value)
    return table(
        f"The goals, and in which share of the runs they are met at {at}.",
        ["Goal", "Asked of a run", "Of so many runs", "Met", "95 % interval", "Binds"],
        rows,
        words=2,
    )


def _shares(found: Capacity, place: int) -> Shown:
    """The share of the runs that are as one goal asks, at each value."""
    goal = found.goals[place]
    estimates = [one.estimates()[place] for one in found.tried]
    names = [found.values.said(one.value) for one in found.tried]
    answer = next((row for row, one in enumerate(found.tried) if one.value == found.answer), None)
    axes = plot.shares(
        names,
        [share for share, _ in estimates],
        [low for _, (low, _) in estimates],
        [high for _, (_, high) in estimates],
        [one.verdict for one in found.tried],
        goal=goal.share,
        margin=found.margin,
        answer=answer,
        title=goal.asks,
    )
    caption = (
        f"Runs as the goal asks, {goal.said}, at each {found.values.path} that was tried, with 95 % intervals"
        f"{_verdict_of(found.goals)}."
    )
    told = [
        f"{name}{' (the answer)' if row == answer else ''}: {percent(share)} ({_interval(around)}) of "
        f"{counted(one.runs, 'run')}, {one.verdict}."
        for row, (name, one, (share, around)) in enumerate(zip(names, found.tried, estimates, strict=True))
    ]
    return Shown(plot.svg(axes), caption, " ".join([caption, *told]))


def _verdict_of(goals: list[Goal]) -> str:
    return "; the verdicts are of all goals together" if len(goals) > 1 else ""


def _time(found: Capacity) -> list[Shown]:
    """What the runs at the value judged spend their time on; none where that is not known."""
    narrow = found.bottleneck
    if narrow is None:
        return []
    at = f"{found.values.path} = {found.values.said(found.judged.value)}"
    if narrow.finished:
        of, label = "the critical path, the chain that sets the end of the rollout", "share of the critical path"
    else:
        of, label = "the hosts' time in rollouts that do not finish", "share of the hosts' time"
    shares = dict(narrow.shares)
    names = list(shares)[:MOST_PARTS]
    axes = plot.parts(names, [shares[name] for name in names], title=f"The bottleneck: {narrow.what}", label=label)
    runs = "the one run looked into" if narrow.runs == 1 else f"the {narrow.runs:,} runs looked into"
    caption = (
        f"What {of}, consists of at {at}, on average of {runs}."
        if narrow.finished
        else (f"What {of} goes into at {at}, on average of {runs}.")
    )
    told = " ".join(f"{name}: {percent(share)}." for name, share in shares.items())
    return [Shown(plot.svg(axes), caption, f"{caption} {told}")]


def _again(found: Capacity) -> str:
    ends = [found.values.written(found.values.at(place)) for place in (0, found.values.size - 1)]
    words = ["nixfleet-sim", "capacity", "scenario.yaml", "--find", found.values.path, "--between", *ends]
    words += ["--step", _step(found)]
    words += ["--largest"] if found.largest else []
    words += [word for goal in found.goals for word in ("--goal", goal.text)]
    for option, share in (("--confidence", found.confidence), ("--margin", found.margin)):
        words += [option, as_given(share).replace(" ", "")]
    return shlex.join([*words, "-n", str(found.most)])


def _interval(around: tuple[float, float]) -> str:
    low, high = around
    return f"{percent(low)} to {percent(high)}"


def _step(found: Capacity) -> str:
    return found.values.written(float(found.values.step))


def _end(found: Capacity, place: int) -> str:
    return found.values.said(found.values.at(place % found.values.size))
