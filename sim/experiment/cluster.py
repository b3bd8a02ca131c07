"""The workers of a dask cluster (extra `nixfleet-sim[dask]`)."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor

from sim.experiment.errors import ExperimentError
from sim.experiment.execute import Workers

CONNECT_S = 10
"""How long to wait for the scheduler (s)."""


def cluster(address: str) -> Workers:
    """The workers of the scheduler at an address such as `tcp://10.0.0.5:8786`.

    dask itself gives a run of a worker that died to another, up to three times.

    Raises:
        ExperimentError: dask is not installed, nobody answers there, or there are no workers.
    """
    try:
        from distributed import Client
        from distributed.scheduler import KilledWorker
    except ImportError:
        raise ExperimentError("dask is not installed; install it with: pip install 'nixfleet-sim[dask]'") from None
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ExperimentError(f"no dask scheduler at {address}: {error}") from None
    slots = sum(client.nthreads().values())
    if not slots:
        client.close()
        raise ExperimentError(f"the dask scheduler at {address} has no workers; start some: dask worker {address}")
    return Workers(slots, lambda: client.get_executor(pure=False), (BrokenExecutor, KilledWorker), client.close)
