"""A result as one HTML file that opens anywhere without a network: answers, figures, the fleet as a grid, tables.

`report` makes the page of a run, `experiment_report` that of many. What is in them is put together as plain data, one
module per part of a run's page and per kind of experiment; the look is in the templates, `page.css` and the scripts
beside them, which are written into the page.

Legal here: frames and summary of a `Result`, what `sim.experiment` has found, figures of `sim.plot`, templates. Not
legal: simulating, writing files.
"""

from sim.report.experiment import experiment_report
from sim.report.page import report

__all__ = ["experiment_report", "report"]
