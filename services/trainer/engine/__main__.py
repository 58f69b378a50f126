"""`python -m services.trainer.engine SPEC.json`: train, or continue to train, what the spec says.

On several devices it starts itself once for each by `torchrun`; under a `torchrun` it is one of its
processes.

Exit codes: 0 finished, 1 failed, 2 wrong input, 3 a step learned nothing, 4 stopped by a signal,
5 another process works in the output folder, 6 no space left on the disk.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from services.trainer.engine.errors import InvalidSpecError, Stopped
from services.trainer.engine.parallel import launch, place
from services.trainer.engine.parallel.zero_config import stage_of
from services.trainer.engine.run import run
from services.trainer.engine.spec import load_spec
from services.trainer.engine.stopping import StopSignal


def main(arguments: list[str]) -> int:
    """Run the engine and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.trainer.engine", description=__doc__)
    parser.add_argument("spec", type=Path, help="JSON file; its keys are the fields of spec.TrainSpec")
    stop = StopSignal()
    stop.listen()
    try:
        path = parser.parse_args(arguments).spec
        spec = load_spec(path)
        if place.is_child():
            launch.tie_to_parent()
        elif spec.devices > 1 or stage_of(spec):
            return launch.launch(path, spec)
        return run(spec, stop)
    except InvalidSpecError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except Stopped as request:
        return request.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
