"""What was risked: releases taken before they were verified, and bad ones taken before anybody knew."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Any

from sim.report.phrases import MOST, Answer, listed, of_hosts, opened, percent, sentence
from sim.result.words import counted, duration

if TYPE_CHECKING:
    from sim.report.compare import Comparison
    from sim.result import Result

AFTER = {
    "under_way": "had been sent it already",
    "same_wave": "were in a wave that was open, which a failure does not close",
    "later_wave": "were in a wave that opened all the same",
}
"""Why nothing stopped hosts that took a release after its first failure (`sim.result.measures.exposure`)."""


def deferred(result: Result, comparison: Comparison | None = None) -> Answer:
    """What it gained and risked that a host that waits for its reboot counts as done, or what it cost that it does
    not."""
    question = "What is gained, and what risked, because a deferred host counts as done?"
    frame = result.hosts
    waited = int(frame["deferred_at"].notna().sum())
    strict = result.scenario.rules.deferred == "strict"
    if not len(frame):
        return Answer("deferred", question, "nothing", ["No host was given a release, so none could put it off."])
    if not waited:
        said = "No host put a release off to its next reboot, so the rule made no difference."
        return Answer("deferred", question, "no difference here", [said])
    several = len(result.summary["rollouts"]) > 1
    hosts = frame.loc[frame["deferred_at"].notna(), "host"].nunique()
    of_all = sentence(of_hosts(hosts, frame["host"].nunique()))
    sentences = [f"{of_all} put {'a' if several else 'the'} release off to the next reboot."]
    exposed = [one for one in result.summary["rollouts"] if one["exposure"]["took_before_verified"]]
    took = sum(one["exposure"]["took_before_verified"] for one in exposed)
    if strict:
        sentences.append(
            "In this run a deferred host does not count as done (rules.deferred=strict): nothing is risked, and each "
            "wave waits for the last reboot of the one before it."
        )
    gains = sorted(_ahead(result), reverse=True)
    beside = comparison.shown if comparison is not None and comparison.gained is not None else None
    if beside is not None and comparison is not None:
        sentences += _wave_by_wave(*beside, comparison.there)
    else:
        sentences += [words for _, words in gains[:1]]
        if len(gains) > 1:
            sentences.append(f"{counted(len(gains) - 1, 'more wave')} started so, too.")
        if not strict and not gains:
            sentences.append("No wave started the earlier for it, so it gained nothing.")
    if took:
        what = listed([rollout["rollout_id"] for rollout in exposed][:MOST]) if several else "the release"
        who = of_hosts(took, sum(rollout["hosts"] for rollout in exposed))
        risk = f"The risk: {who} took {what} before every host of the waves before theirs had converged on it"
        sentences.append(f"{risk}{_then(comparison, exposed) if beside is not None else ''}.")
    else:
        sentences.append("No host took the release before every host of the waves before its own had converged on it.")
    if strict:
        return Answer("deferred", question, "not counted as done here", sentences)
    gained = "nothing gained"
    if gains:
        ahead = gains[0][0]
        gained = f"a wave {duration(ahead)} sooner" if ahead < inf else "a wave that would wait still"
    if comparison is not None and comparison.gained is not None:
        gained = f"{duration(comparison.gained)} gained" if comparison.gained > 0 else "nothing gained"
    return Answer("deferred", question, f"{gained}, {counted(took, 'host')} unverified", sentences)


def _ahead(result: Result) -> Iterator[tuple[float, str]]:
    """By how many seconds a wave started before the one before it had converged, and that as a sentence; infinite where
    that one never did."""
    several = len(result.summary["rollouts"]) > 1
    for rollout in result.summary["rollouts"]:
        of = f" of {rollout['rollout_id']}" if several else ""
        for before, wave in pairwise(rollout["waves"]):
            if not opened(wave) or not opened(before):
                continue
            at, share = duration(wave["opened_at_s"] - rollout["opened_at_s"]), before["verified_at_promotion"]
            if share is None or share >= 1:
                continue
            lead = (
                f"Wave {wave['index']}{of} started {at} after the opening, with {percent(share)} of wave "
                f"{before['index']} verified and the others only deferred"
            )
            if before["converged_at_s"] is None:
                yield inf, f"{lead}; by the end of the run wave {before['index']} had not converged."
            else:
                ahead = before["converged_at_s"] - wave["opened_at_s"]
                yield ahead, f"{lead}; to wait for them would have taken {duration(ahead)} more."


def _wave_by_wave(one: dict[str, Any], other: dict[str, Any], there: str) -> Iterator[str]:
    """A rollout and the same one where a deferred host does not count as done: when each wave opens, and what was
    verified then."""
    pairs = [
        (before, wave, later)
        for (before, wave), later in zip(pairwise(one["waves"]), other["waves"][1:], strict=False)
        if opened(before) and opened(wave) and opened(later)
    ]
    said = []
    for before, wave, later in pairs:
        here, then = (
            duration(start["opened_at_s"] - rollout["opened_at_s"]) for start, rollout in ((wave, one), (later, other))
        )
        share = before["verified_at_promotion"]
        unverified = share is not None and share < 1
        verified = f", with {percent(share)} of wave {before['index']} verified" if unverified else ""
        instead = f", not {then}" if then != here else ", as there"
        said.append(f"wave {wave['index']} after {here}{instead}{verified}")
    length, longer = (duration(rollout["terminal_at_s"] - rollout["opened_at_s"]) for rollout in (one, other))
    yield f"The gain: {one['rollout_id']} ends after {length}; with {there} it takes {longer}."
    if said:
        more = f"; and {counted(len(said) - MOST, 'more wave')}" if len(said) > MOST else ""
        yield f"It opens {'; '.join(said[:MOST])}{more}."


def _then(comparison: Comparison | None, exposed: list[dict[str, Any]]) -> str:
    """`; with deferred=strict none did`: how many did so in the other run, of the same rollouts."""
    if comparison is None:
        return ""
    names = {rollout["rollout_id"] for rollout in exposed}
    others = [other for one, other in comparison.matched if one["rollout_id"] in names]
    took = sum(other["exposure"]["took_before_verified"] for other in others)
    lead = comparison.lead[:1].lower() + comparison.lead[1:]
    did = f"{of_hosts(took, sum(other['hosts'] for other in others))} did" if took else "none did"
    return f"; {lead} {did}"


def bad_release(result: Result) -> Answer:
    """How many hosts had a release that fails before that was known, and what became of them."""
    question = "How many hosts had the bad release before it was known?"
    rollouts = result.summary["rollouts"]
    failed = [one for one in rollouts if one["exposure"]["first_failure_at_s"] is not None]
    if not failed:
        return Answer("bad-release", question, "none failed", list(_no_failure(result)))
    sentences: list[str] = []
    for rollout in failed[:MOST]:
        sentences += _failure(result, rollout)
    if len(failed) > MOST:
        sentences.append(f"Hosts failed in {counted(len(failed) - MOST, 'more rollout')}.")
    before = sum(one["exposure"]["running_at_first_failure"] for one in failed)
    after = sum(sum(one["exposure"]["took_after_first_failure"].values()) for one in failed)
    more = f", {after:,} more after" if after else ""
    short = f"{counted(before, 'host')} before{more}" if before or after else "no host ran it"
    return Answer("bad-release", question, short, sentences)


def _failure(result: Result, rollout: dict[str, Any]) -> Iterator[str]:
    found = rollout["exposure"]
    running, hosts = found["running_at_first_failure"], rollout["hosts"]
    at = duration(found["first_failure_at_s"] - rollout["opened_at_s"])
    runs = f"{counted(running, 'host')} ran the release" if running else "no host ran the release yet"
    yield f"The control plane saw the first host of {rollout['rollout_id']} fail after {at}; by then {runs}."
    after = {key: count for key, count in found["took_after_first_failure"].items() if count}
    if after:
        reasons = listed([f"{count:,} {AFTER[key]}" for key, count in after.items()])
        yield f"{sum(after.values()):,} more took it after that: {reasons}."
    else:
        yield "No host took it after that."
    mine = result.hosts[result.hosts["rollout_id"] == rollout["rollout_id"]]
    spared = int((mine["soaking_at"].isna() & mine["converged_at"].isna()).sum())
    ends = [f"{counted(found['reverted'], 'host')} rolled back" if found["reverted"] else ""]
    ends.append(f"{counted(found['failed'], 'host')} stayed failed" if found["failed"] else "")
    ends.append(f"the quarantine held {found['quarantined']:,} back" if found["quarantined"] else "")
    if spared:
        ends.append("no host ever ran it" if spared == hosts else f"{of_hosts(spared, hosts)} never ran it")
    said = [words for words in ends if words]
    if said:
        yield f"{sentence(listed(said))}."


def _no_failure(result: Result) -> Iterator[str]:
    if not len(result.hosts):
        yield "No host was given a release."
        return
    yield "No host failed, so there was no bad release to find out about."
    bad = [release.ref for release in result.scenario.releases if release.defect is not None]
    if bad:
        yield f"The scenario gives {listed(bad)} a defect, but no probe held it against a host before the run ended."
    fails = int(result.hosts["probe_fails"].sum())
    if fails:
        yield f"{counted(fails, 'probe run')} failed, none for long enough to fail its host."
