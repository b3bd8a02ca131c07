"""The tables of rollouts, waves, gates and the fleet at the end: rows of text, ready for the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from sim.plot.style import STATES as LOOKS
from sim.report.phrases import percent, states
from sim.result import outcome
from sim.result.bottleneck import PART_WORDS
from sim.result.sentences import gate_words
from sim.result.words import counted, duration, number

if TYPE_CHECKING:
    from sim.result import Result

MOST = 200
"""Rows of a table that are in the page."""


class Table(NamedTuple):
    """A table: what it says, its headings, its rows (the first cell heads the row), and how many rows are left out."""

    caption: str
    head: list[str]
    rows: list[list[str]]
    left_out: int
    words: int = 1
    """How many of the first columns hold words; the others hold numbers."""


def table(caption: str, head: list[str], rows: list[list[str]], words: int = 1) -> Table:
    """The table, of so many rows the first `MOST`."""
    return Table(caption, head, rows[:MOST], max(len(rows) - MOST, 0), words)


def rollouts(result: Result) -> Table:
    """Each rollout, its outcome and by when its hosts had converged."""
    refs = dict(zip(result.rollouts["rollout_id"], result.rollouts["ref"], strict=True))
    rows = [
        [
            one["rollout_id"],
            str(refs.get(one["rollout_id"], "")),
            outcome(one),
            states(one["states"]),
            f"{one['hosts']:,}",
            duration(one["opened_at_s"]),
            _or(one["terminal_at_s"], "never"),
            *(_or(one["time_to_converged_s"][quantile], "never") for quantile in ("p50", "p90", "p99", "p100")),
        ]
        for one in result.summary["rollouts"]
    ]
    head = ["Rollout", "Release", "Outcome", "Hosts at the end", "Hosts", "Opened at", "Finished at"]
    return table(
        "Rollouts. Opened and finished count from the start of the run, the four last columns from the opening.",
        [*head, "50 % converged", "90 %", "99 %", "100 %"],
        rows,
        words=4,
    )


def waves(result: Result) -> Table:
    """Each wave: when it opened and was done, and its throughput."""
    rows = [
        [
            f"{one['rollout_id']}, wave {wave['index']}",
            f"{wave['hosts']:,}",
            _or(wave["opened_at_s"], "never"),
            _or(wave["first_dispatch_at_s"], "never"),
            _or(wave["eligible_at_s"], "never"),
            number(wave["eligible_per_h"]),
            _or(wave["converged_at_s"], "never"),
            number(wave["converged_per_h"]),
            "-" if wave["verified_at_promotion"] is None else percent(wave["verified_at_promotion"]),
        ]
        for one in result.summary["rollouts"]
        for wave in one["waves"]
    ]
    head = ["Wave", "Hosts", "Opened at", "First dispatch at", "All eligible at", "Eligible/h", "All converged at"]
    return table(
        "Waves, in time since the start of the run. Eligible is converged or deferred; hosts per hour count from the "
        "opening of the wave; verified is the share that had converged when the next wave was let go.",
        [*head, "Converged/h", "Verified"],
        rows,
    )


def time_spent(result: Result) -> Table:
    """Where the time of each wave's hosts went, as shares."""
    rows = []
    for one in result.summary["rollouts"]:
        for wave in one["waves"]:
            whole = sum(wave["parts"][part] for part in PART_WORDS)
            shares = [percent(wave["parts"][part] / whole) if wave["parts"][part] else "" for part in PART_WORDS]
            rows.append([f"{one['rollout_id']}, wave {wave['index']}", f"{whole / 3600:,.1f}", *shares])
    used = [column for column in range(len(PART_WORDS)) if any(row[2 + column] for row in rows)]
    return table(
        "Where the hosts' time went from the opening of the rollout until they converged, or until the end of the run.",
        ["Wave", "Host-hours", *(_heading(list(PART_WORDS.values())[column]) for column in used)],
        [[*row[:2], *(row[2 + column] for column in used)] for row in rows],
    )


def gates(result: Result) -> Table:
    """What each gate held, and why for longest."""
    rows = [
        [
            f"{row['rollout_id']}, {_wave(row['wave'])}",
            str(row["gate"]),
            _why(str(row["gate"]), str(row["culprit"])),
            f"{int(row['hosts']):,}",
            f"{row['blocked_s'] / 3600:,.2f}",
        ]
        for row in result.gates.to_dict("records")
    ]
    return table(
        "Hosts that each gate held, and for how long in all; the reason is the one that held longest.",
        ["Wave", "Gate", "Reason", "Hosts", "Host-hours"],
        rows,
        words=3,
    )


def at_the_end(result: Result) -> Table:
    """Hosts per state and wave at the end: what the grid shows where no script runs."""
    counts = result.hosts.groupby(["rollout_id", "wave", "state"], sort=False, dropna=False).size()
    waves: dict[str, dict[str, int]] = {}
    for row in counts.reset_index(name="hosts").to_dict("records"):
        named = f"{row['rollout_id']}, {_wave(row['wave'])}"
        waves.setdefault(named, {})[row["state"]] = row["hosts"]
    rows = [
        [named, f"{sum(hosts.values()):,}", *(f"{hosts.get(state, 0):,}" for state in LOOKS)]
        for named, hosts in waves.items()
    ]
    return table(
        f"Hosts per state at the end of the run, {duration(result.summary['ended_at_s'])}.",
        ["Wave", "Hosts", *LOOKS],
        rows,
    )


def load(result: Result) -> Table:
    """What the control plane had to do, in all and in the busiest minute."""
    frame = result.load
    rows = []
    for column in map(str, frame.columns.drop("at")):
        counts = frame[column].to_numpy(dtype=np.int64)
        if counts.any():
            busiest = duration(float(frame["at"].iloc[int(counts.argmax())]))
            rows.append([column, f"{counts.sum():,}", f"{counts.max():,}", busiest])
    return table(
        f"What the control plane had to do in the {counted(len(frame), 'minute')} of the run.",
        ["What", "In all", "In the busiest minute", "Which began at"],
        rows,
    )


def _wave(wave: Any) -> str:
    return "no wave" if pd.isna(wave) else f"wave {int(wave)}"


def _or(at: float | None, instead: str) -> str:
    return instead if at is None else duration(at)


def _heading(words: str) -> str:
    return words[:1].upper() + words[1:]


def _why(gate: str, reason: str) -> str:
    """The gate's reason in words; as it is where it is none that a gate of this version gives."""
    try:
        return gate_words(gate, reason)
    except KeyError:
        return reason
