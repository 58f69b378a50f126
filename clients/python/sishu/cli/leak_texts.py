"""What the commands about benchmarks and leaks say, in English and Chinese."""

from __future__ import annotations

LEAK_TEXTS: dict[str, tuple[str, str]] = {
    "benchmark": ("Benchmarks: questions by which models are judged.", "评测集：用来评判模型的题目。"),
    "leak-check": (
        "Leak checks: which examples hold questions of benchmarks or exams.",
        "泄漏检查：哪些样例含有评测题或考题。",
    ),
    "benchmark_create": (
        "Upload a benchmark: questions that nothing trained on may hold.",
        "上传评测集：训练数据中不得出现的题目。",
    ),
    "benchmark_path": (
        "A data file with a question a row, or a folder of such.",
        "每行一道题的数据文件，或其文件夹。",
    ),
    "benchmark_name": (
        "Name of the benchmark, its own in the project; by default that of the file.",
        "评测集名称，项目内不得重名；默认取文件名。",
    ),
    "benchmark_question": (
        "Column of the question; by default found out.",
        "题目所在的列；默认自动识别。",
    ),
    "benchmark_choice": (
        "Column of choices, or of one choice; can be repeated.",
        "选项所在的列，可以每列一个选项；可重复。",
    ),
    "benchmark_answer": ("Column of the answer; by default found out.", "答案所在的列；默认自动识别。"),
    "benchmark_bad_share": (
        "A larger share of bad rows ends the job.",
        "坏行超过此比例则作业失败。",
    ),
    "benchmark_bad": (
        "Rows that are no questions: {0}; the first is row {1} of {2}: {3}",
        "有 {0} 行不是题目；第一处是 {2} 第 {1} 行：{3}",
    ),
    "leak_check_create": (
        "Search for examples that hold questions of benchmarks or exams; nothing is changed.",
        "查找含有评测题或考题的样例；不改动任何内容。",
    ),
    "leak_version": (
        "Look at what this version trains and validates on: its id, PROJECT/NUMBER, or PROJECT/latest.",
        "检查此版本的训练与验证样例：ID、项目/编号，或 项目/latest。",
    ),
    "leak_benchmark": (
        "Benchmark to compare with, by id or name; can be repeated.",
        "与之比较的评测集，ID 或名称；可重复。",
    ),
    "dataset_benchmark_leaks": (
        "What becomes of examples that hold questions of benchmarks: block (the default), drop or report.",
        "含有评测题的样例如何处理：block（默认，版本失败）、drop（剔除）或 report（只计数）。",
    ),
    "dataset_exam_leaks": (
        "What becomes of examples that hold words of exam questions: block, drop or report; "
        "near copies are always left out.",
        "含有考题原文的样例如何处理：block、drop 或 report；近似的样例总会被剔除。",
    ),
    "leak_exam": (
        "Compare with exam examples, too.",
        "也与考题比较。",
    ),
    "leak_threshold": (
        "How alike near copies are, above 0 to 1.",
        "近似到什么程度算重复，大于 0、不超过 1。",
    ),
    "leak_words": (
        "Words of a run that tells of a leak, at least 8.",
        "相同的连续词数达到多少算泄漏，至少 8。",
    ),
    "leak_embedding_provider": (
        "Find leaks by what is meant, too: provider of a model of embeddings (id or name).",
        "同时按含义查找泄漏：嵌入模型的提供方（编号或名称）。",
    ),
    "leak_meaning_similarity": (
        "Cosine of embeddings from which a question means the same; 0.95 unless said.",
        "嵌入向量余弦达到多少算同一道题，默认 0.95 。",
    ),
    "leak_leaks": ("Show what a check has found.", "显示检查结果。"),
}
