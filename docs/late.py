"""A reducer program with a mistake: every soak ends one second late. See README.md, A reducer of your own."""

import sys

from msgspec.structs import replace

from sim.reducer.protocol import BuiltIn
from sim.reducer.serve import main


class Late(BuiltIn):
    def host_step(self, record, event, on_health_failure):
        after, effects = super().host_step(record, event, on_health_failure)
        if record.state == "Pending" and after.soak_due_at is not None:
            after = replace(after, soak_due_at=after.soak_due_at + 1.0)
        return after, effects


if __name__ == "__main__":
    sys.exit(main(Late()))
