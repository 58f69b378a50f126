"""A folder that `datasets.load_dataset` loads, and that a hub shows: Parquet with types, and a card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from services.dataset.exports.bundles.bundle import Bundle, Made, Wanted
from services.dataset.exports.bundles.yaml import yaml_of
from services.dataset.exports.options import ExportOptions
from services.dataset.exports.shapes.structured import Structured

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
TYPES = {"double": "float64"}
"""Names of types that `datasets` spells otherwise than Arrow."""
CARD = """
# {title}

A dataset version made by Sishu.

| split | kind | examples |
|---|---|---|
{table}

```python
from datasets import load_dataset

dataset = load_dataset("path/to/this/folder")
```

| column | what it holds |
|---|---|
| `id` | UUID of the example |
| `kind` | `sft`, `conversation`, `preference`, `pretraining` or `exam_item` |
| `messages` | the conversation: a system message perhaps, then user and assistant in turn |
| `chosen`, `rejected`, `flaw` | of a preference: the better answer, the worse one, what is wrong with it |
| `exam_item` | of an exam item: its type, choices and what is right |
| `quotes` | where the source says so: characters [start, end) of a version of a document |
| `score`, `labels`, `tag_ids`, `language`, `document_id`, `question_type`, `source` | what is known of it |
| `lineage` | how it came to be, as JSON |
"""


def papers(made: Sequence[Made], options: ExportOptions) -> dict[str, str]:
    """The card, with what `datasets` wants to know in front."""
    return {"README.md": card(made, options)}


def card(made: Sequence[Made], options: ExportOptions) -> str:
    """`README.md`."""
    rows: Counter[str] = Counter()
    kinds: Counter[tuple[str, str]] = Counter()
    for file in made:
        rows[file.split] += file.rows
        kinds.update({(file.split, kind): count for kind, count in file.examples.items()})
    schema = Structured(options, ()).schema()
    head = {
        "pretty_name": "Dataset of Sishu",
        "task_categories": ["text-generation", "question-answering"],
        "size_categories": [size_of(sum(rows.values()))],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"data/{split}-*"} for split in rows],
            }
        ],
        "dataset_info": {
            "features": features(schema),
            "splits": [{"name": split, "num_examples": count} for split, count in rows.items()],
        },
    }
    table = "\n".join(f"| {split} | {kind} | {count:,} |" for (split, kind), count in kinds.items())
    front = yaml_of(head, "license: say which, such as cc-by-4.0, and take the # away")
    return f"---\n{front}---\n" + CARD.format(title=head["pretty_name"], table=table)


def size_of(count: int) -> str:
    """How the hub calls a number of rows."""
    return next(
        (name for most, name in SIZES if count < most), "1M<n<10M" if count < 10_000_000 else "10M<n<100M"
    )


def features(schema: pa.Schema) -> list[dict[str, Any]]:
    """Columns as the card names them."""
    return [{"name": field.name, **feature(field.type)} for field in schema]


def feature(kind: pa.DataType) -> dict[str, Any]:
    """A type as the card names it."""
    if pa.types.is_list(kind):
        inner = kind.value_type
        if pa.types.is_struct(inner):
            return {"list": features(pa.schema(list(inner)))}
        return {"list": TYPES.get(str(inner), str(inner))}
    if pa.types.is_struct(kind):
        return {"struct": features(pa.schema(list(kind)))}
    return {"dtype": TYPES.get(str(kind), str(kind))}


BUNDLE = Bundle(
    "hugging_face",
    [Wanted("structured", "parquet", "data/train", "data/{split}")],
    papers,
    parts=True,
    file_types=("parquet",),
)
