"""What a run asks of the control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sim.plot.pick import Ints
from sim.report.phrases import Answer, listed, percent
from sim.result.words import counted, duration

if TYPE_CHECKING:
    from sim.result import Result

REQUESTS = ("heartbeats", "reports.", "dispatches_queued", "dispatches_requeued")
"""What crosses the network, by the beginnings of the columns of the frame `load`."""


def control_plane(result: Result) -> Answer:
    """Whether the control plane has more to do than heartbeats alone, when, and what it writes down."""
    question = "Does the control plane notice the difference?"
    frame, load = result.load, result.summary["load"]
    requests = _sum(frame, REQUESTS)
    if not requests.any():
        return Answer("control-plane", question, "nothing to do", ["The control plane was asked nothing in this run."])
    beats = _sum(frame, ("heartbeats",))
    busiest = int(requests.argmax())
    usual = float(np.median(beats[:-1] if len(beats) > 1 else beats))
    at = duration(float(frame["at"].iloc[busiest]))
    sentences = [f"Its busiest minute, at {at}, has {counted(int(requests[busiest]), 'message')}"]
    times = requests[busiest] / usual if usual else 0.0
    if times:
        sentences[0] += f", {times:.1f} times the heartbeats of a usual minute ({usual:,.0f})"
    from_log = result.summary["fidelity"] == "log"
    heartbeats = "" if from_log else f"{load['heartbeats']:,} heartbeats and "
    sentences[0] += f"; in all there are {heartbeats}{counted(load['reports'], 'report')}."
    if from_log:
        sentences.append("Heartbeats leave no row in an event log: they are not counted here.")
    rows = load["event_log_rows"]
    if rows:
        decisions = int(_sum(frame, ("event_log.gate_decision",)).sum())
        said = f"{counted(rows, 'row')} into its event log"
        said = f"It wrote {said}" if from_log else f"It writes {said}"
        often = f", {percent(decisions / rows)} of them to say again that a gate holds a host" if decisions else ""
        sentences.append(f"{said}{often}.")
    if load["dispatches_requeued"]:
        again = load["dispatches_requeued"]
        what = "1 dispatch had to be queued again, because it" if again == 1 else ""
        what = what or f"{again:,} dispatches had to be queued again, because they"
        sentences.append(f"{what} had not been taken by the next pass.")
    refused = [f"{count:,} as {kind}" for kind, count in load["rejected"].items() if count]
    if refused:
        sentences.append(f"It refused reports: {listed(refused)}.")
    if from_log:
        return Answer("control-plane", question, "not known: its heartbeats leave no row", sentences)
    short = f"{times:.1f} times the usual at its busiest" if times >= 1.5 else "hardly"
    return Answer("control-plane", question, short, sentences)


def _sum(frame: pd.DataFrame, beginnings: tuple[str, ...]) -> Ints:
    columns = [name for name in frame.columns if str(name).startswith(beginnings)]
    sums: Ints = frame[columns].to_numpy(dtype=np.int64).sum(axis=1)
    return sums
