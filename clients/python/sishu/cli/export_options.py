"""What can be wished of an export, as options of the command."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from sishu.cli.export_filter_options import ExportFilterOptions
from sishu.cli.parse_options import chosen
from sishu.cli.texts import say
from sishu.dataset.v1 import export_pb2 as pb
from sishu.dataset.v1.dataset_version_pb2 import DatasetSplit
from sishu.dataset.v1.example_pb2 import ExampleKind
from sishu.errors import ApiError

BUNDLES = ("llama_factory", "hugging_face", "trl", "axolotl", "ms_swift")
"""Formats that are folders for programs; all others are shapes."""


@dataclass(frozen=True)
class ExportWishes(ExportFilterOptions):
    """Of which examples and how an export is made; what is not said is left to the service."""

    file_type: Annotated[str, typer.Option(metavar="TYPE", help=say("export_file_type"))] = ""
    compression: Annotated[str, typer.Option(metavar="NAME", help=say("export_compression"))] = ""
    reasoning: Annotated[str, typer.Option(metavar="WAY", help=say("export_reasoning"))] = ""
    reasoning_marks: Annotated[str, typer.Option(metavar="MARKS", help=say("export_reasoning_marks"))] = ""
    reasoning_field: Annotated[str, typer.Option(metavar="NAME", help=say("export_reasoning_field"))] = ""
    system_prompt: Annotated[str, typer.Option(metavar="TEXT", help=say("export_system"))] = ""
    replace_system: Annotated[bool, typer.Option("--replace-system", help=say("export_replace_system"))] = (
        False
    )
    splits: Annotated[str, typer.Option(metavar="SPLITS", help=say("export_splits"))] = ""
    kinds: Annotated[str, typer.Option(metavar="KINDS", help=say("export_kinds"))] = ""
    max_per_tag: Annotated[int, typer.Option(metavar="N", help=say("export_per_tag"))] = 0
    max_per_label: Annotated[int, typer.Option(metavar="N", help=say("export_per_label"))] = 0
    seed: Annotated[int, typer.Option(help=say("export_seed"))] = 0
    column: Annotated[list[str] | None, typer.Option(metavar="NAME=TEMPLATE", help=say("export_column"))] = (
        None
    )

    def options(self, name: str) -> pb.ExportOptions:
        """The options of an export in a format, in whose filter names stand as they were given.

        Raises:
            ApiError: a word is none of those that there are.
        """
        word = name.replace("-", "_")
        found = pb.ExportOptions(
            shape="" if word in BUNDLES else word,
            bundle=word if word in BUNDLES else "",
            reasoning_field=self.reasoning_field,
            system_prompt=unescaped(self.system_prompt),
            replace_system=self.replace_system,
            splits=all_of(DatasetSplit, "DATASET_SPLIT", self.splits),
            kinds=all_of(ExampleKind, "EXAMPLE_KIND", self.kinds),
            max_per_tag=self.max_per_tag,
            max_per_label=self.max_per_label,
            seed=self.seed,
            columns=map(column, self.column or ()),
        )
        wanted = self.filter()
        if wanted.ByteSize():
            found.filter.CopyFrom(wanted)
        self._fill_words(found)
        return found

    def _fill_words(self, found: pb.ExportOptions) -> None:
        if self.file_type:
            found.file_type = chosen(pb.ExportFileType, "EXPORT_FILE_TYPE", self.file_type)
        if self.compression:
            found.compression = chosen(pb.ExportCompression, "EXPORT_COMPRESSION", self.compression)
        if self.reasoning:
            found.reasoning = chosen(pb.ExportReasoning, "EXPORT_REASONING", self.reasoning)
        if self.reasoning_marks:
            before, comma, behind = self.reasoning_marks.partition(",")
            if not comma:
                raise ApiError(
                    "INVALID_ARGUMENT",
                    "OPTION_INVALID",
                    "--reasoning-marks has two marks with a comma between",
                )
            found.reasoning_open, found.reasoning_close = unescaped(before), unescaped(behind)


def all_of(enum: Any, prefix: str, words: str) -> Iterable[Any]:
    """The values of an enum by their names, which have commas between."""
    return [chosen(enum, prefix, word.strip()) for word in words.split(",") if word.strip()]


def unescaped(text: str) -> str:
    """A text of the command line, whose line breaks may be written as such."""
    return text.replace("\\n", "\n").replace("\\t", "\t")


def column(given: str) -> pb.ExportColumn:
    """A column from `NAME=TEMPLATE`.

    Raises:
        ApiError: it is none.
    """
    name, equals, template = given.partition("=")
    if not equals or not name.strip():
        raise ApiError(
            "INVALID_ARGUMENT",
            "OPTION_INVALID",
            f"--column is NAME=TEMPLATE, such as --column 'question={{{{ question }}}}'; not {given}",
        )
    return pb.ExportColumn(name=name.strip(), template=unescaped(template))
