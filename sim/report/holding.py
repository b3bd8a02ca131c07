"""What held hosts back: the stall, or where the time went and who came last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sim.report.phrases import MOST, Answer, listed, main_rollout, percent, sentence
from sim.result.bottleneck import GATE_WORDS, PART_WORDS, held_by, most_time
from sim.result.fates import fates_of
from sim.result.stalled import stall_sentences
from sim.result.words import counted, duration, shortened

if TYPE_CHECKING:
    from sim.result import Result

SPENT = {
    "blocked_s": "held by gates",
    "activating_s": "activating",
    "deferred_s": "waiting for a reboot",
    "soaking_s": "soaking",
    "stopped_s": "failed or rolled back",
    "else_s": "until it could be reached",
}
"""Columns of the frame `hosts`, and two made of them, and what a host did in that time."""


def what_holds(result: Result) -> Answer:
    """What held hosts back, and which: the stall, or where the time went and the hosts that came last."""
    question = "What holds hosts back?"
    rollouts = result.summary["rollouts"]
    main = main_rollout(result.summary)
    if main is None or not main["hosts"]:
        return Answer(
            "holding", question, "nothing to hold", ["No host was given a release, so nothing held any back."]
        )
    sentences: list[str] = []
    short = ""
    stalled = sorted((one for one in rollouts if one["stalled"]), key=lambda one: one is not main)
    fate_of = fates_of(result)
    for rollout in stalled[:MOST]:
        said, *advice = stall_sentences(rollout, fate_of)
        sentences.append(f"{said}.")
        if rollout is main and advice:
            sentences.append(f"What to do: {'; '.join(line.removeprefix('-> ') for line in advice)}.")
    if len(stalled) > MOST:
        sentences.append(
            f"{counted(len(stalled) - MOST, 'more rollout')} {'is' if len(stalled) == 4 else 'are'} stuck."
        )
    most = most_time(main)
    if most is not None:
        part, portion = most
        share = percent(portion)
        short = f"{share} {PART_WORDS[part]}"
        gates = _gates(result, main["rollout_id"]) if part == "gates_s" else ""
        of = f"the time of {main['rollout_id']}'s hosts" if len(rollouts) > 1 else "its hosts' time"
        sentences.append(f"{sentence(share)} of {of} short of Converged was spent {PART_WORDS[part]}{gates}.")
    if not stalled:
        sentences += _last(result, main)
    if not sentences:
        sentences = ["Nothing: every host ran the release as soon as it was opened."]
    return Answer("holding", question, _stall(stalled[0]) if stalled else short or "nothing", sentences)


def _stall(rollout: dict[str, Any]) -> str:
    """`stable waits for web-1`: who holds a stalled rollout, where that is one."""
    culprits = {name for waiting in rollout["stalled"]["waiting_for"] for name in waiting["culprits"]}
    channel = rollout["channel"]
    return f"{channel} waits for {shortened(culprits.pop())}" if len(culprits) == 1 else f"{channel} is stalled"


def _gates(result: Result, rollout_id: str) -> str:
    """`: 12.0 host-hours because of waves that go first and 3.2 host-hours because of disruption budgets`."""
    held = held_by(result.gates, rollout_id)
    said = [f"{seconds / 3600:,.1f} host-hours because of {GATE_WORDS[gate]}" for gate, seconds in held.items()]
    return f": {listed(said[:MOST])}" if said else ""


def _last(result: Result, rollout: dict[str, Any]) -> Iterator[str]:
    """The hosts that converged last, or that had not at the end, and what each spent most time on."""
    frame = result.hosts
    hosts = frame[frame["rollout_id"] == rollout["rollout_id"]].copy()
    hosts["stopped_s"] = hosts["failed_s"] + hosts["reverted_s"]
    hosts["else_s"] = hosts["pending_s"] - hosts["blocked_s"]
    missing = hosts[hosts["converged_at"].isna()]
    if len(missing):
        shown = missing.sort_values("blocked_s", ascending=False, kind="stable").head(MOST)
        lead = "Not converged at the end" + (f", {len(missing):,} in all" if len(missing) > MOST else "")
        named = [f"{shortened(row['host'])} ({row['state']}, {_mostly(row)})" for row in shown.to_dict("records")]
    else:
        shown = hosts.sort_values("converged_at", ascending=False, kind="stable").head(MOST)
        lead = "The last to converge"
        opened = rollout["opened_at_s"]
        named = [
            f"{shortened(row['host'])} after {duration(row['converged_at'] - opened)} ({_mostly(row)})"
            for row in shown.to_dict("records")
        ]
    yield f"{lead}: {listed(named)}."


def _mostly(row: dict[Any, Any]) -> str:
    """`41m45s held by gates, 33m40s activating`: what a host of the frame `hosts` spent most of its time on."""
    whole = sum(row[column] for column in SPENT)
    most = sorted(SPENT, key=lambda column: -row[column])[:2]
    said = [f"{duration(row[column])} {SPENT[column]}" for column in most if row[column] > 0.1 * whole]
    return ", ".join(said) or "at once"
