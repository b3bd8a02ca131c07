"""A rollout that happened, from its event log: a `Result` like that of a run, and what the reducers say of the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from sim.data.event_rows import EventRows
from sim.data.known import fleet_of, scenario_from, scenario_of
from sim.data.log import EventLog, LogError
from sim.data.rebuild import Fleet, Rebuilder
from sim.data.reducers import Replay
from sim.data.rows import IGNORED
from sim.model.recording import Recording
from sim.result.result import Result
from sim.scenario.schema import Scenario


class Replayed(msgspec.Struct):
    """What became of a log: its rows, how they compare with the reducers, what is wrong with them (lines of text), what
    had to be assumed (sentences), and the result, where it was asked for."""

    rows: int
    replay: Replay
    problems: list[str]
    assumed: list[str]
    result: Result | None


def replay(
    path: str | Path,
    scenario: Scenario | None = None,
    *,
    rebuild: bool = True,
    events: bool = False,
) -> Replayed:
    """Play a log through the reducers, and rebuild what happened as a result.

    Args:
        scenario: one with the fleet of a real log: its artifact says which hosts each wave lists.
        rebuild: without it there is no result.
        events: give the result its frame `events`, which takes memory by the row; all else takes it by the host.

    Raises:
        LogError: there is no log, or no row of it can be used.
    """
    with EventLog(path) as log:
        try:
            own = scenario_of(log)
        except LogError as error:
            own = None
            log.distrust_simulation(str(error))
        given = own or scenario
        compared = Replay(soaks_from_opening=given is None or given.rules.soak_from == "open")
        takes = [compared.take]
        if rebuild:
            rebuilder = Rebuilder(Fleet() if given is None else fleet_of(given, log.simulation))
            takes.append(rebuilder.take)
        if events:
            event_rows = EventRows(agents_time=own is not None)
            takes.append(event_rows.take)
        for row in log.rows():
            for take in takes:
                take(row)
        compared.finish()
        if not compared.rows:
            if not log.problems.counts:
                raise LogError(f"{path}: its table event_log holds no row: nothing has rolled out")
            raise LogError(f"{path}: not one of its rows can be used\n" + "\n".join(log.problems.lines()))
        ignored = {kind: log.counts[kind] for kind in IGNORED if kind in log.counts}
        compared.skipped.update({**log.problems.counts, **ignored})
        result = None
        if rebuild:
            recording = _recording(log, rebuilder, given)
            if events:
                recording.events = event_rows.rows({one.rollout_id: one.wave_opened_at for one in recording.rollouts})
            result = Result.from_recording(given or scenario_from(rebuilder, recording, log.path.stem), recording)
        return Replayed(log.read, compared, list(log.problems.lines()), _assumed(own, scenario), result)


def result_of(path: str | Path, scenario: Scenario | None = None) -> Result:
    """What happened by a log, as a result; see `replay`."""
    found = replay(path, scenario).result
    assert found is not None
    return found


def _recording(log: EventLog, rebuilder: Rebuilder, scenario: Scenario | None) -> Recording:
    about: dict[str, Any] = {"scenario": log.path.stem, "seed": 1, "replication": 0}
    ended_at = None
    if log.simulation is not None:
        assert scenario is not None
        about |= {"scenario": scenario.name, "seed": log.simulation.seed, "replication": log.simulation.replication}
        if "file" not in log.problems.counts:  # nobody knows what came after the last row of a file that is cut off
            ended_at = log.simulation.ended_at
    elif scenario is not None:
        about["seed"] = scenario.seed
    return rebuilder.recording(about, ended_at)


def _assumed(own: Scenario | None, given: Scenario | None) -> list[str]:
    """What the log does not say and was taken from elsewhere, in sentences."""
    if own is not None:
        unchecked = own.rules.soak_from != "open"
        return ["soaks that do not begin at the opening leave no row: their ends are not checked"] if unchecked else []
    waves = "the waves are those of the given fleet" if given else "a host's wave is that of its HostJoined row"
    return [
        waves,
        "a wave opens with the first row that shows it: a dispatch to one of its hosts, or a gate asked after it",
        "soaks end when the first dispatch of a host says; its target is that dispatch's",
    ]
