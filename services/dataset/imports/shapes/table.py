"""The shapes of rows: which columns they have, and of which family they are. A new shape is one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.dataset.imports.rows import Columns, Tags

PAIR, CONVERSATION, PREFERENCE, JUDGED = "pair", "conversation", "preference", "judged"
TEXT, OWN, STRUCTURED = "text", "own", "structured"
RIVAL = "rival"


PARTS = ("messages", "chosen", "rejected", "flaw", "exam_item", "quotes")
"""Columns of `structured` that make a content; what is null in them, or in their objects, is not there."""
TOLD = ("id", "document_id", "question_type", "language", "source", "review_state", "split", "digest")
"""Columns of our own that tell of an example what it gets anew, or has in its lineage."""
REPEATED = {"multilingual_thinking": ("messages",), "sishu": TOLD, "structured": (*PARTS, *TOLD)}
"""Columns that say again what others of their shape say."""


@dataclass(frozen=True)
class Shape:
    """How a row says what it says.

    Args:
        name: of the shape.
        family: method of `Family` that reads it, or `own` or `structured`.
        columns: what is where.
        needs: columns that make a row one of this shape.
        yields: whether it counts only where no other shape fits.
        tags: the words of its lists of messages, where they are not the usual ones.
    """

    name: str
    family: str
    columns: Columns
    needs: tuple[str, ...]
    yields: bool = False
    tags: Tags | None = None

    @property
    def reads(self) -> frozenset[str]:
        """Columns that examples are made of, and those that say the same again."""
        named = {column for column in vars(self.columns).values() if column}
        if self.family in {PAIR, JUDGED} and not (self.columns.answer or self.columns.messages):
            named.add("answer")
        return frozenset(named.union(REPEATED.get(self.name, ())))

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Whether a row looks like one of this shape."""
        if any(row.get(column) in (None, "") for column in self.needs):
            return False
        # A label says many things; good or bad it says as true or false.
        flag = self.columns.desirable
        return flag is None or str(row.get(flag)).lower() in {"true", "false"}


def shape(name: str, family: str, needs: str, **columns: str) -> Shape:
    """A shape, whose columns for tools and media are the usual ones."""
    return Shape(name, family, Columns(**columns), tuple(needs.split()), yields=family == TEXT)


OWN_COLUMNS = {
    **{name: name for name in ("kind", "content", "labels", "score", "lineage")},
    "tags": "tag_ids",
}
PART_COLUMNS = {name: column for name, column in OWN_COLUMNS.items() if name != "content"}
THINKING = {"instruction": "user", "answer": "final", "reasoning": "analysis", "system": "developer"}
ALPACA = {"instruction": "instruction", "input": "input", "system": "system", "history": "history"}
SHAREGPT = {"messages": "conversations", "system": "system"}
SIDES = {"chosen": "chosen", "rejected": "rejected"}
PROMPT = {"instruction": "prompt", "messages": "messages", "system": "system"}
RIVALS = {"messages": "messages", "rejected": "rejected_response"}
COMPLETION = {"instruction": "prompt", "answer": "completion"}

FIRST = (
    shape("sishu", OWN, "kind content", **OWN_COLUMNS),
    shape("structured", STRUCTURED, "id kind messages lineage", **PART_COLUMNS),
    shape("multilingual_thinking", PAIR, "reasoning_language user final", **THINKING),
    shape("kto_sharegpt", JUDGED, "conversations kto_tag", **SHAREGPT, desirable="kto_tag"),
    shape("kto_messages", JUDGED, "messages label", messages="messages", desirable="label"),
    shape("kto_alpaca", JUDGED, "instruction output kto_tag", **ALPACA, answer="output", desirable="kto_tag"),
    shape("kto", JUDGED, "prompt completion label", **COMPLETION, desirable="label"),
    shape("dpo_sharegpt", PREFERENCE, "conversations chosen rejected", **SHAREGPT, **SIDES),
    shape("dpo_alpaca", PREFERENCE, "instruction chosen rejected", **ALPACA, **SIDES),
    shape("dpo_ms_swift", RIVAL, "messages rejected_response", **RIVALS),
    shape("preference", PREFERENCE, "chosen rejected", **PROMPT, **SIDES),
)
"""The first of these that fits counts: others that fit, too, say less."""
OTHERS = (
    shape("sharegpt", CONVERSATION, "conversations", **SHAREGPT),
    shape("messages", CONVERSATION, "messages", messages="messages"),
    shape("alpaca", PAIR, "instruction output", **ALPACA, answer="output"),
    shape("prompt_completion", PAIR, "prompt completion", **COMPLETION),
    shape("text", TEXT, "text", text="text"),
)
"""Of these none says more than another."""
QUESTION_ANSWER = Shape("question_answer", PAIR, Columns(), (), yields=True)
"""Its columns have many names, so that it is found by its own function."""
COLUMNS = Shape("columns", PAIR, Columns(), ())
"""What is where says a person."""
SHAPES = {one.name: one for one in (*FIRST, *OTHERS, QUESTION_ANSWER, COLUMNS)}

ALIASES = {
    "instruction": ("question", "query", "q", "prompt", "problem", "问题", "提问", "题目", "用户"),
    "answer": (
        "answer",
        "response",
        "a",
        "reply",
        "solution",
        "completion",
        "output",
        "答案",
        "回答",
        "回复",
        "助手",
    ),
    "reasoning": (
        "cot",
        "complexcot",
        "complex_cot",
        "reasoning",
        "reasoning_content",
        "thinking",
        "思维链",
        "推理",
    ),
    "system": ("system", "system_prompt", "系统提示", "系统"),
    "labels": ("labels", "label", "tags", "标签"),
}
"""Names of the columns of questions and answers, in any case; the first that is there counts."""


def question_columns(names: Mapping[str, Any] | list[str]) -> Columns | None:
    """Where question and answer are, by the names of columns; None without either."""
    by_name = {name.strip().lower(): name for name in names}
    found = {
        what: next((by_name[alias] for alias in aliases if alias in by_name), None)
        for what, aliases in ALIASES.items()
    }
    return Columns(**found) if found["instruction"] and found["answer"] else None


def family_of(columns: Columns) -> str:
    """The family of rows by what columns a person names."""
    if columns.content:
        return OWN
    if columns.chosen and columns.rejected:
        return PREFERENCE
    if columns.desirable:
        return JUDGED
    if columns.messages:
        return CONVERSATION
    return TEXT if columns.text else PAIR
