"""A result in words: did each rollout end, what held it up, and who was exposed to what was not yet verified."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sim.result.bottleneck import PART_WORDS, bottleneck, bottleneck_sentence, held_by, most_time
from sim.result.fates import fates_of
from sim.result.stalled import stall_sentences
from sim.result.words import counted, duration

if TYPE_CHECKING:
    import pandas as pd

    from sim.result.result import Result

_SHARES = {"p50": "half", "p90": "90 %", "p99": "99 %", "p100": "all"}
"""How the quantiles of a time are said, from the smallest on."""


def describe(result: Result) -> str:
    """A few sentences per rollout: the outcome, the bottleneck, where the time went, the exposure, the stall."""
    summary = result.summary
    ends = {"quiescent": "nothing was left to happen after", "horizon": "the horizon cut the run off at"}
    ends["log"] = "as its event log tells it, which ends at"
    seed = "" if summary["fidelity"] == "log" else f", seed {summary['seed']}"
    head = (
        f"{summary['scenario']}: {counted(summary['hosts'], 'host')}{seed}; "
        f"{ends.get(summary['end'], summary['end'] + ' at')} {duration(summary['ended_at_s'])}."
    )
    if not summary["rollouts"]:
        return f"{head} {_why_none_opened(result)}"
    fate_of = fates_of(result)
    paragraphs = [head]
    for rollout in summary["rollouts"]:
        sentences = [
            *_outcome(rollout, summary["end"]),
            *_critical(result, rollout),
            *_time(rollout, result.gates),
            *_exposure(rollout),
        ]
        if rollout["stalled"] is not None:
            sentences += [f"{sentence}." for sentence in stall_sentences(rollout, fate_of) if sentence[:2] != "->"]
        paragraphs.append(" ".join(sentences))
    return "\n\n".join(paragraphs)


def _why_none_opened(result: Result) -> str:
    """Why a run has no rollout, in a sentence."""
    releases = result.scenario.releases
    if not releases:
        return "No rollout opened: the scenario has no release."
    if not result.summary["hosts"]:
        return "No rollout opened: the fleet has no host."
    if result.summary["end"] != "quiescent":
        first = duration(min(one.at for one in releases))
        return f"No rollout opened: no release was known by then; the first comes at {first}."
    return "No rollout opened: no channel that is released to has a host."


def _outcome(rollout: dict[str, Any], end: str) -> Iterator[str]:
    from sim.result.result import outcome

    states = ", ".join(f"{count:,} {state}" for state, count in rollout["states"].items() if count)
    yield f"{rollout['rollout_id']}: {outcome(rollout)} ({states or 'no hosts'})."
    if rollout["hosts"]:
        yield _converged(rollout, end)


def _converged(rollout: dict[str, Any], end: str) -> str:
    """How long half, most and all of a rollout's hosts took."""
    hosts, times = rollout["hosts"], rollout["time_to_converged_s"]
    # of shares that were reached at what is said as the same time the largest stays
    reached = {duration(times[key]): share for key, share in _SHARES.items() if times[key] is not None}
    if not reached:
        some = "Fewer than half" if rollout["states"]["Converged"] else "None"
        who = "Its host has not" if hosts == 1 else f"{some} of its {hosts:,} hosts"
        return f"{who} converged{' by then' if end != 'quiescent' else ''}."
    (first, share), *later = ((at, share) for at, share in reached.items())
    who = "Its host" if hosts == 1 else f"{share.capitalize()} of its {hosts:,} hosts"
    return ", ".join([f"{who} had converged after {first}", *(f"{share} after {at}" for at, share in later)]) + "."


def _time(rollout: dict[str, Any], gates: pd.DataFrame) -> Iterator[str]:
    """Where its hosts' time went, and how much of a wave was verified when the next one was let go."""
    most = most_time(rollout)
    if most is not None:
        part, share = most
        held = list(held_by(gates, rollout["rollout_id"])) if part == "gates_s" else []
        which = f" ({held[0]} most of all)" if held else ""
        yield f"{100 * share:.0f} % of its hosts' time short of Converged was spent {PART_WORDS[part]}{which}."
    for wave in rollout["waves"]:
        verified_share = wave["verified_at_promotion"]
        if verified_share is not None and verified_share < 1.0:
            hosts, verified = wave["hosts"], round(verified_share * wave["hosts"])
            left = f"{verified or 'none'} of its {hosts:,} hosts verified, {_others(hosts, verified)} only Deferred"
            yield f"Wave {wave['index']} was left with {left if hosts > 1 else 'its one host only Deferred'}."


def _others(hosts: int, verified: int) -> str:
    if not verified:
        return "all"
    return "the other one" if hosts - verified == 1 else "the others"


def _critical(result: Result, rollout: dict[str, Any]) -> Iterator[str]:
    """Which wave is the bottleneck, and what set the end, by kind, the longest first."""
    if rollout["terminal_at_s"] is None or not rollout["hosts"]:
        said = bottleneck_sentence(rollout, None)
        if said is not None:
            yield said
        return
    links = result.critical_path(rollout["rollout_id"])
    said = bottleneck_sentence(rollout, bottleneck(result, links)) if len(rollout["waves"]) > 1 else None
    if said is not None:
        yield said
    seconds: dict[str, float] = {}
    for link in links:
        seconds[link.what] = seconds.get(link.what, 0.0) + link.to_s - link.from_s
    longest = sorted(seconds, key=lambda what: -seconds[what])[:3]
    if longest:
        yield f"What set its end: {', '.join(f'{what} ({duration(seconds[what])})' for what in longest)}."


def _exposure(rollout: dict[str, Any]) -> Iterator[str]:
    found = rollout["exposure"]
    if found["took_before_verified"]:
        hosts = counted(found["took_before_verified"], "host")
        yield f"{hosts} took the release before every host of the earlier waves had converged."
    if found["first_failure_at_s"] is not None:
        after = found["took_after_first_failure"]
        reasons = {
            "under_way": "had been sent it already",
            "same_wave": "of a wave that was open, which a failure does not close",
            "later_wave": "of a wave that opened all the same",
        }
        said = ", ".join(f"{after[key]:,} {words}" for key, words in reasons.items() if after[key])
        running = found["running_at_first_failure"]
        yield (
            f"The first failure was seen at {duration(found['first_failure_at_s'])}, when "
            f"{counted(running, 'host') if running else 'no host'} ran the release; "
            f"{f'{sum(after.values()):,}' if said else 'none'} took it after that{f': {said}' if said else ''}."
        )
        became = {"reverted": "went back", "failed": "stayed Failed"}
        ends = [f"{counted(found[key], 'host')} {words}" for key, words in became.items() if found[key]]
        if found["quarantined"]:
            ends.append(f"the quarantine held {found['quarantined']:,} back")
        if ends:
            said = ", ".join(ends)
            yield f"{said[0].upper()}{said[1:]}."
