"""`sishu train`: file, options and what is said about them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.trainer.llama_factory.notes import NOTES
from services.trainer.llama_factory.translation import translate
from services.trainer.presets import PRESETS
from services.trainer.translation_convert import preset_to_pb, translation_to_pb
from sishu.cli import argument_files, run_sources, train
from sishu.cli.argument_files import deepspeed_file, show_notes
from sishu.cli.run_options import RunOptions
from sishu.cli.train import Wanted, checked, over, queued, understood
from sishu.cli.training_failures import SENTENCES
from sishu.dataset.v1.dataset_service_pb2 import GetDatasetVersionResponse
from sishu.dataset.v1.dataset_version_pb2 import DatasetVersion
from sishu.errors import ApiError
from sishu.ingest.v1.project_pb2 import Project
from sishu.trainer.v1 import training_service_pb2 as pb
from sishu.trainer.v1.model_pb2 import Model
from sishu.trainer.v1.model_service_pb2 import (
    CreateModelRequest,
    CreateModelResponse,
    ListModelsRequest,
    ListModelsResponse,
)
from sishu.trainer.v1.training_config_pb2 import TrainingConfig

FILE = "stage: sft\nlearning_rate: 2e-4\nnum_train_epochs: 2\nflash_attn: fa2\nplot_loss: true\n"


class FakeTraining:
    """The trainer room, as far as it is asked."""

    def __init__(self) -> None:
        self.created: list[pb.CreateTrainingRunRequest] = []

    async def TranslateTrainingConfig(
        self, request: pb.TranslateTrainingConfigRequest
    ) -> pb.TranslateTrainingConfigResponse:
        found = translate(request.text, request.devices or 1, request.deepspeed)
        return pb.TranslateTrainingConfigResponse(translation=translation_to_pb(found))

    async def ListTrainingPresets(
        self, request: pb.ListTrainingPresetsRequest
    ) -> pb.ListTrainingPresetsResponse:
        return pb.ListTrainingPresetsResponse(training_presets=map(preset_to_pb, PRESETS.values()))

    async def CreateTrainingRun(self, request: pb.CreateTrainingRunRequest) -> pb.CreateTrainingRunResponse:
        self.created.append(request)
        return pb.CreateTrainingRunResponse(training_run=request.training_run)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    console = SimpleNamespace(print=lambda line, **_: lines.append(line))
    monkeypatch.setattr(argument_files, "ERRORS", console)
    return lines


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    async def found(_client: object, *names: str) -> Any:
        return Project(id="p-1") if len(names) == 1 and names[0] == "acme" else f"id of {names[-1]}"

    for name in ("find_project", "find_version", "find_model_of", "model_of_source"):
        monkeypatch.setattr(train, name, found)
    return SimpleNamespace(training=FakeTraining())


def wanted(folder: Path, text: str, **changes: str) -> Wanted:
    path = folder / "their.yaml"
    path.write_text(text, encoding="utf-8")
    named = {"name": "", "dataset": "", "model": "", "preset": "", **changes}
    return Wanted(project="acme", config=path, **named)


async def test_options_come_before_the_file(client: Any, tmp_path: Path, said: list[str]) -> None:
    told = await understood(client, wanted(tmp_path, FILE), RunOptions(epochs=5.0, publish="best"))
    assert (told.config.epochs, told.config.learning_rate, told.config.publish) == (5.0, 2e-4, "best")
    assert told.config.HasField("warmup_ratio")
    assert said[0].startswith("plot_loss: ") and said[1].startswith("flash_attn: ")


async def test_a_check_shows_preset_file_and_options_in_one(
    client: Any, tmp_path: Path, said: list[str]
) -> None:
    told = await checked(client, wanted(tmp_path, FILE, preset="dcu-k100ai-32b"), RunOptions(devices=4))
    preset = PRESETS["dcu-k100ai-32b"].config
    assert (told.config.devices, told.config.learning_rate, told.config.epochs) == (4, 2e-4, 2.0)
    assert told.config.deepspeed_stage == preset["deepspeed_stage"] == 3
    with pytest.raises(ApiError, match="no preset nope; there are dcu-k100ai-32b,") as caught:
        await checked(client, wanted(tmp_path, FILE, preset="nope"), RunOptions())
    assert caught.value.reason == "TRAINING_PRESET_UNKNOWN"


def test_every_field_of_a_config_is_an_option() -> None:
    assert {each.name for each in fields(RunOptions)} == set(TrainingConfig.DESCRIPTOR.fields_by_name)


def test_only_a_check_needs_no_project(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("sishu.cli.train.with_client", lambda work: "what it means")
    monkeypatch.setattr("sishu.cli.train.show_one", shown.append)
    command: Any = train.train
    command.__wrapped__(check=True, options=RunOptions())
    assert shown == ["what it means"]
    with pytest.raises(ApiError, match="sishu train needs --project") as caught:
        command.__wrapped__(options=RunOptions())
    assert caught.value.reason == "OPTION_MISSING"


def test_a_list_takes_the_place_of_another() -> None:
    both = over(TrainingConfig(lora_targets=["q_proj"], epochs=2), TrainingConfig(lora_targets=["v_proj"]))
    assert (list(both.lora_targets), both.epochs) == (["v_proj"], 2)


async def test_a_run_is_named_and_fed_by_its_file(client: Any, tmp_path: Path, said: list[str]) -> None:
    text = FILE + "dataset: latest\nmodel_name_or_path: Qwen/Q\noutput_dir: saves/q/lora\n"
    run = await queued(client, wanted(tmp_path, text, preset="dcu"), RunOptions())
    assert (run.name, run.project_id) == ("q-lora", "p-1")
    assert (run.dataset_version_id, run.base_model_id) == ("id of acme/latest", "id of Qwen/Q")
    assert client.training.created[0].preset == "dcu"
    own = wanted(tmp_path, text, dataset="other/3", model="mine", name="first")
    run = await queued(client, own, RunOptions())
    assert (run.name, run.dataset_version_id, run.base_model_id) == ("first", "id of other/3", "id of mine")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (FILE, "DATASET_MISSING"),
        (FILE + "dataset: a,b\n", "DATASET_MISSING"),
        (FILE + "dataset: a\n", "MODEL_MISSING"),
    ],
)
async def test_what_is_named_nowhere_is_asked_for(
    client: Any, tmp_path: Path, said: list[str], text: str, reason: str
) -> None:
    with pytest.raises(ApiError) as caught:
        await queued(client, wanted(tmp_path, text), RunOptions())
    assert caught.value.reason == reason


async def test_faults_are_told_with_file_and_line(client: Any, tmp_path: Path, said: list[str]) -> None:
    with pytest.raises(ApiError, match="has 2 faults") as caught:
        await understood(client, wanted(tmp_path, "learnig_rate: 1\nuse_galore: true\n"), RunOptions())
    assert caught.value.reason == "ARGUMENTS_REFUSED"
    assert said[0].startswith(f"{tmp_path}/their.yaml:1: ") and "learning_rate" in said[0]
    assert said[1].startswith(f"{tmp_path}/their.yaml:2: ")


async def test_a_missing_file_is_told(client: Any, tmp_path: Path) -> None:
    with pytest.raises(ApiError, match=r"gone\.yaml cannot be read"):
        await understood(client, Wanted("acme", "", "", "", tmp_path / "gone.yaml", ""), RunOptions())


def test_the_file_of_deepspeed_is_looked_for_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "zero.json").write_text("{}", encoding="utf-8")
    path = tmp_path / "their.yaml"
    assert deepspeed_file(path, "deepspeed: zero.json  # mine\n") == "{}"
    assert deepspeed_file(path, '{\n "deepspeed": "zero.json"}') == "{}"
    assert deepspeed_file(path, "deepspeed: examples/deepspeed/ds_z3_config.json\n") == ""
    assert deepspeed_file(path, "stage: sft\n") == ""


def test_notes_of_one_kind_share_a_line_and_all_have_chinese(said: list[str]) -> None:
    show_notes(translation_to_pb(translate("top_p: 0.7\ntemperature: 1\nflash_attn: fa2\n")).notes)
    assert [line.partition(":")[0] for line in said] == ["flash_attn", "top_p, temperature"]
    assert NOTES.keys() <= SENTENCES.keys()


SECOND = "2"
"""The second page."""


class FakeModels:
    """Two pages of models; what is registered is remembered."""

    def __init__(self) -> None:
        self.registered: list[Model] = []

    async def ListModels(self, request: ListModelsRequest) -> ListModelsResponse:
        if request.page_token:
            return ListModelsResponse(models=[Model(id="m-2", name="base", source="Qwen/Q")])
        return ListModelsResponse(models=[Model(id="m-1", name="tiny", source="x")], next_page_token=SECOND)

    async def CreateModel(self, request: CreateModelRequest) -> CreateModelResponse:
        self.registered.append(request.model)
        return CreateModelResponse(model=Model(id="m-3"))


async def test_a_model_is_found_by_name_or_source_and_else_registered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    waited: list[object] = []

    async def wait(*given: object) -> None:
        waited.append(given)

    monkeypatch.setattr(run_sources, "wait_for_success", wait)
    models = FakeModels()
    client: Any = SimpleNamespace(models=models)
    assert await run_sources.model_of_source(client, "p-1", "tiny") == "m-1"
    assert await run_sources.model_of_source(client, "p-1", "Qwen/Q") == "m-2"
    assert await run_sources.model_of_source(client, "p-1", "meta-llama/Llama 3/") == "m-3"
    assert await run_sources.model_of_source(client, "p-1", str(tmp_path)) == "m-3"
    assert [(one.name, one.source) for one in models.registered] == [
        ("Llama-3", "meta-llama/Llama 3/"),
        (tmp_path.name[:100], str(tmp_path)),
    ]
    assert len(waited) == 2


@pytest.mark.parametrize(("size", "wish"), [(0.1, "--validation-share 0.1"), (200, "--validation-count 200")])
async def test_val_size_wants_a_version_with_validation_rows(size: float, wish: str) -> None:
    async def version(_request: object) -> GetDatasetVersionResponse:
        return GetDatasetVersionResponse(dataset_version=DatasetVersion(number=3, split_counts=counts))

    counts = {"train": 9, "validation": 1}
    client: Any = SimpleNamespace(datasets=SimpleNamespace(GetDatasetVersion=version))
    await run_sources.check_validated(client, "v-1", size)
    counts = {"train": 9}
    with pytest.raises(ApiError, match="version 3 has none") as caught:
        await run_sources.check_validated(client, "v-1", size)
    assert (caught.value.reason, wish in caught.value.message) == ("VALIDATION_ROWS_WANTED", True)
