"""What can be wrong with an experiment."""

from __future__ import annotations


class ExperimentError(Exception):
    """An experiment cannot be carried out as asked; the message says what, where and what to do."""
