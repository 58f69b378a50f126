"""What the commands say that show what versions are like, in English and Chinese."""

from __future__ import annotations

STATISTICS_TEXTS: dict[str, tuple[str, str]] = {
    "dataset_statistics": (
        "Show what a version is like: lengths, tags, coverage of documents, scores, duplicates.",
        "显示版本的情况：长度、标签、文档覆盖、得分、重复。",
    ),
    "dataset_report": (
        "Write what a version is like as one HTML page, readable by anyone.",
        "把版本的情况写成一个人人可读的 HTML 页面。",
    ),
    "report_out": ("File to write.", "要写入的文件。"),
    "report_language": ("Language of the page: en or zh.", "页面语言：en 或 zh。"),
    "statistics_samples": ("Number of sample examples, 0 to 50.", "抽样样例的数量，0 到 50。"),
    "statistics_seed": ("Seed by which samples are drawn.", "抽样的随机种子。"),
    "statistics_threshold": (
        "How alike near copies are, above 0 to 1; by default as the version has it.",
        "近似到什么程度算重复，大于 0、不超过 1；默认与版本相同。",
    ),
    "statistics_tokenizer": (
        "Tokenizer that counts tokens: a hub id, or a name in the folder of tokenizers.",
        "用来计词元数的分词器：hub 上的名称，或分词器文件夹中的名称。",
    ),
}
