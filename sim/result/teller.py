"""Makes the rows of one host in one rollout into events; what repeats is folded into one, a gate's decisions become
waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from sim.result.story import Row, Story, Told, time_of

PROBES = frozenset({"ProbeObservedFirst", "ProbeFailureFirst", "ProbeResult"})
"""Reports that one event `probe` stands for."""
FEW = 3
"""Dispatches in a row that are told one by one."""


class Teller:
    """Makes the rows of one host in one rollout into events."""

    def __init__(self, story: Story, rows: list[Row], ended_at: float):
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
                story.events.append(Told.of(row, wave=story.wave))
            elif (row.what == "promotion" and row.detail["wave"] == story.wave) or (
                row.what == "rollout_move" and row.detail["from"] != "Opening"
            ):
                story.events.append(Told.of(row))
        rest, made_up = self._heartbeats(acts)
        story.events += self._dispatches(rest)
        story.events += self._moves([row for row in rest if row.what == "move"], made_up)
        story.events += self._reports([row for row in rest if row.what in ("report", "rejected")])
        story.events += [Told.of(row) for row in rest if row.what in ("adopted", "quarantine")]

    def _heartbeats(self, rows: list[Row]) -> tuple[list[Row], list[Row]]:
        """Tell the heartbeats by which the control plane stepped; the rows left, and the moves it made so.

        The journal writes such a heartbeat, what is logged for it, and the move, one after the other.
        """
        rest: list[Row] = []
        made_up: list[Row] = []
        expects: str | None = None
        for row in rows:
            if row.what == "heartbeat":
                expects = row.detail["kind"]
                self.story.events.append(Told.of(row))
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

    def _moves(self, rows: list[Row], made_up: list[Row]) -> Iterator[Told]:
        """State changes: a report's `at` is that of the agent's own step, by which the two sides are matched."""
        heard: dict[tuple[str, str, float | None], list[Row]] = {}
        for row in rows:
            if row.detail["side"] != "agent":
                heard.setdefault((row.detail["from"], row.detail["to"], row.at), []).append(row)
        for row in rows:
            if row.detail["side"] == "agent":
                known = heard.get((row.detail["from"], row.detail["to"], row.at))
                if known:
                    yield Told.of(row, side="both")._replace(cp_at=known.pop(0).cp_at)
                else:
                    yield Told.of(row)
        for row in [*made_up, *(row for left in heard.values() for row in left)]:
            yield Told.of(row)._replace(at=None)

    def _dispatches(self, rows: list[Row]) -> Iterator[Told]:
        """Dispatches, each with what became of it; many in a row of which the same became are told as one."""
        cycles: list[dict[str, Row]] = []
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

    def _reports(self, rows: list[Row]) -> Iterator[Told]:
        plain: list[Row] = []
        alike: list[Row] = []
        probes: dict[str, list[Row]] = {}
        for row in rows:
            kind = row.detail["kind"]
            row = row._replace(detail={key: value for key, value in row.detail.items() if key != "type"})
            if row.what == "report" and kind in PROBES:
                probes.setdefault(row.detail["probe_name"], []).append(row)
            elif row.what == "rejected" or kind == "ProbeTopologyDeclared":
                alike.append(row)
            else:
                plain.append(row)
        yield from map(Told.of, plain)
        yield from _folded(alike, _kind, at_least=2)
        for runs in probes.values():
            yield from _runs(runs)

    def _waits(self) -> Iterator[Told]:
        """The gate waits: one for each stretch of passes in which the same gate held the host."""
        begun: Row | None = None
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

    def _wait(self, begun: Row, reasons: list[dict[str, Any]], over: Row | None) -> Told:
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
        return Told(begun.place, None, start, begun.rollout_id, "gate", detail)

    def _what_came(self, over: Row) -> str:
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


def _outcome(cycle: dict[str, Row]) -> object:
    return cycle["delivery"].detail["outcome"] if "delivery" in cycle else None


def _way(row: Row) -> tuple[object, ...]:
    return row.what, row.detail.get("outcome")


def _kind(row: Row) -> tuple[object, ...]:
    return row.what, row.detail["kind"], row.detail.get("error")


def _folded(rows: list[Row], alike: Callable[[Row], tuple[object, ...]], at_least: int) -> Iterator[Told]:
    """The rows, but those alike as one event where there are enough of them: the first, with the last's time."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(alike(row), []).append(row)
    for group in groups.values():
        if len(group) < at_least:
            yield from map(Told.of, group)
        else:
            first = group[0]._replace(detail={key: value for key, value in group[0].detail.items() if key != "seq"})
            yield Told.of(first, count=len(group), until=time_of(group[-1]))


def _runs(rows: list[Row]) -> Iterator[Told]:
    """One probe's runs, those in a row with one outcome as one event."""
    run: list[Row] = []

    def told() -> Told:
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
        return Told(first.place, first.at, first.cp_at, first.rollout_id, "probe", detail)

    for row in rows:
        if row.detail["kind"] != "ProbeResult":
            continue
        if run and row.detail["status"] != run[0].detail["status"]:
            yield told()
            run = []
        run.append(row)
    if run:
        yield told()
