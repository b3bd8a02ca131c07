"""What the reducers and the artifact may answer instead of a result. Nothing else is raised by this
package."""

from __future__ import annotations


class StepError(Exception):
    """A step was refused (spec pages 1 and 2); the record stays as it was. The class name is the spec's error
    name."""

    @property
    def kind(self) -> str:
        """The error's name in the spec and in the conformance vectors."""
        return type(self).__name__


class SeqRegression(StepError):
    """The event's `seq` is not above the record's `last_event_seq`."""


class IllegalForState(StepError):
    """The event is not legal from the record's state."""


class Invariant(StepError):
    """A *converged* event whose record is not ready to converge."""


class Unimplemented(StepError):
    """An event that the spec names and gives no meaning yet (`OperatorClearance`)."""


KINDS: dict[str, type[StepError]] = {kind.__name__: kind for kind in StepError.__subclasses__()}
"""The errors of the spec by name."""


class FleetError(Exception):
    """A fleet artifact, or something asked of it, makes no sense; the message names the place."""


class VectorError(Exception):
    """A conformance case that cannot be read (spec page 8)."""


class ReducerError(Exception):
    """A reducer other than the project's own has failed: it raised what none may raise, answered something of the
    wrong form, or, as a program, did not answer. The first line says what, further ones more of it."""
