"""Ctrl-C while something is under way that can end in good order."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Self


class Interrupts:
    """Makes the first Ctrl-C wait for the next look up, where a run is between two events, or an experiment between
    two runs.

    Before the first of these looks, and for the second Ctrl-C, what handled it before does.
    """

    def __init__(self) -> None:
        self.asked = False
        self._watching = False

    def __enter__(self) -> Self:
        self._before = signal.getsignal(signal.SIGINT)
        # only the main thread may; and what ignores Ctrl-C, as jobs in the background do, goes on doing so
        self._ours = callable(self._before) and threading.current_thread() is threading.main_thread()
        if self._ours:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, self._before)

    def look(self) -> None:
        """Called at every look.

        Raises:
            KeyboardInterrupt: there was a Ctrl-C since the last.
        """
        self._watching = True
        if self.asked:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.asked = self.asked, True
        if self._watching and not again:
            return
        if callable(self._before):
            # a library that is being imported may take what this raises for a failure of its own, and go on: the next
            # look then finds that it was asked for
            self._before(number, frame)
