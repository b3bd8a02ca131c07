"""The five questions that people who run fleets ask of a run, answered in sentences.

Every sentence is made of what was reached: a time that is null or a wave that never opened is left out or said in
words. Times count from the opening of a rollout, or from the start of the run where that is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.report.ending import how_long
from sim.report.exposure import bad_release, deferred
from sim.report.holding import what_holds
from sim.report.phrases import Answer
from sim.report.plane import control_plane

if TYPE_CHECKING:
    from sim.report.compare import Comparison
    from sim.result import Result


def answers(result: Result, comparison: Comparison | None = None) -> list[Answer]:
    """The five answers, in the order in which they are asked; those that another run bears on say how it differs."""
    told = [how_long(result), what_holds(result), deferred(result, comparison), bad_release(result)]
    told.append(control_plane(result))
    if comparison is not None:
        for answer in told:
            answer.sentences.extend(comparison.for_answers.get(answer.key, []))
    return told
