"""Texts of the options of training runs, in English and Chinese."""

from __future__ import annotations

RUN_TEXTS: dict[str, tuple[str, str]] = {
    "run_objective": (
        "What is learned: sft from conversations; dpo, orpo or simpo from pairs of answers; kto from judged "
        "answers.",
        "学什么： sft 学对话； dpo、orpo、simpo 学两个回答中较好的； kto 学单个好或坏的回答。",
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
    "run_loraplus": (
        "LoRA's B matrices learn so many times as fast as its A matrices.",
        "LoRA 的 B 矩阵学习率是 A 矩阵的多少倍。",
    ),
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
        "Whose adapter the run gives: best, of the lowest validation loss, or last, of the last step.",
        "训练给出哪一步的适配器：best 为验证损失最低的一步，last 为最后一步。",
    ),
}
