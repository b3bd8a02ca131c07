"""Whether a result holds what the page is made of; one that an earlier version wrote may not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.result import ResultError
from sim.result.keys import PARTS

if TYPE_CHECKING:
    from sim.result import Result

SUMMARY = ("scenario", "seed", "replication", "fidelity", "hosts", "ended_at_s", "end", "rollouts", "load")
ROLLOUT = (
    *("rollout_id", "channel", "state", "opened_at_s", "terminal_at_s", "hosts", "current_wave", "states"),
    *("time_to_eligible_s", "time_to_converged_s", "waves", "stalled", "exposure"),
)
WAVE = ("index", "hosts", "opened_at_s", "eligible_at_s", "converged_at_s", "verified_at_promotion", "parts")
LOAD = ("reports", "heartbeats", "dispatches_queued", "dispatches_requeued", "event_log_rows", "rejected")
FRAMES = ("hosts", "transitions", "waves", "rollouts", "gates", "timeline", "load")


def check(result: Result) -> None:
    """Look whether all is there; reading a frame looks at its columns.

    Raises:
        ResultError: something is missing; the message names it.
    """
    for name in FRAMES:
        getattr(result, name)
    try:
        missing = list(_missing(result))
    except (TypeError, AttributeError) as error:
        raise ResultError("its summary is not as nixfleet-sim writes it") from error
    if missing:
        named = list(dict.fromkeys(missing))
        more = f" and {len(named) - 3:,} more" if len(named) > 3 else ""
        raise ResultError(f"it does not hold {', '.join(named[:3])}{more}")


def _missing(result: Result) -> Iterator[str]:
    yield from (f"summary.{key}" for key in SUMMARY if key not in result.summary)
    yield from (f"summary.load.{key}" for key in LOAD if key not in result.summary.get("load", LOAD))
    for rollout in result.summary.get("rollouts", []):
        yield from (f"summary.rollouts.{key}" for key in ROLLOUT if key not in rollout)
        for wave in rollout.get("waves", []):
            yield from (f"summary.waves.{key}" for key in WAVE if key not in wave)
            yield from (f"summary.waves.parts.{part}" for part in PARTS if part not in wave.get("parts", PARTS))
