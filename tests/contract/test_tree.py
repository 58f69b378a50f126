"""What the documents say exists, and the tree keeps its shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
import typer.main

from services.runtime.config import ROOMS
from sishu.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (".ci", "clients", "deploy", "docs", "examples", "protos", "scripts", "services", "tests")
NOT_OURS = {"node_modules", "third_party", "__pycache__"}
CODE = {".py", ".proto", ".sql", ".sh", ".jinja", ".html", ".go", ".ts"}
LONGEST = 400

BLOCKS = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPANS = re.compile(r"`([^`\n]+)`")
LINKS = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def tree(*suffixes: str) -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and not NOT_OURS & set(path.parts) and "_pb2" not in path.name:
                yield path


DOCUMENTS = [*sorted(ROOT.glob("*.md")), *tree(".md")]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code_in(document: Path) -> list[str]:
    """The lines of code blocks, joined where they go on, and the code spans."""
    text = document.read_text(encoding="utf-8")
    blocks = [line for block in BLOCKS.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    return [line.partition("#")[0].strip() for line in blocks] + SPANS.findall(BLOCKS.sub("", text))


@cache
def code() -> str:
    """All our code in one text."""
    scripts = [ROOT / "Makefile", ROOT / ".ci" / "run"]
    return "\n".join(path.read_text(encoding="utf-8") for path in [*tree(*CODE), *scripts])


@cache
def variables() -> set[str]:
    """Every environment variable that the code names, once for each room where it is one of a room's."""
    rooms = [room.upper() for room in ROOMS]
    names = re.findall(r"SISHU_(?:\{(?:ROOM|room\.upper\(\))\}_)?[A-Z0-9_]*[A-Z0-9]", code())
    return {re.sub(r"\{[^}]*\}", room, name) for name in names for room in rooms}


def words(line: str, program: str) -> list[str]:
    """What follows a program's name where a line calls it."""
    parts = line.removeprefix("$ ").split()
    while parts and re.fullmatch(r"[A-Z_]+=\S*", parts[0]):
        parts = parts[1:]
    return parts[1:] if parts[:1] == [program] else []


@pytest.mark.parametrize("path", list(tree(*CODE)), ids=name_of)
def test_a_file_is_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < LONGEST


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    links = LINKS.findall(document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_named_paths_exist(document: Path) -> None:
    spans = [span for span in SPANS.findall(document.read_text(encoding="utf-8")) if "/" in span]
    paths = [span for span in spans if span.split("/")[0] in FOLDERS and re.fullmatch(r"[\w./@-]+", span)]
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_named_variables_are_read(document: Path) -> None:
    named = set(re.findall(r"SISHU_[A-Z0-9_]*[A-Z0-9]", document.read_text(encoding="utf-8")))
    assert named - variables() == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_named_make_targets_exist(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {word for line in code_in(document) for word in words(line, "make") if re.fullmatch(r"[a-z-]+", word)}
    assert named - targets == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_named_commands_and_options_exist(document: Path) -> None:
    wrong = [problem for line in code_in(document) for problem in wrong_call(words(line, "sishu"))]
    assert wrong == []


def wrong_call(arguments: list[str]) -> Iterator[str]:
    """What is wrong with a call of `sishu`; `a|b` stands for either command."""
    command: click.Command = typer.main.get_command(app)
    options = set(command_options(command))
    for argument in arguments:
        if argument.startswith("--"):
            options |= set(command_options(command))
            if argument.partition("=")[0] not in {*options, "--help"}:
                yield argument
        elif isinstance(command, click.Group) and re.fullmatch(r"[a-z-]+(\|[a-z-]+)*", argument):
            names = argument.split("|")
            yield from (name for name in names if name not in command.commands)
            command = command.commands.get(names[0], command)


def command_options(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        yield from parameter.opts
