"""The table of hosts: columns of numbers for the script, and its first rows in words for a page without one.

The rows that say most come first: hosts that did not converge, those longest blocked before others; then those that
took longest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sim.reducer.records import STATES
from sim.report.packed import Names, lengths, numbers, ticks_per_second
from sim.result.words import duration

if TYPE_CHECKING:
    from sim.result import Result

MOST_OF_A_ROLLOUT = 10_000
MOST = 30_000
"""Rows that the page holds of one rollout, and in all."""
SHOWN = 200
"""Rows that are in the page at once."""

COLUMNS = (
    ("host", "Host", "text"),
    ("rollout", "Rollout", "text"),
    ("wave", "Wave", "number"),
    ("state", "State", "text"),
    ("converged", "Converged after", "time"),
    ("blocked", "Blocked by gates", "time"),
    ("activating", "Activating", "time"),
    ("deferred", "Deferred", "time"),
    ("soaking", "Soaking", "time"),
    ("fails", "Failed probe runs", "number"),
)
"""Each column's key, its heading and what is in it; times are durations."""


def host_table(result: Result, names: Names) -> tuple[dict[str, Any], list[list[str]]]:
    """The table's data for the script and its first rows as text; host names are added to `names`."""
    frame = result.hosts
    opened = dict(zip(result.rollouts["rollout_id"], result.rollouts["opened_at"], strict=True))
    ids = list(opened)
    frame = frame.assign(
        since=frame["converged_at"] - frame["rollout_id"].map(opened).astype("float64"),
        place=frame["rollout_id"].map({name: number for number, name in enumerate(ids)}).astype("int64"),
    )
    most = MOST_OF_A_ROLLOUT if len(ids) * MOST_OF_A_ROLLOUT <= MOST else max(MOST // max(len(ids), 1), SHOWN)
    held = _interesting(frame, most).iloc[:MOST]
    rate = ticks_per_second(float(result.summary["ended_at_s"]) + 1.0)
    state_of = {state: number for number, state in enumerate(STATES)}
    table = {
        "columns": [{"key": key, "kind": kind} for key, _, kind in COLUMNS],
        "rows": len(held),
        "of": len(frame),
        "shown": SHOWN,
        "noun": "host" if frame["host"].is_unique else "row",
        "rate": rate,
        "rollouts": ids,
        "states": list(STATES),
        "data": {
            "host": names.column(held["host"].tolist()),
            "rollout": numbers(held["place"]),
            "wave": numbers(held["wave"].fillna(-1)),
            "state": numbers(held["state"].map(state_of).astype("int64")),
            "converged": lengths(held["since"], rate),
            "blocked": lengths(held["blocked_s"], rate),
            "activating": lengths(held["activating_s"], rate),
            "deferred": lengths(held["deferred_s"], rate),
            "soaking": lengths(held["soaking_s"], rate),
            "fails": numbers(held["probe_fails"]),
        },
    }
    return table, [_words(row) for row in held.head(SHOWN).to_dict("records")]


def _interesting(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """Of each rollout the rows that say most, at most so many; all of them with those that say most first."""
    done = frame["since"].notna().to_numpy()
    weight = np.where(done, frame["since"].to_numpy(dtype=np.float64), frame["blocked_s"].to_numpy(dtype=np.float64))
    order = np.lexsort((-weight, done))
    ordered = frame.iloc[order]
    if len(frame) <= most:
        return ordered
    return ordered[ordered.groupby("rollout_id", sort=False).cumcount() < most]


def _words(row: dict[Any, Any]) -> list[str]:
    """A row as the script would write it, too (`hosts.js`)."""
    return [
        str(row["host"]),
        str(row["rollout_id"]),
        "none" if pd.isna(row["wave"]) else str(int(row["wave"])),
        str(row["state"]),
        "never" if pd.isna(row["since"]) else duration(max(row["since"], 0.0)),
        *(
            duration(row[column]) if row[column] else ""
            for column in ("blocked_s", "activating_s", "deferred_s", "soaking_s")
        ),
        f"{int(row['probe_fails']):,}" if row["probe_fails"] else "",
    ]
