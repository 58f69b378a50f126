"""Whether rows that are packed, with what they share computed once, have the loss that they have alone.

SmolLM2-135M in fp32; alone means one row at a time through transformers, without the engine. Prints one JSON
object: `packed_loss_error`, the largest difference between a pack's mean loss and that of its rows alone, in
nats; `packed_tokens_computed_share`, tokens that were computed over tokens of the rows; `packed_rows`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from services.runtime.base_models import resolve_base_model
from services.trainer.engine.model import load_model
from services.trainer.engine.packing import split_evenly
from services.trainer.engine.spec import parse_spec
from services.trainer.engine.tokenizing import load_tokenizer
from tests.bench.peers_environments import CACHE
from tests.bench.training_losses import row_loss
from tests.bench.training_rows import make_rows
from tests.bench.training_settings import CUTOFF, STEP_TOKENS, engine_spec
from tests.unit.trainer.engine.tiny import read_samples


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.training_packing")
    parser.add_argument("--rows", type=int, default=48)
    count = parser.parse_args().rows
    model = resolve_base_model("builtin", CACHE / "models")
    with tempfile.TemporaryDirectory(prefix="sishu-packing-") as name:
        rows = make_rows(Path(name), count)
        settings = engine_spec(model, rows, "fp32") | {"packing": "on", "device": "cpu"}
        found = measured(settings | {"run_id": "bench", "output_dir": str(Path(name) / "out")})
    print(json.dumps(found))


@torch.no_grad()
def measured(settings: dict[str, Any]) -> dict[str, Any]:
    """Packs beside their rows. An adapter that has learned nothing yet changes nothing."""
    spec = parse_spec(settings)
    samples = read_samples(spec.train_file, load_tokenizer(spec.base_model), CUTOFF)
    plain: Any = AutoModelForCausalLM.from_pretrained(spec.base_model, dtype=torch.float32)
    plain.eval()
    alone = [row_loss(plain, sample) for sample in samples]
    trainable = load_model(spec, torch.device("cpu"), "fp32")
    if not trainable.packed:
        raise RuntimeError("the engine does not pack this model")
    error, computed, tokens = 0.0, 0, 0
    for pack in split_evenly(range(len(samples)), [len(each.ids) for each in samples], STEP_TOKENS):
        batch = trainable.collate([samples[index] for index in pack], 0)
        expected = sum(float(alone[index][0]) for index in pack)
        found = float(trainable.summed_loss(batch))
        error = max(error, abs(found - expected) / sum(alone[index][1] for index in pack))
        computed += batch.ids.numel()
        tokens += batch.tokens
    return {
        "packed_loss_error": float(f"{error:.2g}"),
        "packed_tokens_computed_share": round(computed / tokens, 3),
        "packed_rows": len(samples),
    }


if __name__ == "__main__":
    main()
