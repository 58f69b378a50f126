from __future__ import annotations

import json
import re
import struct
from uuid import UUID

from services.dataset.examples import copying
from services.dataset.examples.copying import CONTENT_COLUMNS, EXAMPLE_COLUMNS, content_line, example_line
from services.dataset.examples.examples import Example, Lineage, Message, Origin
from services.dataset.imports.conversion import Wanted, converted
from services.dataset.imports.copy_rows import CopyRows, new_ids
from services.dataset.imports.rows import Imported
from services.runtime.ids import new_id
from tests.unit.dataset.imports.importing import fields_of
from tests.unit.dataset.makers import shard_of

DOCUMENT = "01a21738-77f7-7f55-8901-7031b2b8a8e0"
LINEAGE = Lineage(
    generation_id=new_id(),
    question_ids=[new_id()],
    document_id=DOCUMENT,
    heading_path=["A\tb", 'c"\\'],
    question_type="why",
    answer_origin=Origin(prompt_version="answer@1", model="m\\1", parameters={"t": 0.5}),
)
SAID = [Message("user", 'Why\t"\\n"?'), Message("assistant", "So\r\n\x1b it is \\.", "Hm.")]
EXAMPLES = [
    Example(
        new_id(), "p", "sft", SAID, score=4.5, labels=["a,b", 'c"\\'], tag_ids=[new_id()], lineage=LINEAGE
    ),
    Example(new_id(), "p", "sft", SAID),
]
UUIDS = {"id", "project_id", "generation_id", "import_id", "item_id", "document_id", "example_id"}
ARRAYS = {"labels", "tag_ids", "heading_path"}


def values_of(field: bytes) -> list[str]:
    """The values of an array of texts or UUIDs."""
    dimensions, nulls, kind = struct.unpack_from(">3i", field)
    assert (dimensions, nulls) in {(0, 0), (1, 0)}
    assert kind in {25, 2950}
    if not dimensions:
        assert len(field) == 12
        return []
    count, lowest = struct.unpack_from(">2i", field, 12)
    assert lowest == 1
    values, at = [], 20
    for _ in range(count):
        (size,) = struct.unpack_from(">i", field, at)
        value = field[at + 4 : at + 4 + size]
        values.append(value.decode() if kind == 25 else str(UUID(bytes=value)))
        at += 4 + size
    assert at == len(field)
    return values


def told_as_text(name: str, field: bytes | None) -> str:
    """A field of a column as COPY has it in text format."""
    if field is None:
        return copying.NULL
    if name in UUIDS:
        return str(UUID(bytes=field))
    if name in ARRAYS:
        return copying.line(copying.array(values_of(field))).rstrip("\n")
    if name == "score":
        return str(struct.unpack(">d", field)[0])
    if name == "characters":
        return str(struct.unpack(">i", field)[0])
    if name == "key":
        return copying.line(copying.bytea(field)).rstrip("\n")
    return copying.line(field.decode()).rstrip("\n")


def texts_of(block: bytes, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """All rows by their columns, as COPY has them in text format."""
    return [
        {name: told_as_text(name, field) for name, field in zip(columns, row, strict=True)}
        for row in fields_of(block)
    ]


def test_rows_of_imports_are_those_of_the_same_examples_otherwise_made() -> None:
    project, import_id = new_id(), new_id()
    rows: list[Imported] = []
    for number, example in enumerate(EXAMPLES, 1):
        read = iter([(number, shard_of([example]).to_pylist()[0])])
        (one,) = converted(read, "x", Wanted(shape="sishu"))
        assert isinstance(one, Imported)
        rows.append(one)
    examples, contents = CopyRows(project, import_id).of(rows)
    copied = texts_of(examples, EXAMPLE_COLUMNS), texts_of(contents, CONTENT_COLUMNS)
    for number, (example, found, told) in enumerate(zip(EXAMPLES, *copied, strict=True), 1):
        wanted = dict(zip(EXAMPLE_COLUMNS, example_line(example).rstrip("\n").split("\t"), strict=True))
        own = {"id": found["id"], "project_id": project, "import_id": import_id}
        # Of a room in which the same question may be.
        assert found == {**wanted, **own, "generation_id": "\\N", "item_id": "\\N"}
        same = dict(zip(CONTENT_COLUMNS, content_line(example).rstrip("\n").split("\t"), strict=True))
        assert told["example_id"] == found["id"]
        assert told["content"] == same["content"]
        lineage = json.loads(told["lineage"].replace("\\\\", "\\"))
        assert lineage.pop("import_id") == import_id
        assert lineage.pop("import_row") == number
        assert lineage == json.loads(same["lineage"].replace("\\\\", "\\"))


def test_ids_ascend_and_are_of_version_7() -> None:
    found = [str(UUID(bytes=one)) for one in new_ids(1000)]
    assert found == sorted(set(found))
    form = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    assert all(form.fullmatch(one) for one in found)
    assert abs(int(found[0][:8], 16) - int(new_id()[:8], 16)) < 2
    assert len({*(str(UUID(bytes=one)) for one in new_ids(3)), *found}) == 1003
    assert new_ids(0) == []
