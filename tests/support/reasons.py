"""The reasons of the errors in our code, to be held against what the documents say."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from services.runtime import errors

ERRORS = {
    name: 0
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.SishuError)
}
"""What makes an error, and at which place of its arguments the reason stands."""


def reasons_of(path: Path, makers: Mapping[str, int] = ERRORS) -> Iterator[str]:
    """The reasons of the errors that a module makes; one that is put together as it stands in the code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = dict(constants_of(tree))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        place = makers.get(ast.unparse(node.func))
        if place is None or len(node.args) <= place:
            continue
        reason = node.args[place]
        if isinstance(reason, ast.Constant):
            yield str(reason.value)
        elif isinstance(reason, ast.Name) and reason.id in constants:
            yield constants[reason.id]
        elif isinstance(reason, ast.JoinedStr):
            yield ast.unparse(reason)[2:-1]


def constants_of(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names that a module gives to texts."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                yield ast.unparse(target), str(node.value.value)
