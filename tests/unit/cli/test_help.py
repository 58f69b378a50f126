"""Help is whole: nothing is cut off on a narrow screen, in no language."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest
from rich.console import Console
from rich.text import Text

from sishu.cli.help import WholeTable
from sishu.cli.texts import LANGUAGES

# Help texts are fixed when the commands are defined, so each language has a process of its own.
PRINT_ALL = """
import json, typer.main
from typer.testing import CliRunner
from sishu.cli.main import app

def paths(command, path=()):
    yield path
    for name, one in getattr(command, "commands", {}).items():
        yield from paths(one, (*path, name))

def texts(command):
    yield command.help or ""
    yield from (getattr(one, "help", "") or "" for one in command.params)
    for one in getattr(command, "commands", {}).values():
        yield from texts(one)

root = typer.main.get_command(app)
shown = {" ".join(path): CliRunner().invoke(app, [*path, "--help"]).output for path in paths(root)}
print(json.dumps({"shown": shown, "texts": list(texts(root))}))
"""


@pytest.mark.full
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_help_is_cut_off_on_a_narrow_screen(language: str) -> None:
    narrow = {**os.environ, "COLUMNS": "80", "LC_ALL": f"{language}.UTF-8"}
    command = [sys.executable, "-c", PRINT_ALL]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=narrow)
    found = json.loads(printed.stdout)
    texts = found["texts"]
    assert any("文档" in text for text in texts) == (language == "zh")
    assert not any("…" in text for text in texts)
    assert len(found["shown"]) > 50
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


def test_a_table_breaks_a_long_word_into_lines() -> None:
    words = "请检查密钥及其权限以及地址和模型的名称是否正确"
    table, printed = WholeTable(box=None, pad_edge=False, show_header=False), io.StringIO()
    table.add_row("error", Text(words))
    Console(file=printed, width=24).print(table)
    assert "".join(printed.getvalue().replace("error", "").split()) == words
