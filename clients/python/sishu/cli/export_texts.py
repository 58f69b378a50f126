"""What the commands say about exports, in English and Chinese."""

from __future__ import annotations

EXPORT_TEXTS: dict[str, tuple[str, str]] = {
    "export": ("Exports of dataset versions.", "数据集版本的导出。"),
    "export_dataset": (
        "Have a version written as files for other programs, and fetch them.",
        "把某版本写成供其他程序使用的文件，并下载。",
    ),
    "export_out": ("Folder that gets the files.", "存放文件的文件夹。"),
    "export_format": (
        "A program's folder (llama_factory, hugging_face, trl, axolotl, ms_swift) or the shape of rows, such "
        "as alpaca, sharegpt, openai, dpo_trl, pretraining, messages_jsonl, custom.",
        "某个程序的文件夹（llama_factory、hugging_face、trl、axolotl、ms_swift），或数据行的形状，如 "
        "alpaca、sharegpt、openai、dpo_trl、pretraining、messages_jsonl、custom。",
    ),
    "export_file_type": ("json, jsonl, csv or parquet.", "文件类型：json、jsonl、csv 或 parquet。"),
    "export_compression": ("gzip or zstd.", "压缩方式：gzip 或 zstd。"),
    "export_reasoning": (
        "What becomes of reasoning: none, tags or field.",
        "思考过程的去处：none（去掉）、tags（放在答案前的标记里）或 field（单独的字段）。",
    ),
    "export_reasoning_marks": (
        "What stands before and behind reasoning in tags, with a comma between.",
        "tags 方式下思考过程前后的标记，以逗号分隔。",
    ),
    "export_reasoning_field": ("Name of the field of reasoning.", "思考过程的字段名。"),
    "export_system": ("System message of every conversation.", "每段对话的系统提示词。"),
    "export_replace_system": (
        "It takes the place of the conversation's own.",
        "用它取代对话自带的系统提示词。",
    ),
    "export_splits": ("Only these splits, with commas between.", "只导出这些部分，以逗号分隔。"),
    "export_kinds": (
        "Only examples of these kinds, with commas between.",
        "只导出这些类型的样例，以逗号分隔。",
    ),
    "export_per_tag": ("At most so many examples of a tag.", "每个标签最多多少条样例。"),
    "export_per_label": ("At most so many examples of a label.", "每个标记词最多多少条样例。"),
    "export_seed": ("Decides which of too many stay.", "随机种子：决定超出时保留哪些。"),
    "export_column": (
        "NAME=TEMPLATE: a column of the shape custom, filled by a Jinja template; can be repeated.",
        "NAME=TEMPLATE：custom 形状的一列，由 Jinja 模板填写；可重复。",
    ),
    "export_push": (
        "Upload the folder as a data set of a hub as well, such as NAME/DATA; the token is HF_TOKEN.",
        "同时把文件夹作为数据集上传到 hub，如 NAME/DATA；令牌取自 HF_TOKEN。",
    ),
    "export_public": ("Make the data set of the hub public if it is new.", "新建 hub 数据集时设为公开。"),
    "export_making": ("export", "导出"),
    "export_fetching": ("download", "下载"),
    "export_left_out": (
        "{0}: {1} examples left out ({2} of kind {3})",
        "{0}：有 {1} 条样例未导出（原因 {2}，类型 {3}）",
    ),
}
