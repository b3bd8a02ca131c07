"""One host's story over time: what its agent and what the control plane took it to be in, and what went between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from sim.plot.canvas import legend, prepare, say, time_axis
from sim.plot.style import EDGE
from sim.plot.style import STATES as LOOKS
from sim.reducer import gates
from sim.reducer.records import HostState
from sim.result.trace import rollouts_of, trace
from sim.result.words import counted

if TYPE_CHECKING:
    from sim.result import Result

MOST_ROLLOUTS = 5
"""Of more, the last are drawn."""
HEIGHT = 0.7
"""Of a lane's bar; lanes are one apart, rollouts half a lane more."""
FINAL = frozenset({"Converged", "Failed", "Reverted"})

HATCHES = {
    gates.QUARANTINE: "xxx",
    gates.CHANNEL_EDGES: "\\\\\\",
    gates.WAVE_PROMOTION: "///",
    gates.UNSTAGED: "--",
    gates.HOST_EDGE: "ooo",
    gates.DISRUPTION_BUDGET: "|||",
    gates.COMPLIANCE_WAVE: "+++",
}
"""How a wait at each gate is told apart, over the light colour of `Pending`."""
HATCH = "#5B3F80"
DOWN: dict[str, Any] = {"facecolor": "#FFFFFF", "edgecolor": "#777777", "hatch": "...", "linewidth": 0.8}
"""A host that is down for a boot: its agent holds nothing."""
OFFLINE = "#777777"
REPORT = "#444444"
FAIL = "#C00000"

Event = dict[str, Any]
Span = tuple[float, float, HostState]
"""From, until (s), and the state between."""


def timeline(result: Result, host: str, axes: Axes | None = None, rollout_id: str | None = None) -> Axes:
    """A host's states as its agent and as the control plane had them, with gate waits, dispatches, reports, failing
    probes, reboots and the time offline (spec page 10, `trace`).

    Time is in seconds since the start of the run. Each rollout has two lanes; a report is a line from the agent's lane,
    when it was made, to the control plane's, when it arrived, and a dispatch one the other way.

    Args:
        result: the run; where it holds no events it is repeated, which takes its time.
        host: the host's name.
        axes: where to draw; a new figure if None.
        rollout_id: one rollout; the default is all of the host's, of many the last.

    Raises:
        sim.result.trace.UnknownName: there is no such host, or no such rollout with it.
    """
    known = rollouts_of(result, host, rollout_id)
    frame = result.rollouts
    names = [str(name) for name in frame["rollout_id"]]
    opened = dict(zip(names, frame["opened_at"].tolist(), strict=True))
    superseded = {name: at for name, at in zip(names, frame["superseded_at"].tolist(), strict=True) if at == at}
    lanes = [name for name in opened if name in known][-MOST_ROLLOUTS:]
    of = lanes[0] if len(known) == 1 else counted(len(known), "rollout")
    if len(lanes) < len(known):
        of = f"the last {len(lanes)} of {of}"
    own = axes is None
    axes = prepare(axes, f"{host}, {of}" if lanes else host, 1.6 + 1.1 * max(len(lanes), 1))
    if not lanes:
        return say(axes, f"{host} is in no rollout.")
    events = trace(result, host, rollout_id)
    start = min(opened[name] for name in lanes)
    by_rollout = {name: [event for event in events if event["rollout_id"] == name] for name in lanes}
    of_host = [event for event in events if event["rollout_id"] is None]
    time_axis(axes, start, _end(result, by_rollout, of_host, superseded, start), "the start of the run")
    edge = axes.get_xlim()[1]
    # what comes after a horizon is not known
    known_to = edge if result.summary["end"] == "quiescent" else min(edge, float(result.summary["ended_at_s"]))
    drawing = _Drawing(axes, start, known_to)
    for place, name in enumerate(lanes):
        drawing.lanes(place, opened[name], by_rollout[name], of_host)
        if name in superseded:
            drawing.superseded(place, superseded[name])
    drawing.finish(lanes)
    figure = axes.figure
    if own and isinstance(figure, Figure):
        # a legend that is longer than the lanes would hang over the edge
        figure.set_figheight(max(figure.get_figheight(), 0.5 + 0.22 * len(drawing.named)))
    return axes


def _end(
    result: Result,
    by_rollout: dict[str, list[Event]],
    of_host: list[Event],
    superseded: dict[str, float],
    start: float,
) -> float:
    """Where the axis ends (s): a little after the host was done everywhere, or with the run."""
    last = start
    # a boot that fails changes no state: the run may have come to rest before it
    boots = [float(event["at"]) for event in of_host if event["what"] in ("reboot", "boot")]
    for name, events in by_rollout.items():
        moves = [event["detail"]["to"] for event in events if event["what"] == "move"]
        if not FINAL.intersection(moves) and (moves or name not in superseded):
            return max(float(result.summary["ended_at_s"]), start + 60.0, *boots)
        own = [event for event in events if event["what"] not in ("rollout_move", "promotion")]
        last = max([last, *(time for event in own for time in (event["at"], event["cp_at"]) if time is not None)])
    return last + max(1.0, 0.06 * (last - start))


class _Drawing:
    """The Axes, and what of it the legend has to name."""

    def __init__(self, axes: Axes, start: float, end: float):
        self.axes = axes
        self.start = start
        self.end = end
        self.named: dict[str, Artist] = {}
        self.ticks: list[tuple[float, str]] = []

    def lanes(self, place: int, opened_at: float, events: list[Event], of_host: list[Event]) -> None:
        """The two lanes of one rollout."""
        agent, plane = -2.5 * place, -2.5 * place - 1.0
        self.ticks += [(agent, "agent"), (plane, "control plane")]
        for since, until, state in _agent_spans([*events, *of_host], self.end):
            self._bar(agent, since, until, state)
        for since, until, state in _plane_spans(opened_at, events, self.end):
            self._bar(plane, since, until, state)
        for event in events:
            if event["what"] == "gate":
                self._wait(plane, event)
        self._absences(agent, opened_at, of_host)
        self._lines(agent, plane, events)
        self._failures(agent, events)

    def superseded(self, place: int, at: float) -> None:
        """A line through a rollout's lanes when another took its place (s)."""
        looks: dict[str, Any] = {"color": "#000000", "linewidth": 1.0, "linestyle": "dashed"}
        self.axes.plot([at, at], [-2.5 * place + HEIGHT / 2 + 0.1, -2.5 * place - 1.1 - HEIGHT / 2], **looks)
        self._name("superseded", lambda: Line2D([], [], **looks))

    def _name(self, words: str, make: Callable[[], Artist]) -> None:
        if words not in self.named:
            self.named[words] = make()

    def _rectangle(self, lane: float, since: float, until: float, height: float = HEIGHT, **looks: Any) -> None:
        until = min(until, self.end)
        if until > since:
            self.axes.add_patch(Rectangle((since, lane - height / 2), until - since, height, **looks))

    def _bar(self, lane: float, since: float, until: float, state: HostState) -> None:
        self._rectangle(lane, since, until, **LOOKS[state].patch())
        self._rectangle(lane, since, until, facecolor="none", edgecolor=EDGE, linewidth=0.5)
        self._name(state, lambda: Patch(**LOOKS[state].patch()))

    def _wait(self, lane: float, event: Event) -> None:
        gate, until = event["detail"]["gate"], event["detail"]["until"]
        looks: dict[str, Any] = {
            "facecolor": "none",
            "edgecolor": HATCH,
            "hatch": HATCHES.get(gate, "///"),
            "linewidth": 0.0,
        }
        self._rectangle(lane, event["cp_at"], self.end if until is None else until, **looks)
        self._name(f"held by {gate}", lambda: Patch(**{**looks, "facecolor": LOOKS["Pending"].colour}))

    def _absences(self, lane: float, opened_at: float, of_host: list[Event]) -> None:
        """A boot, in the agent's lane; being offline, a band below it."""
        for since, until in _between(of_host, "reboot", "boot", self.end):
            self._rectangle(lane, max(since, opened_at), until, **DOWN)
            self._name("down for a boot", lambda: Patch(**DOWN))
            if since >= opened_at:
                self._marks("reboot", [since], lane + HEIGHT / 2, marker="s", color="#000000", markersize=5)
        for since, until in _between(of_host, "offline", "online", self.end):
            below = lane - HEIGHT / 2 - 0.06
            self._rectangle(below, max(since, self.start), until, height=0.09, facecolor=OFFLINE, linewidth=0.0)
            self._name("offline", lambda: Patch(facecolor=OFFLINE, linewidth=0.0))

    def _lines(self, agent: float, plane: float, events: list[Event]) -> None:
        """What goes between the two: reports down, dispatches up."""
        low, high = agent - HEIGHT / 2, plane + HEIGHT / 2
        for event in events:
            if event["what"] in ("report", "rejected") and event["at"] is not None and event["cp_at"] is not None:
                refused = event["what"] == "rejected"
                colour = FAIL if refused else REPORT
                looks: dict[str, Any] = {"color": colour, "linewidth": 0.9}
                self.axes.plot([event["at"], event["cp_at"]], [low, high], **looks)
                words = "report, refused" if refused else "report"
                self._name(words, lambda looks=looks: Line2D([], [], **looks))  # type: ignore[misc]
        queued = [event["cp_at"] for event in events if event["what"] == "dispatch"]
        self._marks("dispatch queued", queued, plane, marker="^", color="#000000", markersize=7)
        looks_of: dict[str, dict[str, Any]] = {
            "accepted": {"marker": "v", "color": "#000000", "markersize": 7},
            "lost": {"marker": "1", "color": FAIL, "markersize": 10},
            "refused": {"marker": "2", "color": FAIL, "markersize": 10},
        }
        for outcome, looks in looks_of.items():
            delivered = [event for event in events if event["what"] == "delivery"]
            found = [event for event in delivered if event["detail"]["outcome"] == outcome]
            words = f"dispatch {'delivered' if outcome == 'accepted' else outcome}"
            self._marks(words, [event["at"] for event in found], agent, **looks)
            for event in found:
                if "until" in event["detail"]:
                    self.axes.plot([event["at"], event["detail"]["until"]], [agent, agent], color=FAIL, linewidth=1.0)

    def _failures(self, lane: float, events: list[Event]) -> None:
        """Failing runs: a mark where they begin and a line to the last in a row."""
        failing = [event for event in events if event["what"] == "probe" and event["detail"]["status"] == "fail"]
        above = lane + HEIGHT / 2 + 0.08
        for event in failing:
            self.axes.plot([event["at"], event["detail"]["until"]], [above, above], color=FAIL, linewidth=2.0)
        self._marks("a probe fails", [event["at"] for event in failing], above, marker="x", color=FAIL, markersize=6)

    def _marks(self, words: str, at: list[float], lane: float, **looks: Any) -> None:
        # marks are not clipped, and one far outside would leave the Axes no room
        if at := [time for time in at if time <= self.end]:
            looks |= {
                "linestyle": "none",
                "clip_on": False,
                "markeredgecolor": "#FFFFFF" if looks["marker"] in "^vs" else looks["color"],
            }
            self.axes.plot(at, [lane] * len(at), **looks)
            self._name(words, lambda: Line2D([], [], **looks))

    def finish(self, lanes: list[str]) -> None:
        """The lanes' names and the legend: states in the order in which a host goes through them, then the rest."""
        axes = self.axes
        axes.set_ylim(self.ticks[-1][0] - 0.6, 0.8)
        axes.set_yticks([at for at, _ in self.ticks], [name for _, name in self.ticks])
        axes.tick_params(axis="y", length=0)
        if len(lanes) > 1:
            for place, name in enumerate(lanes):
                looks: dict[str, Any] = {"fontsize": "small", "fontweight": "bold", "parse_math": False}
                axes.text(self.start, -2.5 * place + HEIGHT / 2 + 0.16, name, **looks)
        order: list[str] = [
            *(state for state in ("Pending", "Activating", "Deferred", "Soaking", "Converged", "Failed", "Reverted")),
            *(name for name in self.named if name.startswith("held by")),
        ]
        names = sorted(self.named, key=lambda name: order.index(name) if name in order else len(order))
        legend(axes, [self.named[name] for name in names], names)


def _agent_spans(events: list[Event], end: float) -> Iterator[Span]:
    """The states of the agent's record; none from a reboot until a heartbeat's reply brings it back."""
    steps: list[tuple[float, HostState | None]] = []
    for event in events:
        if event["what"] in ("move", "adopted") and event["at"] is not None:
            steps.append((event["at"], event["detail"]["to"]))
        elif event["what"] == "reboot":
            steps.append((event["at"], None))
    steps.sort(key=lambda step: step[0])
    yield from _spans(steps, end)


def _plane_spans(opened_at: float, events: list[Event], end: float) -> Iterator[Span]:
    """The states of the control plane's record."""
    moves = [event for event in events if event["what"] == "move" and event["cp_at"] is not None]
    steps: list[tuple[float, HostState | None]] = [(opened_at, "Pending")]
    steps += sorted(((event["cp_at"], event["detail"]["to"]) for event in moves), key=lambda step: step[0])
    yield from _spans(steps, end)


def _spans(steps: list[tuple[float, HostState | None]], end: float) -> Iterator[Span]:
    for (since, state), (until, _) in pairwise([*steps, (end, None)]):
        if state is not None and until > since:
            yield since, until, state


def _between(events: list[Event], begins: str, ends: str, end: float) -> Iterator[tuple[float, float]]:
    """The stretches from one kind of event to another (s)."""
    since: float | None = None
    for event in events:
        if event["what"] == begins and since is None:
            since = event["at"]
        elif event["what"] == ends and since is not None:
            yield since, event["at"]
            since = None
    if since is not None:
        yield since, end
