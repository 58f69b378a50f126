"""The rows of a run as token sets, and what became of them, before anything is loaded that costs time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from services.trainer.engine.conversations import Rules
from services.trainer.engine.errors import InvalidRowError
from services.trainer.engine.events import EventLog
from services.trainer.engine.rendering import RenderSettings
from services.trainer.engine.spec import TrainSpec
from services.trainer.engine.token_sets import REPORT, RowCounts, TokenSet
from services.trainer.engine.tokenizing import CPT, FOLDER, Recipe, Seldom, renderer_of, token_set

TRAIN, VALIDATION = "train", "validation"


class Rows(NamedTuple):
    """What a run learns from and is measured on."""

    train: TokenSet
    validation: TokenSet | None
    """Nothing where there is no file, or none of its rows is left."""
    validation_counts: RowCounts
    validation_sha256: str
    """Hash of the file; empty where there is none."""
    renderer: dict[str, Any]
    """What the model's folder says of its renderer."""


def read_rows(spec: TrainSpec, tokenizer: Any, cutoff: int, events: EventLog) -> Rows:
    """Tokenize the rows of a run, or open what was tokenized before.

    Raises:
        InvalidRowError: a row is none, or no row is left of those that the run cannot do without.
        BaseModelError: the tokenizer cannot be used.
    """
    settings = RenderSettings(spec.system_prompt, spec.reasoning)
    rules = Rules(cutoff, spec.truncation, spec.train_on_prompt, spec.mask_history)
    recipe = Recipe(spec.base_model, spec.objective, settings, rules)
    train = _read(spec, recipe, tokenizer, events, TRAIN, spec.train_file)
    _demand(train, spec.train_file, cutoff, "nothing to train on")
    held_out, counts, digest = None, RowCounts(), ""
    if spec.validation_file is not None:
        held_out = _read(spec, recipe, tokenizer, events, VALIDATION, spec.validation_file)
        counts, digest = held_out.counts, held_out.rows_sha256
        if spec.early_stop_patience:
            _demand(held_out, spec.validation_file, cutoff, "nothing to stop early by")
    # Plain text is rendered by no template; where there is one, it is what the model is served by.
    is_rendered = spec.objective != CPT or tokenizer.chat_template
    record = renderer_of(tokenizer, settings).record() if is_rendered else {}
    return Rows(train, held_out if held_out else None, counts, digest, record)


def _read(
    spec: TrainSpec, recipe: Recipe, tokenizer: Any, events: EventLog, split: str, path: Path
) -> TokenSet:
    said = Seldom(lambda rows: events.emit("tokenizing", split=split, rows=rows))
    folder = spec.output_dir / FOLDER
    found, cached = token_set(recipe, path, tokenizer, folder, processes=spec.tokenizer_processes, say=said)
    counts = found.counts
    events.emit(
        "rows",
        split=split,
        rows=counts.rows,
        kept_rows=counts.kept,
        truncated_rows=counts.cut,
        dropped_rows=counts.dropped,
        samples=counts.samples,
        report=str((found.folder / REPORT).relative_to(spec.output_dir)),
        cached=cached,
    )
    return found


def _demand(found: TokenSet, path: Path, cutoff: int, trouble: str) -> None:
    """Say what is wrong where no row is left."""
    if found:
        return
    fault = "no rows"
    if found.counts.rows:
        fault = (
            f"all {found.counts.rows} rows exceed cutoff_length {cutoff}; raise it as far as the model's "
            "context goes, or choose truncation keep_end"
        )
    raise InvalidRowError(f"{path}: {trouble}: {fault}")
