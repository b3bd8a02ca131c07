"""One host's story, told from the frame `events` (spec page 10, `trace`).

What the frame says twice is said once: a state change that both sides made is one event with both times, and what the
control plane logs when a heartbeat makes it step is part of that heartbeat. What repeats is folded: the runs of a probe
with one outcome, the topology declared anew at each heartbeat, reports refused for one reason, a dispatch that is
refused or lost again and again. A gate's decisions become waits, from the pass that blocked to the one that let go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sim.result.story import Event, Row, Story, Told, time_of
from sim.result.teller import Teller
from sim.result.words import some
from sim.scenario.checks import meant

if TYPE_CHECKING:
    import pandas as pd

    from sim.result.result import Result


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
    found, of_host = read_story(result, host, rollout_id)
    events = [event for story in found for event in story.events]
    events += _of_host(of_host, [story for story in found if story.acted])
    return [event.told() for event in sorted(events, key=Told.order)]


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


def read_story(result: Result, host: str, rollout_id: str | None) -> tuple[list[Story], list[Row]]:
    """The rollouts that a host is in, or the one of them, in order of opening; and what it did whatever the rollout."""
    waves = rollouts_of(result, host, rollout_id)
    opened = result.rollouts
    told = [
        Story(str(one), str(ref), float(at), waves[str(one)])
        for one, ref, at in zip(opened["rollout_id"], opened["ref"], opened["opened_at"], strict=True)
        if str(one) in waves
    ]
    rows: dict[str | None, list[Row]] = {}
    if told:
        for row in _rows(result, host):
            rows.setdefault(row.rollout_id, []).append(row)
        for story in told:
            story.of_host = rows.get(None, [])
            Teller(story, rows.get(story.rollout_id, []), result.summary["ended_at_s"]).tell()
    return told, rows.get(None, [])


def _rows(result: Result, host: str) -> Iterator[Row]:
    """What the frame says of the host, and of rollouts as such."""
    frame = result.events
    frame = frame[(frame["host"] == host) | frame["host"].isna()]
    if result.summary["end"] == "interrupted":
        # the run may have been repeated for its events, and gone on beyond what the rest of the result knows
        frame = frame[frame["cp_at"].fillna(frame["at"]) <= result.summary["ended_at_s"]]
    columns = (_plain(frame[name]) for name in ("at", "cp_at", "what", "rollout_id", "host"))
    return map(Row._make, zip(frame.index.tolist(), *columns, frame["detail"], strict=True))


def _plain(column: pd.Series[Any]) -> list[Any]:
    """Python's own values, None for what is missing."""
    return [None if missing else value for value, missing in zip(column.tolist(), column.isna(), strict=True)]


def _of_host(rows: list[Row], told: list[Story]) -> Iterator[Told]:
    """Reboots, and coming and going, while one of the rollouts went on; and that it was away when one began."""
    spans = [(story.opened_at, story.ends) for story in told]
    away: Row | None = None
    for row in rows:
        if any(start <= time_of(row) <= end for start, end in spans):
            if away is not None:
                yield Told.of(away)
                away = None
            yield Told.of(row)
        elif row.what in ("offline", "online"):
            away = row if row.what == "offline" else None
    if away is not None and any(start > time_of(away) for start, _ in spans):
        yield Told.of(away)
