"""Texts of the options of training runs, in English and Chinese."""

from __future__ import annotations

RUN_TEXTS: dict[str, tuple[str, str]] = {
    "run_max_steps": ("Optimizer steps, in place of passes over the rows.", "优化步数，代替轮数。"),
    "run_weight_decay": ("Share of the weights that a step takes away.", "权重衰减。"),
    "run_grad_norm": ("Largest norm of a gradient; 0 clips none.", "梯度裁剪的上限；0 表示不裁剪。"),
    "run_warmup_ratio": (
        "Share of the steps over which the learning rate rises.",
        "学习率上升阶段占总步数的比例。",
    ),
    "run_lora_alpha": (
        "Scale of adapters; twice the rank without it.",
        "适配器的 alpha；不给出时为秩的两倍。",
    ),
    "run_lora_dropout": ("Share of an adapter's input that is dropped.", "适配器输入的丢弃比例。"),
    "run_lora_target": (
        "A module that gets adapters, such as q_proj; may be repeated. None means every linear layer.",
        "加适配器的模块，如 q_proj；可重复给出。不给出时为全部线性层。",
    ),
    "run_seed": ("Seed of order and initial weights.", "顺序与初始权重的随机种子。"),
    "run_checkpoint_steps": (
        "Steps between checkpoints; 0 means none but the last.",
        "每隔多少步写一个检查点；0 表示只写最后一个。",
    ),
    "run_method": (
        "Which weights learn: lora, adapters; freeze, some of the model's own; full, all of them. The last "
        "two give a whole model.",
        "学习哪些权重： lora 为适配器； freeze 为模型自身的一部分； full 为全部。后两种得到完整的模型。",
    ),
    "run_freeze_layers": (
        "Of freeze: how many of the last layers learn; below 0 so many of the first, 0 none.",
        "freeze：学习最后多少层；负数表示最前面多少层， 0 表示不选层。",
    ),
    "run_freeze_modules": (
        "Of freeze: a module that learns within these layers, such as mlp; may be repeated.",
        "freeze：这些层内学习的模块，如 mlp；可重复给出。",
    ),
    "run_freeze_extra": (
        "Of freeze: a module that learns wherever it is, such as lm_head; may be repeated.",
        "freeze：层外也学习的模块，如 lm_head；可重复给出。",
    ),
    "run_lora_init": (
        "How adapters begin: default as nothing, pissa as the main part of the weights.",
        "适配器的初值： default 为零， pissa 为权重的主成分。",
    ),
    "run_quantization": (
        "Bits of the frozen model's weights under adapters: 4 (QLoRA) or 8; needs bitsandbytes.",
        "适配器之下基座权重的位数： 4（QLoRA）或 8；需要 bitsandbytes。",
    ),
    "run_precision": (
        "Number format of the computation; fp16 needs a GPU or DCU.",
        "计算的数值格式； fp16 需要 GPU 或 DCU。",
    ),
    "run_optimizer": (
        "Rule of the updates; adamw_8bit needs bitsandbytes.",
        "优化器； adamw_8bit 需要 bitsandbytes。",
    ),
    "run_schedule": (
        "Shape of the learning rate by its name in transformers, such as cosine or warmup_stable_decay.",
        "学习率的变化方式，用 transformers 中的名称，如 cosine、warmup_stable_decay。",
    ),
    "run_cycles": ("Falls of the schedule cosine_with_restarts.", "cosine_with_restarts 下降的次数。"),
    "run_power": ("Power of the schedule polynomial.", "polynomial 的幂次。"),
    "run_min_rate": (
        "Share of the peak learning rate at which schedules with a least rate end.",
        "有下限的学习率最终降到峰值的多少。",
    ),
    "run_decay_ratio": (
        "Of the schedule warmup_stable_decay: share of the steps in which the rate falls.",
        "warmup_stable_decay：学习率下降阶段占总步数的比例。",
    ),
    "run_plateau": (
        "Of reduce_lr_on_plateau and greedy: measurements without a better loss before the rate falls.",
        "reduce_lr_on_plateau 与 greedy：验证损失多少次没有变好才降低学习率。",
    ),
    "run_neftune": (
        "Noise on the embeddings while training (NEFTune), usually 5 to 15.",
        "训练时加在词向量上的噪声（NEFTune），通常取 5 到 15。",
    ),
    "run_objective": (
        "What is learned: sft from conversations; cpt plain text; dpo, orpo or simpo from pairs of answers; "
        "kto from judged answers.",
        "学什么： sft 学对话； cpt 学纯文本（继续预训练）； dpo、orpo、simpo 学两个回答中较好的；"
        " kto 学单个好或坏的回答。",
    ),
    "run_beta": (
        "Of dpo and kto how dear it is to move away from the base model; of simpo the scale of the reward; "
        "of orpo the weight of the odds ratio.",
        "dpo 与 kto：偏离基座模型的代价； simpo：奖励的尺度； orpo：比值比的权重。",
    ),
    "run_simpo_gamma": ("Margin of simpo.", "simpo 的间隔。"),
    "run_smoothing": (
        "Of dpo and simpo: share of pairs that are taken to be labelled the wrong way round.",
        "dpo 与 simpo：视为标反的样例对的比例。",
    ),
    "run_sft_weight": (
        "Of dpo and simpo: weight of the better answer's cross-entropy in the loss.",
        "dpo 与 simpo：较好回答的交叉熵在损失中的权重。",
    ),
    "run_desirable": ("Weight of the good answers of kto.", "kto 中好回答的权重。"),
    "run_undesirable": ("Weight of the bad answers of kto.", "kto 中坏回答的权重。"),
    "run_rslora": ("LoRA's scale is alpha / sqrt(rank).", "LoRA 的缩放为 alpha / sqrt(rank)。"),
    "run_dora": (
        "Learn the length of each row of a weight beside its direction.",
        "除方向外也学习权重每一行的长度。",
    ),
    "run_devices": (
        "Devices of the trainer's machine that share the rows of each step; the step stays the same.",
        "训练机上分担每一步样本的设备数；每一步的内容不变。",
    ),
    "run_zero_stage": (
        "What DeepSpeed's ZeRO divides too: 1 optimizer state, 2 gradients, 3 weights; 0 nothing.",
        "DeepSpeed 的 ZeRO 另外切分什么：1 优化器状态，2 梯度，3 权重；0 不切分。",
    ),
    "run_cpu_offload": (
        "Keep the optimizer's state, at stage 3 the weights too, in the machine's memory.",
        "把优化器状态（第 3 阶段还有权重）放在主机内存中。",
    ),
    "run_deepspeed_config": (
        'JSON file of DeepSpeed\'s own settings, in place of ours; its "auto" means ours.',
        'DeepSpeed 自己的设置文件（JSON），代替我们的设置；其中的 "auto" 取我们的值。',
    ),
    "run_loraplus": (
        "LoRA's B matrices learn so many times as fast as its A matrices.",
        "LoRA 的 B 矩阵学习率是 A 矩阵的多少倍。",
    ),
    "run_cutoff": ("Most tokens of a row.", "每行样例的最大 token 数。"),
    "run_truncation": (
        "What becomes of longer rows: split_turns parts them at turns; keep_end drops the oldest turns, then "
        "the beginning of the last question; drop leaves them out. Answers are never cut.",
        "过长的样例如何处理： split_turns 按轮次拆开； keep_end 先去掉最早的轮次，再去掉最后一问的开头； "
        "drop 整行舍弃。回答从不截断。",
    ),
    "run_reasoning": (
        "The chat template's switch for reasoning, in training and serving; off also takes thoughts out of "
        "the answers.",
        "对话模板的思考开关，训练与部署一致； off 还会去掉回答中的思考内容。",
    ),
    "run_system_prompt": (
        "System message of conversations that have none, in training and serving.",
        "没有系统消息的对话所用的系统提示，训练与部署一致。",
    ),
    "run_train_on_prompt": ("Learn questions and system messages too.", "问题与系统消息也参与学习。"),
    "run_mask_history": (
        "Learn only the last answer of each conversation.",
        "每段对话只学习最后一个回答。",
    ),
    "run_packing": (
        "Rows end to end in place of padding, never seeing each other; the losses are the same.",
        "把样例首尾相接以代替填充，彼此不可见；损失不变。",
    ),
    "run_attention": ("Attention of the model.", "模型的注意力实现。"),
    "run_logits": (
        "Most learned positions whose logits exist at the same time.",
        "同时存在 logits 的学习位置数上限。",
    ),
    "run_rows": (
        "List the rows that were cut or dropped because they were too long.",
        "列出因过长而被截短或舍弃的样例。",
    ),
    "run_row_outcome": ("Only rows that were cut, or dropped.", "只看被截短的，或被舍弃的。"),
    "train": (
        "Train on a dataset version, by options, by LLaMA-Factory's file of arguments, or by a preset.",
        "在数据集版本上训练：用选项、LLaMA-Factory 的参数文件或预设。",
    ),
    "train_name": (
        "Name of the run; without it the file's run_name or output_dir names it.",
        "训练任务的名称；不给出时取文件中的 run_name 或 output_dir。",
    ),
    "train_check": (
        "Only say what file and options mean, and start nothing.",
        "只说明文件和选项的含义，不开始训练。",
    ),
    "train_no_wait": ("Do not wait for the end.", "不等待训练结束。"),
    "run_config": (
        "LLaMA-Factory's arguments in YAML or JSON, as they are; options come before the file.",
        "LLaMA-Factory 的 YAML 或 JSON 参数文件，原样即可；选项优先于文件。",
    ),
    "run_preset": (
        "Begin from a preset; file and options come before it.",
        "以预设为起点；文件和选项优先于预设。",
    ),
    "run_presets": ("Show the presets.", "列出预设。"),
    "run_step_rows": (
        "Rows that an optimizer step learns, in place of a number of tokens.",
        "每个优化步学习的样例条数，代替按词元数分批。",
    ),
    "run_warmup_steps": (
        "Steps over which the learning rate rises, in place of a share of them.",
        "学习率上升所用的步数，代替按比例给出。",
    ),
    "run_max_rows": ("Learn only so many rows, from the first.", "只学习前面这么多条样例。"),
    "run_validation_steps": (
        "Steps between two measurements on the validation rows of the dataset version; 0 means once a pass.",
        "每隔多少步在数据集版本的验证样例上测一次损失；0 表示每轮一次。",
    ),
    "run_early_stop": (
        "Stop after so many measurements in a row that are no better than the best; 0 means never.",
        "验证损失连续这么多次没有变好就停止训练；0 表示从不提前停止。",
    ),
    "run_early_margin": (
        "By how much a validation loss must lie under the best to count as better.",
        "验证损失要比最好的低多少才算变好。",
    ),
    "run_publish": (
        "Of which step the adapter or model is that the run gives: best, of the lowest validation loss, or "
        "last.",
        "训练给出哪一步的适配器或模型：best 为验证损失最低的一步，last 为最后一步。",
    ),
    "run_bad_step": (
        "What becomes of a step whose loss or gradient is no number, or 0: stop ends the run, rollback goes "
        "back to a checkpoint and on with a lower rate.",
        "某一步的损失或梯度不是数或为 0 时：stop 停止训练，rollback 回到检查点并降低学习率继续。",
    ),
    "run_rollback_limit": (
        "Failed steps after which a run that goes back stops all the same.",
        "出现这么多次失败的步后，即使可以回退也停止训练。",
    ),
    "run_rollback_rate": (
        "What the learning rate is multiplied by when a run goes back.",
        "回退时学习率乘以的系数。",
    ),
}
