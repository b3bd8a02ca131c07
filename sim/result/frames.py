"""The frames of a result (spec page 9, Results): pandas tables built from a recording, each on its own.

Columns named `…_at` are times and `…_s` durations, in seconds; a time that was never reached is NaN, a whole number
that does not apply `<NA>`. Names and states are strings. States go by the control plane's clock but for
`transitions.at`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from sim.model.recording import MoveLog, Moves, Recording
from sim.reducer.records import STATES
from sim.result.keys import PARTS
from sim.result.measures import verified_at_promotion, wave_parts
from sim.result.tracks import PENDING, Floats, Ints, Tracks, tracks

NAMES = ("transitions", "hosts", "waves", "rollouts", "gates", "timeline", "load", "events")
"""All frames; `events` is there only where it was asked for."""

REPORTS = (
    "DispatchAck",
    "ActivationStarted",
    "ActivationCompleted",
    "ActivationDeferred",
    "ActivationFailed",
    "ProbeTopologyDeclared",
    "ProbeObservedFirst",
    "ProbeResult",
    "ProbeFailureFirst",
    "Failed",
    "RollbackComplete",
    "Converged",
)
LOG_KINDS = ("agent_event", "plan_action", "effect", "gate_decision", "rollout_event")
LOAD = (
    *(f"reports.{kind}" for kind in REPORTS),
    "heartbeats",
    "dispatches_queued",
    "dispatches_requeued",
    "dispatches_taken",
    "dispatches_refused",
    "wakeups",
    "host_steps",
    "rollout_steps",
    *(f"event_log.{kind}" for kind in LOG_KINDS),
    "gate_evaluations",
)
"""Columns of the frame `load` after `at` (spec page 4, Load)."""

STRING = pd.StringDtype(na_value=np.nan)
"""The dtype "str". By its name pandas would look it up for every array, for half of what a small one costs."""

EVENTS = ("at", "cp_at", "what", "rollout_id", "host", "detail")


def transitions(recording: Recording) -> pd.DataFrame:
    """One row per (rollout, host, from, to); agent and mirror agree on most, and each has steps of its own."""
    rollouts = [log.rollout_id for log in recording.rollouts]
    by_id = sorted(range(len(rollouts)), key=rollouts.__getitem__)
    by_name = sorted(range(len(recording.host_names)), key=recording.host_names.__getitem__)
    ranks = _inverse(by_id), _inverse(by_name)
    agent_keys, agent_at = _first(recording.agent, *ranks)
    mirror_keys, mirror_at = _first(recording.mirror, *ranks)
    if np.array_equal(agent_keys, mirror_keys):  # nearly always, and then nothing has to be looked up
        keys, at, cp_at = agent_keys, agent_at, mirror_at
    else:
        keys = np.union1d(agent_keys, mirror_keys)
        cp_at = np.full(len(keys), np.nan)
        cp_at[np.searchsorted(keys, mirror_keys)] = mirror_at
        at = cp_at.copy()
        at[np.searchsorted(keys, agent_keys)] = agent_at
    # the keys are in order of rollout, host, state: what is left is the order of time
    order = np.argsort(at, kind="stable")
    keys, at, cp_at = keys[order], at[order], cp_at[order]
    keys, target = np.divmod(keys, len(STATES))
    keys, source = np.divmod(keys, len(STATES))
    rollout, host = np.divmod(keys, max(len(by_name), 1))
    return pd.DataFrame(
        {
            "rollout_id": _strings([rollouts[n] for n in by_id], rollout),
            "host": _strings([recording.host_names[n] for n in by_name], host),
            "from": _strings(STATES, source),
            "to": _strings(STATES, target),
            "at": at,
            "cp_at": cp_at,
        }
    )


def hosts(recording: Recording, track: Tracks) -> pd.DataFrame:
    """One row per (rollout, host), rollouts in order of opening, hosts by name."""
    logs = recording.rollouts
    columns: dict[str, Any] = {
        "rollout_id": _strings([log.rollout_id for log in logs], track.rollout),
        "channel": _strings([log.channel for log in logs], track.rollout),
        "host": _strings(recording.host_names, track.host),
        "wave": _nullable(track.wave, track.wave < 0),
        "state": _strings(STATES, track.state),
    }
    columns |= {f"{state.lower()}_at": track.entered[:, n] for n, state in enumerate(STATES)}
    columns |= {f"{state.lower()}_s": track.stayed[:, n] for n, state in enumerate(STATES)}
    columns["blocked_s"] = _concatenated([log.blocked_s for log in logs], np.float64)
    columns["probe_runs"] = _concatenated([log.probe_runs for log in logs], np.int64)
    columns["probe_fails"] = _concatenated([log.probe_fails for log in logs], np.int64)
    columns["queued_at"] = _concatenated([log.queued_at for log in logs], np.float64)
    columns["failing_s"] = _concatenated([log.failing_s for log in logs], np.float64)
    return pd.DataFrame(columns)


def waves(recording: Recording, track: Tracks) -> pd.DataFrame:
    """One row per (rollout, wave), opened or not. A wave's hosts are those of its rollout that the gates see in it.

    Hosts per hour count from the wave's opening. They are null where the wave has not got there, and where the time is
    zero or less: hosts that run the target already can converge before their wave opens.
    """
    rows = [row for number in range(len(recording.rollouts)) for row in wave_rows(recording, track, number)]
    types = {
        "rollout_id": "str",
        "channel": "str",
        "wave": "int64",
        "hosts": "int64",
        **dict.fromkeys(("opened_at", "first_dispatch_at", "eligible_at", "converged_at"), "float64"),
        **dict.fromkeys(("eligible_per_h", "converged_per_h"), "float64"),
        "deferred_at_promotion": "Int64",
        "verified_at_promotion": "float64",
        **dict.fromkeys(PARTS, "float64"),
    }
    return _frame(rows, types)


def wave_rows(recording: Recording, track: Tracks, number: int) -> list[dict[str, Any]]:
    """The rows of `waves` of one rollout, by its number."""
    log, part = recording.rollouts[number], track.rows(number)
    wave = track.wave[part]
    counts = np.bincount(wave[wave >= 0], minlength=log.wave_count)
    last_eligible = _last(track.eligible[part], wave, log.wave_count)
    last_converged = _last(track.entered[part, STATES.index("Converged")], wave, log.wave_count)
    verified = verified_at_promotion(log, counts)
    parts = wave_parts(log, track, part)
    rows = []
    for index in range(log.wave_count):
        opened_at = log.wave_opened_at.get(index, np.nan)
        rows.append(
            {
                "rollout_id": log.rollout_id,
                "channel": log.channel,
                "wave": index,
                "hosts": int(counts[index]),
                "opened_at": opened_at,
                "first_dispatch_at": log.first_dispatch_at.get(index, np.nan),
                "eligible_at": last_eligible[index],
                "converged_at": last_converged[index],
                "eligible_per_h": _per_hour(int(counts[index]), last_eligible[index] - opened_at),
                "converged_per_h": _per_hour(int(counts[index]), last_converged[index] - opened_at),
                "deferred_at_promotion": log.deferred_at_promotion.get(index),
                "verified_at_promotion": verified[index],
                **{part: seconds[index] for part, seconds in parts.items()},
            }
        )
    return rows


def rollouts(recording: Recording, track: Tracks) -> pd.DataFrame:
    """One row per rollout in order of opening, with a column per state: its hosts in it at the end."""
    rows = []
    for number, log in enumerate(recording.rollouts):
        counts = np.bincount(track.state[track.rows(number)], minlength=len(STATES))
        rows.append(
            {
                "rollout_id": log.rollout_id,
                "channel": log.channel,
                "ref": log.ref,
                "state": log.state,
                "hosts": len(log.hosts),
                "opened_at": log.opened_at,
                "terminal_at": log.terminal_at,
                "superseded_at": log.superseded_at,
                "current_wave": log.current_wave,
                **{str(state): int(counts[n]) for n, state in enumerate(STATES)},
            }
        )
    types: dict[str, str] = {
        **dict.fromkeys(("rollout_id", "channel", "ref", "state"), "str"),
        "hosts": "int64",
        **dict.fromkeys(("opened_at", "terminal_at", "superseded_at"), "float64"),
        "current_wave": "int64",
        **{str(state): "int64" for state in STATES},
    }
    return _frame(rows, types)


def gates(recording: Recording) -> pd.DataFrame:
    """One row per (rollout, wave, gate) that ever held a host, rollouts in order of opening; `blocked_s` is
    host-seconds.

    The wave is null for hosts that are in none.
    """
    place = {log.rollout_id: number for number, log in enumerate(recording.rollouts)}
    holds = sorted(
        recording.gates,
        key=lambda hold: (place.get(hold.rollout_id, len(place)), hold.wave is None, hold.wave or 0),
    )
    rows = [
        {
            "rollout_id": hold.rollout_id,
            "wave": hold.wave,
            "gate": hold.gate,
            "hosts": hold.hosts,
            "blocked_s": hold.blocked_s,
            "culprit": hold.culprit,
        }
        for hold in holds
    ]
    types = {"rollout_id": "str", "wave": "Int64", "gate": "str", "hosts": "int64", "blocked_s": "float64"}
    return _frame(rows, {**types, "culprit": "str"})


def timeline(recording: Recording, track: Tracks) -> pd.DataFrame:
    """One row per time at which a rollout's hosts changed state, its opening included: how many are in each then."""
    at_parts: list[Floats] = []
    count_parts: list[Ints] = []
    moves = recording.mirror
    by_rollout = np.argsort(moves.rollout, kind="stable")
    bounds = np.searchsorted(moves.rollout[by_rollout], np.arange(len(recording.rollouts) + 1))
    for number, log in enumerate(recording.rollouts):
        mine = by_rollout[bounds[number] : bounds[number + 1]]
        times, step = _steps(np.append(log.opened_at, moves.at[mine]))
        # not `add.at`: a count per (time, state) of arrivals less departures is a bincount of one index
        width = len(STATES)
        size = len(times) * width
        arrivals = np.bincount(step[1:] * width + moves.target[mine], minlength=size)
        departures = np.bincount(step[1:] * width + moves.source[mine], minlength=size)
        counts = np.cumsum((arrivals - departures).reshape(len(times), width), axis=0)
        counts[:, PENDING] += len(log.hosts)
        at_parts.append(times)
        count_parts.append(counts)
    rollout = np.repeat(np.arange(len(at_parts)), [len(part) for part in at_parts])
    at = np.concatenate(at_parts) if at_parts else np.empty(0)
    counts = np.concatenate(count_parts) if count_parts else np.empty((0, len(STATES)), dtype=np.int64)
    order = np.argsort(at, kind="stable")
    counts = counts[order]
    columns: dict[str, Any] = {
        "at": at[order],
        "rollout_id": _strings([log.rollout_id for log in recording.rollouts], rollout[order]),
    }
    columns |= {state: counts[:, n] for n, state in enumerate(STATES)}
    return pd.DataFrame(columns)


def load(recording: Recording) -> pd.DataFrame:
    """One row per minute: its start, and what the control plane had to do in it (spec page 4, Load)."""
    minutes = max((len(counts) for counts in recording.load.values()), default=int(recording.ended_at // 60) + 1)
    nothing = np.zeros(minutes, dtype=np.int64)
    columns: dict[str, Any] = {"at": np.arange(minutes) * 60.0}
    columns |= {kind: recording.load.get(kind, nothing) for kind in LOAD}
    columns |= {kind: counts for kind, counts in recording.load.items() if kind not in columns}
    return pd.DataFrame(columns)


def events(recording: Recording) -> pd.DataFrame:
    """Every single thing that happened, in order; `detail` holds a dict. Empty where the run did not record them."""
    rows = recording.events or []
    columns = {name: [row[name] for row in rows] for name in EVENTS}
    types = {
        "at": "float64",
        "cp_at": "float64",
        "what": "str",
        "rollout_id": "str",
        "host": "str",
        "detail": "object",
    }
    return pd.DataFrame({name: pd.Series(columns[name], dtype=types[name]) for name in EVENTS})


def build(name: str, recording: Recording, track: Callable[[], Tracks] | None = None) -> pd.DataFrame:
    """The frame of that name; `track` gives the recording's tracks where they are at hand already."""
    followed = track or (lambda: tracks(recording))
    match name:
        case "transitions":
            return transitions(recording)
        case "hosts":
            return hosts(recording, followed())
        case "waves":
            return waves(recording, followed())
        case "rollouts":
            return rollouts(recording, followed())
        case "gates":
            return gates(recording)
        case "timeline":
            return timeline(recording, followed())
        case "load":
            return load(recording)
        case "events":
            return events(recording)
        case _:
            raise ValueError(f"no frame is called {name!r}; there are {', '.join(NAMES)}")


def kinds(name: str) -> dict[str, Any]:
    """The columns that the frame of that name always has, with the kind (dtype) of each."""
    steps = MoveLog().columns()
    nothing = Recording(
        scenario="",
        seed=0,
        replication=0,
        fidelity="events",
        host_names=[],
        rollouts=[],
        agent=steps,
        mirror=steps,
        gates=[],
        load={},
        rejected={},
        ended_at=0.0,
        end="quiescent",
        wall_s=0.0,
        simulated=0,
        skipped=0,
        host_steps=0,
        rollout_steps=0,
        events=None,
    )
    return dict(build(name, nothing).dtypes)


def _first(moves: Moves, rollout_rank: Ints, host_rank: Ints) -> tuple[Ints, Floats]:
    """Each (rollout, host, from, to) of the moves as one number, sorted, with the time of its first occurrence."""
    keys = rollout_rank[moves.rollout] * max(len(host_rank), 1) + host_rank[moves.host]
    keys = (keys * len(STATES) + moves.source) * len(STATES) + moves.target
    # key and place in one number: sorting it takes half as long as sorting keys in a way that keeps the order of equals
    rows = max(len(keys), 1)
    assert len(rollout_rank) * len(host_rank) * len(STATES) ** 2 * rows < 2**63, "rollouts, hosts and moves overflow"
    keys, place = np.divmod(np.sort(keys * rows + np.arange(len(keys))), rows)
    first = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
    return keys[first], moves.at[place[first]]


def _steps(at: Floats) -> tuple[Floats, Ints]:
    """The different times among some in order, and for each its number among them."""
    if (at[1:] < at[:-1]).any():  # a log of a real fleet may have been written so
        return np.unique(at, return_inverse=True)
    begins = np.append(True, at[1:] != at[:-1])
    return at[begins], np.cumsum(begins) - 1


def _inverse(order: Sequence[int]) -> Ints:
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _strings(words: Sequence[str], index: NDArray[Any]) -> Any:
    """The words at an index as a string column; arrow takes them without a Python object per row."""
    return pd.array(pa.array(words, type=pa.large_string()).take(pa.array(index)), dtype=STRING)


def _nullable(values: Ints, missing: NDArray[np.bool_]) -> Any:
    return pd.arrays.IntegerArray(values, missing)


def _concatenated(columns: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(columns).astype(dtype, copy=False) if columns else np.empty(0, dtype=dtype)


def _last(times: Floats, wave: Ints, wave_count: int) -> Floats:
    """The latest of the times per wave; NaN where one is missing or the wave has no hosts."""
    latest = np.full(wave_count, -np.inf)
    listed = wave >= 0
    never = np.where(np.isnan(times), np.inf, times)
    np.maximum.at(latest, wave[listed], never[listed])
    return np.where(np.isfinite(latest), latest, np.nan)


def _per_hour(count: int, seconds: float) -> float:
    return count * 3600.0 / seconds if seconds > 0 else np.nan


def _frame(rows: list[dict[str, Any]], types: dict[str, str]) -> pd.DataFrame:
    # arrays, not Series, whose indices pandas would align column by column: half of what a small frame costs
    return pd.DataFrame({name: _column([row[name] for row in rows], dtype) for name, dtype in types.items()})


def _column(values: list[Any], dtype: str) -> Any:
    match dtype:
        case "str":
            return pd.array(pa.array(values, type=pa.large_string()), dtype=STRING)
        case "Int64":
            missing = np.array([value is None for value in values], dtype=np.bool_)
            return _nullable(np.array([value or 0 for value in values], dtype=np.int64), missing)
        case _:
            return np.array(values, dtype=dtype)
