"""The five questions that people who run fleets ask of a run, answered in sentences.

Every sentence is made of what was reached: a time that is null or a wave that never opened is left out or said in
words. Times count from the opening of a rollout, or from the start of the run where that is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from sim.report.phrases import GATES, LINKS, PARTS, listed, main_rollout, of_hosts, percent, states
from sim.result import outcome
from sim.result.stalled import stall_sentences, states_at_the_end
from sim.result.words import counted, duration, some

if TYPE_CHECKING:
    from sim.report.compare import Comparison
    from sim.result import Result

MOST = 3
"""Rollouts and hosts that an answer names."""


class Answer(NamedTuple):
    """A question, its answer in a few words, and in sentences."""

    key: str
    question: str
    short: str
    sentences: list[str]


def answers(result: Result, comparison: Comparison | None = None) -> list[Answer]:
    """The five answers, in the order in which they are asked; those that another run bears on say how it differs."""
    from sim.report.exposure import bad_release, deferred
    from sim.report.plane import control_plane

    told = [how_long(result), what_holds(result), deferred(result), bad_release(result), control_plane(result)]
    if comparison is not None:
        for answer, more in zip(told, comparison.for_answers(), strict=True):
            answer.sentences.extend(more)
    return told


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
        many = f"All {len(rollouts):,}" if len(finished) == len(rollouts) else f"{len(finished):,} of {len(rollouts):,}"
        shown = listed(ends) if len(ends) <= MOST else f"the last, {ends[-1]}"
        sentences.append(f"{many} rollouts finished: {shown}.")
    if superseded:
        names = some([one["rollout_id"] for one in superseded])
        sentences.append(f"{names} {'was' if len(superseded) == 1 else 'were'} superseded by a newer release.")
    for one in going_on[:MOST]:
        sentences.append(f"{one['rollout_id']} did not finish: {outcome(one)} ({states(one['states'])}).")
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
        case _:
            return f"The run was interrupted at {at}."


def _converged(rollout: dict[str, Any]) -> Iterator[str]:
    """By when how many of a rollout's hosts had converged."""
    times, hosts = rollout["time_to_converged_s"], rollout["hosts"]
    reached = [
        (word, times[quantile])
        for word, quantile in (("half", "p50"), ("90 %", "p90"), ("99 %", "p99"), ("all", "p100"))
        if times[quantile] is not None
    ]
    if not hosts:
        yield f"{rollout['rollout_id']} has no host to go to."
    elif not rollout["states"]["Converged"]:
        yield f"None of the {counted(hosts, 'host')} of {rollout['rollout_id']} had converged by the end."
    elif hosts == 1 or not reached:
        yield f"{of_hosts(rollout['states']['Converged'], hosts).capitalize()} had converged by the end."
    else:
        said = listed([f"{word} after {duration(at)}" for word, at in reached])
        yield f"Of the {counted(hosts, 'host')} of {rollout['rollout_id']}, {said} had converged."


def _bottleneck(result: Result, rollout: dict[str, Any]) -> Iterator[str]:
    """The wave that the chain of what set the end ran through for longest; where there is no end, the wave that it is
    in."""
    waves = rollout["waves"]
    stalled = rollout["stalled"]
    if stalled is not None:
        if len(waves) > 1:
            since = duration(stalled["since_s"])
            yield f"The bottleneck is wave {stalled['wave']}, in which it has been stuck since {since}."
        return
    if rollout["terminal_at_s"] is None:
        if len(waves) > 1 and rollout["state"] != "Superseded":
            yield f"It was then in wave {rollout['current_wave']}, with {len(waves) - 1} the last."
        return
    if not rollout["hosts"]:
        return
    links = result.critical_path(rollout["rollout_id"])
    spent: dict[tuple[str, int | None], dict[str, float]] = {}
    wave_of = _waves_of(result, {(link.rollout_id, link.host) for link in links})
    for link in links:
        of_wave = spent.setdefault((link.rollout_id, wave_of[link.rollout_id, link.host]), {})
        of_wave[link.what] = of_wave.get(link.what, 0.0) + link.to_s - link.from_s
    if not spent:
        return
    (name, wave), what = max(spent.items(), key=lambda one: sum(one[1].values()))
    mostly = max(what, key=lambda one: what[one])
    doing = LINKS.get(mostly, f"waiting for {GATES.get(mostly, mostly)}")
    whole = sum(sum(times.values()) for times in spent.values())
    if len(spent) == 1 and len(waves) == 1:
        yield f"All its hosts go in one wave; what set the end is {doing}, {duration(what[mostly])}."
    else:
        where = "the hosts in no wave" if wave is None else f"wave {wave}"
        yield (
            f"The bottleneck is {where} of {name}: {duration(sum(what.values()))} of the {duration(whole)} that set "
            f"its end passed there, {duration(what[mostly])} of it {doing}."
        )


def _waves_of(result: Result, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], int | None]:
    frame = result.hosts
    frame = frame[frame["host"].isin({host for _, host in wanted})]
    return {
        (str(rollout), str(host)): None if pd.isna(wave) else int(wave)
        for rollout, host, wave in zip(frame["rollout_id"], frame["host"], frame["wave"], strict=True)
    }


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
    state_of = states_at_the_end(result)
    for rollout in stalled[:MOST]:
        said, *advice = stall_sentences(rollout, state_of)
        sentences.append(f"{said}.")
        if rollout is main and advice:
            sentences.append(f"What to do: {'; '.join(line.removeprefix('-> ') for line in advice)}.")
    if len(stalled) > MOST:
        sentences.append(
            f"{counted(len(stalled) - MOST, 'more rollout')} {'is' if len(stalled) == 4 else 'are'} stuck."
        )
    parts = {part: sum(wave["parts"][part] for wave in main["waves"]) for part in PARTS}
    whole = sum(parts.values())
    if whole > 0:
        largest = max(parts, key=lambda part: parts[part])
        share = percent(parts[largest] / whole)
        short = f"{share} {PARTS[largest]}"
        gates = _gates(result, main["rollout_id"]) if largest == "gates_s" else ""
        of = f"the time of {main['rollout_id']}'s hosts" if len(rollouts) > 1 else "its hosts' time"
        sentences.append(f"{share} of {of} until they converged was spent {PARTS[largest]}{gates}.")
    if not stalled:
        sentences += _last(result, main)
    if not sentences:
        sentences = ["Nothing: every host ran the release as soon as it was opened."]
    return Answer("holding", question, "stalled" if stalled else short or "nothing", sentences)


def _gates(result: Result, rollout_id: str) -> str:
    """`: 12 host-hours by waves that go first and 3 by disruption budgets`."""
    frame = result.gates
    held = frame[frame["rollout_id"] == rollout_id].groupby("gate")["blocked_s"].sum().sort_values(ascending=False)
    said = [
        f"{seconds / 3600:,.1f} host-hours for {GATES.get(str(gate), str(gate))}"
        for gate, seconds in held.items()
        if seconds > 0
    ]
    return f": {listed(said[:MOST])}" if said else ""


SPENT = {
    "blocked_s": "held by gates",
    "activating_s": "activating",
    "deferred_s": "waiting for a reboot",
    "soaking_s": "soaking",
    "stopped_s": "failed or rolled back",
    "else_s": "with the dispatch under way or the host offline",
}


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
        named = [f"{row['host']} ({row['state']}, {_mostly(row)})" for row in shown.to_dict("records")]
    else:
        shown = hosts.sort_values("converged_at", ascending=False, kind="stable").head(MOST)
        lead = "The last to converge"
        opened = rollout["opened_at_s"]
        named = [
            f"{row['host']} after {duration(row['converged_at'] - opened)} ({_mostly(row)})"
            for row in shown.to_dict("records")
        ]
    yield f"{lead}: {listed(named)}."


def _mostly(row: dict[Any, Any]) -> str:
    """`18h34m waiting for a reboot`: what a host of the frame `hosts` spent most of its time on."""
    what = max(SPENT, key=lambda column: row[column])
    return f"{duration(row[what])} {SPENT[what]}" if row[what] > 0 else "at once"
