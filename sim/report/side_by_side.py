"""Two rollouts side by side, wave by wave: the lines of the table that holds a run against another.

Times count from the opening of each rollout; differences are of the other run to this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sim.report.phrases import later, percent
from sim.result.words import counted, duration

QUANTILES = {"p50": "half", "p90": "90 %", "p99": "99 %", "p100": "all"}


ALIKE = frozenset({"the same", "in neither"})
"""Differences that are none."""


class Row(NamedTuple):
    """A line: what, in this run, in the other, and the difference of the other to this in words."""

    what: str
    here: str
    there: str
    difference: str


class Group(NamedTuple):
    """Lines under one heading."""

    title: str
    rows: list[Row]


def of_matched(matched: list[tuple[dict[str, Any], dict[str, Any]]]) -> Iterator[Group]:
    """All lines of the rollouts that both runs have; of several those that are alike in every line have none."""
    several = len(matched) > 1
    for one, other in matched:
        groups = list(of_rollouts(one, other, several))
        if several and all(row.difference in ALIKE for group in groups for row in group.rows):
            yield Group(f"{one['rollout_id']}: the same in both runs", [])
        else:
            yield from groups


def of_rollouts(one: dict[str, Any], other: dict[str, Any], several: bool) -> Iterator[Group]:
    """A rollout of this run's summary and its counterpart: each wave, the time to converged, the exposure. Headings
    name the rollout where there are several."""
    of = f"{one['rollout_id']}: " if several else ""

    def title(words: str) -> str:
        return f"{of}{words}" if of else words[:1].upper() + words[1:]

    waves = {wave["index"]: wave for wave in one["waves"]}, {wave["index"]: wave for wave in other["waves"]}
    for index in sorted({*waves[0], *waves[1]}):
        pair = waves[0].get(index, {}), waves[1].get(index, {})
        hosts = [wave.get("hosts", 0) for wave in pair]
        said = counted(hosts[0], "host") if hosts[0] == hosts[1] else f"{hosts[0]:,} and {hosts[1]:,} hosts"
        rows = [
            _times(words, one, other, pair[0].get(key), pair[1].get(key))
            for key, words in (
                ("opened_at_s", "opens"),
                ("eligible_at_s", "all eligible"),
                ("converged_at_s", "all converged"),
            )
        ]
        rows += _shares("verified when the next wave starts", pair)
        yield Group(title(f"wave {index}, {said}"), rows)
    rows = [
        _times(f"{word} of the hosts {state}", one, other, *(_absolute(run, state, quantile) for run in (one, other)))
        for state in ("eligible", "converged")
        for quantile, word in QUANTILES.items()
    ]
    rows.append(_times("the rollout ends", one, other, one["terminal_at_s"], other["terminal_at_s"]))
    yield Group(title("time since the opening"), rows)
    counts = [(words, count(one), count(other)) for words, count in EXPOSURE.items()]
    # what happened in neither run is not worth a line, but for what the rule of ordering is about
    yield Group(title("exposure, in hosts"), [_counts(*line) for line in counts if line is counts[0] or any(line[1:])])


def _absolute(rollout: dict[str, Any], state: str, quantile: str) -> float | None:
    since = rollout[f"time_to_{state}_s"][quantile]
    return None if since is None else float(since) + float(rollout["opened_at_s"])


def since(rollout: dict[str, Any], at: float | None) -> float | None:
    """A time (s) from the opening of a rollout of a summary; None for None."""
    return None if at is None else at - float(rollout["opened_at_s"])


def _times(what: str, one: dict[str, Any], other: dict[str, Any], here: float | None, there: float | None) -> Row:
    times = since(one, here), since(other, there)
    difference = later(times[1] - times[0]) if times[0] is not None and times[1] is not None else ""
    if not difference:
        difference = "in neither" if times[0] is times[1] else "only here" if times[1] is None else "only there"
    said = ["never" if at is None else duration(max(at, 0.0)) for at in times]
    return Row(what, said[0], said[1], difference)


def _shares(what: str, waves: tuple[dict[str, Any], dict[str, Any]]) -> Iterator[Row]:
    """The line of a wave's verified share, where either run has one."""
    here, there = (wave.get("verified_at_promotion") for wave in waves)
    if here is None and there is None:
        return
    difference = ""
    if here is not None and there is not None:
        points = round(100 * (there - here))
        difference = f"{abs(points)} points {'more' if points > 0 else 'less'}" if points else "the same"
    said = ["-" if share is None else percent(share) for share in (here, there)]
    yield Row(what, said[0], said[1], difference)


def _counts(what: str, here: int | None, there: int | None) -> Row:
    said = ["none failed" if count is None else f"{count:,}" for count in (here, there)]
    if here is None or there is None:
        return Row(what, said[0], said[1], "the same" if here is there else "")
    return Row(what, said[0], said[1], _more(there - here))


def _more(difference: int) -> str:
    if not difference:
        return "the same"
    return f"{abs(difference):,} {'more' if difference > 0 else 'fewer'}"


def of_load(here: dict[str, Any], there: dict[str, Any]) -> Group:
    """The load of two runs' summaries."""
    rows = [
        Row(words, f"{here[kind]:,}", f"{there[kind]:,}", _more(there[kind] - here[kind]))
        for kind, words in (
            ("reports", "reports"),
            ("heartbeats", "heartbeats"),
            ("dispatches_queued", "dispatches queued"),
            ("dispatches_requeued", "dispatches queued again"),
            ("event_log_rows", "event-log rows"),
        )
    ]
    return Group("Control plane, the whole run", rows)


def took_after(rollout: dict[str, Any]) -> int:
    """Hosts of a rollout that took its release after the first failure was seen."""
    return sum(int(count) for count in rollout["exposure"]["took_after_first_failure"].values())


EXPOSURE: dict[str, Callable[[dict[str, Any]], int | None]] = {
    "took the release before the earlier waves were verified": lambda one: one["exposure"]["took_before_verified"],
    "ran it when the first failure was seen": lambda one: one["exposure"]["running_at_first_failure"],
    "took it after the first failure": lambda one: (
        None if one["exposure"]["first_failure_at_s"] is None else took_after(one)
    ),
    "rolled back at the end": lambda one: one["exposure"]["reverted"],
    "failed at the end": lambda one: one["exposure"]["failed"],
    "held back by the quarantine": lambda one: one["exposure"]["quarantined"],
}
"""Lines about who was exposed to what, and how to count each; None where no host failed."""
