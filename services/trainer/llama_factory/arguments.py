"""Every argument that LLaMA-Factory takes, with what it means here.

An argument is one of four things: the same as a field of `TrainingConfig` (`same`), a part of a meaning
that several have together (`part`, see `meanings.py`), of no effect here (`ours`, with the note that says
why), or something that is not had (`lacking`, refused unless it is switched off). `same` follows the
contract: an argument whose field `TrainingConfig` does not have is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from services.trainer.llama_factory import notes
from services.trainer.llama_factory.kinds import (
    FALSE,
    TRUE,
    Kind,
    anything,
    asked,
    bits,
    flag,
    mapping,
    names,
    number,
    off_or,
    text,
    whole,
    word,
)


@dataclass(frozen=True)
class Argument:
    """What is known of an argument."""

    kind: Kind = anything
    """How it is written."""
    usual: Any = None
    """What LLaMA-Factory takes without it."""
    field: str = ""
    """Field of `TrainingConfig` with the same meaning."""
    note: str = ""
    """Reason of what is said when it is given."""
    off: tuple[Any, ...] | None = None
    """Of what is not had: values that ask for nothing."""
    instead: str = ""
    """Of what is not had: what to do."""


def same(field: str, kind: Kind, usual: Any, note: str = "") -> Argument:
    """An argument that has a field of its own."""
    return Argument(kind, usual, field, note)


def part(kind: Kind, usual: Any = None, note: str = "") -> Argument:
    """An argument that is read together with others."""
    return Argument(kind, usual, note=note)


def ours(note: str = "") -> Argument:
    """An argument that changes nothing here, whatever its value."""
    return Argument(note=note)


def lacking(instead: str, kind: Kind = flag, *off: Any) -> Argument:
    """Something that is not had; `false` switches it off, or the values that are named."""
    return Argument(kind, off=off or (False,), instead=instead)


def all_ours(note: str, names_: str) -> dict[str, Argument]:
    """Several arguments that change nothing."""
    return dict.fromkeys(names_.split(), ours(note))


def all_lacking(instead: str, names_: str) -> dict[str, Argument]:
    """Several things that are not had, each switched off by leaving it out, by `false` or by 0."""
    return dict.fromkeys(names_.split(), lacking(instead, asked))


STAGES = ("pt", "sft", "rm", "ppo", "dpo", "kto")
METHODS = ("lora", "oft", "freeze", "full")
PREFERENCES = ("sigmoid", "hinge", "ipo", "kto_pair", "orpo", "simpo")
TIMES = ("no", "steps", "epoch", "best")
SCHEDULES = (
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
    "reduce_lr_on_plateau",
    "cosine_with_min_lr",
    "cosine_warmup_with_min_lr",
    "warmup_stable_decay",
    "greedy",
)
REMOVE = "remove the argument"
EXAM = "remove it; `sishu exam create` asks the model its questions after the run"

WHAT = {
    "stage": part(word(*STAGES), "sft"),
    "finetuning_type": part(word(*METHODS), "lora"),
    "pref_loss": part(word(*PREFERENCES), "sigmoid"),
    "pref_beta": part(number, 0.1),
    "pref_ftx": part(number, 0.0),
    "dpo_label_smoothing": part(number, 0.0),
    "simpo_gamma": same("simpo_gamma", number, 0.5),
    "kto_chosen_weight": same("desirable_weight", number, 1.0),
    "kto_rejected_weight": same("undesirable_weight", number, 1.0),
    "lora_rank": same("lora_rank", whole, 8),
    "lora_alpha": part(whole),
    "lora_dropout": same("lora_dropout", number, 0.0),
    "lora_target": part(names, ("all",)),
    "use_rslora": same("use_rslora", flag, False),
    "use_dora": same("use_dora", flag, False),
    "loraplus_lr_ratio": same("loraplus_ratio", number, 1.0),
    "pissa_init": part(flag, False),
    "freeze_trainable_layers": part(whole, 2),
    "freeze_trainable_modules": part(names, ("all",)),
    "freeze_extra_modules": part(names, ()),
    "quantization_bit": same("quantization_bits", bits, 0),
    "quantization_method": part(word("bnb", "bitsandbytes", "gptq", "awq", "aqlm", "hqq", "eetq", "mxfp4")),
    "quantization_type": lacking("4-bit weights are nf4; " + REMOVE, word("nf4", "fp4"), "nf4"),
    "neftune_noise_alpha": same("neftune_alpha", number, 0.0),
}
"""What is learned, and by which weights."""

HOW = {
    "num_train_epochs": same("epochs", number, 3.0),
    "max_steps": part(whole, -1),
    "learning_rate": same("learning_rate", number, 5e-5),
    "lr_scheduler_type": part(word(*SCHEDULES), "linear"),
    "warmup_ratio": part(number, 0.0),
    "warmup_steps": part(number, 0.0),
    "lr_scheduler_kwargs": part(mapping),
    "weight_decay": same("weight_decay", number, 0.0),
    "max_grad_norm": same("max_grad_norm", number, 1.0),
    "optim": part(text, "adamw_torch"),
    "adam_beta1": lacking("AdamW's beta1 is 0.9; " + REMOVE, number, 0.9),
    "adam_beta2": lacking("AdamW's beta2 is 0.999; " + REMOVE, number, 0.999),
    "adam_epsilon": lacking("AdamW's epsilon is 1e-8; " + REMOVE, number, 1e-8),
    "label_smoothing_factor": lacking(REMOVE, number, 0.0),
    "per_device_train_batch_size": part(whole, 8, notes.STEP_OF_ROWS),
    "gradient_accumulation_steps": part(whole, 1, notes.STEP_OF_ROWS),
    "cutoff_len": same("cutoff_length", whole, 2048),
    "packing": part(flag, False, notes.ROWS_NEVER_MIX),
    "neat_packing": part(flag, False, notes.ROWS_NEVER_MIX),
    "packing_strategy": lacking("rows are packed by length", word("length", "semantic_aware"), "length"),
    "train_on_prompt": same("train_on_prompt", flag, False),
    "mask_history": same("mask_history", flag, False),
    "enable_thinking": part(flag, True),
    "default_system": same("system_prompt", text, ""),
    "bf16": part(flag, False),
    "fp16": part(flag, False),
    "pure_bf16": part(flag, False, notes.PRECISION_KEPT),
    "seed": same("seed", whole, 42),
    "data_seed": part(whole),
    "disable_gradient_checkpointing": part(flag, False),
    "gradient_checkpointing": part(flag, False),
    "deepspeed": part(anything),
    "use_unsloth": part(flag, False, notes.KERNELS_CHOSEN),
}
"""How it is learned."""

WHEN = {
    "do_train": part(flag, True),
    "val_size": part(number, 0.0, notes.VALIDATION_OF_VERSION),
    "eval_strategy": part(off_or(word(*TIMES), "no"), "no"),
    "evaluation_strategy": part(off_or(word(*TIMES), "no"), "no"),
    "eval_steps": part(number),
    "early_stopping_steps": part(whole),
    "load_best_model_at_end": part(flag, False),
    "metric_for_best_model": lacking(
        "the best model is that of the lowest validation loss", text, "loss", "eval_loss"
    ),
    "greater_is_better": lacking("a validation loss is better where it is lower", flag),
    "save_strategy": part(off_or(word(*TIMES), "no"), "steps", notes.CHECKPOINTS_KEPT),
    "save_steps": part(number, 500.0),
    "save_total_limit": part(whole, None, notes.CHECKPOINTS_LIMITED),
    "report_to": part(off_or(names, ()), (), notes.TRACKERS_TOLD),
    "use_swanlab": part(flag, False),
    "swanlab_project": part(text, "llamafactory"),
    "logging_steps": part(number, 500.0, notes.ALL_STEPS_KEPT),
    "max_samples": same("max_rows", whole, 0),
    "streaming": part(flag, False, notes.DATA_OF_SERVICE),
    "mix_strategy": lacking(
        "mix the data in a dataset version",
        word("concat", "interleave_under", "interleave_over", "interleave_once"),
        "concat",
    ),
}
"""On what, when it is measured, and when it is kept."""

WHENCE = {
    "model_name_or_path": part(text),
    "dataset": part(names),
    "output_dir": part(text, note=notes.MODEL_STORED),
    "run_name": part(text),
    "template": part(text, note=notes.TEMPLATE_OF_MODEL),
}
"""What it is made of and called."""

LACKING = {
    **all_lacking(
        "runs begin from a base model: merge the adapter into its base, and register what comes out with "
        "`sishu model create`",
        "adapter_name_or_path adapter_folder create_new_adapter",
    ),
    **all_lacking(
        "the vocabulary stays as it is; " + REMOVE,
        "resize_vocab add_tokens add_special_tokens new_special_tokens_config split_special_tokens",
    ),
    **all_lacking(
        "the model's form stays as it is; " + REMOVE,
        "rope_scaling shift_attn mixture_of_depths train_from_scratch moe_aux_loss_coef use_llama_pro",
    ),
    **all_lacking(
        "AdamW and the other optimizers of `optim` are had; " + REMOVE,
        "use_galore use_apollo use_badam use_adam_mini use_muon optim_args optim_target_modules",
    ),
    **all_lacking(
        "the loss is the cross-entropy of the learned tokens; " + REMOVE,
        "use_dft_loss use_asft_loss use_eaft_loss num_mtp_layers",
    ),
    **all_lacking(
        "the loss is that of `pref_loss`, and its reference is the base model itself; " + REMOVE,
        "pref_bco_weight ref_model ref_model_adapters ref_model_quantization_bit ld_alpha reward_model "
        "reward_model_adapters reward_model_quantization_bit",
    ),
    **all_lacking(
        "LoRA matrices alone are trained beside frozen weights; " + REMOVE,
        "additional_target",
    ),
    **all_lacking(
        "many devices are driven by DeepSpeed or DDP; " + REMOVE,
        "fsdp fsdp_config fp8 use_kt use_mca use_megatron_bridge use_hyper_parallel accelerator_config "
        "parallelism_config quantization_device_map",
    ),
    **all_lacking("put it into the examples of the dataset version; " + REMOVE, "tool_format"),
    **all_lacking(
        "make one dataset version of it, which has its own validation rows; " + REMOVE,
        "eval_dataset eval_on_each_dataset interleave_probs",
    ),
    **all_lacking(EXAM, "do_predict predict_with_generate eval_num_beams eval_on_start"),
    **all_lacking(
        "give the token to the trainer service, in the environment variable HF_TOKEN",
        "hf_hub_token ms_hub_token om_hub_token",
    ),
    **all_lacking("models stay in the service; " + REMOVE, "push_to_hub"),
    **all_lacking(
        "the order of rows follows from `seed`; " + REMOVE,
        "disable_shuffling dataloader_drop_last ignore_data_skip full_determinism",
    ),
    **all_lacking("the thoughts of earlier turns are as the template leaves them", "preserve_thinking"),
    **all_lacking(REMOVE, "freeze_language_model eval_delay"),
    "double_quantization": lacking("4-bit weights are quantised twice; " + REMOVE, flag, True),
    "ignore_pad_token_for_loss": lacking("padding is never learned; " + REMOVE, flag, True),
    "freeze_vision_tower": lacking("only text is learned; " + REMOVE, flag, True),
    "freeze_multi_modal_projector": lacking("only text is learned; " + REMOVE, flag, True),
    "model_revision": lacking(
        "register the revision's folder with `sishu model create --source`", text, "main"
    ),
    "infer_backend": lacking(
        "a training run serves nothing; " + REMOVE, text, "huggingface", "EngineName.HF"
    ),
    "reasoning_effort": lacking(REMOVE, text, "xhigh"),
    "resume_from_checkpoint": lacking(
        "a run goes on from its own newest checkpoint: `sishu job retry`",
        text,
        *TRUE,
        *FALSE,
    ),
}
"""What is not had."""

OURS = {
    **all_ours(notes.ATTENTION_CHOSEN, "flash_attn"),
    **all_ours(
        notes.KERNELS_CHOSEN,
        "enable_liger_kernel use_liger_kernel use_v1_kernels torch_compile torch_compile_backend "
        "torch_compile_mode tf32 low_cpu_mem_usage",
    ),
    **all_ours(notes.MEMORY_PLANNED, "use_unsloth_gc use_reentrant_gc gradient_checkpointing_kwargs"),
    **all_ours(notes.PRECISION_KEPT, "upcast_layernorm upcast_lmhead_output"),
    **all_ours(notes.DEVICE_CHOSEN, "use_cpu no_cuda use_mps_device"),
    **all_ours(
        notes.STEP_OF_ROWS,
        "auto_find_batch_size group_by_length length_column_name train_sampling_strategy "
        "per_device_eval_batch_size eval_accumulation_steps average_tokens_across_devices",
    ),
    **all_ours(
        notes.DATA_OF_SERVICE,
        "dataset_dir media_dir overwrite_cache preprocessing_batch_size preprocessing_num_workers "
        "buffer_size tokenized_path data_shared_file_system dataloader_num_workers dataloader_pin_memory "
        "dataloader_persistent_workers dataloader_prefetch_factor dataloader_multiprocessing_context "
        "dataloader_in_order remove_unused_columns label_names",
    ),
    **all_ours(
        notes.ALL_STEPS_KEPT,
        "plot_loss logging_strategy logging_first_step logging_nan_inf_filter logging_dir log_level "
        "log_level_replica log_on_each_node disable_tqdm include_num_input_tokens_seen "
        "include_tokens_per_second include_effective_tokens_per_second",
    ),
    **all_ours(
        notes.NOT_MEASURED,
        "compute_accuracy include_for_metrics batch_eval_metrics prediction_loss_only skip_memory_metrics "
        "eval_do_concat_batches eval_use_gather_object project swanlab_workspace swanlab_run_name "
        "swanlab_mode swanlab_logdir swanlab_lark_webhook_url swanlab_lark_secret swanlab_api_key "
        "trackio_space_id trackio_bucket_id trackio_static_space_id "
        "enable_torch_profiler profiler_output_dir profiler_wait_steps profiler_warmup_steps "
        "profiler_active_steps profiler_repeat profiler_record_shapes profiler_profile_memory "
        "profiler_with_stack profile_modules print_param_status debug",
    ),
    **all_ours(notes.MODEL_STORED, "overwrite_output_dir cache_dir"),
    **all_ours(
        notes.CHECKPOINTS_KEPT,
        "save_only_model save_on_each_node save_safetensors "
        "restore_callback_states_from_checkpoint enable_jit_checkpoint",
    ),
    **all_ours(notes.VALIDATION_OF_VERSION, "do_eval"),
    **all_ours(
        notes.LAUNCHED_BY_SERVICE,
        "ddp_timeout ddp_backend ddp_find_unused_parameters ddp_bucket_cap_mb ddp_broadcast_buffers "
        "ddp_static_graph local_rank ray_num_workers ray_num_cpus_per_worker ray_init_kwargs ray_run_name "
        "ray_storage_path ray_storage_filesystem resources_per_worker placement_strategy master_addr "
        "master_port torch_empty_cache_steps",
    ),
    **all_ours(
        notes.NOT_FOR_TRAINING,
        "offload_folder use_kv_cache infer_dtype use_cache export_dir export_size export_device "
        "export_quantization_bit export_quantization_dataset export_quantization_nsamples "
        "export_quantization_maxlen export_legacy_format export_hub_model_id vllm_maxlen vllm_gpu_util "
        "vllm_enforce_eager vllm_max_lora_rank vllm_config sglang_maxlen sglang_mem_fraction sglang_tp_size "
        "sglang_config sglang_lora_backend do_sample temperature top_p top_k num_beams max_length "
        "max_new_tokens repetition_penalty length_penalty skip_special_tokens generation_max_length "
        "generation_num_beams generation_config sortish_sampler hub_model_id hub_strategy hub_token "
        "hub_private_repo hub_always_push hub_revision bf16_full_eval fp16_full_eval",
    ),
    **all_ours(
        notes.TEXT_ONLY,
        "image_max_pixels image_min_pixels image_do_pan_and_scan crop_to_patches video_max_pixels "
        "video_min_pixels video_fps video_maxlen use_audio_in_video audio_sampling_rate",
    ),
    **all_ours(notes.REMOTE_CODE_OFF, "trust_remote_code"),
    # Details of things that are refused, or that have no details here.
    **all_ours(
        "",
        "use_fast_tokenizer init_special_tokens freeze_original_embeddings loraplus_lr_embedding pissa_iter "
        "pissa_convert "
        "packing_similarity_threshold packing_embedding_model module_dropout oft_rank oft_block_size "
        "oft_target ppo_buffer_size ppo_epochs ppo_score_norm ppo_target ppo_whiten_rewards "
        "reward_model_type galore_target galore_rank galore_update_interval galore_scale "
        "galore_proj_type galore_layerwise "
        "apollo_target apollo_rank apollo_update_interval apollo_scale apollo_proj apollo_proj_type "
        "apollo_scale_type apollo_layerwise apollo_scale_front badam_mode badam_start_block "
        "badam_switch_mode badam_switch_interval badam_update_ratio badam_mask_mode badam_verbose "
        "asft_alpha eaft_alpha mtp_loss_weight hyper_parallel_args hyper_parallel_cp_size fp8_backend "
        "fp8_enable_fsdp_float8_all_gather kt_config kt_cpu_activation kt_weight_path "
        "kt_non_expert_weight_path kt_expert_checkpoint_path kt_use_lora_experts kt_lora_expert_num "
        "kt_lora_expert_intermediate_size liger_kernel_config fp16_opt_level half_precision_backend "
        "fp16_backend optim_target",
    ),
}
"""What changes nothing here."""


def _joined(*tables: Iterable[tuple[str, Argument]]) -> dict[str, Argument]:
    found: dict[str, Argument] = {}
    for table in tables:
        for name, argument in table:
            assert name not in found, name  # noqa: S101  # a name has one meaning
            found[name] = argument
    return found


ARGUMENTS = _joined(*(table.items() for table in (WHAT, HOW, WHEN, WHENCE, LACKING, OURS)))
"""All of them, by name."""
