"""How to train, as options of the command."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

import typer

from sishu.cli.texts import say
from sishu.trainer.v1.training_config_pb2 import TrainingConfig


@dataclass(frozen=True)
class RunOptions:
    """Parameters of a run by their names in the contract; what is not said is left to the service."""

    epochs: Annotated[float | None, typer.Option(help=say("learn_epochs"))] = None
    max_steps: Annotated[int | None, typer.Option(min=0, help=say("run_max_steps"))] = None
    learning_rate: Annotated[float | None, typer.Option(help=say("learn_rate"))] = None
    weight_decay: Annotated[float | None, typer.Option(min=0, help=say("run_weight_decay"))] = None
    max_grad_norm: Annotated[float | None, typer.Option(min=0, help=say("run_grad_norm"))] = None
    method: Annotated[str | None, typer.Option(metavar="lora|freeze|full", help=say("run_method"))] = None
    freeze_layers: Annotated[int | None, typer.Option(help=say("run_freeze_layers"))] = None
    freeze_modules: Annotated[list[str] | None, typer.Option(help=say("run_freeze_modules"))] = None
    freeze_extra_modules: Annotated[list[str] | None, typer.Option(help=say("run_freeze_extra"))] = None
    lora_init: Annotated[str | None, typer.Option(metavar="default|pissa", help=say("run_lora_init"))] = None
    quantization_bits: Annotated[
        int | None, typer.Option(metavar="0|4|8", min=0, max=8, help=say("run_quantization"))
    ] = None
    precision: Annotated[
        str | None, typer.Option(metavar="auto|bf16|fp16|fp32", help=say("run_precision"))
    ] = None
    optimizer: Annotated[
        str | None,
        typer.Option(metavar="adamw|adamw_8bit|adafactor|sgd|rmsprop|adagrad", help=say("run_optimizer")),
    ] = None
    schedule: Annotated[str | None, typer.Option(help=say("run_schedule"))] = None
    schedule_cycles: Annotated[int | None, typer.Option(min=1, help=say("run_cycles"))] = None
    schedule_power: Annotated[float | None, typer.Option(min=0.01, help=say("run_power"))] = None
    min_rate_ratio: Annotated[float | None, typer.Option(min=0, max=1, help=say("run_min_rate"))] = None
    decay_ratio: Annotated[float | None, typer.Option(min=0, max=1, help=say("run_decay_ratio"))] = None
    plateau_patience: Annotated[int | None, typer.Option(min=0, help=say("run_plateau"))] = None
    neftune_alpha: Annotated[float | None, typer.Option(min=0, help=say("run_neftune"))] = None
    step_rows: Annotated[int | None, typer.Option(min=0, help=say("run_step_rows"))] = None
    warmup_ratio: Annotated[float | None, typer.Option(min=0, max=1, help=say("run_warmup_ratio"))] = None
    warmup_steps: Annotated[int | None, typer.Option(min=0, help=say("run_warmup_steps"))] = None
    max_rows: Annotated[int | None, typer.Option(min=0, help=say("run_max_rows"))] = None
    objective: Annotated[
        str | None, typer.Option(metavar="sft|cpt|dpo|orpo|simpo|kto", help=say("run_objective"))
    ] = None
    beta: Annotated[float | None, typer.Option(min=1e-6, help=say("run_beta"))] = None
    simpo_gamma: Annotated[float | None, typer.Option(min=0, help=say("run_simpo_gamma"))] = None
    label_smoothing: Annotated[float | None, typer.Option(min=0, max=0.5, help=say("run_smoothing"))] = None
    sft_weight: Annotated[float | None, typer.Option(min=0, help=say("run_sft_weight"))] = None
    desirable_weight: Annotated[float | None, typer.Option(min=0, help=say("run_desirable"))] = None
    undesirable_weight: Annotated[float | None, typer.Option(min=0, help=say("run_undesirable"))] = None
    use_rslora: Annotated[bool | None, typer.Option("--use-rslora", help=say("run_rslora"))] = None
    use_dora: Annotated[bool | None, typer.Option("--use-dora", help=say("run_dora"))] = None
    loraplus_ratio: Annotated[float | None, typer.Option(min=0.001, help=say("run_loraplus"))] = None
    devices: Annotated[int | None, typer.Option(min=1, max=1024, help=say("run_devices"))] = None
    deepspeed_stage: Annotated[int | None, typer.Option(min=0, max=3, help=say("run_zero_stage"))] = None
    cpu_offload: Annotated[bool | None, typer.Option("--cpu-offload", help=say("run_cpu_offload"))] = None
    deepspeed_config: Annotated[
        typer.FileText | None, typer.Option(metavar="FILE", help=say("run_deepspeed_config"))
    ] = None
    cutoff_length: Annotated[int | None, typer.Option(min=8, help=say("run_cutoff"))] = None
    truncation: Annotated[
        str | None, typer.Option(metavar="split_turns|keep_end|drop", help=say("run_truncation"))
    ] = None
    reasoning: Annotated[str | None, typer.Option(metavar="auto|on|off", help=say("run_reasoning"))] = None
    system_prompt: Annotated[str | None, typer.Option(help=say("run_system_prompt"))] = None
    train_on_prompt: Annotated[
        bool | None, typer.Option("--train-on-prompt", help=say("run_train_on_prompt"))
    ] = None
    mask_history: Annotated[bool | None, typer.Option("--mask-history", help=say("run_mask_history"))] = None
    packing: Annotated[str | None, typer.Option(metavar="auto|on|off", help=say("run_packing"))] = None
    attention: Annotated[str | None, typer.Option(metavar="auto|sdpa|eager", help=say("run_attention"))] = (
        None
    )
    logits_positions: Annotated[int | None, typer.Option(min=1, help=say("run_logits"))] = None
    validation_steps: Annotated[int | None, typer.Option(min=0, help=say("run_validation_steps"))] = None
    early_stop_patience: Annotated[int | None, typer.Option(min=0, help=say("run_early_stop"))] = None
    early_stop_margin: Annotated[float | None, typer.Option(min=0, help=say("run_early_margin"))] = None
    publish: Annotated[str | None, typer.Option(metavar="best|last", help=say("run_publish"))] = None
    bad_step: Annotated[str | None, typer.Option(metavar="stop|rollback", help=say("run_bad_step"))] = None
    rollback_limit: Annotated[int | None, typer.Option(min=1, help=say("run_rollback_limit"))] = None
    rollback_rate: Annotated[float | None, typer.Option(min=0.001, max=1, help=say("run_rollback_rate"))] = (
        None
    )
    batch_tokens: Annotated[int | None, typer.Option(min=1, help=say("run_batch_tokens"))] = None
    accumulation: Annotated[int | None, typer.Option(min=1, help=say("run_accumulation"))] = None
    lora_rank: Annotated[int | None, typer.Option(min=1, max=1024, help=say("run_lora_rank"))] = None
    lora_alpha: Annotated[float | None, typer.Option(help=say("run_lora_alpha"))] = None
    lora_dropout: Annotated[float | None, typer.Option(min=0, max=0.99, help=say("run_lora_dropout"))] = None
    lora_targets: Annotated[list[str] | None, typer.Option("--lora-target", help=say("run_lora_target"))] = (
        None
    )
    seed: Annotated[int | None, typer.Option(min=0, help=say("run_seed"))] = None
    gradient_checkpointing: Annotated[
        bool | None, typer.Option("--gradient-checkpointing", help=say("run_checkpointing"))
    ] = None
    ignore_estimate: Annotated[
        bool | None, typer.Option("--ignore-estimate", help=say("run_ignore_estimate"))
    ] = None
    checkpoint_steps: Annotated[int | None, typer.Option(min=0, help=say("run_checkpoint_steps"))] = None
    keep_checkpoints: Annotated[int | None, typer.Option(min=1, max=1000, help=say("run_keep"))] = None
    keep_best_checkpoints: Annotated[int | None, typer.Option(min=0, max=1000, help=say("run_keep_best"))] = (
        None
    )

    trackers: Annotated[
        list[str] | None, typer.Option("--tracker", metavar="swanlab|mlflow|wandb", help=say("run_tracker"))
    ] = None
    tracker_project: Annotated[str | None, typer.Option(help=say("run_tracker_project"))] = None

    def config(self) -> TrainingConfig:
        """The config that says it."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        given = {name: value for name, value in given.items() if value is not None}
        if self.deepspeed_config:
            given["deepspeed_config"] = self.deepspeed_config.read()
        return TrainingConfig(**given)
