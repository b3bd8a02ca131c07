"""The project's reducer as a program, with the mistake that its argument names."""

import sys

from msgspec.structs import replace

from sim.reducer.effects import RecordTransition
from sim.reducer.protocol import BuiltIn
from sim.reducer.serve import main


class Mistaken(BuiltIn):
    def __init__(self, mistake):
        self.mistake = mistake

    def host_step(self, record, event, on_health_failure):
        after, effects = super().host_step(record, event, on_health_failure)
        match self.mistake:
            case "deferred never leaves" if record.state == "Deferred":
                return record, ()
            case "soak one second later" if after.soak_due_at is not None and record.state == "Pending":
                return replace(after, soak_due_at=after.soak_due_at + 1.0), effects
            case "effects the other way round":
                return after, effects[::-1]
            case "another host":
                return replace(after, hostname="elsewhere"), effects
            case "untold transition":
                return after, [effect for effect in effects if not isinstance(effect, RecordTransition)]
        return after, effects


if __name__ == "__main__":
    sys.exit(main(Mistaken(sys.argv[1])))
