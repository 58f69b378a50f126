"""The gates: each by the reason with which it rejects, what it looks at, and what it wants, in a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Gate:
    """A gate.

    Args:
        name: the reason with which it rejects.
        of: what it looks at: `question`, `answer` or both, of candidates too; `copy`: a question among
            others; `judge`: what a judge says; `candidate`: what is written beside questions.
        en: what it rejects, in English.
        zh: the same in Chinese.
    """

    name: str
    of: tuple[str, ...]
    en: str
    zh: str


QUESTION, ANSWER, BOTH, COPY, JUDGE, CANDIDATE = (
    ("question",),
    ("answer",),
    ("question", "answer"),
    ("copy",),
    ("judge",),
    ("candidate",),
)

ALL = (
    Gate(
        "QUESTION_LENGTH",
        QUESTION,
        "a question of less than 10 (Chinese: 5) or more than 500 characters",
        "问题少于 10 个字符（中文 5 个）或多于 500 个",
    ),
    Gate("NOT_A_QUESTION", QUESTION, "a question without a question mark at its end", "问题不以问号结尾"),
    Gate(
        "LEAK_PHRASE",
        BOTH,
        'it speaks of a text that a reader will not have ("according to the text")',
        "提到读者看不到的原文（“根据上文”）",
    ),
    Gate("LANGUAGE", BOTH, "it is in another language than its source", "语言与原文不同"),
    Gate(
        "NOT_SELF_CONTAINED",
        ("question", "judge"),
        'a question that is not understood without its source: nothing in it says what "it" is, or a judge '
        "says so",
        "脱离原文看不懂的问题：没有说明“该”“它”指什么，或评审如此认为",
    ),
    Gate(
        "NAME_NOT_IN_SOURCE",
        BOTH,
        "it holds a name that its chunk does not",
        "含有文本块中没有的名称",
    ),
    Gate(
        "DUPLICATE_QUESTION",
        COPY,
        "the wording of another question of the project, but for case, signs and spaces",
        "与项目中另一问题文字相同（不计大小写、标点和空格）",
    ),
    Gate(
        "NEAR_COPY",
        COPY,
        "nearly the wording of another question of the project",
        "与项目中另一问题的文字几乎相同",
    ),
    Gate(
        "MEANING_COPY",
        COPY,
        "the meaning of another question of the project, by a model of embeddings",
        "与项目中另一问题意思相同（由向量模型判断）",
    ),
    Gate(
        "QUOTE_NOT_FOUND", ANSWER, "the quote of the answer does not stand in its chunk", "引文不在文本块中"
    ),
    Gate(
        "QUOTES_NOT_OF_BOTH",
        ANSWER,
        "of MULTI_HOP: the quotes of an answer do not come from both chunks",
        "“多跳”类问题的引文没有分别来自两个文本块",
    ),
    Gate("ANSWER_EMPTY", ANSWER, "an empty answer", "答案为空"),
    Gate("ANSWER_LENGTH", ANSWER, "an answer that is too short or too long", "答案过短或过长"),
    Gate("REPETITIVE", ANSWER, "an answer that says the same again and again", "答案反复重复"),
    Gate("REFUSAL", ANSWER, "the model says that it cannot answer", "模型拒绝作答"),
    Gate(
        "QUOTE_OFF_FACT",
        ANSWER,
        "the quote is not about the fact that was asked for",
        "引文与所问的事实无关",
    ),
    Gate("ANSWER_IN_QUESTION", ANSWER, "an answer that says only what was asked", "答案只重复了问题"),
    Gate(
        "NUMBER_NOT_IN_SOURCE",
        ANSWER,
        "the answer holds a number that its chunk does not",
        "答案含有文本块中没有的数字",
    ),
    Gate(
        "NOT_REFUSED",
        ANSWER,
        "of UNANSWERABLE: an answer that does not say that it is not known, or guesses",
        "“无法回答”类问题的答案没有承认不知道，或在猜测",
    ),
    Gate(
        "ANSWERABLE",
        ("answer", "judge"),
        "of UNANSWERABLE: its chunk answers the question after all",
        "“无法回答”类问题其实可由文本块回答",
    ),
    Gate(
        "LABEL_UNKNOWN",
        ANSWER,
        "an answer to the question of a template that is none of its labels",
        "对模板问题的回答不是其标签之一",
    ),
    Gate("NOT_ANSWERABLE", JUDGE, "its chunk does not answer the question", "文本块不能回答该问题"),
    Gate("UNFAITHFUL", JUDGE, "the answer says what its chunk does not", "答案说了文本块中没有的内容"),
    Gate("SCORE_LOW", JUDGE, "a score below the least that is kept", "评分低于下限"),
    Gate(
        "REPEATED",
        CANDIDATE,
        "a question of a conversation, or a choice, comes twice",
        "对话中的问题或选项重复",
    ),
    Gate("TURNS_MISSING", CANDIDATE, "a conversation of less than two turns", "对话不足两轮"),
    Gate(
        "PASSAGE_LENGTH",
        CANDIDATE,
        "a passage that is too short or too long for its form and chunk",
        "就其形式和文本块而言，文章过短或过长",
    ),
    Gate(
        "COPY_OF_SOURCE",
        CANDIDATE,
        "a passage that has 80 % of its runs of four words from its chunk",
        "文章中 80% 的四词片段照抄自文本块",
    ),
    Gate("NOT_A_STATEMENT", CANDIDATE, "a statement that is a question", "陈述是一个问句"),
    Gate(
        "NOT_FALSE",
        CANDIDATE,
        "a statement that is to be false and stands in its chunk",
        "应为假的陈述出现在文本块中",
    ),
    Gate(
        "CHOICE_LENGTH",
        CANDIDATE,
        "a choice that is empty or longer than 200 characters",
        "选项为空或超过 200 个字符",
    ),
    Gate(
        "CHOICE_OF_CHOICES",
        CANDIDATE,
        'a choice that speaks of the others ("all of the above")',
        "选项提到其他选项（“以上都对”）",
    ),
    Gate(
        "ANSWER_NOT_IN_QUOTE",
        CANDIDATE,
        "a short answer in other words or numbers than its quote",
        "简短答案的词语或数字与引文不同",
    ),
    Gate(
        "ANSWER_NOT_IN_SOURCE",
        CANDIDATE,
        "a right choice most words of which are not in its chunk",
        "正确选项的多数词语不在文本块中",
    ),
    Gate(
        "LENGTHS_DIFFER",
        CANDIDATE,
        "a bad answer of less than 0.3 or more than 3 times the length of the good one, and more than 60 "
        "characters",
        "差的回答长度不足好回答的 0.3 倍，或超过 3 倍且多于 60 个字符",
    ),
    Gate(
        "NOT_DIFFERENT",
        CANDIDATE,
        "a bad answer that says what the good one says, or an improved one that says what the old one says",
        "差的回答与好回答内容相同，或改进后的回答与旧回答相同",
    ),
    Gate(
        "NOT_BAD",
        ("candidate", "judge"),
        "a bad answer that stands in the source word for word, or is none, as a judge says",
        "差的回答逐字出现在来源中，或评审认为它并不差",
    ),
    Gate(
        "NOT_UNGROUNDED",
        CANDIDATE,
        "a bad answer that is to be made up and claims nothing of its own",
        "应为编造的回答没有编造任何内容",
    ),
)

GATES: Mapping[str, Gate] = {gate.name: gate for gate in ALL}
"""By name."""
