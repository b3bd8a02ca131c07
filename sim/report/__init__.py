"""A result as one HTML file that opens anywhere without a network: answers, figures, the fleet as a grid, tables.

`report` makes the page. What is in it is put together as plain data, one module per part of the page; the look is in
`page.html`, `page.css` and the scripts beside them, which are written into the page.

Legal here: frames and summary of a `Result`, figures of `sim.plot`, templates. Not legal: simulating, writing files.
"""

from sim.report.page import report

__all__ = ["report"]
