"""The words of the report, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """What a page says in a language.

    Args:
        language: its code.
        nouns: one of a thing, and several; with a place for the number.
        texts: sentences and titles by name; some with places.
        names: what values of facets, facets, splits and reasons are called.
        commas: what stands between things, and before the last.
    """

    language: str
    nouns: Mapping[str, tuple[str, str]]
    texts: Mapping[str, str]
    names: Mapping[str, str]
    commas: tuple[str, str]

    def count(self, noun: str, number: int) -> str:
        """So many of a thing."""
        return self.nouns[noun][number != 1].format(f"{number:,}")

    def text(self, name: str, **values: object) -> str:
        """A sentence or a title."""
        return self.texts[name].format(**values)

    def name(self, value: str) -> str:
        """What a value is called; itself where it has no other name."""
        return self.names.get(value, value.replace("_", " "))

    def listed(self, things: Sequence[str]) -> str:
        """Things one after the other."""
        between, last = self.commas
        return last.join([*([between.join(things[:-1])] if things[:-1] else []), *things[-1:]])


EN = Words(
    "en",
    {
        "example": ("{} example", "{} examples"),
        "document": ("{} document", "{} documents"),
        "passage": ("{} passage", "{} passages"),
        "group": ("{} group", "{} groups"),
        "other": ("{} other", "{} others"),
    },
    {
        "title": "Dataset report",
        "version": "version {number}",
        "heading": "{project}, version {number}",
        "made": "made {time} UTC",
        "head": "Version {number} of {project} holds {examples}{sides}.",
        "sides": ": {sides}",
        "train_side": "{count} to train on",
        "validation_side": "{count} to validate with",
        "exam_side": "{count} to examine with",
        "about": (
            "They are about {used} of {documents} of the project, and about {passages_used} of {passages} in "
            "these ({share})."
        ),
        "about_nothing": "They are about none of the documents that the project has now.",
        "no_documents": "The project has no documents now.",
        "clean": "No question of the exam is a near copy of one that is trained on.",
        "crossing": (
            "There are near copies on several sides ({groups}): there the exam asks what was trained on."
        ),
        "left_out": "{count} were left out; the main reason: {reason}.",
        "score_line": "The mean score is {mean} of 5.",
        "bare": "{documents} have no example at all.",
        "bare_one": "{documents} has no example at all.",
        "examples": "Examples",
        "train": "Train",
        "validation": "Validation",
        "exam": "Exam",
        "documents_card": "Documents used",
        "passages_card": "Passages used",
        "mean_score": "Mean score",
        "near_copies_card": "Near copies",
        "coverage": "What the documents contribute",
        "coverage_note": (
            "A passage is a piece into which a document was cut. It is used when an example is about it. The "
            "documents are taken as they were when this report was computed, {time} UTC."
        ),
        "document": "Document",
        "passages": "Passages used",
        "sections": "Sections used",
        "unused": "Not used: {sections}",
        "gone": "no longer in the project",
        "all": "All",
        "more_documents": "{documents} with fewer examples are not listed.",
        "lengths": "Lengths",
        "lengths_note": "How many there are of each length; each bar is twice as wide as the one before.",
        "length_question": "Questions (characters)",
        "length_answer": "Answers (characters)",
        "length_reasoning": "Reasoning (characters)",
        "length_example": "Whole examples (characters)",
        "length_tokens": "Whole examples (tokens)",
        "figures": "half are shorter than {median}, 95 % than {most}; the longest has {longest}",
        "made_of": "What the examples are made of",
        "without": "none",
        "more_values": "{others}",
        "scores": "Scores",
        "scores_note": "Points from 0 to 5, given by a model or a person. {without} have no score.",
        "no_scores": "No example has a score.",
        "copies": "Duplicates",
        "copies_found": (
            "{near} ({share}) ask almost the same as another (similarity of {threshold} or more); they make "
            "{groups}, the largest of {largest}. {duplicates} ask in the very same words as one before."
        ),
        "copies_none": "No two examples ask almost the same (similarity of {threshold} or more).",
        "dropped": "Left out of the version",
        "dropped_none": "No kept example was left out.",
        "reason": "Reason",
        "count": "Examples",
        "samples": "Samples",
        "samples_note": "Drawn by chance (seed {seed}).",
        "quote": "Source",
        "score": "score {score}",
        "how": "How the version was made",
        "sha256": "SHA-256 of the content",
        "version_id": "Version id",
        "tags": "Tags",
        "option": "Option",
        "value": "Value",
    },
    {
        "train": "train",
        "validation": "validation",
        "exam": "exam",
        "kind": "Kind",
        "language": "Language",
        "question_type": "Question type",
        "tag": "Tag",
        "label": "Label",
        "source": "Source",
        "sft": "question and answer",
        "conversation": "conversation",
        "preference": "two answers compared",
        "pretraining": "plain text",
        "exam_item": "exam item",
        "zh": "Chinese",
        "en": "English",
        "hand": "written by hand",
        "version": "general data",
        "leak_embedding_provider_id": "leaks by meaning, embedded by",
        "leak_meaning_similarity": "least similarity of meaning",
        "DUPLICATE": "another example asks in the same words",
        "NEAR_COPY": "it is like one that is held out",
        "EXAM_LIMIT": "there are more exam items than were wanted",
        "SAME_UNIT": "its fact or passage is held out",
        "BENCHMARK_LEAK": "it holds a question of a benchmark",
        "EXAM_LEAK": "it holds words of an exam question, or means the same",
        "BALANCE": "there are enough of its kind",
        "fact": "fact",
        "reason": "reason",
        "comparison": "comparison",
        "procedure": "procedure",
        "definition": "definition",
        "multi_hop": "multi hop",
        "unanswerable": "unanswerable",
        "template": "template",
        "REPLAY": "there is more general data than its share",
        "SOURCE_WEIGHT": "there is more of its source than its proportion",
        "system": "System",
        "user": "Question",
        "assistant": "Answer",
        "chosen": "Better answer",
        "rejected": "Worse answer",
        "seed": "seed",
        "exam_share": "share held out for the exam",
        "exam_count": "exam items",
        "max_exam_items": "most exam items",
        "validation_share": "share held out for validation",
        "validation_count": "validation examples",
        "near_copy_threshold": "similarity of near copies",
        "group_by": "stays on one side",
        "stratify_by": "held out in proportion by",
        "system_prompt": "system prompt",
        "filter": "filter",
        "balance": "limits",
        "replay": "general data",
        "source_weights": "weights of sources",
    },
    (", ", " and "),
)

ZH = Words(
    "zh",
    {
        "example": ("{} 条样例", "{} 条样例"),
        "document": ("{} 篇文档", "{} 篇文档"),
        "passage": ("{} 个段落", "{} 个段落"),
        "group": ("{} 组", "{} 组"),
        "other": ("另有 {} 种", "另有 {} 种"),
    },
    {
        "title": "数据集报告",
        "version": "版本 {number}",
        "heading": "{project}，版本 {number}",
        "made": "创建于 {time}（UTC）",
        "head": "{project} 的版本 {number} 共有 {examples}{sides}。",
        "sides": "：{sides}",
        "train_side": "{count} 条用于训练",
        "validation_side": "{count} 条用于验证",
        "exam_side": "{count} 条用于考试",
        "about": (
            "涉及项目 {documents}中的 {used} 篇，覆盖其中 {passages}里的 {passages_used} 个（{share}）。"
        ),
        "about_nothing": "不涉及项目现有的任何文档。",
        "no_documents": "项目现在没有文档。",
        "clean": "考题与训练内容没有近似重复。",
        "crossing": "{groups}近似重复跨越多个部分：这些考题与训练内容相近。",
        "left_out": "有 {count}未被纳入，主要原因：{reason}。",
        "score_line": "平均得分 {mean}（满分 5）。",
        "bare": "{documents}没有任何样例。",
        "bare_one": "{documents}没有任何样例。",
        "examples": "样例",
        "train": "训练",
        "validation": "验证",
        "exam": "考试",
        "documents_card": "用到的文档",
        "passages_card": "用到的段落",
        "mean_score": "平均得分",
        "near_copies_card": "近似重复",
        "coverage": "文档覆盖情况",
        "coverage_note": (
            "段落是文档切分后的片段；只要有样例涉及，就算用到。文档情况以本报告计算时（{time}，UTC）为准。"
        ),
        "document": "文档",
        "passages": "用到的段落",
        "sections": "用到的章节",
        "unused": "未用到：{sections}",
        "gone": "已不在项目中",
        "all": "合计",
        "more_documents": "另有样例更少的 {documents}未列出。",
        "lengths": "长度",
        "lengths_note": "各长度的数量；每一柱的范围是前一柱的两倍。",
        "length_question": "问题（字符）",
        "length_answer": "答案（字符）",
        "length_reasoning": "推理过程（字符）",
        "length_example": "整条样例（字符）",
        "length_tokens": "整条样例（词元）",
        "figures": "一半短于 {median}，95% 短于 {most}，最长 {longest}",
        "made_of": "样例构成",
        "without": "无",
        "more_values": "{others}",
        "scores": "得分",
        "scores_note": "0 至 5 分，由模型或人给出。{without}没有得分。",
        "no_scores": "没有样例带有得分。",
        "copies": "重复",
        "copies_found": (
            "{near}（{share}）与其他样例的问题几乎相同（相似度不低于 {threshold}），分为 {groups}，"
            "最大的一组有 {largest}；其中 {duplicates}措辞完全相同。"
        ),
        "copies_none": "没有两条样例的问题几乎相同（相似度不低于 {threshold}）。",
        "dropped": "未纳入版本的样例",
        "dropped_none": "保留的样例全部纳入。",
        "reason": "原因",
        "count": "样例",
        "samples": "抽样",
        "samples_note": "随机抽取（种子 {seed}）。",
        "quote": "出处",
        "score": "得分 {score}",
        "how": "版本的制作方式",
        "sha256": "内容的 SHA-256",
        "version_id": "版本 ID",
        "tags": "标签",
        "option": "选项",
        "value": "取值",
    },
    {
        "train": "训练",
        "validation": "验证",
        "exam": "考试",
        "kind": "种类",
        "language": "语言",
        "question_type": "问题类型",
        "tag": "标签",
        "label": "标记",
        "source": "来源",
        "sft": "问答",
        "conversation": "多轮对话",
        "preference": "优劣答案对",
        "pretraining": "纯文本",
        "exam_item": "考题",
        "zh": "中文",
        "en": "英文",
        "hand": "手工编写",
        "generation": "生成任务",
        "import": "导入",
        "version": "通用数据",
        "leak_embedding_provider_id": "按含义查泄漏所用的嵌入模型",
        "leak_meaning_similarity": "含义相同的最低相似度",
        "DUPLICATE": "另一条样例的问题措辞相同",
        "NEAR_COPY": "与留作考试或验证的样例近似",
        "EXAM_LIMIT": "考题超出所需数量",
        "SAME_UNIT": "其知识点或段落已留作考试或验证",
        "BENCHMARK_LEAK": "含有评测题",
        "EXAM_LEAK": "含有考题原文，或与考题同义",
        "BALANCE": "同类样例已足够",
        "fact": "事实",
        "reason": "原因",
        "comparison": "比较",
        "procedure": "步骤",
        "definition": "定义",
        "multi_hop": "多跳",
        "unanswerable": "无法回答",
        "template": "模板",
        "REPLAY": "通用数据超出所占比例",
        "SOURCE_WEIGHT": "该来源超出所占比例",
        "system": "系统",
        "user": "问题",
        "assistant": "答案",
        "chosen": "较好的答案",
        "rejected": "较差的答案",
        "seed": "随机种子",
        "exam_share": "留作考试的比例",
        "exam_count": "考题数量",
        "max_exam_items": "最多考题数",
        "validation_share": "留作验证的比例",
        "validation_count": "验证样例数量",
        "near_copy_threshold": "近似重复的相似度",
        "group_by": "保持在同一侧的单位",
        "stratify_by": "按此成比例抽取",
        "system_prompt": "系统提示",
        "filter": "筛选条件",
        "balance": "数量上限",
        "replay": "通用数据",
        "source_weights": "来源权重",
    },
    ("，", "，"),
)

WORDS = {"en": EN, "zh": ZH}
