"""Keys of a summary (spec page 9) that are many of one kind. Here and not where they are measured, so that what a
summary will hold can be told without loading the model."""

QUANTILES = (50, 90, 99, 100)
"""Percent of a rollout's hosts."""
REJECTED = ("IllegalForState", "SeqRegression", "Invariant", "unknown")
"""Why the control plane does not take a report."""
PARTS = (
    "tick_s",
    "gates_s",
    "network_s",
    "activating_s",
    "deferred_s",
    "soaking_failing_s",
    "soaking_clock_s",
    "stopped_s",
    "superseded_s",
)
"""Where a host's time goes from the opening of its rollout until it has converged or the run ends; see
`sim.result.measures.host_parts`."""
