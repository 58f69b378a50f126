from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.trainer.engine import tokenizing
from services.trainer.engine.batching import BatchPlan
from services.trainer.engine.conversations import Rules
from services.trainer.engine.data import Item
from services.trainer.engine.errors import InvalidRowError
from services.trainer.engine.objectives import objective_of
from services.trainer.engine.preferences import encode_pair
from services.trainer.engine.rendering import RenderSettings
from services.trainer.engine.run import run
from services.trainer.engine.stopping import StopSignal
from services.trainer.engine.token_sets import MANIFEST, REPORT, TokenSet, TokenSetWriter
from services.trainer.engine.tokenizing import Recipe, token_set
from tests.unit.trainer.engine.tiny import MakeSpec, conversation, encode_rows, events_of, write_rows

CUTOFF = 80
"""Most rows have fewer tokens, some more."""
CONVERSATIONS = [
    [
        *conversation(f"Where is town {i}?", "By the river. " * (1 + i % 7)),
        *conversation("Sure?", f"Yes {i}."),
    ]
    for i in range(40)
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "rows.jsonl", CONVERSATIONS)


@pytest.fixture
def recipe(base_model: Path) -> Recipe:
    return Recipe(base_model, "sft", RenderSettings(), Rules(CUTOFF))


def test_a_set_gives_back_what_the_rows_became(path: Path, tokenizer: Any, recipe: Recipe) -> None:
    found, cached = token_set(recipe, path, tokenizer, path.parent / "tokens")
    rows = encode_rows(path, tokenizer, CUTOFF)
    expected = [item for row in rows for item in row.items]
    assert not cached
    assert list(found) == expected
    assert found[-1] == expected[-1]
    assert found[2:4] == expected[2:4]
    assert found.lengths.tolist() == [item.length for item in expected]
    assert found.learned.tolist() == [item.learned_tokens for item in expected]
    counts = found.counts
    assert (counts.rows, counts.samples) == (40, len(expected))
    assert counts.kept + counts.cut + counts.dropped == 40
    assert counts.cut > 0


def test_the_report_names_every_row_with_its_id_and_outcome(
    path: Path, tokenizer: Any, recipe: Recipe
) -> None:
    found, _ = token_set(recipe, path, tokenizer, path.parent / "tokens")
    told = [json.loads(line) for line in (found.folder / REPORT).read_text().splitlines()]
    rows = encode_rows(path, tokenizer, CUTOFF)
    assert [(each["line"], each["id"]) for each in told] == [(i + 1, f"row-{i}") for i in range(40)]
    assert [each["outcome"] for each in told] == [row.outcome for row in rows]
    assert [(each["tokens"], each["kept_tokens"]) for each in told] == [
        (row.tokens, row.kept_tokens) for row in rows
    ]


def test_pairs_keep_their_two_sequences(tmp_path: Path, tokenizer: Any, base_model: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    prompt, yes, no = (
        conversation("A?", "Yes.")[:1],
        conversation("", "Yes.")[1:],
        conversation("", "No!")[1:],
    )
    path.write_text(json.dumps({"prompt": prompt, "chosen": yes, "rejected": no}) + "\n")
    recipe = Recipe(base_model, "dpo", RenderSettings(), Rules(CUTOFF))
    found, _ = token_set(recipe, path, tokenizer, tmp_path / "tokens")
    (item,) = found
    assert [tokenizer.decode(list(each.ids))[-14:] for each in item.sequences] == [
        "\nYes.<|im_end|>"[-14:],
        "t\nNo!<|im_end|>"[-14:],
    ]
    assert encode_pair.__doc__


def test_a_set_is_used_again_until_something_that_decides_it_changes(
    path: Path, tokenizer: Any, recipe: Recipe
) -> None:
    folder = path.parent / "tokens"
    first, _ = token_set(recipe, path, tokenizer, folder)
    again, cached = token_set(recipe, path, tokenizer, folder)
    assert cached
    assert again.folder == first.folder
    others = [
        replace(recipe, rules=replace(recipe.rules, cutoff=CUTOFF - 1)),
        replace(recipe, rules=replace(recipe.rules, mask_history=True)),
        replace(recipe, settings=RenderSettings("Be brief.")),
        replace(recipe, settings=RenderSettings(reasoning="off")),
    ]
    sets = {token_set(other, path, tokenizer, folder)[0].folder for other in others}
    write_rows(path, CONVERSATIONS[1:])
    sets.add(token_set(recipe, path, tokenizer, folder)[0].folder)
    assert len({first.folder, *sets}) == 6


@pytest.mark.parametrize("harm", ["cut", "bit", "manifest", "lost"])
def test_a_damaged_set_is_made_again(path: Path, tokenizer: Any, recipe: Recipe, harm: str) -> None:
    folder = path.parent / "tokens"
    first, _ = token_set(recipe, path, tokenizer, folder)
    expected = list(first)
    victim = first.folder / "tokens.bin"
    content = victim.read_bytes()
    if harm == "manifest":
        (first.folder / MANIFEST).write_text("{")
    elif harm == "lost":
        (first.folder / "spans.bin").unlink()
    else:
        victim.write_bytes(content[:-4] if harm == "cut" else bytes([content[0] ^ 1]) + content[1:])
    again, cached = token_set(recipe, path, tokenizer, folder)
    assert not cached
    assert list(again) == expected


def test_a_set_that_was_never_finished_is_none(
    path: Path, tokenizer: Any, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = path.parent / "tokens"

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(TokenSetWriter, "finish", killed)
        token_set(recipe, path, tokenizer, folder)
    found, cached = token_set(recipe, path, tokenizer, folder)
    assert (cached, len(found)) == (
        False,
        len([i for r in encode_rows(path, tokenizer, CUTOFF) for i in r.items]),
    )


@pytest.mark.full
def test_several_processes_make_the_same_set(
    path: Path, tokenizer: Any, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizing, "_BLOCK_BYTES", 1000)
    alone, _ = token_set(recipe, path, tokenizer, path.parent / "alone", processes=1)
    together, _ = token_set(recipe, path, tokenizer, path.parent / "together", processes=2)
    files = [{each.name: each.read_bytes() for each in made.folder.iterdir()} for made in (alone, together)]
    assert files[0] == files[1]
    with path.open("a") as rows:
        rows.write("nonsense\n")
    with pytest.raises(InvalidRowError, match=r"rows\.jsonl:41: not a line of JSON"):
        token_set(recipe, path, tokenizer, path.parent / "together", processes=2)


@pytest.mark.full
def test_memory_does_not_grow_with_the_tokens(tmp_path: Path, base_model: Path) -> None:
    """Peak memory of a process that tokenizes, opens and walks through 16 times as many tokens."""
    program = """
import sys
from pathlib import Path
from services.trainer.engine.conversations import Rules
from services.trainer.engine.rendering import RenderSettings
from services.trainer.engine.tokenizing import Recipe, load_tokenizer, token_set
folder, path = Path(sys.argv[1]), Path(sys.argv[2])
recipe = Recipe(folder, "sft", RenderSettings(), Rules(4096))
found, _ = token_set(recipe, path, load_tokenizer(folder), path.parent / path.stem, processes=1)
total = sum(len(item.sequences[0].ids) for item in found)
status = Path("/proc/self/status").read_text()
print(total, status.split("VmHWM:")[1].split()[0], status.split("RssFile:")[1].split()[0])
"""
    peaks = []
    for count in (250, 4000):
        rows = [conversation(f"Where is town {i}?", "By the river Amber. " * 60) for i in range(count)]
        path = write_rows(tmp_path / f"rows{count}.jsonl", rows)
        answer = subprocess.run(
            [sys.executable, "-c", program, str(base_model), str(path)],
            check=True,
            capture_output=True,
            text=True,
        )
        peaks.append([int(word) for word in answer.stdout.split()])
    (few, small, _), (many, large, mapped) = peaks
    assert many > 15 * few
    # 1.5 million tokens would be 60 MB as lists; pages of mapped files are no memory that the process holds.
    assert large - small < 20_000 + mapped
    assert resource.getpagesize()


def test_a_run_reads_its_set_again_and_tells_what_became_of_the_rows(make_spec: MakeSpec) -> None:
    spec = make_spec(max_steps=2, cutoff_length=48)
    assert run(spec, StopSignal()) == 0
    log = spec.output_dir / "events.jsonl"
    log.write_bytes(
        b"\n".join(line for line in log.read_bytes().splitlines() if b'"finished"' not in line) + b"\n"
    )
    assert run(spec, StopSignal()) == 0
    first, second = events_of(spec, "rows")
    assert [first["cached"], second["cached"]] == [False, True]
    assert first["split"] == "train"
    assert first["rows"] == first["kept_rows"] + first["truncated_rows"] + first["dropped_rows"] == 24
    assert first["dropped_rows"] > 0
    report = [json.loads(line) for line in (spec.output_dir / first["report"]).read_text().splitlines()]
    assert sum(each["outcome"] == "dropped" for each in report) == first["dropped_rows"]
    assert {each["id"] for each in report} == {f"row-{i}" for i in range(24)}


def test_validation_rows_that_are_all_too_long_do_not_cost_the_run(make_spec: MakeSpec) -> None:
    spec = make_spec(max_steps=2)
    held_out = write_rows(spec.train_file.with_name("held.jsonl"), [conversation("A?", "Long. " * 300)])
    spec = replace(spec, validation_file=held_out)
    assert run(spec, StopSignal()) == 0
    told = {event["split"]: event for event in events_of(spec, "rows")}
    assert (told["validation"]["rows"], told["validation"]["dropped_rows"]) == (1, 1)
    (started,), (finished,) = events_of(spec, "started"), events_of(spec, "finished")
    assert (started["validation_rows"], started["validation_dropped_rows"]) == (1, 1)
    assert finished["published_step"] == 2
    assert not any("validation_loss" in step for step in events_of(spec, "step"))


def test_a_run_that_is_to_stop_early_by_such_rows_is_refused_before_the_model_is_loaded(
    make_spec: MakeSpec,
) -> None:
    spec = make_spec(early_stop_patience=2)
    held_out = write_rows(spec.train_file.with_name("held.jsonl"), [conversation("A?", "Long. " * 300)])
    spec = replace(spec, validation_file=held_out)
    assert run(spec, StopSignal()) == 2
    (failed,) = events_of(spec, "failed")
    assert failed["message"].startswith(
        f"{held_out}: nothing to stop early by: all 1 rows exceed cutoff_length"
    )
    assert "loading" not in {event["phase"] for event in events_of(spec, "progress")}


@pytest.mark.parametrize("objective", ["sft", "kto"])
def test_an_objective_takes_a_set_as_it_takes_a_list(
    make_spec: MakeSpec, path: Path, tokenizer: Any, recipe: Recipe, objective: str
) -> None:
    found, _ = token_set(
        replace(recipe, rules=Rules(512, mask_history=True)), path, tokenizer, path.parent / "t"
    )
    listed: list[Item] = list(found)
    made = [objective_of(make_spec(objective=objective), items, 0) for items in (found, listed)]
    assert made[0].lengths.tolist() == made[1].lengths.tolist()
    assert made[0].learned_tokens([0, 3, 5]) == made[1].learned_tokens([0, 3, 5])
    plans = [BatchPlan(each.lengths, 256, 1, 3).epoch(1) for each in made]
    assert plans[0] == plans[1]
    assert isinstance(found, TokenSet)


def test_an_empty_file_is_refused(make_spec: MakeSpec) -> None:
    spec = make_spec()
    spec.train_file.write_text("\n")
    assert run(spec, StopSignal()) == 2
    (failed,) = events_of(spec, "failed")
    assert failed["message"] == f"{spec.train_file}: nothing to train on: no rows"
