"""The runs of a baseline, to record it and to check it: each replication of a scenario has a seed of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sim.experiment.estimates import Narrowing
from sim.experiment.execute import Found, Look, Measure, Workers, gather
from sim.experiment.metrics import Metric
from sim.experiment.points import Point, Run, Values
from sim.experiment.progress import Progress
from sim.experiment.sizing import headline, so_far
from sim.scenario.schema import Scenario

SEEDS = 2**63
"""How many there are."""


class Told:
    """Counts runs and tells of them."""

    def __init__(self, runs: int, progress: Callable[[Progress], None] | None):
        self.runs = runs
        self.done = 0
        self._progress = progress

    def run(self, name: str, first: Narrowing | None) -> None:
        """One more run is done, of the scenario of that name; `first` is what its main metric comes to."""
        self.done += 1
        self._tell(lambda: name if first is None else f"{name}: {so_far(first)}")

    def speed(self, name: str) -> None:
        """The speed of that scenario is being measured."""
        self._tell(lambda: f"measuring how fast {name} runs")

    def _tell(self, says: Callable[[], str]) -> None:
        if self._progress is not None:
            self._progress(Progress(done=self.done, known=0, of=self.runs, fixed=True, says=says))


class _Memory(dict[int, tuple[Values, Found]]):
    """What is known of the runs of one scenario."""

    def known(self, run: Run) -> tuple[Values, Found] | None:
        return self.get(run.replication)

    def put(self, run: Run, found: tuple[Values, Found]) -> None:
        self[run.replication] = found


def observe(
    scenario: Scenario,
    n: int,
    measure: Measure[tuple[Values, Found]],
    metrics: Sequence[Metric],
    crew: Workers,
    look: Look | None,
    told: Told,
) -> list[tuple[Values, Found]]:
    """What is made of n runs of a scenario, in their order: the values of metrics, and what else there is.

    Replication k has the scenario's seed plus k. With one seed for all they would share what a seed alone draws, the
    tags of a generated fleet, and every other seed would then seem to be a change.
    """
    found = []
    memory: _Memory[Found] = _Memory()
    first = Narrowing(headline(metrics, None)) if metrics else None
    for _, one in gather(_runs(scenario, n), measure, crew, memory, look):
        found.append(one)
        if first is not None:
            first.add(one[0][metrics.index(first.metric)])
        told.run(scenario.name, first)
    return found


def _runs(scenario: Scenario, n: int) -> Iterator[Run]:
    for number in range(n):
        seed = (scenario.seed + number) % SEEDS
        yield Run(Point(scenario.model_copy(update={"seed": seed}), {"seed": seed}), number)
