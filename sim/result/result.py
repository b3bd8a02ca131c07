"""What one run left: a summary and frames, built when first looked at, from the recording or from a saved directory."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from sim.model import run as simulate
from sim.model.recording import Recording
from sim.reducer.errors import ReducerError
from sim.result import frames
from sim.result.summary import summary as summarise
from sim.result.tracks import Tracks, tracks
from sim.result.words import counted, duration

if TYPE_CHECKING:
    from sim.model.run import Progress
    from sim.reducer.protocol import Steps
    from sim.result.critical import Link
    from sim.scenario.schema import Scenario


class Result:
    """One run of a scenario. `summary` is a plain dict, the frames are pandas tables, both as spec page 9 names them.

    Frames and summary are built on first use and then kept; treat them as read-only, or copy.
    """

    def __init__(
        self,
        scenario: Scenario,
        summary: Callable[[], dict[str, Any]],
        frame: Callable[[str], pd.DataFrame | None],
        reducer: Steps | str | None = None,
    ):
        """`frame` gives the frame of a name, or None where it was not recorded; `reducer` is what made the steps in
        place of the project's own, or only its name. See `from_recording`, `sim.result.read`."""
        self.scenario = scenario
        """The scenario as it was run, every setting in place."""
        self._reducer = reducer
        self._make_summary = summary
        self._make_frame = frame
        self._summary: dict[str, Any] | None = None
        self._frames: dict[str, pd.DataFrame] = {}

    @classmethod
    def from_recording(cls, scenario: Scenario, recording: Recording, reducer: Steps | None = None) -> Result:
        """The result of a run that has just ended."""
        followed: list[Tracks] = []

        def track() -> Tracks:
            if not followed:
                followed.append(tracks(recording))
            return followed[0]

        def frame(name: str) -> pd.DataFrame | None:
            if name == "events" and recording.events is None:
                return None
            return frames.build(name, recording, track)

        if scenario.seed != recording.seed:
            scenario = scenario.model_copy(update={"seed": recording.seed})
        return cls(scenario, lambda: summarise(recording, track()), frame, reducer)

    @property
    def summary(self) -> dict[str, Any]:
        """The summary of page 9: JSON-ready, None for what was not reached."""
        if self._summary is None:
            self._summary = self._make_summary()
        return self._summary

    @property
    def transitions(self) -> pd.DataFrame:
        """One row per rollout, host, from, to: `at` the agent made it, `cp_at` the control plane knew."""
        return self._frame("transitions")

    @property
    def hosts(self) -> pd.DataFrame:
        """One row per rollout and host: when it entered each state, how long it stayed, what blocked it."""
        return self._frame("hosts")

    @property
    def waves(self) -> pd.DataFrame:
        """One row per rollout and wave: when it opened and was done, its throughput in hosts per hour."""
        return self._frame("waves")

    @property
    def rollouts(self) -> pd.DataFrame:
        """One row per rollout, with its hosts per state at the end."""
        return self._frame("rollouts")

    @property
    def gates(self) -> pd.DataFrame:
        """One row per rollout, wave and gate that held hosts, in host-seconds."""
        return self._frame("gates")

    @property
    def timeline(self) -> pd.DataFrame:
        """One row per time of a change and rollout: hosts per state from then on."""
        return self._frame("timeline")

    @property
    def load(self) -> pd.DataFrame:
        """One row per minute: what the control plane had to do."""
        return self._frame("load")

    @property
    def events(self) -> pd.DataFrame:
        """Everything that happened, in order. Where it was not recorded the run is repeated, which takes its time.

        Raises:
            ReducerError: it cannot be repeated, because a reducer that is not at hand made its steps.
        """
        if not self.has_events:
            if self.summary["fidelity"] == "log":
                raise LookupError("what was replayed from a log cannot be repeated; replay it with its events")
            reducer = self._reducer
            if isinstance(reducer, str):
                raise ReducerError(
                    f"the events of this run were not recorded, and {reducer!r}, which made its steps, is not at hand "
                    "to repeat it",
                    "run it again with the events recorded: --events",
                )
            again = run(
                self.scenario,
                replication=self.summary["replication"],
                record_events=True,
                seed=self.summary["seed"],
                reducer=reducer,
            )
            self._frames["events"] = again.events
        return self._frames["events"]

    @property
    def reducer(self) -> str | None:
        """The name of what made the steps in place of the project's own reducer; None if nothing did."""
        reducer = self._reducer
        if reducer is None or isinstance(reducer, str):
            return reducer
        return str(getattr(reducer, "name", type(reducer).__name__))

    @property
    def has_events(self) -> bool:
        """Whether the events are at hand, so that `events` need not repeat the run."""
        if "events" not in self._frames:
            found = self._make_frame("events")
            if found is not None:
                self._frames["events"] = found
        return "events" in self._frames

    def _frame(self, name: str) -> pd.DataFrame:
        if name not in self._frames:
            found = self._make_frame(name)
            if found is None:
                raise LookupError(f"this result holds no frame {name!r}")
            self._frames[name] = found
        return self._frames[name]

    def _lines(self) -> list[tuple[str, str, str]]:
        """A line per rollout: its id, what became of it, its hosts per state."""
        lines = []
        for rollout in self.summary["rollouts"]:
            states = ", ".join(f"{count:,} {state}" for state, count in rollout["states"].items() if count)
            lines.append((rollout["rollout_id"], outcome(rollout), states))
        return lines

    def critical_path(self, rollout_id: str) -> list[Link]:
        """The chain of hosts, gates and timers that set a finished rollout's end; see `sim.result.critical`."""
        from sim.result.critical import critical_path

        return critical_path(self, rollout_id)

    def describe(self) -> str:
        """The result in words: outcome, bottleneck, exposure and stall of each rollout."""
        from sim.result.describe import describe

        return describe(self)

    def __repr__(self) -> str:
        run_of = self.summary
        head = (
            f"<Result of {run_of['scenario']!r}: {counted(run_of['hosts'], 'host')}, seed {run_of['seed']}, "
            f"{run_of['end']} at {duration(run_of['ended_at_s'])}"
        )
        lines = [f"  {name}: {became} ({states})" for name, became, states in self._lines()]
        return "\n".join([head, *(lines or ["  no rollout opened"])]) + ">"

    def _repr_html_(self) -> str:
        run_of = self.summary
        rows = [("th", ("rollout", "outcome", "hosts")), *(("td", line) for line in self._lines())]
        table = "".join(
            "<tr>" + "".join(f"<{kind} style='text-align:left'>{html.escape(cell)}</{kind}>" for cell in line) + "</tr>"
            for kind, line in rows
        )
        return (
            f"<b>{html.escape(run_of['scenario'])}</b>: {counted(run_of['hosts'], 'host')}, seed {run_of['seed']}, "
            f"{run_of['end']} at {duration(run_of['ended_at_s'])}"
            + (f"<table>{table}</table>" if len(rows) > 1 else "<br>no rollout opened")
        )


def outcome(rollout: dict[str, Any]) -> str:
    """What became of a rollout of a summary, in a few words."""
    if rollout["terminal_at_s"] is not None:
        took = duration(rollout["terminal_at_s"] - rollout["opened_at_s"])
        later = ", then superseded" if rollout["state"] == "Superseded" else ""
        return f"finished in {took}{later}"
    if rollout["state"] == "Superseded":
        return "superseded before it finished"
    stalled = rollout["stalled"]
    if stalled is not None:
        what = (
            "stalled"
            if rollout["state"] in ("Opening", "Active", "Converging")
            else f"{rollout['state'].lower()}, stalled"
        )
        return f"{what} in wave {stalled['wave']} since {duration(stalled['since_s'])}"
    return "not finished" if rollout["state"] in ("Opening", "Active", "Converging") else rollout["state"].lower()


def run(
    scenario: Scenario,
    *,
    seed: int | None = None,
    replication: int = 0,
    record_events: bool = False,
    progress: Callable[[Progress], None] | None = None,
    reducer: Steps | None = None,
) -> Result:
    """Simulate a scenario once.

    Args:
        scenario: a loaded scenario; it is not changed.
        seed: in place of the scenario's own.
        replication: number of the replication, from 0; another gives other luck on the same fleet.
        record_events: keep every single event for the frame `events`.
        progress: called about ten times a second of wall time with a view of the run.
        reducer: makes the steps of hosts and rollouts in place of the project's own: any object with the methods of
            `sim.reducer.protocol.Steps`.

    Raises:
        ReducerError: that reducer failed, or the model cannot go on with what it answered.
    """
    recording = simulate(
        scenario,
        seed=seed,
        replication=replication,
        record_events=record_events,
        progress=progress,
        reducer=reducer,
    )
    return Result.from_recording(scenario, recording, reducer)
