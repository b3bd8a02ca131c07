"""A run against another: which settings differ, and what that did to each rollout, wave by wave.

Rollouts are matched by their id. Differences are of the other run to this one, so that "5h42m later" means that it is
later there; times count from the opening of a rollout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, isclose
from typing import TYPE_CHECKING, Any

from sim.report.phrases import later, main_rollout, of_hosts, sentence
from sim.report.side_by_side import Group, Row, of_load, of_matched, since, took_after
from sim.result import outcome
from sim.result.words import counted, duration, some
from sim.scenario.write import plain

if TYPE_CHECKING:
    from sim.result import Result

MOST_SETTINGS = 20
MOST_SAID = 3
"""Rollouts that an answer compares."""
_VERIFIED = "before every host of the earlier waves had converged"
SHORT = ("rules.", "control_plane.", "hosts.default.")
"""Sections that the name of a setting does without."""


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side."""

    here: str
    """What to call this run."""
    there: str
    lead: str
    """How a sentence about the other run begins."""
    settings: list[Row]
    more_settings: int
    """Settings that differ and are not listed."""
    sentences: list[str]
    groups: list[Group]
    matched: list[tuple[dict[str, Any], dict[str, Any]]]
    """Rollouts of the two summaries that have the same id."""
    for_answers: dict[str, list[str]]
    """What to add to an answer, by its key."""
    shown: tuple[dict[str, Any], dict[str, Any]] | None
    """The pair of `matched` whose ends lie furthest apart, else that of the rollout that matters most."""
    gained: float | None
    """How much later (s) the rollout that is `shown` ends where a deferred host does not count as done; None where that
    is not what differs, or it does not end in both."""


def compare(result: Result, against: Result) -> Comparison:
    """What differs between two runs, of the same fleet or of another."""
    one, other = _settings(result), _settings(against)
    differing = [key for key in {**one, **other} if one.get(key) != other.get(key)]
    settings = [Row(key, one.get(key, "none"), other.get(key, "none"), "") for key in differing]
    here, there = _names(result, against, settings)
    lead = f"With {there}" if len(settings) == 1 else f"In {there}"
    ours = {rollout["rollout_id"]: rollout for rollout in result.summary["rollouts"]}
    theirs = {rollout["rollout_id"]: rollout for rollout in against.summary["rollouts"]}
    matched = [(rollout, theirs[name]) for name, rollout in ours.items() if name in theirs]
    ends = _ends(matched, lead)
    sentences = [*ends, *_exposures(matched, lead)]
    sentences += _unmatched([name for name in ours if name not in theirs], "this run", there)
    sentences += _unmatched([name for name in theirs if name not in ours], there, "this run")
    groups = list(of_matched(matched))
    groups.append(of_load(result.summary["load"], against.summary["load"]))
    shown = _furthest_apart(result, matched)
    rules = (result.scenario.rules.deferred, against.scenario.rules.deferred)
    gained = _gained(shown) if shown and rules == ("converged", "strict") else None
    more = {
        "duration": ends,
        "deferred": _unverified(matched, lead) if rules[0] != rules[1] and gained is None else [],
        "bad-release": [said for pair in matched if (said := _bad(*pair, lead))],
        "control-plane": [_load(result.summary, against.summary, lead)],
    }
    return Comparison(
        here=here,
        there=there,
        lead=lead,
        settings=settings[:MOST_SETTINGS],
        more_settings=max(len(settings) - MOST_SETTINGS, 0),
        sentences=sentences,
        groups=groups,
        matched=matched,
        for_answers={key: said[:MOST_SAID] for key, said in more.items()},
        shown=shown,
        gained=gained,
    )


def _settings(result: Result) -> dict[str, str]:
    """Every setting of a run but for its name and description, under its dotted name, as a scenario file has it."""
    scenario = result.scenario
    data = plain(scenario) | {"seed": result.summary["seed"], "replication": result.summary["replication"]}
    if scenario.fleet.resolved is not None:
        # the path says nothing of what is in it
        fleet = scenario.artifact()
        data["fleet"] = {"resolved": f"{counted(len(fleet.hosts), 'host')}, {counted(len(fleet.channels), 'channel')}"}
    flat: dict[str, str] = {}

    def flatten(value: Any, key: str) -> None:
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
        if pairs is None:
            flat[key] = str(value)
        else:
            for name, inner in pairs:
                flatten(inner, f"{key}.{name}" if key else str(name))

    flatten({name: value for name, value in data.items() if name not in ("name", "description")}, "")
    return flat


def _names(result: Result, against: Result, settings: list[Row]) -> tuple[str, str]:
    """What to call the two: the one setting that differs, or the names of the scenarios, or neither."""
    if len(settings) == 1:
        key = settings[0].what
        for section in SHORT:
            key = key.removeprefix(section)
        return f"{key}={settings[0].here}", f"{key}={settings[0].there}"
    names = str(result.summary["scenario"]), str(against.summary["scenario"])
    return names if names[0] != names[1] else ("this run", "the other run")


def _ends(matched: list[tuple[dict[str, Any], dict[str, Any]]], lead: str) -> list[str]:
    """A sentence for each rollout, those that end alike in one."""
    alike = [pair for pair in matched if _as_long(*pair) or _as_little(*pair)]
    said = [_end(*pair, lead) for pair in matched if len(alike) < 2 or pair not in alike]
    if len(alike) < 2:
        return said
    which = f"the other {len(alike):,}" if said else f"all {len(alike):,}"
    how = "take as long" if all(_as_long(*pair) for pair in alike) else "come out the same"
    return [*said, f"{lead}, {which} rollouts {how}."]


def _as_long(one: dict[str, Any], other: dict[str, Any]) -> bool:
    here, then = (since(rollout, rollout["terminal_at_s"]) for rollout in (one, other))
    return here is not None and then is not None and isclose(here, then, abs_tol=1e-6)


def _as_little(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether neither finishes, for the same reason since the same time."""
    return one["terminal_at_s"] is None and other["terminal_at_s"] is None and outcome(one) == outcome(other)


def _end(one: dict[str, Any], other: dict[str, Any], lead: str) -> str:
    """`With deferred=strict, stable@r1 ends 4d6h later: after 5d6h, not 23h48m.`"""
    name = one["rollout_id"]
    here, then = (since(rollout, rollout["terminal_at_s"]) for rollout in (one, other))
    if here is None and then is None:
        return f"{lead}, {name} does not finish either: {outcome(other)}."
    if then is None:
        return f"{lead}, {name} does not finish: {outcome(other)}."
    if here is None:
        return f"{lead}, {name} finishes in {duration(then)}."
    if _as_long(one, other):
        return f"{lead}, {name} takes as long: {duration(then)}."
    words = duration(here), duration(then)
    instead = f": after {words[1]}, not {words[0]}" if words[0] != words[1] else f", after {words[1]}"
    return f"{lead}, {name} ends {later(then - here)}{instead}."


def _exposures(matched: list[tuple[dict[str, Any], dict[str, Any]]], lead: str) -> Iterator[str]:
    """A sentence for each rollout that somebody took too early in either run, and one for the others."""
    key = "took_before_verified"
    exposed = [pair for pair in matched if any(rollout["exposure"][key] for rollout in pair)]
    yield from (_exposed(*pair, lead) for pair in exposed)
    spared = [pair[0]["rollout_id"] for pair in matched if pair not in exposed]
    if spared:
        others = f"any of the {'other ' if exposed else ''}{len(spared):,} rollouts"
        which = others if len(spared) > 1 else spared[0]
        yield f"In neither run did a host take {which} {_VERIFIED}."


def _exposed(one: dict[str, Any], other: dict[str, Any], lead: str) -> str:
    here, then = one["exposure"]["took_before_verified"], other["exposure"]["took_before_verified"]
    those = f"{of_hosts(then, other['hosts'])} did" if then else "none did"
    took = f"{sentence(of_hosts(here, one['hosts']))} took {one['rollout_id']} {_VERIFIED}"
    return f"{took}; {lead[:1].lower()}{lead[1:]} {those}."


def _unverified(matched: list[tuple[dict[str, Any], dict[str, Any]]], lead: str) -> list[str]:
    """How many took a release before the earlier waves were verified, of the rollouts in which that differs."""
    key = "took_before_verified"
    return [
        f"{lead}, {of_hosts(other['exposure'][key], other['hosts'])} took {one['rollout_id']} so early."
        for one, other in matched
        if one["exposure"][key] != other["exposure"][key]
    ]


def _furthest_apart(
    result: Result, matched: list[tuple[dict[str, Any], dict[str, Any]]]
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The pair with most to see: one that ends in one run alone, else the one whose ends lie furthest apart."""
    main = main_rollout(result.summary)

    def apart(pair: tuple[dict[str, Any], dict[str, Any]]) -> tuple[float, bool]:
        here, then = (since(rollout, rollout["terminal_at_s"]) for rollout in pair)
        if here is None or then is None:
            return (0.0 if here is then else inf), pair[0] is main
        return (0.0 if _as_long(*pair) else abs(then - here)), pair[0] is main

    found = max((pair for pair in matched if pair[0]["hosts"]), key=apart, default=None)
    return found if found is not None and any(apart(found)) else None


def _gained(pair: tuple[dict[str, Any], dict[str, Any]]) -> float | None:
    here, then = (since(rollout, rollout["terminal_at_s"]) for rollout in pair)
    return None if here is None or then is None else then - here


def _bad(one: dict[str, Any], other: dict[str, Any], lead: str) -> str | None:
    here, then = _had_it(one), _had_it(other)
    if here is None and then is None:
        return None
    if then is None:
        return f"{lead}, no host of {one['rollout_id']} fails."
    return f"{lead}, {of_hosts(then, other['hosts'])} of {one['rollout_id']} ran the failing release in all."


def _load(one: dict[str, Any], other: dict[str, Any], lead: str) -> str:
    kinds = {"heartbeats": "heartbeats", "reports": "reports", "event_log_rows": "event-log rows"}
    here, there = one["load"], other["load"]
    differing = [kind for kind in kinds if there[kind] != here[kind]]
    if not differing:
        return f"{lead}, the load is the same."
    said = "; ".join(f"{there[kind]:,} {kinds[kind]}, not {here[kind]:,}" for kind in differing)
    lengths = [duration(run["ended_at_s"]) for run in (one, other)]
    over = f"the run takes {lengths[1]}, not {lengths[0]}, and " if lengths[0] != lengths[1] else ""
    return f"{lead}, {over}there are {said}."


def _unmatched(names: list[str], of: str, other: str) -> Iterator[str]:
    if names:
        yield f"{some(names)} of {of} {'has' if len(names) == 1 else 'have'} no counterpart in {other}, by rollout id."


def _had_it(rollout: dict[str, Any]) -> int | None:
    """How many hosts ran a release that failed, in all; None where none failed."""
    found = rollout["exposure"]
    if found["first_failure_at_s"] is None:
        return None
    return int(found["running_at_first_failure"]) + took_after(rollout)
