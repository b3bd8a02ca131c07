"""Phrases that several parts of the page say alike."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, NamedTuple

from sim.result.words import counted, duration

MOST = 3
"""Rollouts and hosts that an answer names."""


class Answer(NamedTuple):
    """A question, its answer in a few words, and in sentences."""

    key: str
    question: str
    short: str
    sentences: list[str]


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def states(counts: dict[str, int]) -> str:
    """`12 Converged, 3 Pending`; `no hosts` where all are 0."""
    return ", ".join(f"{count:,} {state}" for state, count in counts.items() if count) or "no hosts"


def sentence(words: str) -> str:
    """The words with a capital at the beginning; names inside keep theirs."""
    return words[:1].upper() + words[1:]


def percent(share: float) -> str:
    """A share as a whole percentage that says 0 and 100 only where they are exact. The space in it does not break."""
    if 0 < share < 0.01:
        return "under 1\u00a0%"
    if 0.99 < share < 1:
        return "over 99\u00a0%"
    return f"{100 * share:.0f}\u00a0%"


def later(seconds: float | None) -> str:
    """A difference of two times (s): `5h42m later`, `12s earlier`, `the same`; `-` where there is none."""
    if seconds is None or not isfinite(seconds):
        return "-"
    # microseconds are the grid of time: less is the rounding of a difference
    if abs(seconds) < 1e-6:
        return "the same"
    return f"{duration(abs(seconds))} {'later' if seconds > 0 else 'earlier'}"


def main_rollout(summary: dict[str, Any]) -> dict[str, Any] | None:
    """The rollout that matters most: one that is stuck by itself, then one stuck behind another channel, then one that
    is under way, then the one that finished last; None where none opened."""

    def weight(rollout: dict[str, Any]) -> tuple[int, float, int]:
        stalled = rollout["stalled"]
        if stalled is not None:
            behind = any(one["gate"] == "channel-edges" for one in stalled["waiting_for"])
            kind = 3 if behind else 4
        elif rollout["terminal_at_s"] is not None:
            kind = 1
        else:
            kind = 0 if rollout["state"] == "Superseded" else 2
        return kind, rollout["terminal_at_s"] or 0.0, rollout["hosts"]

    return max(summary["rollouts"], key=weight, default=None)


def of_hosts(count: int, total: int) -> str:
    """`17 of 500 hosts`; `all 500 hosts`, `the one host`, `no host`."""
    if not count:
        return "no host"
    if count == total:
        return "the one host" if total == 1 else f"all {counted(total, 'host')}"
    return f"{count:,} of {counted(total, 'host')}"


def opened(wave: dict[str, Any]) -> bool:
    """Whether a wave of a summary opened and has hosts."""
    return wave["opened_at_s"] is not None and wave["hosts"] > 0
