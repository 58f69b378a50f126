from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.trainer.engine.errors import InvalidSpecError
from services.trainer.engine.spec import TrainSpec, load_spec, parse_spec


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("{}")
    (tmp_path / "train.jsonl").write_text("")
    return {
        "run_id": "run-1",
        "base_model": str(tmp_path / "base"),
        "train_file": str(tmp_path / "train.jsonl"),
        "output_dir": str(tmp_path / "out"),
    }


def test_four_fields_suffice_and_the_rest_has_defaults(settings: dict[str, Any]) -> None:
    spec = parse_spec(settings)
    assert (spec.lora_rank, spec.lora_alpha, spec.schedule, spec.lora_targets) == (
        16,
        32,
        "cosine",
        "all-linear",
    )
    assert spec.base_name == "base"


def test_values_are_taken_over_in_the_type_of_the_field(settings: dict[str, Any]) -> None:
    spec = parse_spec(
        {**settings, "epochs": 2, "lora_targets": ["q_proj", "v_proj"], "base_model_name": "org/m"}
    )
    assert isinstance(spec.epochs, float)
    assert spec.lora_targets == ("q_proj", "v_proj")
    assert spec.base_name == "org/m"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learnig_rate": 1e-3}, "learnig_rate: unknown key"),
        ({"lora_rank": "16"}, "lora_rank: must be a whole number"),
        ({"lora_rank": 16.0}, "lora_rank: must be a whole number"),
        ({"lora_rank": True}, "lora_rank: must be a whole number"),
        ({"lora_rank": 0}, "lora_rank: must be from 1 to 1024, not 0"),
        ({"learning_rate": float("nan")}, "learning_rate: must be from"),
        ({"gradient_checkpointing": 1}, "gradient_checkpointing: must be true or false"),
        ({"schedule": "step"}, "schedule: must be one of cosine, linear, constant"),
        ({"lora_targets": []}, "lora_targets: must be"),
        ({"run_id": " "}, "run_id: must not be empty"),
        ({"base_model": "/no/such/model"}, "base_model: no config.json in the folder /no/such/model"),
        ({"train_file": "/no/such/file"}, "train_file: no such file"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(
    settings: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        parse_spec({**settings, **change})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_field_is_named(settings: dict[str, Any]) -> None:
    del settings["output_dir"]
    with pytest.raises(InvalidSpecError, match="output_dir: required"):
        parse_spec(settings)


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text("{")
    with pytest.raises(InvalidSpecError, match=r"spec\.json: not a readable JSON file"):
        load_spec(path)


def test_the_program_tells_a_bad_spec_in_one_line_and_exits_2(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps({**settings, "epochs": -1}))
    command = [sys.executable, "-m", "services.trainer.engine", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == f"error: {path}: epochs: must be from 0.001 to 1000, not -1\n"


def test_reading_a_spec_imports_no_heavy_library() -> None:
    code = (
        "import sys, services.trainer.engine.__main__, services.trainer.engine.events\n"
        "heavy = {'torch', 'transformers', 'peft', 'grpc', 'google.protobuf', 'services.runtime'}\n"
        "sys.exit(sorted(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_field_is_documented() -> None:
    source = Path(sys.modules[TrainSpec.__module__].__file__ or "").read_text(encoding="utf-8")
    lines = source.split("class TrainSpec", 1)[1].split("@property", 1)[0].splitlines()
    declared = [
        i for i, line in enumerate(lines) if line.startswith("    ") and ": " in line and '"""' not in line
    ]
    assert len(declared) == len(TrainSpec.__dataclass_fields__)
    assert all(lines[i + 1].strip().startswith('"""') for i in declared)
