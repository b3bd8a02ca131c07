"""Many runs of a scenario: how sure a number is, and what follows from it.

Legal here: numpy, pandas, scipy, files (only in `store`), processes (only in `execute`, `pool`, `cluster`). Not legal:
printing, and simulating anything but through `sim.result.run`.
"""
