from __future__ import annotations

import json
import re

from services.dataset.examples.copying import CONTENT_COLUMNS, EXAMPLE_COLUMNS, content_line, example_line
from services.dataset.examples.examples import Example, Lineage, Message, Origin
from services.dataset.imports.conversion import Wanted, converted
from services.dataset.imports.lines import Lines, new_ids
from services.dataset.imports.rows import Imported
from services.runtime.ids import new_id
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


def test_lines_of_imports_are_those_of_the_same_examples_otherwise_made() -> None:
    project, import_id = new_id(), new_id()
    rows: list[Imported] = []
    for number, example in enumerate(EXAMPLES, 1):
        read = iter([(number, shard_of([example]).to_pylist()[0])])
        (one,) = converted(read, "x", Wanted(shape="sishu"))
        assert isinstance(one, Imported)
        rows.append(one)
    examples, contents = (block.decode().splitlines() for block in Lines(project, import_id).of(rows))
    for number, (example, line, content) in enumerate(zip(EXAMPLES, examples, contents, strict=True), 1):
        found = dict(zip(EXAMPLE_COLUMNS, line.split("\t"), strict=True))
        wanted = dict(zip(EXAMPLE_COLUMNS, example_line(example).rstrip("\n").split("\t"), strict=True))
        own = {"id": found["id"], "project_id": project, "import_id": import_id}
        # Of a room in which the same question may be.
        assert found == {**wanted, **own, "generation_id": "\\N", "item_id": "\\N"}
        told = dict(zip(CONTENT_COLUMNS, content.split("\t"), strict=True))
        same = dict(zip(CONTENT_COLUMNS, content_line(example).rstrip("\n").split("\t"), strict=True))
        assert told["content"] == same["content"]
        lineage = json.loads(told["lineage"].replace("\\\\", "\\"))
        assert lineage.pop("import_id") == import_id
        assert lineage.pop("import_row") == number
        assert lineage == json.loads(same["lineage"].replace("\\\\", "\\"))


def test_ids_ascend_and_are_of_version_7() -> None:
    found = new_ids(1000)
    assert found == sorted(set(found))
    form = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    assert all(form.fullmatch(one) for one in found)
    assert abs(int(found[0][:8], 16) - int(new_id()[:8], 16)) < 2
    assert len({*new_ids(3), *found}) == 1003
    assert new_ids(0) == []
