"""TRL's SFTTrainer as a side of a measurement: `SETTINGS.json`, steps by a gate.

Run by the Python of its own environment. `arguments` of the settings are those of its SFTConfig, `lora` those
of peft's LoraConfig, `rows` a file of {"prompt": messages, "completion": messages}, of which it learns the
completions, `model` a folder.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from datasets import load_dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

from tests.bench.peers_trainer import count_rows, gated


def main(settings: dict[str, Any]) -> None:
    """Train and save the adapter."""
    trainer = SFTTrainer(
        model=settings["model"],
        args=SFTConfig(**settings["arguments"]),
        train_dataset=load_dataset("json", data_files=settings["rows"], split="train"),
        peft_config=LoraConfig(**settings["lora"]),
        callbacks=[gated()],
    )
    collate = trainer.data_collator

    def counting(features: list[dict[str, Any]]) -> Any:
        count_rows(len(row["input_ids"]) for row in features)
        return collate(features)

    trainer.data_collator = counting
    trainer.train()
    trainer.save_model()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
