from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from services.trainer.engine.data import Sample
from services.trainer.engine.documents import read_documents
from services.trainer.engine.errors import InvalidRowError
from services.trainer.engine.run import run
from services.trainer.engine.stopping import StopSignal
from tests.unit.trainer.engine.tiny import MakeSpec, events_of

TEXTS = [f"The town of Ostrel {n} lies by the river Amber. " * (1 + n % 4) for n in range(9)]


def write(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": each}) + "\n" for each in texts))
    return path


def samples_of(path: Path, tokenizer: Any, cutoff: int) -> list[Sample]:
    found = read_documents(path, tokenizer, cutoff)
    return [each for _, row in found for item in row.items for each in item.sequences]


def test_documents_follow_each_other_in_rows_of_the_cutoff_length(tmp_path: Path, tokenizer: Any) -> None:
    path = write(tmp_path / "rows.jsonl", TEXTS)
    rows, found = list(read_documents(path, tokenizer, 64)), samples_of(path, tokenizer, 64)
    end = tokenizer.eos_token_id
    wanted = [token for text in TEXTS for token in [*tokenizer(text)["input_ids"], end]]
    assert [token for sample in found for token in sample.ids] == wanted
    assert {len(sample.ids) for sample in found[:-1]} == {64}
    assert all(sample.spans == ((1, len(sample.ids)),) for sample in found)
    assert [(line, row.outcome) for line, row in rows] == [(line, "kept") for line in range(1, 10)]
    assert sum(row.tokens for _, row in rows) == len(wanted)
    assert found[0].line == 1
    assert found[-1].line in (8, 9)


def test_a_plain_file_is_one_document(tmp_path: Path, tokenizer: Any) -> None:
    path = tmp_path / "book.txt"
    path.write_text("".join(TEXTS), encoding="utf-8")
    (found,) = samples_of(path, tokenizer, 100_000)
    assert tokenizer.decode(list(found.ids)[:-1]) == "".join(TEXTS)


@pytest.mark.parametrize("line", ['{"text": " "}', '{"messages": []}', '{"text": 3}'])
def test_a_row_without_text_is_named(tmp_path: Path, tokenizer: Any, line: str) -> None:
    path = write(tmp_path / "rows.jsonl", TEXTS[:1])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InvalidRowError, match=r"rows\.jsonl:2: text: must be a text that is not empty"):
        samples_of(path, tokenizer, 64)


def test_a_run_learns_texts_and_measures_their_loss(
    make_spec: MakeSpec, tmp_path: Path, tokenizer: Any
) -> None:
    rows = write(tmp_path / "rows.jsonl", TEXTS)
    spec = make_spec(objective="cpt", train_file=rows, validation_file=rows, cutoff_length=64, max_steps=10)
    assert run(spec, StopSignal()) == 0
    first, *_, last = events_of(spec, "step")
    assert last["loss"] < 0.8 * first["loss"]
    base = AutoModelForCausalLM.from_pretrained(spec.base_model)
    total = 0.0
    samples = samples_of(rows, tokenizer, 64)
    for sample in samples:
        ids = torch.tensor([list(sample.ids)])
        with torch.no_grad():
            total += float(base(input_ids=ids, labels=ids, use_cache=False).loss) * (len(sample.ids) - 1)
    mean = total / sum(len(sample.ids) - 1 for sample in samples)
    # The first step sees some of them only.
    assert first["loss"] == pytest.approx(mean, rel=0.2)
    assert first["supervised_tokens"] == first["tokens"] - first["tokens"] // 64


def test_a_base_without_a_chat_template_can_learn_texts(make_spec: MakeSpec, tmp_path: Path) -> None:
    bare = shutil.copytree(make_spec().base_model, tmp_path / "bare")
    (bare / "chat_template.jinja").unlink(missing_ok=True)
    settings = json.loads((bare / "tokenizer_config.json").read_text())
    settings.pop("chat_template", None)
    (bare / "tokenizer_config.json").write_text(json.dumps(settings))
    rows = write(tmp_path / "rows.jsonl", TEXTS)
    spec = make_spec(objective="cpt", base_model=bare, train_file=rows, cutoff_length=64, max_steps=2)
    assert run(spec, StopSignal()) == 0
    (started,) = events_of(spec, "started")
    assert (started["chat_template_sha256"], started["renderer_sha256"]) == ("", "")
    assert not (spec.output_dir / "adapter" / "renderer.json").exists()
