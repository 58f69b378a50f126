"""Help is whole: nothing is cut off on a narrow screen, in no language."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest
import typer.rich_utils
from rich.console import Console
from rich.text import Text

from sishu.cli.help import literal, use_whole_tables
from sishu.cli.tables import WholeTable
from sishu.cli.texts import LANGUAGES, choose_language

# Help texts are fixed when the commands are defined, so each language has a process of its own.
PRINT_ALL = """
import contextlib, io, json, typer.main
from sishu.cli.main import program, use_whole_tables

def contexts(command, parent=None, name="sishu"):
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    yield context
    for name, one in getattr(command, "commands", {}).items():
        yield from contexts(one, context, name)

def shown(context):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        context.command.get_help(context)
    return out.getvalue()

def texts(command):
    yield command.help or ""
    yield from (getattr(one, "help", "") or "" for one in command.params)

use_whole_tables()
found = list(contexts(typer.main.get_command(program())))
print(json.dumps({
    "shown": {one.command_path: shown(one) for one in found},
    "texts": [text for one in found for text in texts(one.command)],
}))
"""


@pytest.mark.full
@pytest.mark.parametrize("language", LANGUAGES)
def test_all_help_is_there_and_not_cut_off_on_a_narrow_screen(language: str) -> None:
    narrow = {**os.environ, "COLUMNS": "80", "LC_ALL": f"{language}.UTF-8"}
    command = [sys.executable, "-c", PRINT_ALL]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=narrow)
    found = json.loads(printed.stdout)
    texts = found["texts"]
    assert any("文档" in text for text in texts) == (language == "zh")
    assert not any("…" in text for text in texts)
    assert len(found["shown"]) > 50
    assert [path for path, shown in found["shown"].items() if "--help" not in shown] == []
    assert [path for path, shown in found["shown"].items() if "…" in shown] == []


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Arguments", "Options", "[required]", "and exit")),
        ("zh", ("参数", "选项", "[必填]", "显示此说明")),
    ],
)
def test_the_words_around_ours_are_in_the_same_language(language: str, words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "sishu.cli.main", "--lang", language, "provider", "get", "--help"]
    wide = {**os.environ, "COLUMNS": "120"}
    printed = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=120, env=wide
    ).stdout
    assert [word for word in words if word not in printed] == []


def test_brackets_in_help_are_no_marks_of_style() -> None:
    assert (
        literal(text="Marks, such as '[T],[/T]'.", markup_mode="rich").plain == "Marks, such as '[T],[/T]'."
    )
    use_whole_tables()
    assert typer.rich_utils._make_rich_text is literal


def test_a_table_breaks_a_long_word_into_lines() -> None:
    words = "请检查密钥及其权限以及地址和模型的名称是否正确"
    table, printed = WholeTable(box=None, pad_edge=False, show_header=False), io.StringIO()
    table.add_row("error", Text(words))
    Console(file=printed, width=24).print(table)
    assert "".join(printed.getvalue().replace("error", "").split()) == words


@pytest.mark.parametrize(
    ("arguments", "environment", "language"),
    [
        (["--lang", "en"], {"SISHU_LANGUAGE": "zh"}, "en"),
        (["job"], {"SISHU_LANGUAGE": "zh", "LC_ALL": "C.UTF-8"}, "zh"),
        (["job"], {"SISHU_LANGUAGE": "", "LANG": "zh_CN.UTF-8"}, "zh"),
        (["job"], {}, "en"),
    ],
)
def test_the_language_is_the_one_that_is_named_nearest(
    arguments: list[str], environment: dict[str, str], language: str
) -> None:
    assert choose_language(arguments, environment) == language
