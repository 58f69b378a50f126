"""What may be merged, exported and imported."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from services.runtime.errors import FailedPrecondition, Internal, InvalidArgument, Unavailable
from services.trainer.registry.convert import gguf_type, merge_of
from services.trainer.registry.making import (
    Merge,
    Upload,
    UploadFile,
    check_exportable,
    check_files,
    check_mergeable,
    check_own_base,
)
from services.trainer.registry.programs import error_of
from services.trainer.registry.store import RegistryStore
from services.trainer.registry.sweeping import drop_old, sweep_models
from services.trainer.registry.worker import check_named_base
from sishu.trainer.v1 import model_making_pb2 as making_pb
from sishu.trainer.v1.model_service_pb2 import MergeModelRequest
from tests.unit.trainer.registry.test_cards import ADAPTER, BASE, MERGED

LLAMA = replace(BASE, architecture="LlamaForCausalLM")


def files(*names: str) -> list[UploadFile]:
    return [UploadFile(name, 1, "aa") for name in names]


def test_only_a_ready_adapter_can_be_merged() -> None:
    adapter = replace(ADAPTER, job=None)
    check_mergeable(adapter)
    with pytest.raises(InvalidArgument, match="only an adapter can be merged"):
        check_mergeable(BASE)
    assert BASE.job is not None
    with pytest.raises(FailedPrecondition, match="wait until its job has ended"):
        check_mergeable(replace(adapter, job=replace(BASE.job, state="running")))


def test_only_models_of_known_architectures_go_as_gguf() -> None:
    check_exportable(LLAMA)
    with pytest.raises(InvalidArgument, match="merge it first"):
        check_exportable(replace(ADAPTER, job=None))
    with pytest.raises(InvalidArgument, match=r"GPT2LMHeadModel is not written as GGUF; these are: Llama"):
        check_exportable(replace(LLAMA, architecture="GPT2LMHeadModel"))


@pytest.mark.parametrize(
    ("names", "has_base", "message"),
    [
        (["adapter_config.json"], True, "needs adapter_model.safetensors"),
        (["adapter_config.json", "adapter_model.safetensors"], False, "give base_model_id"),
        (["model.safetensors"], False, "neither an adapter_config.json nor a config.json"),
        (["config.json", "pytorch_model.txt"], False, "no .safetensors weights"),
        (["config.json", "config.json", "m.safetensors"], False, "config.json is announced twice"),
    ],
)
def test_a_folder_that_is_no_model_is_refused_by_its_names(
    names: list[str], has_base: bool, message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message) as refused:
        check_files(files(*names), has_base=has_base)
    assert refused.value.reason == "MODEL_FILES_INVALID"


def test_names_tell_an_adapter_from_a_model() -> None:
    adapter = files("adapter_config.json", "adapter_model.safetensors")
    check_files(adapter, has_base=True)
    check_files(files("config.json", "model.safetensors"), has_base=False)
    assert Upload("u", "p", adapter).kind == "adapter"
    assert Upload("u", "p", files("config.json")).kind == "tuned"


def test_an_imported_model_has_a_whole_base_of_its_project() -> None:
    check_own_base(BASE, "p")
    check_own_base(MERGED, "p")
    with pytest.raises(InvalidArgument, match="another project"):
        check_own_base(BASE, "q")
    with pytest.raises(InvalidArgument, match="of kind adapter"):
        check_own_base(ADAPTER, "p")


def test_an_adapter_that_names_another_model_of_the_hub_is_refused(tmp_path: Path) -> None:
    def named(base: str) -> None:
        (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
        check_named_base(tmp_path, BASE)

    named("org/smol")
    named("/home/somebody/models/smol")
    with pytest.raises(InvalidArgument, match="names org/other as its base, not org/smol"):
        named("org/other")
    (tmp_path / "adapter_config.json").write_text("[")
    with pytest.raises(InvalidArgument, match="cannot be read"):
        check_named_base(tmp_path, BASE)


def test_what_a_request_does_not_say_has_its_meaning() -> None:
    assert merge_of(MergeModelRequest(id="a")) == Merge("a", "bf16", 5_000_000_000, "cpu")
    wish = MergeModelRequest(
        id="a",
        precision=making_pb.WEIGHT_PRECISION_FP32,
        device=making_pb.MERGE_DEVICE_TRAINER,
        shard_size_bytes=7,
    )
    assert merge_of(wish) == Merge("a", "fp32", 7, "trainer")
    assert gguf_type(making_pb.GGUF_TYPE_UNSPECIFIED) == "f16"
    assert gguf_type(making_pb.GGUF_TYPE_Q8_0) == "q8_0"


def test_a_program_that_ends_badly_says_why() -> None:
    assert isinstance(error_of(-9, "", "X"), Unavailable)
    assert error_of(2, "no such tensor", "MERGE_UNSUPPORTED").reason == "MERGE_UNSUPPORTED"
    assert error_of(6, "full", "X").reason == "DISK_FULL"
    assert isinstance(error_of(1, "", "X"), Internal)


class FakeRegistry:
    """Knows one model."""

    async def models_there(self, ids: set[str]) -> set[str]:
        return ids & {"0190f7c0-0000-7000-8000-000000000001"}


async def test_copies_of_models_that_are_gone_are_swept(tmp_path: Path) -> None:
    kept = ["0190f7c0-0000-7000-8000-000000000001", "gguf-ab12-v1", ".gguf-ab12-v1.x1", "gguf-ab12-v1.lock"]
    kept.append(".0190f7c0-0000-7000-8000-000000000001.tmp1")
    gone = ["0190f7c0-0000-7000-8000-000000000002", ".0190f7c0-0000-7000-8000-000000000002.tmp2"]
    for name in [*kept, *gone]:
        (tmp_path / "models" / name).mkdir(parents=True)
    await sweep_models(cast(RegistryStore, FakeRegistry()), tmp_path)
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == sorted(kept)
    await sweep_models(cast(RegistryStore, FakeRegistry()), tmp_path / "nowhere")


def test_only_old_folders_to_work_in_are_dropped(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / "old", (1, 1))
    drop_old(tmp_path, 60)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
