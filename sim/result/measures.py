"""What a rollout cost and risked, as numbers: where its hosts' time went, and who ran a release before it was verified.

All from a recording's columns, so that both fidelities give the same. Times in seconds; by the control plane's clock
but where said.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.model.recording import Recording, RolloutLog
from sim.reducer.gates import QUARANTINE
from sim.result.tracks import (
    ACTIVATING,
    CONVERGED,
    DEFERRED,
    FAILED,
    PENDING,
    REVERTED,
    SOAKING,
    Floats,
    Tracks,
)


def host_parts(log: RolloutLog, track: Tracks, rows: slice) -> dict[str, Floats]:
    """Per host of a rollout the seconds of each of `PARTS`; they add up to its time in all states but `Converged`.

    - `tick_s`: waiting for the first pass that asks the gates about it.
    - `gates_s`: held by a gate, from the pass that blocks it to the next (the frame `gates` says which).
    - `network_s`: let go but not acknowledged: messages under way, or the host offline.
    - `activating_s`, `deferred_s`: in these states.
    - `soaking_failing_s`: soaking while an enforce probe's latest result is fail (by the agent's clock).
    - `soaking_clock_s`: the rest of the soak: for the clock alone.
    - `stopped_s`: `Failed` or `Reverted`.
    - `superseded_s`: still pending after a successor opened; nobody asks for it any more.
    """
    stayed = track.stayed[rows]
    pending = stayed[:, PENDING]
    superseded = np.zeros_like(pending)
    if log.superseded_at is not None:
        superseded = np.maximum(pending - (log.superseded_at - log.opened_at), 0.0)
    left = pending - superseded
    tick = left if log.asked_at is None else np.minimum(left, log.asked_at - log.opened_at)
    left = left - tick
    # a host can be held, because others went first, while what it was sent earlier is on its way
    gates = np.minimum(log.blocked_s, left)
    failing = np.minimum(log.failing_s, stayed[:, SOAKING])
    return {
        "tick_s": tick,
        "gates_s": gates,
        "network_s": left - gates,
        "activating_s": stayed[:, ACTIVATING],
        "deferred_s": stayed[:, DEFERRED],
        "soaking_failing_s": failing,
        "soaking_clock_s": stayed[:, SOAKING] - failing,
        "stopped_s": stayed[:, FAILED] + stayed[:, REVERTED],
        "superseded_s": superseded,
    }


def wave_parts(log: RolloutLog, track: Tracks, rows: slice) -> dict[str, Floats]:
    """`host_parts` summed over each wave's hosts, in host-seconds; one entry per wave."""
    wave = log.wave
    listed = wave >= 0
    return {
        part: np.bincount(wave[listed], weights=seconds[listed], minlength=log.wave_count).astype(np.float64)
        for part, seconds in host_parts(log, track, rows).items()
    }


def verified_at_promotion(log: RolloutLog, hosts: np.ndarray[Any, Any]) -> Floats:
    """Per wave the share of its hosts that had converged when the next wave was let go; the others were `Deferred`.

    NaN where the wave was not left, or had no hosts.
    """
    share = np.full(log.wave_count, np.nan)
    for wave, deferred in log.deferred_at_promotion.items():
        if wave < log.wave_count and hosts[wave]:
            share[wave] = 1.0 - deferred / hosts[wave]
    return share


def exposure(recording: Recording, track: Tracks, number: int) -> dict[str, Any]:
    """Who ran a rollout's release, and what was known of it then. Hosts that it left unchanged do not count.

    - `first_failure_at_s`: when the control plane first saw a host fail, None if none did.
    - `running_at_first_failure`: hosts that ran the target by then (by the agents' clocks).
    - `took_after_first_failure`: hosts that took it later, by why nothing stopped them: `under_way` (their dispatch was
      acknowledged before), `same_wave` (of a wave already open: a failure closes none), `later_wave` (a wave that
      opened all the same).
    - `took_before_verified`: hosts that took it while a host of an earlier wave had not converged.
    - `failed`, `reverted`: hosts in these states at the end; `quarantined`: hosts ever held back by the quarantine.
    """
    log, rows = recording.rollouts[number], track.rows(number)
    counted = ~log.unchanged
    took = np.where(counted, track.took[rows], np.nan)
    moves = recording.mirror
    seen = moves.at[(moves.rollout == number) & (moves.target == FAILED)]
    first = float(seen.min()) if len(seen) else None
    later = took > (np.inf if first is None else first)
    under_way = later & (track.entered[rows, ACTIVATING] <= (np.inf if first is None else first))
    opened = sum(at <= (np.inf if first is None else first) for at in log.wave_opened_at.values())
    same_wave = later & ~under_way & (log.wave < opened)
    return {
        "first_failure_at_s": first,
        "running_at_first_failure": None if first is None else int((took <= first).sum()),
        "took_after_first_failure": {
            "under_way": int(under_way.sum()),
            "same_wave": int(same_wave.sum()),
            "later_wave": int((later & ~under_way & ~same_wave).sum()),
        },
        "took_before_verified": int((took < _verified_before(log, track, rows)).sum()),
        "failed": int((track.state[rows] == FAILED).sum()),
        "reverted": int((track.state[rows] == REVERTED).sum()),
        "quarantined": max(_held_by_quarantine(recording, log)),
    }


def _held_by_quarantine(recording: Recording, log: RolloutLog) -> list[int]:
    """Hosts held, by wave added up; and those of the stall, which a pass after the last change may be the first to
    find."""
    held = [one for one in recording.gates if one.rollout_id == log.rollout_id and one.gate == QUARANTINE]
    stalled = log.stall.waiting_for if log.stall else []
    return [sum(one.hosts for one in held), sum(one.hosts for one in stalled if one.gate == QUARANTINE)]


def _verified_before(log: RolloutLog, track: Tracks, rows: slice) -> Floats:
    """Per host when all hosts of the waves before its own had converged: infinite if they never did."""
    converged = track.entered[rows, CONVERGED]
    done = np.full(log.wave_count + 1, -np.inf)
    listed = log.wave >= 0
    np.maximum.at(done, log.wave[listed] + 1, np.where(np.isnan(converged), np.inf, converged)[listed])
    upto = np.maximum.accumulate(done)
    return np.where(listed, upto[np.maximum(log.wave, 0)], -np.inf)
