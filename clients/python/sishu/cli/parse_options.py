"""How documents are to be parsed, as options of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from sishu.cli.texts import say
from sishu.errors import ApiError
from sishu.ingest.v1.chunk_pb2 import SizeUnit, SplitOptions, SplitStrategy
from sishu.ingest.v1.document_pb2 import CleanOptions, CleanRule, PageReader, ReadOptions
from sishu.ingest.v1.document_service_pb2 import ParseDocumentsRequest


@dataclass(frozen=True)
class ParseOptions:
    """The options; each that is empty is left to the service."""

    strategy: Annotated[str, typer.Option(help=say("split_strategy"))] = ""
    unit: Annotated[str, typer.Option(help=say("split_unit"))] = ""
    min_size: Annotated[int, typer.Option(help=say("split_min"))] = 0
    max_size: Annotated[int, typer.Option(help=say("split_max"))] = 0
    overlap: Annotated[int, typer.Option(help=say("split_overlap"))] = 0
    tokenizer: Annotated[str, typer.Option(help=say("split_tokenizer"))] = ""
    separator: Annotated[list[str] | None, typer.Option(help=say("split_separator"))] = None
    cut_at: Annotated[list[int] | None, typer.Option(help=say("split_cut"))] = None
    page_reader: Annotated[str, typer.Option(help=say("page_reader"))] = ""
    encoding: Annotated[str, typer.Option(help=say("encoding"))] = ""
    clean: Annotated[list[str] | None, typer.Option(help=say("clean"))] = None
    rewrite: Annotated[bool, typer.Option("--rewrite", help=say("rewrite"))] = False


def parse_request(options: ParseOptions) -> ParseDocumentsRequest:
    """The options of a parse, as a request that says nothing else.

    Raises:
        ApiError: a word is none of those that there are.
    """
    request = ParseDocumentsRequest(split_options=split_options(options))
    if options.page_reader or options.encoding:
        page_reader = chosen(PageReader, "PAGE_READER", options.page_reader or "unspecified")
        request.read_options.CopyFrom(ReadOptions(page_reader=page_reader, encoding=options.encoding))
    if options.clean or options.rewrite:
        rules = [chosen(CleanRule, "CLEAN_RULE", one) for one in options.clean or []]
        request.clean_options.CopyFrom(CleanOptions(rules=rules, rewrite=options.rewrite))
    return request


def split_options(options: ParseOptions) -> SplitOptions:
    r"""How to split; in separators `\n` and `\t` mean what they mean in programs.

    Raises:
        ApiError: a word is none of those that there are.
    """
    return SplitOptions(
        strategy=chosen(SplitStrategy, "SPLIT_STRATEGY", options.strategy or "unspecified"),
        unit=chosen(SizeUnit, "SIZE_UNIT", options.unit or "unspecified"),
        min_size=options.min_size,
        max_size=options.max_size,
        overlap=options.overlap,
        tokenizer=options.tokenizer,
        separators=[one.replace("\\n", "\n").replace("\\t", "\t") for one in options.separator or []],
        cut_points=sorted(options.cut_at or []),
    )


def chosen(enum: Any, prefix: str, word: str) -> Any:
    """The value of an enum by its name, without prefix, in any case and with `-` for `_`.

    Raises:
        ApiError: there is none of the name.
    """
    name = f"{prefix}_{word.upper().replace('-', '_')}"
    if name not in enum.keys():  # noqa: SIM118  # no mapping
        words = [one.removeprefix(f"{prefix}_").lower().replace("_", "-") for one in enum.keys()[1:]]
        known = ", ".join(words)
        message, metadata = f"{word!r} is none of {known}", {"word": word, "known": known}
        raise ApiError("INVALID_ARGUMENT", "WORD_UNKNOWN", message, metadata=metadata)
    return enum.Value(name)
