"""Processes of this machine that end at once when the experiment does, whatever ends it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection


class Pool(ProcessPoolExecutor):
    """A process pool on a leash: a pipe that nothing is ever written to. Its other end is closed on `shutdown`, or by
    the system when this process is killed, and then the workers end, in the middle of a run if need be."""

    def __init__(self, workers: int):
        self._held, end = multiprocessing.Pipe(duplex=True)
        self._end = end
        # started afresh: a fork of a process that has threads may stand still
        super().__init__(workers, multiprocessing.get_context("spawn"), _settle, (end,))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers, which takes no time; what is under way is lost."""
        self._held.close()
        super().shutdown(wait=True, cancel_futures=True)
        self._end.close()


def _settle(leash: Connection) -> None:
    # Ctrl-C is for the process that asked, which then lets go
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(leash,), daemon=True).start()


def _end_with(leash: Connection) -> None:
    try:
        leash.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)
