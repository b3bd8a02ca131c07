"""The fleet model: SimPy processes for hosts and control plane (spec pages 4 and 5).

Legal here: simulated time, streams of random numbers, the records of `sim.reducer`. Not legal: files, wall
clocks (but to report speed), tables. `run` takes a Scenario and gives a Recording; `sim.result` makes tables of it.
"""

from sim.model.run import run

__all__ = ["run"]
