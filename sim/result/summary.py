"""The summary of a result: the plain dict of spec page 9 that `run --json` prints. Null is None, never NaN."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sim.model.recording import Recording, Stall
from sim.reducer.records import STATES
from sim.result.frames import wave_rows
from sim.result.keys import PARTS, QUANTILES, REJECTED
from sim.result.measures import exposure
from sim.result.tracks import Floats, Tracks


def summary(recording: Recording, track: Tracks) -> dict[str, Any]:
    """The summary of a run; times in seconds."""
    return {
        "scenario": recording.scenario,
        "seed": recording.seed,
        "replication": recording.replication,
        "fidelity": recording.fidelity,
        "hosts": len(recording.host_names),
        "ended_at_s": float(recording.ended_at),
        "end": recording.end,
        "wall_s": float(recording.wall_s),
        "events": {
            "simulated": int(recording.simulated),
            "skipped": int(recording.skipped),
            "host_steps": int(recording.host_steps),
            "rollout_steps": int(recording.rollout_steps),
        },
        "rollouts": [_rollout(recording, track, number) for number in range(len(recording.rollouts))],
        "load": _load(recording),
    }


def _rollout(recording: Recording, track: Tracks, number: int) -> dict[str, Any]:
    log, rows = recording.rollouts[number], track.rows(number)
    counts = np.bincount(track.state[rows], minlength=len(STATES))
    return {
        "rollout_id": log.rollout_id,
        "channel": log.channel,
        "state": log.state,
        "opened_at_s": float(log.opened_at),
        "terminal_at_s": _number(log.terminal_at),
        "hosts": len(log.hosts),
        "current_wave": int(log.current_wave),
        "states": {state: int(counts[n]) for n, state in enumerate(STATES)},
        "time_to_eligible_s": quantiles(track.eligible_by_agent[rows] - log.opened_at),
        "time_to_converged_s": quantiles(track.reached[rows] - log.opened_at),
        "waves": [
            {
                "index": int(row["wave"]),
                "hosts": int(row["hosts"]),
                "opened_at_s": _number(row["opened_at"]),
                "first_dispatch_at_s": _number(row["first_dispatch_at"]),
                "eligible_at_s": _number(row["eligible_at"]),
                "converged_at_s": _number(row["converged_at"]),
                "eligible_per_h": _number(row["eligible_per_h"]),
                "converged_per_h": _number(row["converged_per_h"]),
                "verified_at_promotion": _number(row["verified_at_promotion"]),
                "parts": {part: float(row[part]) for part in PARTS},
            }
            for row in wave_rows(recording, track, number)
        ],
        "stalled": _stalled(log.stall),
        "exposure": exposure(recording, track, number),
    }


def quantiles(times: Floats) -> dict[str, float | None]:
    """For each of `QUANTILES` the ⌈q n⌉-th smallest of n times (s); None where that one is NaN, i.e. not reached."""
    ordered = np.sort(times)  # NaN sorts last
    places = {percent: -(-percent * len(ordered) // 100) for percent in QUANTILES}
    return {f"p{percent}": _number(ordered[place - 1]) if place else None for percent, place in places.items()}


def _stalled(stall: Stall | None) -> dict[str, Any] | None:
    if stall is None:
        return None
    return {
        "wave": int(stall.wave),
        "since_s": float(stall.since),
        "waiting_for": [
            {"gate": waiting.gate, "hosts": int(waiting.hosts), "culprits": list(waiting.culprits)}
            for waiting in stall.waiting_for
        ],
    }


def _load(recording: Recording) -> dict[str, Any]:
    def total(prefix: str) -> int:
        return sum(int(counts.sum()) for kind, counts in recording.load.items() if kind.startswith(prefix))

    return {
        "reports": total("reports."),
        "heartbeats": total("heartbeats"),
        "dispatches_queued": total("dispatches_queued"),
        "dispatches_requeued": total("dispatches_requeued"),
        "wakeups": total("wakeups"),
        "event_log_rows": total("event_log."),
        "rejected": {kind: int(recording.rejected.get(kind, 0)) for kind in REJECTED},
    }


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
