"""How long it took, and which wave set the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sim.report.phrases import MOST, Answer, listed, main_rollout, of_hosts, states
from sim.result import outcome
from sim.result.bottleneck import bottleneck, bottleneck_sentence
from sim.result.words import counted, duration, some

if TYPE_CHECKING:
    from sim.result import Result

QUANTILES = {"p50": "Half", "p90": "90\u00a0%", "p99": "99\u00a0%", "p100": "all"}


def how_long(result: Result) -> Answer:
    """How long it took, and which wave set the end."""
    summary = result.summary
    short, sentences = _end(summary)
    main = main_rollout(summary)
    if main is not None:
        sentences += [*_converged(main), *_bottleneck(result, main)]
    return Answer("duration", "How long does it take, and which wave is the bottleneck?", short, sentences)


def _end(summary: dict[str, Any]) -> tuple[str, list[str]]:
    """The outcome of all rollouts, in a few words and in a sentence or two."""
    rollouts = summary["rollouts"]
    if not rollouts:
        said = f"No rollout opened in the {duration(summary['ended_at_s'])} of the run: no release reached a host."
        return "nothing rolled out", [said]
    finished = [rollout for rollout in rollouts if rollout["terminal_at_s"] is not None]
    superseded = [one for one in rollouts if one["state"] == "Superseded" and one["terminal_at_s"] is None]
    going_on = [one for one in rollouts if one not in finished and one not in superseded]
    sentences = []
    if len(finished) == len(rollouts) == 1:
        one = finished[0]
        hosts = of_hosts(one["hosts"], one["hosts"])
        late = f" (it opened at {duration(one['opened_at_s'])})" if one["opened_at_s"] else ""
        took = duration(one["terminal_at_s"] - one["opened_at_s"])
        return took, [f"The rollout {one['rollout_id']} reached {hosts} in {took}{late}."]
    if finished:
        ends = [f"{one['rollout_id']} at {duration(one['terminal_at_s'])}" for one in finished]
        many = f"{len(finished):,} of {len(rollouts):,}"
        if len(finished) == len(rollouts):
            many = "Both" if len(rollouts) == 2 else f"All {len(rollouts):,}"
        shown = listed(ends) if len(ends) <= MOST else f"the last, {ends[-1]}"
        sentences.append(f"{many} rollouts finished: {shown}.")
    if superseded:
        names = some([one["rollout_id"] for one in superseded])
        were = f"was superseded with {states(superseded[0]['states'])}" if len(superseded) == 1 else "were superseded"
        sentences.append(f"{names} {were}.")
    for one in going_on[:MOST]:
        became = outcome(one)
        how = "" if became == "not finished" else f": {became}"
        sentences.append(f"{one['rollout_id']} did not finish{how} ({states(one['states'])}).")
    if len(going_on) > MOST:
        sentences.append(f"{counted(len(going_on) - MOST, 'more rollout')} did not finish.")
    if going_on:
        sentences.append(_never(summary, going_on))
        return ("not finished" if len(rollouts) == 1 else f"{len(finished):,} of {len(rollouts):,} finished"), sentences
    return duration(max((one["terminal_at_s"] for one in finished), default=summary["ended_at_s"])), sentences


def _never(summary: dict[str, Any], going_on: list[dict[str, Any]]) -> str:
    it = "it" if len(going_on) == 1 else "they"
    at = duration(summary["ended_at_s"])
    match summary["end"]:
        case "quiescent":
            return f"After {at} nothing is left that could happen: without help {it} never will."
        case "horizon":
            return f"The run was cut off at its horizon, {at}; a longer one may see the end."
        case "log":
            return f"The event log ends at {at}; what came after is not known."
        case _:
            return f"The run was interrupted at {at}."


def _converged(rollout: dict[str, Any]) -> Iterator[str]:
    """By when how many of a rollout's hosts had converged."""
    times, hosts = rollout["time_to_converged_s"], rollout["hosts"]
    reached = [(word, times[quantile]) for quantile, word in QUANTILES.items() if times[quantile] is not None]
    if not hosts:
        yield f"{rollout['rollout_id']} has no host to go to."
    elif not rollout["states"]["Converged"]:
        yield f"Not one of the {counted(hosts, 'host')} of {rollout['rollout_id']} had converged by the end."
    elif reached and hosts > 1:
        # of quantiles that are said alike the last says most
        last = {duration(at): word for word, at in reached}
        (at, first), *more = last.items()
        first = "All" if first == "all" else first
        said = "".join(f", {word} after {later}" for later, word in more)
        yield f"{first} the hosts of {rollout['rollout_id']} had converged after {at}{said}."


def _bottleneck(result: Result, rollout: dict[str, Any]) -> Iterator[str]:
    """Which wave is the bottleneck; where there is no end yet, which wave it is in."""
    finished = rollout["terminal_at_s"] is not None and rollout["hosts"]
    links = result.critical_path(rollout["rollout_id"]) if finished else []
    said = bottleneck_sentence(rollout, bottleneck(result, links) if links else None)
    waves = rollout["waves"]
    if said is not None:
        yield said
    elif len(waves) > 1 and not finished and rollout["state"] != "Superseded":
        yield f"It was in wave {rollout['current_wave']} then; the last is wave {len(waves) - 1}."
