"""Texts of `sishu estimate`, in English and Chinese."""

from __future__ import annotations

ESTIMATE_TEXTS: dict[str, tuple[str, str]] = {
    "estimate": (
        "Say what a training would need: memory by component, time, disk, and the fastest setting that fits.",
        "估算一次训练的需要：各部分显存、时间、磁盘，以及放得下的最快设置。",
    ),
    "estimate_model": (
        "A model folder or its config.json, a well-known name such as qwen2.5-32b, or with --project a model "
        "of the project.",
        "模型文件夹或其 config.json，或众所周知的名称如 qwen2.5-32b，给出 --project 时为该项目的模型。",
    ),
    "estimate_accelerator": (
        "Device by name, such as K100-AI, A100 or CPU; without it those of the trainer.",
        "设备名称，如 K100-AI、A100 或 CPU；不给出时用训练服务的设备。",
    ),
    "estimate_memory": (
        "GB (1e9 bytes) that are free on a device, in place of all that it has.",
        "设备上可用的显存，单位 GB（1e9 字节）；不给出时取全部。",
    ),
    "estimate_disk": ("GB that are free on the disk.", "磁盘剩余空间，单位 GB。"),
    "estimate_rows": ("Number of training rows.", "训练样例的条数。"),
    "estimate_row_tokens": ("Mean tokens of a row.", "样例的平均 token 数。"),
    "estimate_longest": ("Tokens of the longest row.", "最长样例的 token 数。"),
    "estimate_products": (
        "TFLOPS that a device reaches in matrix products, as measured.",
        "实测的设备矩阵乘法速度，单位 TFLOPS。",
    ),
    "estimate_gather": (
        "GB/s that a device receives while all gather weights, as measured.",
        "实测的各设备收集权重时每卡的接收速度，单位 GB/s。",
    ),
    "estimate_component": ("memory of one device", "单个设备的显存"),
    "estimate_share": ("of what is free", "占可用的"),
    "estimate_total": ("total", "合计"),
    "estimate_weights": ("weights", "权重"),
    "estimate_gradients": ("gradients", "梯度"),
    "estimate_optimizer": ("optimizer", "优化器"),
    "estimate_activations": ("activations", "激活"),
    "estimate_logits": ("logits", "logits"),
    "estimate_gather_of_zero": ("gathered by ZeRO-3", "ZeRO-3 收集的权重"),
    "estimate_buffers": ("buffers", "缓冲区"),
    "estimate_fragmentation": ("fragmentation", "碎片"),
    "estimate_fixed": ("fixed", "固定开销"),
    "estimate_fit": ("fits", "是否放得下"),
    "estimate_fits": (
        "yes: {used} of {free} GB free on each {device}",
        "放得下：每个 {device} 需要 {used} GB，可用 {free} GB",
    ),
    "estimate_tight": (
        "tight: {used} of {free} GB free on each {device}",
        "很紧：每个 {device} 需要 {used} GB，可用 {free} GB",
    ),
    "estimate_does_not_fit": (
        "no: {used} GB needed, {free} GB free on each {device}",
        "放不下：每个 {device} 需要 {used} GB，可用 {free} GB",
    ),
    "estimate_weights_of": ("model", "模型"),
    "estimate_weights_line": (
        "{all} weights, of which {learned} learn; {precision}",
        "{all} 个权重，其中 {learned} 个学习；{precision}",
    ),
    "estimate_batch": ("micro-batch", "微批"),
    "estimate_batch_line": (
        "{tokens} tokens; {count} a step on each of {devices} devices; step of {step} tokens",
        "{tokens} 个 token；{devices} 个设备每步各 {count} 个；每步共 {step} 个 token",
    ),
    "estimate_speed": ("speed", "速度"),
    "estimate_speed_line": (
        "{rate} tokens/s; MFU {mfu}, HFU {hfu}",
        "{rate} token/s；MFU {mfu}，HFU {hfu}",
    ),
    "estimate_step": ("a step", "每步"),
    "estimate_step_line": (
        "{step} s: products {products} s, gathers {gather} s, gradients {reduce} s",
        "{step} 秒：矩阵乘法 {products} 秒，收集权重 {gather} 秒，梯度求和 {reduce} 秒",
    ),
    "estimate_time": ("the run", "整个训练"),
    "estimate_time_line": ("{steps} steps, {time}", "{steps} 步，{time}"),
    "estimate_disk_used": ("disk", "磁盘"),
    "estimate_disk_line": (
        "checkpoints {checkpoints} GB, model {model} GB; merged {merged} GB",
        "检查点 {checkpoints} GB，模型 {model} GB；合并后 {merged} GB",
    ),
    "estimate_fastest": ("fastest that fits", "放得下的最快设置"),
    "estimate_fastest_line": ("{rate} tokens/s: {changes}", "{rate} token/s：{changes}"),
    "estimate_this": ("this setting", "就是此设置"),
    "estimate_nearest": ("nearest that fits", "放得下的最近设置"),
    "estimate_none": ("none", "没有"),
    "estimate_warning": ("mind", "注意"),
    "run_batch_tokens": (
        "Tokens of a micro-batch, padding included.",
        "一个微批的 token 数，含填充。",
    ),
    "run_accumulation": ("Micro-batches of an optimizer step.", "每个优化步的微批数。"),
    "run_lora_rank": ("Rank of the adapters.", "适配器的秩。"),
    "run_checkpointing": (
        "Compute activations again in the backward pass: less memory, a third more time.",
        "反向传播时重算激活：省显存，时间多约三分之一。",
    ),
    "run_ignore_estimate": (
        "Start although the estimate says that it will not fit.",
        "即使估算放不下也开始训练。",
    ),
}
