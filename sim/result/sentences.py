"""One host's story in a sentence per rollout, and the words for times and gates in it (spec pages 3 and 10)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from sim.result.fates import fates_of, told
from sim.result.story import FINAL, Story, time_of
from sim.result.trace import read_story
from sim.result.words import counted, duration, some

if TYPE_CHECKING:
    from sim.result.result import Result


def sentences(result: Result, host: str, rollout_id: str | None = None) -> dict[str, str]:
    """Per rollout of a host, by id in order of opening: when the host converged and what took how long, or what holds
    it back. Arguments and errors as for `trace`."""
    found, _ = read_story(result, host, rollout_id)
    return {story.rollout_id: _Sentence(result, host, story).text() for story in found}


def moment(seconds: float | None) -> str:
    """A time to the millisecond, as `1h2m3.5s`; `-` for None."""
    if seconds is None:
        return "-"
    left = round(seconds * 1000)
    said = ""
    for unit, length in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000)):
        count, left = divmod(left, length)
        said += f"{count}{unit}" if count else ""
    return said + (f"{left / 1000:.3f}".rstrip("0").rstrip(".") + "s" if left or not said else "")


def gate_words(gate: str, reason: str) -> str:
    """Why a gate holds a host, from its name and reason (spec page 3)."""
    known = dict(re.findall(r"(\w+)=(\d+)", reason))
    match gate:
        case "quarantine":
            return f"its closure {reason.partition(' closure=')[2]} is in quarantine"
        case "channel-edges":
            return f"the rollout of channel {reason.removeprefix('predecessor=')} goes first and is not over"
        case "wave-promotion":
            return f"its wave {known['host_wave']} has not come, the rollout is in wave {known['current_wave']}"
        case "wave-promotion-host-unstaged":
            return "no wave of its channel lists it"
        case "host-edge":
            return f"host {reason.removeprefix('gating_host=')} goes first and is not done"
        case "disruption-budget":
            budget = reason.partition(" selector=")[2]
            return f"the budget of {budget} is used up, {known['in_flight']} of {known['max']} in flight"
        case "compliance-wave":
            return f"{counted(int(known['failing']), 'enforce probe')} failed on hosts of earlier waves"
        case _:
            return reason


def _held_words(gate: str, reason: str) -> str:
    match gate:
        case "channel-edges":
            return f"waiting for channel {reason.removeprefix('predecessor=')}"
        case "wave-promotion":
            return "waiting for its wave"
        case "host-edge":
            return f"waiting for host {reason.removeprefix('gating_host=')}"
        case "disruption-budget":
            return f"waiting for the budget of {reason.partition(' selector=')[2]}"
        case _:
            return f"held by the gate {gate}"


class _Sentence:
    """What became of a host in one rollout, in a sentence."""

    def __init__(self, result: Result, host: str, story: Story):
        self.result = result
        self.host = host
        self.story = story
        self.ended_at: float = result.summary["ended_at_s"]
        self.entered = story.entered

    def text(self) -> str:
        """The sentence, without a full stop."""
        story, host, ref = self.story, self.host, self.story.ref
        state = next(reversed(self.entered))
        if "Converged" in self.entered:
            return self._converged()
        if state in FINAL:
            return self._failed(state)
        if story.successor is not None:
            at, successor = story.successor
            refs = dict(zip(self.result.rollouts["rollout_id"], self.result.rollouts["ref"], strict=True))
            waits = story.of("gate")
            held = state == "Pending" and waits and waits[-1].detail["then"] == "superseded"
            why = f", held by the gate {waits[-1].detail['gate']}" if held else ""
            before = f"before {refs[successor]} superseded it at {duration(at)}"
            return f"{host} did not converge on {ref} {before}: {state}{why}"
        if state == "Pending":
            return f"{host} has not begun {ref}: {self._pending()}"
        since = f"since {duration(self.entered[state])}, for {self._until_end(self.entered[state])}"
        if state == "Deferred":
            return f"{host} {self._deferred(since)}"
        if state == "Soaking":
            return f"{host} has been soaking on {ref} {since}{self._soaking()}"
        return f"{host} has been activating {ref} {since}"

    def _until_end(self, since: float) -> str:
        return duration(max(0.0, self.ended_at - since))

    # -- it got there

    def _converged(self) -> str:
        story = self.story
        took = duration(self.entered["Converged"] - story.opened_at)
        parts = ", ".join(f"{duration(seconds)} {what}" for what, seconds in self._parts().items())
        made_up = any(event.detail["kind"] == "DispatchAck" for event in story.of("heartbeat"))
        why = " (a heartbeat showed that it ran the target already)" if made_up else ""
        return f"{self.host} converged on {story.ref} after {took}{f': {parts}' if parts else ''}{why}"

    def _parts(self) -> dict[str, float]:
        """What the time from the opening to convergence went into (s); what is too short to tell is left out.

        Where two things take the same time, the first that is listed here counts.
        """
        begin, end = self.story.opened_at, self.entered["Converged"]
        spans = [*self._in_states(end), *self._held(end), *self._offline(end)]
        bounds = sorted({begin, end, *(at for one in spans for at in one[:2] if begin < at < end)})
        failed = any(event.detail["outcome"] in ("lost", "refused") for event in self.story.of("delivery"))
        rest = "with its dispatch refused or lost" if failed else "until it was reached"
        parts: dict[str, float] = {}
        for start, stop in pairwise(bounds):
            what = next((what for since, until, what in spans if since <= start and stop <= until), rest)
            parts[what] = parts.get(what, 0.0) + stop - start
        least = max(1.0, (end - begin) / 200)
        return {what: seconds for what, seconds in parts.items() if seconds >= least}

    def _in_states(self, end: float) -> Iterator[tuple[float, float, str]]:
        entered = list(self.entered.items())
        for (state, since), (_, until) in zip(entered, [*entered[1:], ("", end)], strict=True):
            match state:
                case "Activating":
                    yield since, until, "activating"
                case "Soaking":
                    yield since, until, "soaking"
                case "Deferred":
                    down = self._went_down(since)
                    left = until if down is None else min(down, until)
                    yield since, left, "waiting for a reboot"
                    yield left, until, "rebooting"

    def _held(self, end: float) -> Iterator[tuple[float, float, str]]:
        for event in self.story.of("gate"):
            assert event.cp_at is not None
            until = event.detail["until"]
            yield (
                event.cp_at,
                end if until is None else until,
                _held_words(event.detail["gate"], event.detail["reason"]),
            )

    def _offline(self, end: float) -> Iterator[tuple[float, float, str]]:
        taken = [event.cp_at for event in self.story.of("taken") if event.cp_at is not None]
        for event in self.story.of("dispatch"):
            assert event.cp_at is not None
            yield (
                event.cp_at,
                min((at for at in taken if at >= event.cp_at), default=end),
                "waiting for it to come online",
            )

    # -- it did not

    def _went_down(self, since: float) -> float | None:
        return next(
            (row.at for row in self.story.of_host if row.what == "reboot" and row.at is not None and row.at >= since),
            None,
        )

    def _failed(self, state: str) -> str:
        story = self.story
        told = [event.detail for event in story.events if event.what in ("report", "rejected")]
        why = ""
        for detail in told:
            if detail["kind"] == "ActivationFailed":
                why = f": the activation failed (exit code {detail['exit_code']})"
            elif detail["kind"] == "Failed":
                probes = some(detail["failing_probes"])
                why = f": {probes} failed, the first failure was {duration(detail['sustained_duration_secs'])} before"
        back = "and has not been rolled back"
        if state == "Reverted":
            to = next((detail["reverted_to_closure"] for detail in told if detail["kind"] == "RollbackComplete"), None)
            back = f"and went back{f' to {to}' if to else ''} at {duration(self.entered['Reverted'])}"
        took = duration(self.entered["Failed"] - story.opened_at)
        return f"{self.host} failed on {story.ref} after {took} {back}{why}"

    def _pending(self) -> str:
        waits = [event for event in self.story.of("gate") if event.detail["until"] is None]
        outcomes = self.story.of("delivery")
        queued, taken = self.story.of("dispatch"), self.story.of("taken")
        if queued and (not taken or time_of(taken[-1]) < time_of(queued[-1])):
            at = time_of(queued[-1])
            return f"it is offline, its dispatch has waited since {duration(at)}, for {self._until_end(at)}"
        if waits:
            wait = waits[-1]
            since, gate = time_of(wait), wait.detail["gate"]
            words = gate_words(gate, wait.detail["reasons"][-1]["reason"])
            long = f", for {duration(wait.detail['wait_s'])}" if wait.detail["wait_s"] else ""
            return f"the gate {gate} has held it since {duration(since)}{long}; {words}{self._culprits(gate)}"
        if outcomes and outcomes[-1].detail["outcome"] == "refused":
            return "it refuses the dispatch because the manifest was signed too long ago"
        if outcomes and outcomes[-1].detail["outcome"] == "lost":
            return "it was offline when its dispatch came"
        return "its dispatch is on the way" if queued else "the planner has not asked for it yet"

    def _culprits(self, gate: str) -> str:
        """Whom the gate waited for when the run ended."""
        if gate != "wave-promotion":
            return ""  # the others name them
        rollout = next(one for one in self.result.summary["rollouts"] if one["rollout_id"] == self.story.rollout_id)
        stalled = rollout["stalled"] or {"waiting_for": []}
        names = [name for one in stalled["waiting_for"] if one["gate"] == gate for name in one["culprits"]]
        frame = self.result.hosts
        frame = frame[frame["rollout_id"] == self.story.rollout_id]
        if not names:
            done = ["Converged"] if self.result.scenario.rules.deferred == "strict" else ["Converged", "Deferred"]
            current = frame[(frame["wave"] == rollout["current_wave"]) & ~frame["state"].isin(done)]
            names = current["host"].tolist()
        return f" and waits for {told(names, self.story.rollout_id, fates_of(self.result))}" if names else ""

    def _deferred(self, since: str) -> str:
        down = self._went_down(self.entered["Deferred"])
        if down is not None:
            return f"went down at {duration(down)} to boot into {self.story.ref} and has not come back"
        reports = (event.detail for event in self.story.events if event.what in ("report", "rejected"))
        component = next((one["component"] for one in reports if one["kind"] == "ActivationDeferred"), None)
        why = f" ({component})" if component else ""
        return f"has waited for a reboot into {self.story.ref}{why} {since}"

    def _soaking(self) -> str:
        last = {event.detail["probe"]: event for event in self.story.of("probe")}
        failing = [event for event in last.values() if event.detail["status"] == "fail"]
        failing = [event for event in failing if event.detail["mode"] == "enforce"]
        if failing:
            said = [f"{event.detail['probe']} fails since {duration(time_of(event))}" for event in failing]
            return f": {some(said)}"
        due = [event.detail["soak_due_at"] for event in self.story.of("dispatch") if event.detail["soak_due_at"]]
        return f": its soak ends at {duration(due[-1])}" if due and due[-1] > self.ended_at else ""
