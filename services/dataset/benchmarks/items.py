"""From rows of data files to the questions of a benchmark: every row becomes one or a fault, in order."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from services.dataset.examples.content_texts import asked_text
from services.dataset.imports.conversion import Wanted, converted
from services.dataset.imports.readers import read_rows
from services.dataset.imports.readers.reading import Source
from services.dataset.imports.rows import BadRow, Fault, Imported, Row
from services.dataset.imports.shapes.detection import ROWS
from services.dataset.imports.sources import Part
from services.runtime.errors import InvalidArgument

QUESTIONS = (
    "question", "query", "problem", "prompt", "instruction", "question_text", "question_stem", "stem", "ctx",
    "goal", "sentence", "input", "问题", "题目", "题干", "提问",
)  # fmt: skip
"""Usual names of the column of questions, the likeliest first."""
CHOICES = ("choices", "options", "endings", "answer_choices", "candidates", "选项")
"""Usual names of a column with all choices."""
ONE_EACH = (
    ("A", "B", "C", "D", "E", "F"),
    ("option_a", "option_b", "option_c", "option_d", "option_e"),
    ("opa", "opb", "opc", "opd", "ope"),
    ("option1", "option2", "option3", "option4", "option5"),
    ("choice1", "choice2", "choice3", "choice4"),
    ("ending0", "ending1", "ending2", "ending3"),
    ("sol1", "sol2"),
)
"""Usual names of columns with a choice each."""
ANSWERS = (
    "answer", "answers", "output", "solution", "response", "completion", "target", "reference",
    "explanation", "答案", "解析",
)  # fmt: skip
"""Usual names of the column of answers."""
CHAT = frozenset({"messages", "conversations", "conversation", "content"})
"""Columns of rows that are read as imports read them."""
TEXTS = ("text", "stem", "content", "value", "label")
"""Keys under which a choice or an answer has its text."""


class Item(NamedTuple):
    """A question of a benchmark.

    Args:
        file: where it stands.
        row: its number there, from 1.
        question: what is asked.
        choices: what can be chosen.
        answer: what is right, as text; empty where it is only a mark.
    """

    file: str
    row: int
    question: str
    choices: tuple[str, ...] = ()
    answer: str = ""

    @property
    def characters(self) -> int:
        """Of all of it."""
        return len(self.question) + sum(map(len, self.choices)) + len(self.answer)


@dataclass(frozen=True)
class ItemColumns:
    """Which columns hold what; `question` is always there."""

    question: str
    choices: Sequence[str] = ()
    answer: str = ""


def items_in(
    parts: Sequence[Part], folder: Path, question: str = "", choices: Sequence[str] = (), answer: str = ""
) -> Iterator[Item | Fault]:
    """What becomes of the rows of files, in their order.

    Args:
        parts: the files.
        folder: where a reader may unpack.
        question: column of the question, and so on; what is empty is found out.
        choices: columns of choices.
        answer: column of the answer.

    Raises:
        InvalidArgument: a file cannot be read, or it cannot be told where its questions are.
    """
    for part in parts:
        rows = itertools.islice(read_rows(Source(part.path, part.name, folder, part.read)), part.most_rows)
        first = list(itertools.islice(rows, ROWS))
        every = itertools.chain(first, rows)
        columns = columns_of(first, ItemColumns(question, choices, answer), part.name)
        if columns and part.shape is None:
            yield from by_columns(every, part.name, columns)
        else:
            yield from by_shape(every, part)


def columns_of(rows: Sequence[Row], said: ItemColumns, name: str) -> ItemColumns | None:
    """The columns of a file; nothing where it has none that are known.

    Raises:
        InvalidArgument: a column that was named is not there.
    """
    # A column may be missing from some rows of JSON.
    names = dict.fromkeys(key for _, row in rows if not isinstance(row, BadRow) for key in row)
    for wanted in (said.question, *said.choices, said.answer):
        if wanted and rows and wanted not in names:
            raise InvalidArgument(
                "COLUMNS_MISSING",
                f"{name}: there is no column {wanted!r}; it has {', '.join(names) or 'none'}"[:500],
                "benchmark.options",
                name=name,
            )
    if not said.question and CHAT & names.keys():
        return None
    question = said.question or first_of(QUESTIONS, names)
    if not question:
        return None
    each = next((some for some in ONE_EACH if {*some[:2]} <= names.keys()), ())
    one = first_of(CHOICES, names)
    found = said.choices or ([one] if one else [name for name in each if name in names])
    return ItemColumns(question, found, said.answer or first_of(ANSWERS, names))


def first_of(known: Sequence[str], names: Iterable[str]) -> str:
    """The first known name among some, whatever its case; empty for none."""
    lower = {name.lower(): name for name in reversed(list(names))}
    return next((lower[name] for name in known if name in lower), "")


def by_columns(rows: Iterator[Row], name: str, columns: ItemColumns) -> Iterator[Item | Fault]:
    """The questions of rows whose columns are known."""
    for number, row in rows:
        if isinstance(row, BadRow):
            yield Fault(name, number, row.field, row.reason, row.message)
            continue
        question = question_of(row, columns.question)
        if not question:
            message = f"{columns.question} holds no text; write the question there, or leave the row out"
            yield Fault(name, number, columns.question, "QUESTION_EMPTY", message)
            continue
        choices = tuple(text for column in columns.choices for text in texts_of(row.get(column)))
        answer = "\n".join(texts_of(row.get(columns.answer))) if columns.answer else ""
        yield Item(name, number, question, choices, answer)


def question_of(row: Mapping[str, Any], column: str) -> str:
    """What a row asks; an instruction goes before its input."""
    value = row.get(column)
    asked = value.strip() if isinstance(value, str) else "\n".join(texts_of(value))
    if column == "instruction" and (more := "\n".join(texts_of(row.get("input")))):
        return f"{asked}\n{more}".strip()
    return asked


def texts_of(value: Any) -> list[str]:
    """The texts in a value: a text, a list of them, or something that has them under usual names."""
    if isinstance(value, str):
        text = value.strip()
        if text[:1] in {"[", "{"} and not isinstance(inner := loaded(text), str):
            return texts_of(inner)
        return [text] if text else []
    if isinstance(value, Mapping):
        named = next((value[key] for key in TEXTS if value.get(key)), None)
        return texts_of(named if named is not None else list(value.values()))
    if isinstance(value, list | tuple):
        # A number among choices is one of them; alone it is the mark of one.
        return [
            text for one in value for text in ([str(one)] if type(one) in {int, float} else texts_of(one))
        ]
    return []


def loaded(text: str) -> Any:
    """JSON in a text; the text where it is none."""
    try:
        return orjson.loads(text)
    except ValueError:
        return text


def by_shape(rows: Iterator[Row], part: Part) -> Iterator[Item | Fault]:
    """The questions of rows as imports read them.

    Raises:
        InvalidArgument: their shape cannot be told.
    """
    for one in converted(rows, part.name, Wanted(), part.shape):
        yield item_of(one) if isinstance(one, Imported) else one


def item_of(one: Imported) -> Item:
    """The question of an example."""
    content = orjson.loads(one.content)
    turns = content["messages"]
    answers = [turn["content"] for turn in turns if turn["role"] == "assistant"]
    choices = content.get("exam_item", {}).get("choices", ())
    if one.kind in {"preference", "pretraining"}:
        answers = []
    return Item(one.file, one.row, asked_text(one.kind, content), tuple(choices), "\n".join(answers))
