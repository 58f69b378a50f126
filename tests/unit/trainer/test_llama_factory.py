"""LLaMA-Factory's files are taken as they are: every argument keeps its meaning, or says that it cannot."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.trainer.convert import training_config
from services.trainer.llama_factory import conflicts, meanings, saying
from services.trainer.llama_factory.arguments import ARGUMENTS, HOW, LACKING, OURS, WHAT, WHEN, WHENCE
from services.trainer.llama_factory.notes import NOTES
from services.trainer.llama_factory.saying import FIELDS
from services.trainer.llama_factory.translation import Translation, translate
from services.trainer.service import TrainingServicer
from services.trainer.tracking.trackers import adapters
from services.trainer.training_config import TrainingConfig
from services.trainer.translation_convert import translation_to_pb
from sishu.trainer.v1 import training_service_pb2 as pb

LORA_SFT = """### model
model_name_or_path: Qwen/Qwen3-4B-Instruct-2507
trust_remote_code: true

### method
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 8
lora_target: all

### dataset
dataset: identity,alpaca_en_demo
template: qwen3_nothink
cutoff_len: 2048
max_samples: 1000
preprocessing_num_workers: 16
dataloader_num_workers: 4

### output
output_dir: saves/qwen3-4b/lora/sft
logging_steps: 10
save_steps: 500
plot_loss: true
overwrite_output_dir: true
save_only_model: false
report_to: none  # choices: [none, wandb, tensorboard, swanlab, mlflow]

### train
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1.0e-4
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
bf16: true
ddp_timeout: 180000000
resume_from_checkpoint: null

### eval
# eval_dataset: alpaca_en_demo
# val_size: 0.1
# per_device_eval_batch_size: 1
# eval_strategy: steps
# eval_steps: 500
"""

DPO = """model_name_or_path: meta-llama/Meta-Llama-3-8B-Instruct
stage: dpo
do_train: true
finetuning_type: lora
lora_rank: 8
lora_target: q_proj, v_proj
pref_beta: 0.2
pref_loss: {loss}  # choices: [sigmoid (dpo), orpo, simpo]
dataset: dpo_en_demo
template: llama3
output_dir: saves/llama3-8b/lora/dpo
per_device_train_batch_size: 2
gradient_accumulation_steps: 8
learning_rate: 5e-6
num_train_epochs: 3
warmup_steps: 20
bf16: True
val_size: 0.1
eval_strategy: "no"
"""


def config_of(text: str, **options: Any) -> dict[str, Any]:
    found = translate(text, **options)
    assert [str(fault) for fault in found.faults] == []
    return found.config


def faults_of(text: str) -> list[tuple[int, str, str]]:
    return [(one.line, one.argument, one.reason) for one in translate(text).faults]


def message_of(text: str) -> str:
    (fault,) = translate(text).faults
    return fault.message


def test_an_example_of_lora_is_taken_as_it_is() -> None:
    found = translate(LORA_SFT)
    assert found.faults == ()
    assert (found.run_name, found.model) == ("qwen3-4b-lora-sft", "Qwen/Qwen3-4B-Instruct-2507")
    assert found.datasets == ("identity", "alpaca_en_demo")
    expected = {
        "objective": "sft",
        "lora_rank": 8,
        "lora_alpha": 16,
        "lora_targets": (),
        "cutoff_length": 2048,
        "max_rows": 1000,
        "step_rows": 8,
        "batch_tokens": 2048,
        "learning_rate": 1e-4,
        "epochs": 3.0,
        "schedule": "cosine",
        "warmup_ratio": 0.1,
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "precision": "bf16",
        "seed": 42,
        "checkpoint_steps": 500,
        "publish": "last",
    }
    assert {name: found.config[name] for name in expected} == expected
    told = {one.argument: (one.line, one.reason) for one in found.notes}
    assert told["template"] == (14, "TEMPLATE_OF_MODEL")
    assert told["plot_loss"] == (24, "ALL_STEPS_KEPT")
    assert "learning_rate" not in told
    assert training_config(translation_to_pb(found).config).step_rows == 8


def test_what_a_file_does_not_say_is_as_llama_factory_takes_it() -> None:
    config = config_of("stage: sft\n")
    assert (config["learning_rate"], config["schedule"], config["warmup_ratio"]) == (5e-5, "linear", 0.0)
    assert (config["lora_rank"], config["lora_alpha"], config["step_rows"]) == (8, 16, 8)
    assert (config["precision"], config["checkpoint_steps"]) == ("auto", 500)
    assert "gradient_checkpointing" not in config


@pytest.mark.parametrize(("loss", "objective"), [("sigmoid", "dpo"), ("orpo", "orpo"), ("simpo", "simpo")])
def test_preferences_are_taken(loss: str, objective: str) -> None:
    config = config_of(DPO.format(loss=loss))
    assert (config["objective"], config["beta"], config["step_rows"]) == (objective, 0.2, 16)
    assert (config["warmup_steps"], config["learning_rate"]) == (20, 5e-6)
    assert config["lora_targets"] == ("q_proj", "v_proj")
    assert translate(DPO.format(loss=loss)).validation == 0.1


def test_a_kto_file_is_taken() -> None:
    config = config_of("stage: kto\nkto_chosen_weight: 1.5\nkto_rejected_weight: 0.5\npref_beta: 0.1\n")
    assert (config["objective"], config["desirable_weight"], config["undesirable_weight"]) == (
        "kto",
        1.5,
        0.5,
    )


def test_json_is_taken_too_and_may_be_indented_with_tabs() -> None:
    text = json.dumps(
        {"stage": "sft", "learning_rate": 1e-4, "bf16": True, "lora_target": ["q_proj"]}, indent="\t"
    )
    config = config_of(text)
    assert (config["learning_rate"], config["precision"], config["lora_targets"]) == (
        1e-4,
        "bf16",
        ("q_proj",),
    )
    assert faults_of(text.replace("learning_rate", "learnig_rate")) == [
        (3, "learnig_rate", "ARGUMENT_UNKNOWN")
    ]


def test_a_step_has_the_rows_of_all_devices() -> None:
    text = "per_device_train_batch_size: 1\ngradient_accumulation_steps: 32\n"
    if "devices" in FIELDS:
        assert config_of(text, devices=8)["step_rows"] == 256
        assert config_of(text, devices=8)["devices"] == 8
    else:
        assert translate(text, devices=8).faults[0].reason == "ARGUMENT_UNSUPPORTED"
    assert config_of(text)["step_rows"] == 32


def test_packed_rows_make_steps_of_tokens() -> None:
    text = "packing: true\nper_device_train_batch_size: 2\ngradient_accumulation_steps: 4\ncutoff_len: 512\n"
    config = config_of(text)
    assert (config["batch_tokens"], config["accumulation"]) == (1024, 4)
    assert "step_rows" not in config
    assert {one.reason for one in translate(text).notes} == {"ROWS_NEVER_MIX", "STEP_OF_ROWS"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("warmup_steps: 0.1", {"warmup_ratio": 0.1, "warmup_steps": 0}),
        ("warmup_steps: 30\nwarmup_ratio: 0.1", {"warmup_steps": 30}),
        ("lr_scheduler_type: constant\nwarmup_ratio: 0.1", {"schedule": "constant", "warmup_ratio": 0.0}),
        ("lr_scheduler_type: constant_with_warmup\nwarmup_ratio: 0.1", {"warmup_ratio": 0.1}),
        ("max_steps: -1", {"max_steps": 0}),
        ("max_steps: 100", {"max_steps": 100}),
        ("save_strategy: no", {"checkpoint_steps": 0}),
        ("save_strategy: 'no'", {"checkpoint_steps": 0}),
        ("eval_strategy: steps\neval_steps: 50", {"validation_steps": 50}),
        ("evaluation_strategy: steps\nlogging_steps: 5", {"validation_steps": 5}),
        ("load_best_model_at_end: true", {"publish": "best"}),
        ("early_stopping_steps: 3", {"publish": "best", "early_stop_patience": 3}),
        ("gradient_checkpointing: true", {"gradient_checkpointing": True}),
        ("disable_gradient_checkpointing: true", {"gradient_checkpointing": False}),
        ("pure_bf16: true", {"precision": "bf16"}),
        ("use_dora: true\nuse_rslora: true", {"use_dora": True, "use_rslora": True}),
        ("loraplus_lr_ratio: 16", {"loraplus_ratio": 16.0}),
        ("lora_rank: 16\nlora_alpha: 64", {"lora_rank": 16, "lora_alpha": 64}),
        ("optim: adamw_torch_fused", {}),
        ("deepspeed: null\nquantization_bit: null\nfsdp: ''\neval_dataset:\n", {}),
        ("resume_from_checkpoint: true", {}),
        ("pref_bco_weight: 0.0\nnum_mtp_layers: 0\nuse_galore: false", {}),
        ("save_total_limit: 5", {"keep_checkpoints": 5}),
        ("save_total_limit: 0", {"keep_checkpoints": 1000}),
        ("save_total_limit: 5000", {"keep_checkpoints": 1000}),
        ("report_to: [wandb, tensorboard, swanlab]", {"trackers": ("swanlab", "wandb")}),
        ("report_to: mlflow", {"trackers": ("mlflow",)}),
        ("use_swanlab: true", {"trackers": ("swanlab",), "tracker_project": "llamafactory"}),
        (
            "report_to: wandb\nuse_swanlab: true\nswanlab_project: towns",
            {"trackers": ("wandb", "swanlab"), "tracker_project": "towns"},
        ),
    ],
)
def test_arguments_keep_their_meaning(text: str, expected: dict[str, Any]) -> None:
    config = config_of(text)
    assert {name: config[name] for name in expected} == expected


@pytest.mark.parametrize(
    "text", ["report_to: none", "report_to: no", "report_to: [tensorboard, trackio]", "lora_rank: 8"]
)
def test_without_a_tracker_that_is_had_nobody_is_told(text: str) -> None:
    config = config_of(text)
    assert not {"trackers", "tracker_project", "keep_checkpoints"} & config.keys()


def test_trackers_are_those_that_runs_can_have() -> None:
    assert set(meanings.TRACKERS) == adapters.TRACKERS.keys()
    assert {one.reason for one in translate("report_to: wandb\nsave_total_limit: 3").notes} == {
        "TRACKERS_TOLD",
        "CHECKPOINTS_LIMITED",
    }
    message = translation_to_pb(translate("report_to: wandb\nsave_total_limit: 3")).config
    assert (list(message.trackers), message.keep_checkpoints) == (["wandb"], 3)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("finetuning_type: full", "method", "full"),
        ("finetuning_type: freeze\nfreeze_trainable_layers: 3", "freeze_layers", 3),
        ("optim: adamw_bnb_8bit", "optimizer", "adamw_8bit"),
        ("optim: adafactor", "optimizer", "adafactor"),
        ("neftune_noise_alpha: 5", "neftune_alpha", 5.0),
        ("quantization_bit: 4\nquantization_method: bnb", "quantization_bits", 4),
        ("pissa_init: true", "lora_init", "pissa"),
        ("deepspeed: examples/deepspeed/ds_z3_config.json", "deepspeed_stage", 3),
        ("deepspeed: examples/deepspeed/ds_z2_offload_config.json", "cpu_offload", True),
        ("deepspeed: {zero_optimization: {stage: 2}}", "deepspeed_stage", 2),
        ("train_on_prompt: true", "train_on_prompt", True),
        ("mask_history: true", "mask_history", True),
        ("enable_thinking: false", "reasoning", "off"),
        ("default_system: You are brief.", "system_prompt", "You are brief."),
        ("stage: pt", "objective", "cpt"),
        ("fp16: true", "precision", "fp16"),
        ("lr_scheduler_type: inverse_sqrt", "schedule", "inverse_sqrt"),
    ],
)
def test_what_the_contract_has_is_taken_and_what_it_has_not_is_refused(
    text: str, field: str, value: object
) -> None:
    """Some of these fields and words are had by every build of the service, some are not."""
    found = translate(text)
    if field in FIELDS and value in saying.OPTIONS.get(field, (value,)):
        assert found.faults == ()
        assert found.config[field] == value
    else:
        assert {fault.reason for fault in found.faults} == {"ARGUMENT_UNSUPPORTED"}
        assert found.config == {}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("learnig_rate: 1", [(1, "learnig_rate", "ARGUMENT_UNKNOWN")]),
        ("stage: sft\nbf16: maybe", [(2, "bf16", "ARGUMENT_INVALID")]),
        ("learning_rate: fast", [(1, "learning_rate", "ARGUMENT_INVALID")]),
        ("learning_rate: 7", [(1, "learning_rate", "ARGUMENT_INVALID")]),
        ("lora_rank: 8.5", [(1, "lora_rank", "ARGUMENT_INVALID")]),
        ("lora_rank: 0", [(1, "lora_rank", "ARGUMENT_INVALID")]),
        ("stage: sfft", [(1, "stage", "ARGUMENT_INVALID")]),
        ("per_device_train_batch_size: 0", [(1, "per_device_train_batch_size", "ARGUMENT_INVALID")]),
        ("eval_strategy: steps\neval_steps: 0.1", [(2, "eval_steps", "ARGUMENT_INVALID")]),
        ("lora_target: [q_proj, {}]", [(1, "lora_target", "ARGUMENT_INVALID")]),
        ("quantization_bit: 3", [(1, "quantization_bit", "ARGUMENT_INVALID")]),
        ("stage: ppo", [(1, "stage", "ARGUMENT_UNSUPPORTED")]),
        ("stage: dpo\npref_loss: ipo", [(2, "pref_loss", "ARGUMENT_UNSUPPORTED")]),
        ("finetuning_type: oft", [(1, "finetuning_type", "ARGUMENT_UNSUPPORTED")]),
        ("use_galore: true", [(1, "use_galore", "ARGUMENT_UNSUPPORTED")]),
        ("fsdp: full_shard", [(1, "fsdp", "ARGUMENT_UNSUPPORTED")]),
        ("do_train: false", [(1, "do_train", "ARGUMENT_UNSUPPORTED")]),
        ("data_seed: 7", [(1, "data_seed", "ARGUMENT_UNSUPPORTED")]),
        ("deepspeed: my.json", [(1, "deepspeed", "ARGUMENT_UNSUPPORTED")]),
        ("report_to: all", [(1, "report_to", "ARGUMENT_UNSUPPORTED")]),
        ("save_total_limit: many", [(1, "save_total_limit", "ARGUMENT_INVALID")]),
        (f"use_swanlab: true\nswanlab_project: {'x' * 101}", [(2, "swanlab_project", "ARGUMENT_INVALID")]),
        ("resume_from_checkpoint: saves/x", [(1, "resume_from_checkpoint", "ARGUMENT_UNSUPPORTED")]),
        ("lr_scheduler_kwargs: {gamma: 2}", [(1, "lr_scheduler_kwargs", "ARGUMENT_UNSUPPORTED")]),
        ("stage: sft\nbf16: true\nstage: dpo", [(3, "stage", "ARGUMENT_TWICE")]),
        (
            "fp8: true\nlora_rank: x",
            [(1, "fp8", "ARGUMENT_UNSUPPORTED"), (2, "lora_rank", "ARGUMENT_INVALID")],
        ),
        ("a: [", [(1, "", "CONFIG_UNREADABLE")]),
        ("a: &x 1\nb: *x", [(2, "", "CONFIG_UNREADABLE")]),
        ("a: \x01", [(1, "", "CONFIG_UNREADABLE")]),
        ("[1, 2]", [(1, "", "CONFIG_UNREADABLE")]),
        ("? [a]\n: 1", [(1, "", "CONFIG_UNREADABLE")]),
        ("# nothing\n", [(1, "", "CONFIG_UNREADABLE")]),
        ("a: " + "[" * 5000, [(1, "", "CONFIG_UNREADABLE")]),
    ],
)
def test_faults_name_argument_and_line(text: str, faults: list[tuple[int, str, str]]) -> None:
    assert faults_of(text) == faults


@pytest.mark.parametrize(
    "text",
    [
        "fp16: true\nbf16: true",
        "pure_bf16: true\ndeepspeed: ds_z3_config.json",
        "pissa_init: true\ndeepspeed: {zero_optimization: {stage: 3}}",
        "pissa_init: true\nquantization_bit: 4",
        "pissa_init: true\nstage: kto",
        "quantization_bit: 4\nfinetuning_type: full",
        "quantization_bit: 4\ndeepspeed: ds_z3_config.json",
        "use_unsloth: true\ndeepspeed: ds_z3_offload_config.json",
        "use_rslora: true\nfinetuning_type: full",
        "use_dora: true\nfinetuning_type: freeze",
        "loraplus_lr_ratio: 4\nfinetuning_type: full",
        "pissa_init: true\nfinetuning_type: full",
        "neat_packing: true\nstage: dpo",
        "train_on_prompt: true\nstage: dpo",
        "mask_history: true\nstage: kto",
        "mask_history: true\ntrain_on_prompt: true",
        "dpo_label_smoothing: 0.1\nstage: dpo\npref_loss: orpo",
        "load_best_model_at_end: true\nstage: ppo",
        "streaming: true",
        "streaming: true\nmax_steps: 9\nmax_samples: 9",
        "streaming: true\nmax_steps: 9\nval_size: 0.1",
        "val_size: 0.1\neval_dataset: other",
        "packing: true\nstage: dpo",
    ],
)
def test_what_contradicts_itself_is_refused(text: str) -> None:
    found = [fault for fault in translate(text).faults if fault.reason == "ARGUMENTS_CONFLICT"]
    assert found
    assert all("do not go together" in fault.message and fault.line for fault in found)


def test_every_contradiction_is_tested_and_about_arguments_that_there_are() -> None:
    text = test_what_contradicts_itself_is_refused.pytestmark[0].args[1]  # type: ignore[attr-defined]
    raised = {
        (fault.argument, fault.metadata["other"])
        for one in text
        for fault in translate(one).faults
        if fault.reason == "ARGUMENTS_CONFLICT"
    }
    assert raised == {(one.argument, one.other) for one in conflicts.CONFLICTS}
    assert {name for pair in raised for name in pair} <= ARGUMENTS.keys()


def test_messages_say_what_to_do() -> None:
    assert message_of("learnig_rate: 1") == "there is no argument learnig_rate; did you mean learning_rate?"
    assert message_of("xyzzy: 1") == "there is no argument xyzzy; remove it"
    assert message_of("bf16: maybe") == "bf16 must be true or false, not maybe"
    assert message_of("stage: ppo").startswith(
        "stage ppo is not supported; the service has, in its own words: sft"
    )
    assert "optimizers of `optim`" in message_of("use_galore: true")


def test_a_secret_is_not_repeated() -> None:
    found = translate("hf_hub_token: hf_secret\nswanlab_api_key: sw_secret\n")
    assert "secret" not in str(found)


def test_a_deepspeed_file_is_read_in_place_of_its_name() -> None:
    found = translate(
        "deepspeed: mine.json", deepspeed='{"zero_optimization": {"stage": 3}, "bf16": {"enabled": "auto"}}'
    )
    if "deepspeed_config" in FIELDS:
        assert found.config["deepspeed_stage"] == 3
        assert json.loads(found.config["deepspeed_config"])["zero_optimization"] == {"stage": 3}
    else:
        assert found.faults[0].argument == "deepspeed"
    (fault,) = translate("deepspeed: mine.json", deepspeed="{").faults
    assert (fault.reason, "in the file that deepspeed names" in fault.message) == ("CONFIG_UNREADABLE", True)


def test_the_table_has_every_argument_once_and_every_note_a_text() -> None:
    tables = (WHAT, HOW, WHEN, WHENCE, LACKING, OURS)
    assert sum(map(len, tables)) == len(ARGUMENTS)
    assert {argument.note for argument in ARGUMENTS.values()} - {""} == NOTES.keys()
    assert set(TrainingConfig.__dataclass_fields__) == FIELDS


def test_without_a_config_nothing_can_be_trained_by_mistake() -> None:
    message = translation_to_pb(translate("learnig_rate: 1\n"))
    assert not message.HasField("config")
    assert [(one.line, one.reason) for one in message.errors] == [(1, "ARGUMENT_UNKNOWN")]
    assert translate("\n") == Translation(faults=translate("\n").faults)


async def test_the_service_answers_with_config_notes_and_faults() -> None:
    nothing: Any = None  # neither rpc needs a store
    servicer = TrainingServicer(nothing, nothing, nothing, nothing, "1", nothing)
    request = pb.TranslateTrainingConfigRequest(text=LORA_SFT)
    told = (await servicer.TranslateTrainingConfig(request, nothing)).translation
    assert (told.config.step_rows, told.config.learning_rate, len(told.errors)) == (8, 1e-4, 0)
    assert "flash" not in str(told.notes) and len(told.notes) > 8
    answer = await servicer.ListTrainingPresets(pb.ListTrainingPresetsRequest(), nothing)
    assert [one.name for one in answer.training_presets] == ["dcu-k100ai-32b", "dcu-k100ai-32b-fast"]
