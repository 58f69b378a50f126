"""Which rows of shards fit the filter of an export, by their columns, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from services.dataset.examples.content_texts import says
from services.dataset.exports.options import ExportFilter
from services.dataset.exports.shards import Shard, read_columns

Mask = npt.NDArray[np.bool_]

VALUES = {
    "document_ids": "document_id",
    "languages": "language",
    "question_types": "question_type",
    "sources": "source",
    "review_states": "review_state",
}
"""Fields of a filter of whose values one must be that of a column."""
LISTS = {"tag_ids": "tag_ids", "labels": "labels"}
"""Fields of a filter of whose values one must be in a list."""
COLUMNS = {**VALUES, **LISTS, "min_score": "score", "max_score": "score", "text": "content"}
"""Fields of a filter, and the columns that they go by."""
ROWS, CONTENTS = 20_000, 1000
"""Rows looked at at once: of short columns, and with what they say."""
SOUGHT = 100
"""Letters of a text that are sought in JSON, before what holds them is looked into."""
TOLD = 3
"""Values of a field that are told of."""


def fitting(shards: Sequence[Shard], wanted: ExportFilter) -> Mask:
    """Which rows of shards fit, in their order."""
    names = sorted({COLUMNS[name] for name in wanted.said})
    size = CONTENTS if wanted.text else ROWS
    found = [fits(batch, wanted) for shard in shards for batch in read_columns(shard, names, size)]
    return np.concatenate([np.empty(0, np.bool_), *found])


def fits(batch: pa.RecordBatch, wanted: ExportFilter) -> Mask:
    """Which rows of a batch fit all fields."""
    said, stays = wanted.said, np.ones(batch.num_rows, np.bool_)
    for name in VALUES.keys() & said.keys():
        stays &= bits(pc.is_in(batch[VALUES[name]], pa.array(said[name], pa.string())))
    for name in LISTS.keys() & said.keys():
        stays &= having(batch[LISTS[name]], said[name])
    if wanted.min_score is not None:
        stays &= bits(pc.greater_equal(batch["score"], wanted.min_score))
    if wanted.max_score is not None:
        stays &= bits(pc.less_equal(batch["score"], wanted.max_score))
    if wanted.text:
        # What is left is looked into, which takes longest.
        stays &= bits(may_say(batch["content"], wanted.text))
        stays[stays] = saying(batch["content"].filter(pa.array(stays)), wanted.text)
    return stays


def having(lists: pa.ListArray, values: Sequence[str]) -> Mask:
    """Which lists have one of some values."""
    found = bits(pc.is_in(pc.list_flatten(lists), pa.array(values, pa.string())))
    stays = np.zeros(len(lists), np.bool_)
    stays[pc.list_parent_indices(lists).to_numpy()[found]] = True
    return stays


def may_say(contents: pa.Array, text: str) -> pa.BooleanArray:
    """Which contents, as JSON, may say a text whatever the case: all that do, and some that do not."""
    wanted = text.lower()
    found = pc.match_substring(contents, orjson.dumps(wanted[:SOUGHT]).decode()[1:-1], ignore_case=True)
    if "i" in wanted or "\u0307" in wanted:
        # The one letter that becomes two in lower case: an i and the dot above it.
        found = pc.or_(found, pc.match_substring(contents, "\u0130"))
    return found


def saying(contents: pa.Array, text: str) -> list[bool]:
    """Which contents say a text whatever the case."""
    wanted = text.lower()
    return [says(orjson.loads(content), wanted) for content in contents.cast(pa.binary()).to_pylist()]


def bits(found: pa.BooleanArray) -> Mask:
    """An answer for each row, where no value is none that fits."""
    mask: Mask = found.fill_null(False).to_numpy(zero_copy_only=False)
    return mask


def described(wanted: ExportFilter) -> str:
    """A filter in a message: its fields with their values, long lists cut."""
    return "; ".join(f"{name} {listed(value)}" for name, value in wanted.said.items())


def listed(value: object) -> str:
    """A value, or the first of several."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return repr(value)
    more = f" and {len(value) - TOLD} more" if len(value) > TOLD else ""
    return ", ".join(map(repr, value[:TOLD])) + more
