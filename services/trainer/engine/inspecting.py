"""`python -m services.trainer.engine.inspecting FOLDER [--base BASE]`: whether it is a model, or an adapter.

An adapter's tensors are held against those of its base, a model's against the layers that its configuration
describes; nothing is computed. On success one JSON object is printed: parameters, renderer_sha256.
Exit codes: 0 it is, 1 failed, 2 it is not.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.trainer.engine.errors import BaseModelError, EngineError

MOST_NAMED = 3


def main(arguments: list[str]) -> int:
    """Inspect and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.trainer.engine.inspecting", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--base", type=Path, help="of an adapter")
    given = parser.parse_args(arguments)
    try:
        parameters = adapter_size(given.folder, given.base) if given.base else model_size(given.folder)
        told = {"parameters": parameters, "renderer_sha256": _renderer_sha256(given.folder)}
    except (EngineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, EngineError) else 1
    print(json.dumps(told))
    return 0


def adapter_size(adapter: Path, base: Path) -> int:
    """Numbers of an adapter of a base. Raises BaseModelError where the two do not go together."""
    from services.trainer.engine.adapter import WEIGHTS  # noqa: PLC0415 - reads torch
    from services.trainer.engine.merge_plan import make_plan  # noqa: PLC0415 - reads torch

    make_plan(base, adapter)
    return sum(math.prod(shape) for _, shape in _tensors(adapter / WEIGHTS))


def model_size(folder: Path) -> int:
    """Numbers of a model. Raises BaseModelError where its tensors are not those of its layers."""
    from services.trainer.engine import model  # noqa: PLC0415 - reads torch

    found = {name: shape for path in model.weight_files(folder) for name, shape in _tensors(path)}
    skeleton = _skeleton(folder)
    prefix = f"{skeleton.base_model_prefix}."
    shared = set(getattr(skeleton, "_tied_weights_keys", None) or ())
    faults = []
    for name, parameter in skeleton.named_parameters():
        shape = found.get(name, found.get(name.removeprefix(prefix)))
        if shape is None and name not in shared:
            faults.append(f"{name} is missing")
        elif shape is not None and shape != tuple(parameter.shape):
            faults.append(f"{name} is {list(shape)}, config.json says {list(parameter.shape)}")
    if faults:
        more = f", and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
        raise BaseModelError(f"model: {'; '.join(faults[:MOST_NAMED])}{more}")
    return sum(math.prod(shape) for shape in found.values())


def _skeleton(folder: Path) -> Any:
    """The layers that a configuration describes, without weights."""
    import torch  # noqa: PLC0415 - heavy
    import transformers  # noqa: PLC0415 - heavy

    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        with torch.device("meta"):
            return transformers.AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise BaseModelError(f"model: cannot read {folder}: {error}") from error


def _tensors(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of every tensor of a file."""
    from safetensors import safe_open  # noqa: PLC0415 - reads torch

    try:
        with safe_open(path, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118 - it is no mapping
                yield name, tuple(opened.get_slice(name).get_shape())
    except Exception as error:  # safetensors has an exception of its own
        raise BaseModelError(f"model: cannot read {path.name}: {error}") from error


def _renderer_sha256(folder: Path) -> str:
    """What the folder records of its renderer; empty without a record."""
    from services.trainer.engine.rendering import read_record  # noqa: PLC0415 - read where it is wanted

    return str((read_record(folder) or {}).get("sha256", ""))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
