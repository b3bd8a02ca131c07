"""How long it took, and which wave set the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from sim.report.phrases import GATES, LINKS, MOST, Answer, listed, main_rollout, of_hosts, sentence, states
from sim.result import outcome
from sim.result.words import counted, duration, some

if TYPE_CHECKING:
    from sim.result import Result
    from sim.result.critical import Link

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
    elif not reached:
        yield f"{sentence(of_hosts(rollout['states']['Converged'], hosts))} had converged by the end."
    elif hosts > 1:
        # of quantiles that are said alike the last says most
        last = {duration(at): word for word, at in reached}
        (at, first), *more = last.items()
        first = "All" if first == "all" else first
        said = "".join(f", {word} after {later}" for later, word in more)
        yield f"{first} the hosts of {rollout['rollout_id']} had converged after {at}{said}."


def _bottleneck(result: Result, rollout: dict[str, Any]) -> Iterator[str]:
    """The wave that the chain of what set the end ran through for longest; where there is no end, the wave that it is
    in."""
    waves = rollout["waves"]
    stalled = rollout["stalled"]
    if stalled is not None:
        if len(waves) > 1:
            wave, since = stalled["wave"], duration(stalled["since_s"])
            at = waves[wave]["opened_at_s"]
            opened = "" if at is None else f", open since {duration(at)}"
            yield f"The bottleneck is wave {wave}{opened}: it was not left, and nothing has changed since {since}."
        return
    if rollout["terminal_at_s"] is None:
        if len(waves) > 1 and rollout["state"] != "Superseded":
            yield f"It was in wave {rollout['current_wave']} then; the last is wave {len(waves) - 1}."
        return
    if not rollout["hosts"]:
        return
    links = result.critical_path(rollout["rollout_id"])
    wave_of = _waves_of(result, {(link.rollout_id, link.host) for link in links})
    spent: dict[tuple[str, int | None], list[Link]] = {}
    for link in links:
        spent.setdefault((link.rollout_id, wave_of[link.rollout_id, link.host]), []).append(link)
    if not spent:
        return
    (name, wave), there = max(spent.items(), key=lambda one: _length(one[1]))
    kinds: dict[str, list[Link]] = {}
    for link in there:
        kinds.setdefault(link.what, []).append(link)
    kind, longest = max(kinds.items(), key=lambda one: _length(one[1]))
    host = max(longest, key=lambda link: link.to_s - link.from_s).host
    doing = LINKS.get(kind, f"held because of {GATES.get(kind, kind)}")
    took = duration(_length(longest))
    if len(spent) == 1 and len(waves) == 1:
        yield f"All its hosts go in one wave; what set the end most is {doing}: {took} ({host})."
        return
    passed, whole = duration(_length(there)), duration(_length(links))
    where = "the hosts in no wave" if wave is None else f"wave {wave}"
    yield (
        f"The bottleneck is {where} of {name}: of the {whole} that set the end "
        f"{'all' if passed == whole else passed} passed there, {'all' if took == passed else took} of it {doing} "
        f"({host})."
    )


def _length(links: list[Link]) -> float:
    return sum(link.to_s - link.from_s for link in links)


def _waves_of(result: Result, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], int | None]:
    frame = result.hosts
    frame = frame[frame["host"].isin({host for _, host in wanted})]
    return {
        (str(rollout), str(host)): None if pd.isna(wave) else int(wave)
        for rollout, host, wave in zip(frame["rollout_id"], frame["host"], frame["wave"], strict=True)
    }
