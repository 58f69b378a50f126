"""Estimates of memory beside what a run takes, setting by setting, on a CPU.

`python -m tests.bench.estimate_memory` forks a process for each case of `estimate_cases`, as peaks are of a
process, and prints one JSON object: `estimate_error_max` and `estimate_error_median`, both of the absolute
relative error of the tensors' peak, `cases`, their number, `measured`, each case with its bytes (`estimate_case`
says what they are), and `failed`, why some have none. `--only WORDS` takes the cases with these words in their names.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

# What children would all import; the classes are read when they are first asked for.
from transformers import (
    GPT2LMHeadModel,
    LlamaForCausalLM,
    MistralForCausalLM,
    Qwen2ForCausalLM,
    Qwen3ForCausalLM,
)

from tests.bench.estimate_case import measure
from tests.bench.estimate_cases import CASES, Case

CLASSES = (GPT2LMHeadModel, LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM)


def measured_apart(case: Case) -> dict[str, Any]:
    """What a process of its own measures; `failed` where it did not come to an end."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(case, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read()
    os.waitpid(child, 0)
    found: dict[str, Any] = json.loads(said) if said else {"case": case.name, "failed": "it was killed"}
    return found


def _answer(case: Case, pipe: int) -> None:
    """Measure in a fork, and end it."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(case, Path(folder))
    except Exception as error:  # whatever it is, the other cases go on
        traceback.print_exc()
        found = {"case": case.name, "failed": f"{type(error).__name__}: {error}"}
    os.write(pipe, json.dumps(found).encode())
    # Not by an exit handler, which would be the parent's.
    os._exit(0)


def main() -> dict[str, Any]:
    """Measure and sum up."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.estimate_memory")
    parser.add_argument("--only", default="", help="words in the names of cases")
    only = parser.parse_args().only
    found = []
    for case in CASES:
        if only in case.name:
            found.append(measured_apart(case))
            sys.stderr.write(f"{json.dumps(found[-1])}\n")
    measured = [each for each in found if "measured" in each]
    errors = [abs(each["error"]) for each in measured]
    return {
        "estimate_error_max": max(errors, default=None),
        "estimate_error_median": statistics.median(errors) if errors else None,
        "cases": len(measured),
        "measured": measured,
        "failed": {each["case"]: each["failed"] for each in found if "failed" in each},
    }


if __name__ == "__main__":
    print(json.dumps(main()))
