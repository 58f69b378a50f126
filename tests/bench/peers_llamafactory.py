"""LLaMA-Factory as a side of a measurement: `ARGUMENTS.json`, its own; steps by a gate.

Run by the Python of its own environment. Its arguments are what `llamafactory-cli train` takes; beside them
it gets a callback, and its collator and its Trainer are watched to count the tokens that are no padding.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from llamafactory.train.sft import workflow
from llamafactory.train.tuner import run_exp

from tests.bench.peers_trainer import count_rows, gated


class Collator(workflow.SFTDataCollatorWith4DAttentionMask):  # type: ignore[misc]
    """Counts; a pack has zeros in its attention mask where it is padding."""

    def __call__(self, features: list[dict[str, Any]]) -> Any:
        count_rows(sum(map(bool, row["attention_mask"])) for row in features)
        return super().__call__(features)


if __name__ == "__main__":
    workflow.SFTDataCollatorWith4DAttentionMask = Collator
    run_exp(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), [gated()])
