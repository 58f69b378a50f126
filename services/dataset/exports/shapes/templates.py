"""Templates of columns: what they may hold, and how they are filled.

Users write templates, and are not trusted: they get the values of an example, `if`, `for` and a few filters,
and nothing that could take long, grow large or reach anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import orjson
from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.dataset.exports.options import Column
from services.runtime.errors import InvalidArgument

LONGEST = 10_000
MOST_COLUMNS = 100
LONGEST_NAME = 100
MOST_LOOPS = 2
"""Loops within one another."""
MOST_FILLED = 4_000_000
"""Most characters of what a filter gives."""

VARIABLES: Mapping[str, Any] = {
    "id": "0190",
    "kind": "sft",
    "split": "train",
    "system": "s",
    "question": "q",
    "answer": "a",
    "reasoning": "r",
    "messages": [{"role": "user", "content": "q", "reasoning": ""}] * 20,
    "chosen": "c",
    "rejected": "d",
    "flaw": "wrong",
    "quotes": [
        {"text": "t", "chunk_id": "1", "document_id": "2", "document_version": 1, "start": 0, "end": 1}
    ]
    * 10,
    "exam_item": {
        "type": "",
        "text": "",
        "choices": ["x"] * 10,
        "correct": [0] * 10,
        "is_true": True,
        "answer": "",
    },
    "score": 4.5,
    "labels": ["l"] * 10,
    "tag_ids": ["3"] * 10,
    "language": "en",
    "document_id": "2",
    "question_type": "fact",
    "source": "hand",
}
"""What a template may name, each with a value to try it with."""

ALLOWED: tuple[type[nodes.Node], ...] = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.List, nodes.Tuple),
    *(nodes.For, nodes.If, nodes.CondExpr, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Filter),
    *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Concat),
)


class TooLong(Exception):
    """A filter gave more than it may."""


def guarded(function: Callable[..., object]) -> Callable[..., object]:
    """A filter whose results cannot grow without end."""

    def run(*arguments: Any) -> object:
        found = function(*arguments)
        if isinstance(found, str) and len(found) > MOST_FILLED:
            raise TooLong
        return found

    return run


def join(values: Sequence[object], by: str = "") -> str:
    """Texts with a text between them."""
    texts = [str(value) for value in values]
    if sum(map(len, texts)) + len(by) * len(texts) > MOST_FILLED:
        raise TooLong
    return by.join(texts)


def tojson(value: object) -> str:
    """A value as JSON."""
    return orjson.dumps(value).decode()


RAW_FILTERS: Mapping[str, Callable[..., object]] = {
    "join": join,
    "tojson": tojson,
    "length": len,
    "trim": lambda text: str(text).strip(),
    "lower": lambda text: str(text).lower(),
    "upper": lambda text: str(text).upper(),
    "first": lambda values: values[0] if values else "",
    "last": lambda values: values[-1] if values else "",
    "default": lambda value, other="": value or other,
    "truncate": lambda text, size=255: str(text)[: int(size)],
}
FILTERS = {name: guarded(function) for name, function in RAW_FILTERS.items()}


class ColumnEnvironment(ImmutableSandboxedEnvironment):
    """Nothing of a value can be reached by name but where a loop is."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ARG002, D102  # the library's
        return isinstance(obj, LoopContext) and attr in {"index", "index0", "first", "last", "length"}

    def is_safe_callable(self, obj: Any) -> bool:  # noqa: ARG002, D102  # the library's
        return False


def environment() -> ColumnEnvironment:
    """Where templates are read."""
    # The result goes to a file, not to a browser: escaping would spoil it.
    made = ColumnEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
    made.globals, made.filters, made.tests = {}, dict(FILTERS), {}
    return made


ENVIRONMENT = environment()


def compiled(columns: Sequence[Column]) -> dict[str, Template]:
    """The templates of columns, by the columns' names.

    Raises:
        InvalidArgument: a column is wrong; it is named.
    """
    if not 1 <= len(columns) <= MOST_COLUMNS:
        raise InvalidArgument(
            "EXPORT_COLUMNS_MISSING",
            f"the shape custom needs 1 to {MOST_COLUMNS} columns; give each a name and a template",
            "export.options.columns",
        )
    found: dict[str, Template] = {}
    for at, column in enumerate(columns):
        name = column.name
        if not name.strip() or len(name) > LONGEST_NAME or name in found:
            raise bad_column(at, name, "its name must be given once, and have 1 to 100 characters")
        found[name] = template_of(at, column)
    return found


def template_of(at: int, column: Column) -> Template:
    """The template of a column, held against all rules and tried.

    Raises:
        InvalidArgument: it breaks one.
    """
    if len(column.template) > LONGEST:
        raise bad_column(at, column.name, f"its template is longer than {LONGEST} characters")
    try:
        tree = ENVIRONMENT.parse(column.template)
        check_nodes(at, column.name, tree)
        check_names(at, column.name, tree)
        template = ENVIRONMENT.from_string(tree)
        template.render(VARIABLES)
    except TemplateSyntaxError as error:
        raise bad_column(at, column.name, f"line {error.lineno}: {error.message}") from error
    except (TemplateError, TooLong, TypeError, ValueError, LookupError, RecursionError) as error:
        raise bad_column(at, column.name, str(error) or type(error).__name__) from error
    return template


def check_nodes(at: int, name: str, tree: nodes.Template) -> None:
    """Demand that a template holds nothing but what is allowed."""
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, ALLOWED):
            raise bad_column(
                at, name, f"line {node.lineno}: {type(node).__name__.lower()} is not allowed in a template"
            )
        if isinstance(node, nodes.For) and (depth_of(node) > MOST_LOOPS or not is_value(node.iter)):
            raise bad_column(
                at, name, f"line {node.lineno}: a loop runs over a value, and at most in one other"
            )


def depth_of(loop: nodes.For) -> int:
    """How many loops stand within one another, from this one on."""
    return 1 + max((depth_of(inner) for inner in loop.find_all(nodes.For)), default=0)


def is_value(node: nodes.Node) -> bool:
    """Whether an expression is a value of the example, or a part of one."""
    if isinstance(node, (nodes.Getattr, nodes.Getitem)):
        return is_value(node.node)
    return isinstance(node, nodes.Name)


def check_names(at: int, name: str, tree: nodes.Template) -> None:
    """Demand that every variable of a template is one that an example has."""
    for unknown in sorted(meta.find_undeclared_variables(tree) - VARIABLES.keys()):
        like = get_close_matches(unknown, VARIABLES, 1)
        hint = f"did you mean {like[0]}?" if like else f"there are {', '.join(VARIABLES)}"
        raise bad_column(at, name, f"there is no variable {unknown}; {hint}")


def bad_column(at: int, name: str, fault: str) -> InvalidArgument:
    """The error for a column that is wrong."""
    return InvalidArgument(
        "EXPORT_COLUMN_INVALID",
        f"column {name or at + 1}: {fault}",
        f"export.options.columns[{at}]",
        column=name,
        fault=fault,
    )
