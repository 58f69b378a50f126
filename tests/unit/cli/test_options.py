from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from sishu.cli.options import need, takes
from sishu.cli.parse_options import ParseOptions, parse_request
from sishu.errors import ApiError
from sishu.ingest.v1 import chunk_pb2, document_pb2


@dataclass(frozen=True)
class Size:
    width: Annotated[int, typer.Option(help="How wide.")] = 2
    label: Annotated[list[str] | None, typer.Option()] = None


def output_of(*arguments: str) -> str:
    app = typer.Typer()

    @app.command()
    @takes(Size)
    def draw(name: Annotated[str, typer.Argument()], options: Size, color: str = "red") -> None:
        print(name, options, color)

    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_a_command_gets_the_options_of_a_group_beside_its_own() -> None:
    assert output_of("box") == "box Size(width=2, label=None) red\n"
    given = output_of("--color", "blue", "--width", "3", "--label", "a", "--label", "b", "box")
    assert given == "box Size(width=3, label=['a', 'b']) blue\n"


def test_the_help_of_a_command_names_the_options_of_a_group() -> None:
    shown = output_of("--help")
    assert "How wide." in shown
    assert "options" not in shown.replace("Options", "").replace("[OPTIONS]", "")


def test_words_become_the_values_of_the_contract() -> None:
    options = ParseOptions("custom", "tokens", separator=["\\n"], cut_at=[5, 3], clean=["page-numbers"])
    request = parse_request(options)
    assert request.split_options == chunk_pb2.SplitOptions(
        strategy=chunk_pb2.SPLIT_STRATEGY_CUSTOM,
        unit=chunk_pb2.SIZE_UNIT_TOKENS,
        separators=["\n"],
        cut_points=[3, 5],
    )
    assert request.clean_options.rules == [document_pb2.CLEAN_RULE_PAGE_NUMBERS]
    assert not request.HasField("read_options")


def test_the_encoding_of_text_files_can_be_stated() -> None:
    request = parse_request(ParseOptions(encoding="gb18030"))
    assert request.read_options == document_pb2.ReadOptions(encoding="gb18030")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (ParseOptions(strategy="words"), "structure, recursive"),
        (ParseOptions(page_reader="eye"), "auto, text, ocr"),
        (ParseOptions(clean=["spelling"]), "page-numbers"),
    ],
)
def test_a_word_that_is_no_value_is_told_with_those_that_are(options: ParseOptions, words: str) -> None:
    with pytest.raises(ApiError, match=words):
        parse_request(options)


def test_an_option_that_does_nothing_without_another_is_refused() -> None:
    need("hub/data", "--public", "--push-to REPO")
    with pytest.raises(ApiError, match=r"^--public needs --push-to REPO$") as raised:
        need("", "--public", "--push-to REPO")
    assert raised.value.reason == "OPTION_MISSING"
