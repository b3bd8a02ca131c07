"""What is known of one host in one rollout: the rows of the frame `events`, and the events that are made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sim.reducer.records import STATES

Event = dict[str, Any]

FINAL = frozenset({"Converged", "Failed", "Reverted"})


class Row(NamedTuple):
    """A row of the frame, and its place there."""

    place: int
    at: float | None
    cp_at: float | None
    what: str
    rollout_id: str | None
    host: str | None
    detail: dict[str, Any]


class Told(NamedTuple):
    """An event of the trace and the place in the frame of the first row it stands for."""

    place: int
    at: float | None
    cp_at: float | None
    rollout_id: str | None
    what: str
    detail: dict[str, Any]

    @classmethod
    def of(cls, row: Row, **detail: Any) -> Told:
        return cls(row.place, row.at, row.cp_at, row.rollout_id, row.what, {**row.detail, **detail})

    def order(self) -> tuple[float, int]:
        return time_of(self), self.place

    def told(self) -> Event:
        return {
            "at": self.at,
            "cp_at": self.cp_at,
            "rollout_id": self.rollout_id,
            "what": self.what,
            "detail": self.detail,
        }


def time_of(one: Row | Told) -> float:
    """When it happened: the agent's time, where it has one."""
    time = one.cp_at if one.at is None else one.at
    assert time is not None
    return time


@dataclass
class Story:
    """A host in one rollout. Times in seconds; `wave` is None where no wave of its channel lists it."""

    rollout_id: str
    ref: str
    opened_at: float
    wave: int | None
    successor: tuple[float, str] | None = None
    """When which rollout took the place of this one."""
    events: list[Told] = field(default_factory=list)
    of_host: list[Row] = field(default_factory=list)
    """What the host did whatever the rollout."""
    acted: bool = False
    """Whether anything but a gate had to do with the host."""

    def of(self, what: str) -> list[Told]:
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
        return max(time_of(event) for event in self.events)
