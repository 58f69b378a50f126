from __future__ import annotations

import pytest

from services.dataset.imports.question_convert import passage_of
from sishu.ingest.v1 import chunk_pb2


@pytest.mark.parametrize(
    ("header", "text", "passage"),
    [
        ("", "\nAn ash.\n", "An ash."),
        ("| Tree |\n|---|\n", "| Ash |\n| Oak |\n", "| Tree |\n|---|\n| Ash |\n| Oak |"),
    ],
)
def test_what_a_template_asked_about_begins_with_the_head_of_its_table(
    header: str, text: str, passage: str
) -> None:
    assert passage_of(chunk_pb2.Chunk(text=text, table_header=header)) == passage
