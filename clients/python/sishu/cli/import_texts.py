"""What the commands say that are about imports, in English and Chinese."""

from __future__ import annotations

IMPORT_TEXTS: dict[str, tuple[str, str]] = {
    "import": ("Imports of data files and of generations.", "数据文件和生成任务的导入。"),
    "import_file": (
        "Make examples of the rows of a data file: JSON, JSON Lines, CSV, XLSX, Parquet, Arrow, a folder of "
        "LLaMA-Factory or Hugging Face, a project of Easy Dataset. All good rows come in, or none.",
        "把数据文件的每一行变成样例：JSON、JSON Lines、CSV、XLSX、Parquet、Arrow、LLaMA-Factory 或 "
        "Hugging Face 的文件夹、Easy Dataset 的项目。合格的行要么全部导入，要么都不导入。",
    ),
    "import_generations": (
        "Make examples of the questions, conversations, preference pairs, passages and exam items that "
        "generations have made; what is an example already is passed over.",
        "把生成任务产生的问答、对话、偏好对、文段和考题变成样例；已经是样例的会跳过。",
    ),
    "import_with_rejected": (
        "Also what gates rejected, as rejected examples with the reason.",
        "也导入被关卡拒绝的内容，作为带原因的已拒绝样例。",
    ),
    "import_tokenizer": (
        "Model whose tokenizer counts tokens for the profile: a hub id, or a name in "
        "SISHU_DATASET_TOKENIZER_FOLDER.",
        "统计概况时用哪个模型的分词器计数： hub 上的名称，或 SISHU_DATASET_TOKENIZER_FOLDER 中的名称。",
    ),
    "import_preview": (
        "Show what the first rows of a data file would become; nothing is stored.",
        "预览数据文件前几行会变成什么；不保存任何内容。",
    ),
    "import_faults": ("Show the rows that are no examples, and why.", "显示不能成为样例的行及原因。"),
    "import_path": ("A data file, or a folder of data files.", "数据文件，或数据文件的文件夹。"),
    "import_shape": (
        "Shape of the rows, such as alpaca, sharegpt, messages or kto; by default the first rows tell.",
        "行的格式，如 alpaca、sharegpt、messages、preference 或 kto；默认由前几行判断。",
    ),
    "import_column": (
        "What is in a column, such as instruction=question, answer=reply or labels=tags; can be repeated.",
        "列的含义，如 instruction=question、answer=reply 或 labels=tags；可重复。",
    ),
    "import_kind": ("Kind of the examples: sft or exam_item.", "样例的类型： sft 或 exam_item。"),
    "import_label": ("A label of all examples; can be repeated.", "所有样例的标签；可重复。"),
    "import_keep_thoughts": (
        "Leave thoughts (<think>) in the answer, and do not make them the reasoning.",
        "把 <think> 的推理留在答案里，不作为推理过程。",
    ),
    "import_think": ("Marks around thoughts, such as '[T],[/T]'.", "推理内容前后的标记，如 '[T],[/T]'。"),
    "import_bad_rows": ("More bad rows end the import.", "不合格的行超过此数则不导入。"),
    "import_bad_share": (
        "A larger share of bad rows ends the import, 0 to 1.",
        "不合格的行超过此比例（0 到 1）则不导入。",
    ),
    "import_dataset": (
        "A dataset of a dataset_info.json, or a configuration of a Hugging Face dataset; can be repeated.",
        "dataset_info.json 中的数据集，或 Hugging Face 数据集的配置；可重复。",
    ),
    "import_split": ("A split to take; can be repeated.", "要导入的划分；可重复。"),
    "import_files": (
        "Pattern of the files to take of a folder, such as '*.jsonl'.",
        "文件夹中要导入的文件，如 '*.jsonl'。",
    ),
    "import_field": ("Key of the list in a JSON object.", "JSON 对象中列表的键。"),
    "import_sheet": ("Sheet of a workbook; by default all.", "工作簿中的工作表；默认全部。"),
    "import_rows": ("How many rows.", "行数。"),
    "import_unread": (
        "columns that no example was made of: {}; --column says what is in which column",
        "未用于样例的列：{}；可用 --column 说明哪一列是什么",
    ),
    "import_bad": (
        "{} of {} rows are no examples: `sishu import faults {}` tells which",
        "{1} 行中有 {0} 行不能成为样例：`sishu import faults {2}` 查看是哪些",
    ),
}
