"""Templates of prompts: what they may hold, and how they are filled.

Users write templates, and are not trusted: they get variables, `if`, `for` and a few filters, and nothing
that could take long, grow large or reach anything. What stands in a document is a value and never read as a
template; messages are parted before any value is there.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, meta, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.generation.prompts.built_in import Variable
from services.generation.prompts.prompt_filters import FILTERS, MOST_FILLED
from services.runtime.errors import InvalidArgument

LONGEST = 100_000
MOST_MESSAGES = 40
MOST_LOOPS = 2
"""Loops within one another."""
MOST_ROUNDS = 100
"""Rounds of a loop over a variable, as many as a call has facts at most."""
MOST_NODES = 2000
"""Expressions of a template, and other parts of it."""
MOST_WORK = 10_000
"""The same, each as often as it is come to; at worst each takes as long as a long passage takes to read."""
DEEPEST = 40
"""Nodes within one another; the compiler of the library calls itself for each."""

SEPARATOR = "====="
"""Line between two messages."""
MARK = re.compile(r"\{[{%#]")
LOOP_VALUES = {"index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem"}
RESERVED = {"self", "super", "caller", "varargs", "kwargs"}
"""Names that the library fills by itself."""

ALLOWED: tuple[type[nodes.Node], ...] = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.List, nodes.Tuple),
    *(nodes.For, nodes.If, nodes.CondExpr, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Filter),
    *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg),
)
WORDS: Mapping[type[nodes.Node], str] = {
    nodes.Assign: "{% set %}",
    nodes.AssignBlock: "{% set %}",
    nodes.Call: "a call",
    nodes.Macro: "{% macro %}",
    nodes.CallBlock: "{% call %}",
    nodes.FilterBlock: "{% filter %}",
    nodes.Include: "{% include %}",
    nodes.Import: "{% import %}",
    nodes.FromImport: "{% from %}",
    nodes.Extends: "{% extends %}",
    nodes.Block: "{% block %}",
    nodes.With: "{% with %}",
    nodes.Test: "a test with `is`",
    nodes.Concat: "`~`",
    nodes.Dict: "a dict",
    nodes.Keyword: "a named argument",
}


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Nothing of a value can be reached by name but where a loop is."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ARG002, D102  # the library's
        return isinstance(obj, LoopContext) and attr in LOOP_VALUES

    def is_safe_callable(self, obj: Any) -> bool:  # noqa: ARG002, D102  # the library's
        return False


def environment() -> PromptEnvironment:
    """Where templates are read."""
    # The result goes to a model, not to a browser: escaping would spoil it.
    made = PromptEnvironment(undefined=StrictUndefined, autoescape=False, trim_blocks=True)
    made.globals, made.filters, made.tests = {}, dict(FILTERS), {}
    return made


ENVIRONMENT = environment()


@dataclass(frozen=True)
class Part:
    """One message of a template, and the line where it begins."""

    line: int
    text: str


@dataclass(frozen=True)
class PromptTemplate:
    """A template that can be filled; of its messages those without values, as an example, are text."""

    messages: Sequence[tuple[Part, Template | None]]

    def fill(self, values: Mapping[str, object]) -> list[str]:
        """The messages with the values in them.

        Raises:
            InvalidArgument: they cannot be filled with these values.
        """
        texts, left = list[str](), MOST_FILLED
        for part, template in self.messages:
            texts.append(filled(part, template, values, left) if template else part.text.strip())
            left -= len(texts[-1])
        return texts


def normalised(text: str) -> str:
    """A template as it is stored, whatever editor it comes from."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return lines.strip("\n") + "\n"


def checked(text: str, variables: Sequence[Variable], field: str) -> PromptTemplate:
    """A template of a user, held against all rules.

    Args:
        text: the template, normalised.
        variables: what it is filled with.
        field: path of the request field that holds it.

    Raises:
        InvalidArgument: it breaks one; the message says where, and what to do.
    """
    try:
        template = parsed(text, variables)
        check_variables(template, variables)
        for place in (0, 1):
            texts = template.fill({one.name: one.samples[place] for one in variables})
            check_not_empty(template, texts)
    except InvalidArgument as error:
        error.field = field
        raise
    return template


def parsed(text: str, variables: Sequence[Variable]) -> PromptTemplate:
    """A template that does no harm.

    Raises:
        InvalidArgument: it is none.
    """
    if len(text) > LONGEST:
        raise wrong_template(
            "PROMPT_TOO_LONG",
            f"the template has {len(text)} characters, of at most {LONGEST}; shorten it",
            length=str(len(text)),
        )
    if "\0" in text:
        raise not_allowed(text[: text.index("\0")].count("\n") + 1, "the sign U+0000")
    parts = parts_of(text)
    if len(parts) % 2 or not 2 <= len(parts) <= MOST_MESSAGES:
        raise wrong_template(
            "PROMPT_MESSAGES",
            f"the template has {len(parts)} messages, parted by lines {SEPARATOR}; there must be an even "
            f"number of them, 2 to {MOST_MESSAGES}: the system's, then the user's and the assistant's in "
            "turn, the user's last",
            count=str(len(parts)),
        )
    trees = [(part, tree_of(part) if MARK.search(part.text) else None) for part in parts]
    lists = {one.name for one in variables if one.is_list}
    names = {one.name for one in variables}
    check_trees([(part, tree) for part, tree in trees if tree], lists, names)
    return PromptTemplate([(part, compiled(part, tree) if tree else None) for part, tree in trees])


def parts_of(text: str) -> list[Part]:
    """The messages of a template, before anything is filled in."""
    lines = text.split("\n")
    cuts = [number for number, line in enumerate(lines) if line.rstrip() == SEPARATOR]
    starts = [0, *(cut + 1 for cut in cuts)]
    ends = [*cuts, len(lines)]
    return [Part(start + 1, "\n".join(lines[start:end])) for start, end in zip(starts, ends, strict=True)]


def tree_of(part: Part) -> nodes.Template:
    """A message as the library reads it."""
    try:
        return ENVIRONMENT.parse(part.text)
    except TemplateSyntaxError as error:
        raise syntax_error(part, error) from None
    except RecursionError:
        raise not_allowed(part.line, "what is nested so deeply") from None
    except ValueError as error:
        raise wrong_template(
            "PROMPT_SYNTAX", f"line {part.line} or below: {error}", line=str(part.line)
        ) from None


def compiled(part: Part, tree: nodes.Template) -> Template:
    """A message that can be filled."""
    try:
        return ENVIRONMENT.from_string(tree)
    except TemplateSyntaxError as error:
        raise syntax_error(part, error) from None


def check_trees(trees: Sequence[tuple[Part, nodes.Template]], lists: set[str], names: set[str]) -> None:
    """Let through what templates may hold.

    Args:
        trees: the messages, as the library reads them.
        lists: variables that hold lists.
        names: all variables.
    """
    count = work = 0
    waiting: list[tuple[Part, nodes.Node, int, int, int]] = [(part, tree, 0, 0, 1) for part, tree in trees]
    while waiting:
        part, node, depth, loops, times = waiting.pop()
        count, work = count + 1, work + times
        check_node(part, node, lists, names)
        if isinstance(node, nodes.For):
            loops, times = loops + 1, times * rounds(node)
        if depth > DEEPEST or loops > MOST_LOOPS:
            raise not_allowed(line_of(part, node), "what is nested so deeply")
        if count > MOST_NODES or work > MOST_WORK:
            raise not_allowed(line_of(part, node), "so many expressions, or so many in loops,")
        waiting += [(part, child, depth + 1, loops, times) for child in node.iter_child_nodes()]


def check_node(part: Part, node: nodes.Node, lists: set[str], names: set[str]) -> None:
    """Refuse what is in no template."""
    line = line_of(part, node)
    if type(node) not in ALLOWED:
        raise not_allowed(line, WORDS.get(type(node), f"what Jinja calls {type(node).__name__}"))
    if isinstance(node, nodes.Getattr) and not (
        isinstance(node.node, nodes.Name) and node.node.name == "loop" and node.attr in LOOP_VALUES
    ):
        raise not_allowed(line, f"`.{node.attr}`")
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        raise not_allowed(line, f"the filter `{node.name}`")
    if isinstance(node, nodes.For):
        if node.recursive or not isinstance(node.target, nodes.Name) or node.target.name in names:
            raise not_allowed(line, "such a loop; `{% for one in facts %}` is, with a name of its own")
        if not is_list(node.iter, lists):
            raise not_allowed(line, "a loop over anything but a list")


def rounds(loop: nodes.For) -> int:
    """How often a loop goes round at most."""
    over = loop.iter.node if isinstance(loop.iter, nodes.Getitem) else loop.iter
    return len(over.items) if isinstance(over, nodes.List) else MOST_ROUNDS


def is_list(node: nodes.Node, lists: set[str]) -> bool:
    """Whether an expression is a list, which is never long."""
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
        node = node.node
    return isinstance(node, nodes.List) or (isinstance(node, nodes.Name) and node.name in lists)


def check_variables(template: PromptTemplate, variables: Sequence[Variable]) -> None:
    """Let no variable be used that is not there, and none be left out that must be used."""
    names = [one.name for one in variables]
    used: set[str] = set()
    for part, compiled_part in template.messages:
        if not compiled_part:
            continue
        tree = tree_of(part)
        free = meta.find_undeclared_variables(tree) | RESERVED
        used |= free
        for node in tree.find_all(nodes.Name):
            if node.ctx == "load" and node.name in free and node.name not in names:
                raise unknown(line_of(part, node), node.name, names)
    for variable in variables:
        if variable.required and variable.name not in used:
            raise wrong_template(
                "PROMPT_VARIABLE_MISSING",
                f"the template does not use `{variable.name}`, {variable.description}; put "
                f"{{{{ {variable.name} }}}} where the model is to read it",
                name=variable.name,
            )


def check_not_empty(template: PromptTemplate, texts: Sequence[str]) -> None:
    """Refuse messages that say nothing."""
    for (part, _), text in zip(template.messages, texts, strict=True):
        if not text:
            line = str(part.line)
            raise wrong_template(
                "PROMPT_MESSAGES", f"the message at line {line} is empty; fill or drop it", line=line
            )


def filled(part: Part, template: Template, values: Mapping[str, object], left: int) -> str:
    """A message with the values in it, of at most `left` characters.

    Raises:
        InvalidArgument: it cannot be filled with them, or grows too long.
    """
    pieces = list[str]()
    try:
        for piece in template.generate(values):
            left -= len(piece) + 1
            if left < 0:
                raise ValueError(f"it grows beyond {MOST_FILLED} characters")
            pieces.append(piece)
    except Exception as error:  # expressions of users, such as a comparison of a text with a number
        line = str(failing_line(part, error))
        raise wrong_template(
            "PROMPT_FAILED",
            f"line {line}: the template cannot be filled: {error}; change it there",
            line=line,
        ) from None
    return "".join(pieces).strip()


def failing_line(part: Part, error: Exception) -> int:
    """The line of a template that raised an error; the library puts it into the traceback."""
    found = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"
    ]
    return part.line + (found[-1] or 1) - 1 if found else part.line


def line_of(part: Part, node: nodes.Node) -> int:
    """The line of a node in the whole template."""
    return part.line + (node.lineno or 1) - 1


def syntax_error(part: Part, error: TemplateSyntaxError) -> InvalidArgument:
    """The error for what is no Jinja template."""
    line = str(part.line + error.lineno - 1)
    return wrong_template(
        "PROMPT_SYNTAX", f"line {line}: {error.message}; mend the template there", line=line
    )


def not_allowed(line: int, what: str) -> InvalidArgument:
    """The error for what a template may not hold."""
    return wrong_template(
        "PROMPT_NOT_ALLOWED",
        f"line {line}: {what} cannot be in a prompt; there are variables, if, for, comparisons and the "
        f"filters {', '.join(sorted(FILTERS))}",
        line=str(line),
        what=what,
    )


def unknown(line: int, name: str, names: Sequence[str]) -> InvalidArgument:
    """The error for a variable that is not there."""
    near = get_close_matches(name, names, 1, 0.5)
    hint = f"did you mean `{near[0]}`? " if near else ""
    return wrong_template(
        "PROMPT_VARIABLE_UNKNOWN",
        f"line {line}: there is no variable `{name}`; {hint}there are {', '.join(names)}",
        line=str(line),
        name=name,
        names=", ".join(names),
    )


def wrong_template(reason: str, message: str, **metadata: str) -> InvalidArgument:
    """The error for a template that is not taken."""
    return InvalidArgument(reason, message, **metadata)
