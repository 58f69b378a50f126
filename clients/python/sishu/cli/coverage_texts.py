"""What the commands say that are about coverage and changed documents, in English and Chinese."""

from __future__ import annotations

COVERAGE_TEXTS: dict[str, tuple[str, str]] = {
    "coverage": (
        "Show section by section what of the documents questions are about.",
        "逐节显示文档内容被问题覆盖的情况。",
    ),
    "coverage_project": ("Project: name or id.", "项目：名称或 ID。"),
    "coverage_fewer": (
        "Only sections with fewer answered facts than this, and than sentences.",
        "只显示已有答案的知识点少于此数、且少于句子数的章节。",
    ),
    "coverage_document": ("Only sections of this document: name or id.", "只看此文档的章节： 名称或 ID。"),
    "coverage_generation": (
        "Only questions of this generation count: id.",
        "只统计此次生成的问题： ID。",
    ),
    "coverage_mark": (
        "First look which chunks are gone, and mark what was written about them.",
        "先检查哪些文本块已不存在，并标记据其编写的内容。",
    ),
    "coverage_marking": ("chunks that are gone", "已不存在的文本块"),
    "coverage_marked": (
        "questions and candidates: {} newly marked, {} no longer",
        "问题与候选内容：新标记 {}，取消标记 {}",
    ),
    "coverage_examples": (
        "examples: {} newly marked, {} no longer",
        "样本：新标记 {}，取消标记 {}",
    ),
    "coverage_section": ("section", "章节"),
    "coverage_sentences": ("answered facts / sentences", "已答知识点 / 句子"),
    "coverage_questions": ("questions", "问题"),
    "coverage_forms": ("forms", "问法"),
    "coverage_facts": (
        "Go on until each section has this many facts with an answered question, or as many as sentences; "
        "in place of --chars-per-fact.",
        "持续出题，直到每节有这么多知识点得到解答（句子不足时以句子数为准）； 代替 --chars-per-fact。",
    ),
    "coverage_rounds": (
        "Most rounds in which sections that lack something are asked about once more; 0: 3.",
        "对仍有欠缺的章节最多再出题几轮；0 即 3。",
    ),
    "new_chunks_only": (
        "Only chunks about which the project has nothing of this kind yet, not even what was rejected.",
        "只针对项目中尚无此类内容（含被拒内容）的文本块。",
    ),
    "option_source_gone": (
        "Only such as were written from a chunk that is gone.",
        "只列出来源文本块已不存在的内容。",
    ),
}
