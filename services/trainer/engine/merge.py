"""`python -m services.trainer.engine.merge BASE ADAPTER OUTPUT`: one model folder of base and adapter.

On success one JSON object is printed: files, logit_error, exact_error, adapter_effect.
Exit codes: 0 done, 1 failed, 2 wrong input, 6 no space left on the disk.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from services.trainer.engine.errors import EngineError


def main(arguments: list[str]) -> int:
    """Merge and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.trainer.engine.merge", description=__doc__)
    parser.add_argument("base", type=Path, help="model folder")
    parser.add_argument("adapter", type=Path, help="folder with adapter_config.json")
    parser.add_argument("output", type=Path, help="folder to make")
    parser.add_argument("--precision", choices=("bf16", "fp16", "fp32"), default="bf16")
    parser.add_argument(
        "--shard-bytes",
        type=int,
        default=5_000_000_000,
        help="most bytes of a weight file, unless one tensor has more",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ... or auto")
    given = parser.parse_args(arguments)
    if given.shard_bytes < 1:
        parser.error("--shard-bytes must be at least 1")
    # Here, so that wrong arguments are told at once.
    from services.trainer.engine.merging import device_of, merge  # noqa: PLC0415

    try:
        done = merge(
            given.base,
            given.adapter,
            given.output,
            given.precision,
            given.shard_bytes,
            device_of(given.device),
        )
    except (EngineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, EngineError) else 1
    print(json.dumps(asdict(done)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
