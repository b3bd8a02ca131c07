"""One host's story, told from the frame `events` (spec page 10, `trace`).

What the frame says twice is said once: a state change that both sides made is one event with both times, and what the
control plane logs when a heartbeat makes it step is part of that heartbeat. What repeats is folded: the runs of a probe
with one outcome, the topology declared anew at each heartbeat, reports refused for one reason, a dispatch that is
refused or lost again and again. A gate's decisions become waits, from the pass that blocked to the one that let go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.reducer.records import STATES
from sim.result.words import counted, duration, some
from sim.scenario.checks import meant

if TYPE_CHECKING:
    import pandas as pd

    from sim.result.result import Result

Event = dict[str, Any]

PROBES = frozenset({"ProbeObservedFirst", "ProbeFailureFirst", "ProbeResult"})
"""Reports that one event `probe` stands for."""
FEW = 3
"""Dispatches in a row that are told one by one."""
FINAL = frozenset({"Converged", "Failed", "Reverted"})


class UnknownName(LookupError):
    """The result has no such host or rollout; the message names what may be meant."""


def trace(result: Result, host: str, rollout_id: str | None = None) -> list[Event]:
    """What happened to one host, in order of time: the `events` of spec page 10.

    Each is {at, cp_at, rollout_id, what, detail}: `at` the agent's time and `cp_at` the control plane's (seconds, None
    on the side where it has none), `what` with its `detail` one of

    - `opened`: the rollout, its `channel` and `hosts`, and the host's `wave`;
    - `gate`: a wait, with the `gate`, the `reason` that held longest, all `reasons` with the `cp_at` of each, `until`
      (None: to the end of the run, its `ended_at_s`), `wait_s`, and what came `then` (`dispatch`, another gate,
      `superseded`, or the state that the host was in);
    - `promotion`: the rollout reached the host's `wave`;
    - `dispatch` (queued: `target_closure`, `soak_due_at`), `taken`, `delivery` (its `outcome`: `accepted`, `ignored`
      by an agent that has it already, `lost` to a host that is offline, `refused` for its signing age);
    - `move`: a state change `from`, `to`; `side` is `both`, `agent` or `control plane`;
    - `adopted`: the agent took a record from a heartbeat's reply, and with it the state `to`;
    - `report`: its `kind` and fields; `rejected`: likewise, with the `error` for which it was dropped;
    - `probe`: `count` runs of one `probe` (`mode`) that all ended in the same `status`, with the `reason`;
    - `heartbeat`: one that made the control plane step by itself, as if a report of this `kind` had come;
    - `quarantine`, `rollout_move`: the effect of its rollback; a state change of the rollout;
    - `reboot`, `boot`, `offline`, `online`: of the host, whatever the rollout.

    What is folded has a `count` and `until`, the time of the last. Of a rollout in which nothing ever reached the host,
    nor any step was made for it, only the gate waits are told.

    Args:
        result: a result; where it holds no events the run is repeated, which takes its time.
        host: its name.
        rollout_id: that rollout alone; of the host's own events those while it went on.

    Raises:
        UnknownName: there is no such host, or no such rollout with it.
    """
    found, of_host = _read(result, host, rollout_id)
    events = [event for story in found for event in story.events]
    events += _of_host(of_host, [story for story in found if story.acted])
    return [event.told() for event in sorted(events, key=_Told.order)]


def sentences(result: Result, host: str, rollout_id: str | None = None) -> dict[str, str]:
    """Per rollout of a host, by id in order of opening: when the host converged and what took how long, or what holds
    it back. Arguments and errors as for `trace`."""
    found, _ = _read(result, host, rollout_id)
    return {story.rollout_id: _Sentence(result, host, story).text() for story in found}


class _Row(NamedTuple):
    """A row of the frame, and its place there."""

    place: int
    at: float | None
    cp_at: float | None
    what: str
    rollout_id: str | None
    host: str | None
    detail: dict[str, Any]


class _Told(NamedTuple):
    """An event of the trace and the place in the frame of the first row it stands for."""

    place: int
    at: float | None
    cp_at: float | None
    rollout_id: str | None
    what: str
    detail: dict[str, Any]

    @classmethod
    def of(cls, row: _Row, **detail: Any) -> _Told:
        return cls(row.place, row.at, row.cp_at, row.rollout_id, row.what, {**row.detail, **detail})

    def order(self) -> tuple[float, int]:
        return _time(self), self.place

    def told(self) -> Event:
        return {
            "at": self.at,
            "cp_at": self.cp_at,
            "rollout_id": self.rollout_id,
            "what": self.what,
            "detail": self.detail,
        }


def _time(one: _Row | _Told) -> float:
    """When it happened: the agent's time, where it has one."""
    time = one.cp_at if one.at is None else one.at
    assert time is not None
    return time


@dataclass
class _Story:
    """A host in one rollout. Times in seconds; `wave` is None where no wave of its channel lists it."""

    rollout_id: str
    ref: str
    opened_at: float
    wave: int | None
    successor: tuple[float, str] | None = None
    """When which rollout took the place of this one."""
    events: list[_Told] = field(default_factory=list)
    of_host: list[_Row] = field(default_factory=list)
    """What the host did whatever the rollout."""
    acted: bool = False
    """Whether anything but a gate had to do with the host."""

    def of(self, what: str) -> list[_Told]:
        """Its events of one kind."""
        return [event for event in self.events if event.what == what]

    @property
    def entered(self) -> dict[str, float]:
        """When (s) the host first was in each state, as `transitions.at`: by the agent, or by the control plane where
        the agent made no such step. In order of time."""
        agent: dict[tuple[str, str], float] = {}
        mirror: dict[tuple[str, str], float] = {}
        for event in self.of("move"):
            step = event.detail["from"], event.detail["to"]
            if event.at is not None:
                agent.setdefault(step, event.at)
            elif event.cp_at is not None:
                mirror.setdefault(step, event.cp_at)
        entered = {"Pending": self.opened_at}
        for (_, state), at in {**mirror, **agent}.items():
            entered[state] = min(at, entered.get(state, at))
        return dict(sorted(entered.items(), key=lambda item: (item[1], STATES.index(item[0]))))

    @property
    def ends(self) -> float:
        """When (s) its part in the host's life was over; infinite if never."""
        entered = self.entered
        if next(reversed(entered)) not in FINAL:
            return float("inf")
        return max(_time(event) for event in self.events)


# -- reading the frame


def rollouts_of(result: Result, host: str, rollout_id: str | None = None) -> dict[str, int | None]:
    """The rollouts that a host is in, or the one of them, by id with its wave; None where no wave lists it.

    Raises:
        UnknownName: there is no such host, or no such rollout with it.
    """
    members = result.hosts[["rollout_id", "host", "wave"]]
    members = members[members["host"] == host]
    waves = {
        str(one): None if wave is None else int(wave)
        for one, wave in zip(members["rollout_id"], _plain(members["wave"]), strict=True)
    }
    if not waves:
        # a host may be in no rollout
        names = sorted(result.scenario.artifact(result.summary["seed"]).hosts)
        if host not in names:
            raise UnknownName(f"unknown host: {meant(host, names)}")
    if rollout_id is None:
        return waves
    if rollout_id not in waves:
        there = [one["rollout_id"] for one in result.summary["rollouts"]]
        if rollout_id not in there:
            raise UnknownName(f"unknown rollout: {meant(rollout_id, there)}")
        others = f"it is in {some(list(waves))}" if waves else "it is in none"
        raise UnknownName(f"{host} is not in rollout {rollout_id}; {others}")
    return {rollout_id: waves[rollout_id]}


def _read(result: Result, host: str, rollout_id: str | None) -> tuple[list[_Story], list[_Row]]:
    """The rollouts that a host is in, or the one of them, in order of opening; and what it did whatever the rollout."""
    waves = rollouts_of(result, host, rollout_id)
    opened = result.rollouts
    told = [
        _Story(str(one), str(ref), float(at), waves[str(one)])
        for one, ref, at in zip(opened["rollout_id"], opened["ref"], opened["opened_at"], strict=True)
        if str(one) in waves
    ]
    rows: dict[str | None, list[_Row]] = {}
    if told:
        for row in _rows(result, host):
            rows.setdefault(row.rollout_id, []).append(row)
        for story in told:
            story.of_host = rows.get(None, [])
            _Teller(story, rows.get(story.rollout_id, []), result.summary["ended_at_s"]).tell()
    return told, rows.get(None, [])


def _rows(result: Result, host: str) -> Iterator[_Row]:
    """What the frame says of the host, and of rollouts as such."""
    frame = result.events
    frame = frame[(frame["host"] == host) | frame["host"].isna()]
    if result.summary["end"] == "interrupted":
        # the run may have been repeated for its events, and gone on beyond what the rest of the result knows
        frame = frame[frame["cp_at"].fillna(frame["at"]) <= result.summary["ended_at_s"]]
    columns = (_plain(frame[name]) for name in ("at", "cp_at", "what", "rollout_id", "host"))
    return map(_Row._make, zip(frame.index.tolist(), *columns, frame["detail"], strict=True))


def _plain(column: pd.Series[Any]) -> list[Any]:
    """Python's own values, None for what is missing."""
    return [None if missing else value for value, missing in zip(column.tolist(), column.isna(), strict=True)]


def _of_host(rows: list[_Row], told: list[_Story]) -> Iterator[_Told]:
    """Reboots, and coming and going, while one of the rollouts went on; and that it was away when one began."""
    spans = [(story.opened_at, story.ends) for story in told]
    away: _Row | None = None
    for row in rows:
        if any(start <= _time(row) <= end for start, end in spans):
            if away is not None:
                yield _Told.of(away)
                away = None
            yield _Told.of(row)
        elif row.what in ("offline", "online"):
            away = row if row.what == "offline" else None
    if away is not None and any(start > _time(away) for start, _ in spans):
        yield _Told.of(away)


class _Teller:
    """Makes the rows of one host in one rollout into events."""

    def __init__(self, story: _Story, rows: list[_Row], ended_at: float):
        self.story = story
        self.ended_at = ended_at
        self.mine = [row for row in rows if row.host is not None and row.what != "rollout_event"]
        self.others = [row for row in rows if row.host is None]

    def tell(self) -> None:
        """Fill in the story."""
        story = self.story
        for row in self.others:
            if row.what == "rollout_event" and row.detail["kind"] == "SuccessorOpened" and story.successor is None:
                assert row.cp_at is not None
                story.successor = row.cp_at, str(row.detail["successor_rollout_id"])
        acts = [row for row in self.mine if row.what != "gate"]
        story.acted = bool(acts)
        story.events += self._waits()
        if not acts:
            return
        for row in self.others:
            if row.what == "opened":
                story.events.append(_Told.of(row, wave=story.wave))
            elif (row.what == "promotion" and row.detail["wave"] == story.wave) or (
                row.what == "rollout_move" and row.detail["from"] != "Opening"
            ):
                story.events.append(_Told.of(row))
        rest, made_up = self._heartbeats(acts)
        story.events += self._dispatches(rest)
        story.events += self._moves([row for row in rest if row.what == "move"], made_up)
        story.events += self._reports([row for row in rest if row.what in ("report", "rejected")])
        story.events += [_Told.of(row) for row in rest if row.what in ("adopted", "quarantine")]

    def _heartbeats(self, rows: list[_Row]) -> tuple[list[_Row], list[_Row]]:
        """Tell the heartbeats by which the control plane stepped; the rows left, and the moves it made so.

        The journal writes such a heartbeat, what is logged for it, and the move, one after the other.
        """
        rest: list[_Row] = []
        made_up: list[_Row] = []
        expects: str | None = None
        for row in rows:
            if row.what == "heartbeat":
                expects = row.detail["kind"]
                self.story.events.append(_Told.of(row))
            elif expects is not None and row.what == "report" and row.detail["kind"] == expects:
                told = self.story.events[-1]
                fields = {key: value for key, value in row.detail.items() if key not in ("type", "seq")}
                self.story.events[-1] = told._replace(detail={**told.detail, **fields})
            elif expects is not None and row.what == "move":
                made_up.append(row)
                expects = None
            else:
                expects = None
                rest.append(row)
        return rest, made_up

    def _moves(self, rows: list[_Row], made_up: list[_Row]) -> Iterator[_Told]:
        """State changes: a report's `at` is that of the agent's own step, by which the two sides are matched."""
        heard: dict[tuple[str, str, float | None], list[_Row]] = {}
        for row in rows:
            if row.detail["side"] != "agent":
                heard.setdefault((row.detail["from"], row.detail["to"], row.at), []).append(row)
        for row in rows:
            if row.detail["side"] == "agent":
                known = heard.get((row.detail["from"], row.detail["to"], row.at))
                if known:
                    yield _Told.of(row, side="both")._replace(cp_at=known.pop(0).cp_at)
                else:
                    yield _Told.of(row)
        for row in [*made_up, *(row for left in heard.values() for row in left)]:
            yield _Told.of(row)._replace(at=None)

    def _dispatches(self, rows: list[_Row]) -> Iterator[_Told]:
        """Dispatches, each with what became of it; many in a row of which the same became are told as one."""
        cycles: list[dict[str, _Row]] = []
        for row in rows:
            match row.what:
                case "dispatch":
                    cycles.append({"dispatch": row})
                case "taken":
                    # a dispatch takes the place of one that waits
                    cycles[-1]["taken"] = row
                case "delivery":
                    under_way = next(one for one in cycles if "taken" in one and "delivery" not in one)
                    under_way["delivery"] = row
        for _, alike in groupby(cycles, key=_outcome):
            group = list(alike)
            for what in ("dispatch", "taken", "delivery"):
                found = [cycle[what] for cycle in group if what in cycle]
                yield from _folded(found, _way, at_least=FEW + 1)

    def _reports(self, rows: list[_Row]) -> Iterator[_Told]:
        plain: list[_Row] = []
        alike: list[_Row] = []
        probes: dict[str, list[_Row]] = {}
        for row in rows:
            kind = row.detail["kind"]
            row = row._replace(detail={key: value for key, value in row.detail.items() if key != "type"})
            if row.what == "report" and kind in PROBES:
                probes.setdefault(row.detail["probe_name"], []).append(row)
            elif row.what == "rejected" or kind == "ProbeTopologyDeclared":
                alike.append(row)
            else:
                plain.append(row)
        yield from map(_Told.of, plain)
        yield from _folded(alike, _kind, at_least=2)
        for runs in probes.values():
            yield from _runs(runs)

    def _waits(self) -> Iterator[_Told]:
        """The gate waits: one for each stretch of passes in which the same gate held the host."""
        begun: _Row | None = None
        reasons: list[dict[str, Any]] = []
        for row in self.mine:
            if row.what != "gate":
                continue
            gate = row.detail["gate"]
            if begun is not None and gate != begun.detail["gate"]:
                yield self._wait(begun, reasons, row)
                begun = None
            if gate is None:
                continue
            if begun is None:
                begun, reasons = row, []
            reasons.append({"cp_at": row.cp_at, "reason": row.detail["reason"]})
        if begun is not None:
            yield self._wait(begun, reasons, None)

    def _wait(self, begun: _Row, reasons: list[dict[str, Any]], over: _Row | None) -> _Told:
        start = begun.cp_at
        until = None if over is None else over.cp_at
        assert start is not None
        end = max(self.ended_at, start) if until is None else until
        held: dict[str, float] = {}
        bounds = [*(one["cp_at"] for one in reasons[1:]), end]
        for one, to in zip(reasons, bounds, strict=True):
            held[one["reason"]] = held.get(one["reason"], 0.0) + to - one["cp_at"]
        detail = {
            "gate": begun.detail["gate"],
            "reason": max(held, key=lambda reason: held[reason]),
            "reasons": reasons,
            "until": until,
            "wait_s": end - start,
            "then": None if over is None else self._what_came(over),
        }
        return _Told(begun.place, None, start, begun.rollout_id, "gate", detail)

    def _what_came(self, over: _Row) -> str:
        if over.detail["gate"] is not None:
            return str(over.detail["gate"])
        at = over.cp_at
        assert at is not None
        if any(row.what == "dispatch" and row.cp_at == at for row in self.mine):
            return "dispatch"
        states = [
            str(row.detail["to"])
            for row in self.mine
            if row.what == "move" and row.detail["side"] != "agent" and row.cp_at is not None and row.cp_at <= at
        ]
        if states:
            return states[-1]
        if self.story.successor is not None and self.story.successor[0] <= at:
            return "superseded"
        return "dispatch"  # to a host that is offline, which has it waiting: nothing is queued anew


def _outcome(cycle: dict[str, _Row]) -> object:
    return cycle["delivery"].detail["outcome"] if "delivery" in cycle else None


def _way(row: _Row) -> tuple[object, ...]:
    return row.what, row.detail.get("outcome")


def _kind(row: _Row) -> tuple[object, ...]:
    return row.what, row.detail["kind"], row.detail.get("error")


def _folded(rows: list[_Row], alike: Callable[[_Row], tuple[object, ...]], at_least: int) -> Iterator[_Told]:
    """The rows, but those alike as one event where there are enough of them: the first, with the last's time."""
    groups: dict[tuple[object, ...], list[_Row]] = {}
    for row in rows:
        groups.setdefault(alike(row), []).append(row)
    for group in groups.values():
        if len(group) < at_least:
            yield from map(_Told.of, group)
        else:
            first = group[0]._replace(detail={key: value for key, value in group[0].detail.items() if key != "seq"})
            yield _Told.of(first, count=len(group), until=_time(group[-1]))


def _runs(rows: list[_Row]) -> Iterator[_Told]:
    """One probe's runs, those in a row with one outcome as one event."""
    run: list[_Row] = []

    def told() -> _Told:
        first, last = run[0], run[-1]
        fields = first.detail
        detail = {
            "probe": fields["probe_name"],
            "mode": fields["mode"],
            "status": fields["status"],
            "reason": fields["failure_reason"],
            "count": len(run),
            "until": last.at,
        }
        return _Told(first.place, first.at, first.cp_at, first.rollout_id, "probe", detail)

    for row in rows:
        if row.detail["kind"] != "ProbeResult":
            continue
        if run and row.detail["status"] != run[0].detail["status"]:
            yield told()
            run = []
        run.append(row)
    if run:
        yield told()


# -- in words


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

    def __init__(self, result: Result, host: str, story: _Story):
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
        if queued and (not taken or _time(taken[-1]) < _time(queued[-1])):
            at = _time(queued[-1])
            return f"it is offline, its dispatch has waited since {duration(at)}, for {self._until_end(at)}"
        if waits:
            wait = waits[-1]
            since, gate = _time(wait), wait.detail["gate"]
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
        states = dict(zip(frame["host"], frame["state"], strict=True))
        if not names:
            done = ["Converged"] if self.result.scenario.rules.deferred == "strict" else ["Converged", "Deferred"]
            current = frame[(frame["wave"] == rollout["current_wave"]) & ~frame["state"].isin(done)]
            names = current["host"].tolist()
        if not names:
            return ""
        shown = [f"{name} ({states.get(name, 'not in this rollout')})" for name in names[:FEW]]
        return f" and waits for {some([*shown, *names[FEW:]], FEW)}"

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
            said = [f"{event.detail['probe']} fails since {duration(_time(event))}" for event in failing]
            return f": {some(said)}"
        due = [event.detail["soak_due_at"] for event in self.story.of("dispatch") if event.detail["soak_due_at"]]
        return f": its soak ends at {duration(due[-1])}" if due and due[-1] > self.ended_at else ""
