"""Texts of the options of training runs, in English and Chinese."""

from __future__ import annotations

RUN_TEXTS: dict[str, tuple[str, str]] = {
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
