"""Whether a GGUF file is the model that it was written of.

Its tensors are read back by the package `gguf` and held against the folder's, as far as their number format
goes. Then transformers, whose reader knows nothing of this writer, loads the file, and its logits are held
against those of the folder: rows in the wrong order would show here only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Kind

from services.trainer.engine import releases
from services.trainer.engine.errors import BaseModelError, MergeError
from services.trainer.engine.export.gguf_file import Source, stored

TOLERANCES = {"f32": 1e-4, "f16": 1e-2, "bf16": 0.1, "q8_0": 0.1}
"""Largest distance between the file's and the folder's logits, as a share of the latter's norm; what rounding
the weights costs, with room for models that are sharper than most."""
EXACT_TOLERANCE = 1e-4
"""The same with the folder's weights rounded too: what another order of additions in fp32 costs."""
_ERRORS = {Kind.F32: 0.0, Kind.F16: 1e-3, Kind.BF16: 1e-2, Kind.Q8_0: 1e-2}
"""The same of a tensor's values."""
_PROBE_TOKENS = 64


def check_content(source: Source, path: Path) -> float:
    """Hold what is in the file against the folder; return the largest error of a tensor.

    Raises:
        MergeError: something is missing, or is other than it was written.
    """
    reader = gguf.GGUFReader(path)
    found = {tensor.name: tensor for tensor in reader.tensors}
    if found.keys() != {part.name for part in source.parts}:
        raise MergeError(f"{path.name}: its tensors are not those of the model; nothing was written")
    _check_tokens(source, reader, path)
    worst = 0.0
    for part in source.parts:
        values, tensor = source.values(part), found[part.name]
        if not np.array_equal(np.asarray(tensor.data).reshape(-1), stored(values, part).reshape(-1)):
            raise MergeError(
                f"{part.name}: {path.name} holds other bytes than were written; nothing was written"
            )
        read = gguf.dequantize(tensor.data, tensor.tensor_type).reshape(values.shape)
        error = float(np.linalg.norm(read - values) / max(float(np.linalg.norm(values)), 1e-30))
        if not error <= _ERRORS[part.kind]:
            raise MergeError(
                f"{part.name}: its values in {path.name} differ by {error:.2g}; nothing was written"
            )
        worst = max(worst, error)
    return worst


def _check_tokens(source: Source, reader: gguf.GGUFReader, path: Path) -> None:
    wanted = {"tokens": source.words.tokens, "merges": source.words.merges, "token_type": source.words.types}
    for name, values in wanted.items():
        field = reader.fields.get(f"tokenizer.ggml.{name}")
        if (field.contents() if field else []) != values:
            raise MergeError(f"{path.name}: its {name} are not those of the tokenizer; nothing was written")


@torch.no_grad()
def check_logits(source: Source, path: Path) -> tuple[float, float]:
    """Hold the logits of the file against those of the folder, as it is and with weights rounded so too.

    Returns the two distances.

    Raises:
        BaseModelError: transformers cannot load one of the two.
        MergeError: they differ by more than the number format explains, or at all from the rounded ones.
    """
    ids = (torch.arange(_PROBE_TOKENS) * 7919 % source.config.vocab_size)[None]
    plain = _load(source.folder).eval()
    wanted = plain(input_ids=ids, use_cache=False).logits
    _round(plain, source)
    rounded = plain(input_ids=ids, use_cache=False).logits
    del plain
    options: dict[str, Any] = {"gguf_file": path.name, "config": source.config}
    if hasattr(transformers, "GgufConfig"):
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    found = _load(path.parent, **options).eval()(input_ids=ids, use_cache=False).logits
    exact = float((found - rounded).norm() / rounded.norm())
    error = float((found - wanted).norm() / wanted.norm())
    for distance, most in ((exact, EXACT_TOLERANCE), (error, TOLERANCES[source.kind])):
        if not distance <= most:
            raise MergeError(
                f"the logits of {path.name} differ by {distance:.2g} from those of the model, more than "
                f"{source.kind} explains ({most:g}); nothing was written"
            )
    return error, exact


def _round(causal: Any, source: Source) -> None:
    """Give a model the values that its weights have in the file's number format.

    Rows are rounded each by itself, so that it does not matter in which order they lie.
    """
    parameters = dict(causal.named_parameters(remove_duplicate=False))
    for part in source.parts:
        found = parameters.get(part.source, parameters.get(f"{causal.base_model_prefix}.{part.source}"))
        if found is not None:
            values = stored(found.detach().numpy(), part)
            read = gguf.dequantize(values, part.kind).reshape(found.shape)
            found.copy_(torch.from_numpy(np.ascontiguousarray(read)))


def _load(folder: Path, **options: Any) -> Any:
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    options |= {releases.dtype_option(): torch.float32, "local_files_only": True}
    try:
        return transformers.AutoModelForCausalLM.from_pretrained(folder, **options)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise BaseModelError(f"cannot load the weights in {folder}: {error}") from error
