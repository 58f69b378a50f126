"""The engine as a side of a measurement: `SPEC.json`, steps by a gate; the adapter when the rows are done.

It prepares, steps and publishes as `python -m services.trainer.engine` does.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from services.trainer.engine import loop
from services.trainer.engine.events import EventLog
from services.trainer.engine.spec import load_spec
from tests.bench.training_gate import Gate


def main(path: Path) -> None:
    """Train."""
    gate, spec = Gate(), load_spec(path)
    spec.output_dir.mkdir(parents=True, exist_ok=True)
    with EventLog(spec.output_dir / "events.jsonl", spec.run_id) as events:
        run = loop.prepare(spec, events)
        for step in run.plan.steps(0, run.steps_total):
            gate.before_step()
            before = run.totals.tokens
            loop.do_step(run, step)
            gate.after_step(run.totals.tokens - before)
        gate.ended()
        loop.finish(run)
    print(json.dumps({"precision": run.model.precision}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
