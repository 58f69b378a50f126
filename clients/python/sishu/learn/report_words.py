"""The words of the report, in English and Chinese."""

from __future__ import annotations

EN = {
    "title": "What the model learned",
    "summary": (
        "{documents} documents, {kept} examples kept; exam of {items} held-out questions: "
        "{base:.2f} before, {tuned:.2f} after (difference {low:+.2f} to {high:+.2f}, 95 %)"
    ),
    "exam": "Exam",
    "exam_note": (
        "Questions that were not trained on; score: token F1 against the reference, 0 to 1, mean with 95 % "
        "bootstrap interval."
    ),
    "base": "before",
    "tuned": "after",
    "difference": "difference",
    "score": "score",
    "interval": "95 % interval",
    "training": "Training",
    "loss": "loss",
    "step": "step",
    "steps": "steps",
    "tokens": "tokens",
    "tokens_per_second": "tokens/s",
    "memory": "peak memory",
    "device": "device",
    "parameters": "trained parameters",
    "data": "Data",
    "documents": "Documents",
    "document": "document",
    "chars": "characters",
    "pages": "pages",
    "chunks": "chunks",
    "questions": "questions",
    "made": "examples made",
    "kept": "kept",
    "rejected": "rejected",
    "dropped": "left out of the version",
    "reason": "reason",
    "count": "count",
    "answers": "Questions and answers",
    "question": "question",
    "source": "source",
    "reference": "reference",
    "lineage": "Lineage",
}

ZH = {
    "title": "模型学到了什么",
    "summary": (
        "{documents} 篇文档，保留 {kept} 条样例；{items} 道未训练过的考题：训练前 {base:.2f}，"
        "训练后 {tuned:.2f}（差值 {low:+.2f} 至 {high:+.2f}，95 %）"
    ),
    "exam": "考试",
    "exam_note": "考题未参与训练；得分为与参考答案的词元 F1（0 到 1），取平均值及 95 % 自助法区间。",
    "base": "训练前",
    "tuned": "训练后",
    "difference": "差值",
    "score": "得分",
    "interval": "95 % 区间",
    "training": "训练",
    "loss": "损失",
    "step": "步",
    "steps": "步数",
    "tokens": "词元数",
    "tokens_per_second": "词元/秒",
    "memory": "内存峰值",
    "device": "设备",
    "parameters": "可训练参数",
    "data": "数据",
    "documents": "文档",
    "document": "文档",
    "chars": "字符",
    "pages": "页",
    "chunks": "文本块",
    "questions": "问题",
    "made": "生成的样例",
    "kept": "保留",
    "rejected": "拒绝",
    "dropped": "未纳入版本",
    "reason": "原因",
    "count": "数量",
    "answers": "问题与答案",
    "question": "问题",
    "source": "出处",
    "reference": "参考答案",
    "lineage": "血缘",
}

WORDS = {"en": EN, "zh": ZH}
