"""From a file's text to its arguments, each with the line on which it stands.

The text is YAML or JSON. Scalars stay as they are written: what `no` or `1e-4` mean depends on the argument,
and YAML 1.1 would make a truth value of the one and a text of the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from services.trainer.llama_factory.remarks import Remark

Value = str | list["Value"] | dict[str, "Value"] | None
"""Nothing, a scalar as it is written, or what is made of them."""

DEEPEST = 20
"""Levels of lists and mappings; a DeepSpeed config has three."""
NOTHING = {"", "~", "null", "Null", "NULL"}
LEADING_TABS = re.compile(r"^\t+", re.MULTILINE)


@dataclass(frozen=True)
class Given:
    """An argument as it stands in the file."""

    name: str
    value: Value
    line: int


class UnreadableError(Exception):
    """The text as a whole cannot be read; carries the fault."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.fault = Remark("", line, "CONFIG_UNREADABLE", message, {"line": str(line)})


def read_arguments(text: str) -> tuple[list[Given], list[Remark]]:
    """The arguments of a file in their order, and those that stand in it twice.

    Raises:
        UnreadableError: it is neither YAML nor JSON, or no mapping of names to values.
    """
    given: dict[str, Given] = {}
    faults: list[Remark] = []
    for key, node in _pairs(_root(text)):
        line = key.start_mark.line + 1
        name = key.value
        if name in given:
            first = given[name].line
            message = f"{name} stands in the file twice, on lines {first} and {line}; keep one"
            faults.append(Remark(name, line, "ARGUMENT_TWICE", message, {"name": name, "first": str(first)}))
        else:
            given[name] = Given(name, _value(node), line)
    return list(given.values()), faults


def _root(text: str) -> yaml.MappingNode:
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("{"):
        # JSON may be indented with tabs, YAML may not; no text of JSON begins on a line of its own.
        text = LEADING_TABS.sub(" ", text)
    try:
        _check_shape(text)
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        raise UnreadableError(line, f"line {line} is neither YAML nor JSON: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UnreadableError(line, f"line {line} has a character that YAML does not allow") from error
    if not isinstance(root, yaml.MappingNode):
        raise UnreadableError(1, "the file must have lines such as `stage: sft`: names with their values")
    return root


def _check_shape(text: str) -> None:
    """Refuse what a small text can blow up: repeated parts and endless nesting."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.BaseLoader):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise UnreadableError(line, f"line {line} repeats another part (`*`); write it out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise UnreadableError(line, f"line {line} is nested more than {DEEPEST} levels deep")


def _pairs(node: yaml.MappingNode) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            raise UnreadableError(line, f"line {line} has no name before its colon")
        yield key, value


def _value(node: yaml.Node) -> Value:
    if isinstance(node, yaml.MappingNode):
        return {key.value: _value(value) for key, value in _pairs(node)}
    if isinstance(node, yaml.SequenceNode):
        return [_value(each) for each in node.value]
    written = str(node.value)
    return None if node.style is None and written in NOTHING else written
