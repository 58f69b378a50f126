from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from services.dataset.diffs.comparing import compare, held_in
from services.runtime.ids import derived_id


def shard(folder: Path, split: str, **held: str) -> tuple[Path, str]:
    path = folder / f"{split}.parquet"
    ids = [derived_id(name) for name in held]
    digests = [said.rjust(32, "0") for said in held.values()]
    pq.write_table(pa.table({"id": ids, "digest": digests}), path, row_group_size=2)
    return path, split


def test_examples_are_added_removed_changed_or_moved(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    one, other = folders
    base = held_in(
        [
            shard(one, "train", same="1", said="2", gone="3", moved="4", both="5"),
            shard(one, "exam", asked="6"),
        ]
    )
    version = held_in(
        [
            shard(other, "train", same="1", said="7", asked="6"),
            shard(other, "exam", moved="4", both="8", new="9"),
        ]
    )
    counts, rows = compare(base, version)
    assert counts == {"added": 1, "removed": 1, "changed": 2, "moved": 2}
    found = {row["example_id"]: list(row.values())[1:] for row in rows.to_pylist()}
    assert found == {
        derived_id("new"): ["added", "", "exam"],
        derived_id("gone"): ["removed", "train", ""],
        derived_id("said"): ["changed", "train", "train"],
        derived_id("both"): ["changed", "train", "exam"],
        derived_id("moved"): ["moved", "train", "exam"],
        derived_id("asked"): ["moved", "exam", "train"],
    }
    assert rows.column("change").to_pylist() == ["added", "removed", "changed", "changed", "moved", "moved"]


def test_nothing_against_nothing_is_no_change(tmp_path: Path) -> None:
    nothing = held_in([shard(tmp_path, "train")])
    counts, rows = compare(nothing, held_in([]))
    assert (sum(counts.values()), rows.num_rows) == (0, 0)
    assert nothing.ids.dtype == np.dtype("S36")
