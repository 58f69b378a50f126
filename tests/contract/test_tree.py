"""What the documents say exists, and the tree keeps its shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer.main

from services.runtime.config import ROOMS
from sishu.cli.main import program

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (".ci", "clients", "deploy", "docs", "examples", "protos", "scripts", "services", "tests")
NOT_OURS = {"node_modules", "third_party", "__pycache__"}
CODE = {".py", ".proto", ".sql", ".sh", ".jinja", ".html", ".go", ".ts"}
LONGEST = 400

BLOCKS = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPANS = re.compile(r"`([^`\n]+)`")
VARIABLES = re.compile(r"SISHU_[A-Z0-9_]*[A-Z0-9]")
LINKS = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def tree(*suffixes: str) -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and not NOT_OURS & set(path.parts) and "_pb2" not in path.name:
                yield path


def documents() -> Iterator[tuple[str, Path, str]]:
    """Name, folder and text of every document."""
    for path in [*sorted(ROOT.glob("*.md")), *tree(".md")]:
        yield str(path.relative_to(ROOT)), path.parent, path.read_text(encoding="utf-8")


def code_in(text: str) -> list[str]:
    """The lines of a document's code blocks, joined where they go on, and its code spans."""
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


def test_files_are_short_enough_to_read() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_bytes().splitlines()) for path in tree(*CODE)}
    too_long = {name: length for name, length in lengths.items() if length >= LONGEST}
    # Tests are read one by one, whatever the file's length.
    assert {name for name in too_long if not Path(name).name.startswith("test_")} == set()


def test_links_lead_somewhere() -> None:
    dead = [
        (name, link)
        for name, folder, text in documents()
        for link in LINKS.findall(text)
        if not (folder / link).exists()
    ]
    assert dead == []


def test_named_paths_exist() -> None:
    named = [(name, span) for name, _, text in documents() for span in SPANS.findall(text)]
    assert [(name, span) for name, span in named if is_path(span) and not (ROOT / span).exists()] == []


def is_path(span: str) -> bool:
    """Whether a code span names something in the tree, from its root."""
    return span.partition("/")[0] in FOLDERS and re.fullmatch(r"[\w.-]+(/[\w.@-]*)+", span) is not None


def test_named_variables_are_read() -> None:
    named = [(name, word) for name, _, text in documents() for word in VARIABLES.findall(text)]
    assert [(name, word) for name, word in named if word not in variables()] == []


def test_named_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = [(name, word) for name, line in code_lines() for word in words(line, "make")]
    assert [
        (name, word) for name, word in named if re.fullmatch(r"[a-z-]+", word) and word not in targets
    ] == []


def test_named_commands_and_options_exist() -> None:
    calls = [(name, words(line, "sishu")) for name, line in code_lines()]
    assert [(name, problem) for name, call in calls for problem in wrong_in(call)] == []


def code_lines() -> Iterator[tuple[str, str]]:
    """Every line of code in the documents, with the document's name."""
    return ((name, line) for name, _, text in documents() for line in code_in(text))


@cache
def root_command() -> Any:
    return typer.main.get_command(program())


def wrong_in(arguments: list[str]) -> Iterator[str]:
    """The commands and options in a call of `sishu` that do not exist; `a|b` stands for either command."""
    command = root_command()
    options = {"--help", *options_of(command)}
    for argument in arguments:
        commands = getattr(command, "commands", {})
        if argument.startswith("--"):
            if argument.partition("=")[0] not in options:
                yield argument
        elif commands and re.fullmatch(r"[a-z-]+(\|[a-z-]+)*", argument):
            names = argument.split("|")
            yield from (name for name in names if name not in commands)
            command = commands.get(names[0], command)
            options |= set(options_of(command))


def options_of(command: Any) -> list[str]:
    return [option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)]


def test_the_checks_find_what_is_wrong() -> None:
    assert list(wrong_in(["learn", "docs", "--name=x", "--nmae", "x"])) == ["--nmae"]
    assert list(wrong_in(["project|porject", "list"])) == ["porject"]
    assert "SISHU_INGEST_PORT" in variables()
    assert is_path("services/runtime/room.py")
