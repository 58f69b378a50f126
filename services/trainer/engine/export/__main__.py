"""`python -m services.trainer.engine.export MODEL OUTPUT`: a model folder as a GGUF file, with a Modelfile.

OUTPUT is a folder, which appears when its file is proven. On success one JSON object is printed: file,
tensor_error, logit_error, exact_error.
Exit codes: 0 done, 1 failed, 2 wrong input, 6 no space left on the disk.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from services.trainer.engine.errors import EngineError

KINDS = ("f16", "bf16", "f32", "q8_0")


def main(arguments: list[str]) -> int:
    """Export and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.trainer.engine.export", description=__doc__)
    parser.add_argument("model", type=Path, help="model folder")
    parser.add_argument("output", type=Path, help="folder to make")
    parser.add_argument("--type", choices=KINDS, default="f16", help="number format of the matrices")
    parser.add_argument("--name", default="model", help="of the model, for people and for the file")
    given = parser.parse_args(arguments)
    # Here, so that wrong arguments are told at once.
    try:
        from services.trainer.engine.export.exporting import export_gguf  # noqa: PLC0415
    except ImportError as error:
        print(f"error: {error}; the export needs the package gguf in the engine's Python", file=sys.stderr)
        return 1
    try:
        done = export_gguf(given.model, given.output, given.type, given.name)
    except (EngineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, EngineError) else 1
    print(json.dumps(asdict(done)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
