"""General data of another version: as much as its share, drawn by a seed, and nothing that must not be there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from services.dataset.benchmarks.files import guard_of
from services.dataset.benchmarks.items import Item
from services.dataset.examples.examples import Example, Message
from services.dataset.leak_checks.finding import Guarded
from services.dataset.leak_checks.leak_checks import LeakSource
from services.dataset.versions import replaying
from services.dataset.versions.options import DatasetOptions, Replay
from services.dataset.versions.planning import EXAM, TRAIN, Made, Plan, Planner
from services.dataset.versions.reading import RowReader, digest_of, parsed
from services.dataset.versions.replay_fitting import Own
from services.dataset.versions.replaying import Replayer, ReplaySource, interleaved
from services.dataset.versions.shards import PLACE, SCHEMA, ShardCutter, of_side, write_shard
from services.dataset.versions.versions import SPLITS, DatasetVersion
from services.runtime.errors import FailedPrecondition
from services.runtime.ids import derived_id
from services.runtime.jobs import Job
from tests.unit.dataset.makers import sft, shard_of
from tests.unit.dataset.versions.test_shards import copied

NUMBERS = [f"{number:03x}" * 9 for number in range(500)]
GENERAL = [replace(sft(f"Say what {number} is!"), review_state="accepted") for number in NUMBERS[:300]]
OWN = [replace(sft(f"Why {number}?", name=number), quotes=()) for number in NUMBERS[300:390]]


def version(name: str, **options: Any) -> DatasetVersion:
    job = Job.__new__(Job)
    made = datetime(2026, 1, 1, tzinfo=UTC)
    return DatasetVersion(
        derived_id(name), derived_id("project"), 1, "", DatasetOptions(**options), job, {}, {}, f"sha of {name}", [], made
    )  # fmt: skip


class Mixed(NamedTuple):
    made: Made
    rows: pa.Table
    """Of train, in their order."""
    plan: Plan


def source_of(folder: Path, examples: Sequence[Example], prompt: str = "") -> ReplaySource:
    paths = []
    for start in range(0, len(examples), 120):
        table = shard_of(examples[start : start + 120])
        digests = [
            digest_of(kind, content.encode()).hex()
            for kind, content in zip(
                table.column("kind").to_pylist(), table.column("content").to_pylist(), strict=True
            )
        ]
        at = SCHEMA.get_field_index("digest")
        paths.append(folder / f"source-{start}.parquet")
        write_shard(paths[-1], table.set_column(at, SCHEMA.field("digest"), pa.array(digests)))
    return ReplaySource(version("general", system_prompt=prompt), paths)


def mixed(
    folder: Path,
    general: Sequence[Example] = GENERAL,
    own: Sequence[Example] = OWN,
    guarded: Sequence[Guarded] = (),
    share: float = 0.1,
    prompt: str = "",
    **options: Any,
) -> Mixed:
    folder.mkdir(exist_ok=True)
    source = source_of(folder, general, prompt)
    new = version("new", replay=Replay(share, dataset_version_id=source.version.id), **options)
    reader = RowReader(folder, new.options, len(own))
    reader.add(parsed(copied(sorted(own, key=lambda one: one.id))))
    entries, sketches = reader.finish()
    plan = Planner(entries, sketches, new.options).plan()
    begun = Made(plan, {}, {"hand": {"train": plan.count(TRAIN)}}, [one.source for one in guarded])
    replayer = Replayer(source, new, Own(entries, sketches, reader.dealer, guarded), plan, folder)
    made = replayer.mixed_into(begun)
    assert made.replay_dealer
    ranges = list(interleaved(reader.dealer.ranges(), made.replay_dealer.ranges()))
    places = [place for rows in ranges for place in rows.column(PLACE).to_pylist()]
    assert all(one <= other for one, other in pairwise(places))
    train = pa.concat_tables([of_side(rows, made.plan.sides, TRAIN) for rows in ranges])
    return Mixed(made, train, plan)


def taken(found: Mixed) -> list[dict[str, Any]]:
    return [row for row in found.rows.to_pylist() if row["source"].startswith("version:")]


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_the_share_is_exact_and_the_split_is_what_it_was_without(tmp_path: Path, share: float) -> None:
    found = mixed(tmp_path, share=share)
    own = found.plan.count(TRAIN)
    wanted = round(own * share / (1 - share))
    assert found.made.replayed is not None
    assert (found.made.replayed.taken, found.made.replayed.wanted) == (wanted, wanted)
    assert found.made.plan.split_counts == {**found.plan.split_counts, "train": own + wanted}
    assert found.made.plan.dropped == found.plan.dropped
    assert found.rows.num_rows == own + wanted
    assert found.made.sources == {
        "hand": {"train": own}, f"version:{derived_id('general')}": {"train": wanted}
    }  # fmt: skip
    assert found.made.replayed.source_counts == {"hand": wanted}
    # They are a fair draw, and dealt among the others.
    places = [at for at, row in enumerate(found.rows.to_pylist()) if row["source"] != "hand"]
    assert found.rows.num_rows * 0.3 < np.mean(places) < found.rows.num_rows * 0.7


def test_rows_keep_what_they_are_and_say_where_they_are_from(tmp_path: Path) -> None:
    for row in taken(mixed(tmp_path)):
        lineage = json.loads(row["lineage"])
        assert lineage.pop("dataset_version_id") == derived_id("general")
        one = GENERAL[lineage.pop("dataset_version_position", 0)]
        (wanted,) = shard_of([one]).to_pylist()
        assert lineage == json.loads(wanted["lineage"])
        same = set(SCHEMA.names) - {"lineage", "source", "digest"}
        assert {name: row[name] for name in same} == {name: wanted[name] for name in same}


def test_the_same_gives_the_same_bytes_and_another_seed_other_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = mixed(tmp_path / "a"), mixed(tmp_path / "c", seed=1)
    monkeypatch.setattr(replaying, "READ", 7)
    monkeypatch.setattr(replaying, "LEAST", 1)
    again = mixed(tmp_path / "b")
    files = []
    for number, found in enumerate((one, again)):
        writer = ShardCutter(tmp_path, f"{SPLITS[0]}{number}")
        shards = [*writer.add(found.rows), *writer.finish()]
        files.append([shard.write().path.read_bytes() for shard in shards])
    assert files[0] == files[1]
    assert one.made.replayed == again.made.replayed
    assert {row["id"] for row in taken(one)} != {row["id"] for row in taken(other)}


def test_what_the_version_has_or_holds_out_is_passed_over(tmp_path: Path) -> None:
    plan = mixed(tmp_path / "a").plan
    by_id = sorted(OWN, key=lambda one: one.id)
    held = [one for one, side in zip(by_id, plan.sides, strict=True) if side == EXAM]
    asked = [one.messages[0].content for one in held]
    general = [
        *(sft(f"{text.upper()} ", name=f"same {text}") for text in asked[:9]),
        *(sft(f"{text}!", name=f"near {text}") for text in asked[9:]),
        *(replace(one, messages=[Message("user", f"Other {one.id}?"), one.messages[1]]) for one in OWN[:40]),
        *(sft(one.messages[0].content, "Another answer.", name=f"again {one.id}") for one in OWN[40:]),
        *GENERAL[:30],
    ]
    found = mixed(tmp_path / "b", general, share=0.5)
    assert found.made.replayed is not None
    assert {row["id"] for row in taken(found)} == {one.id for one in GENERAL[:30]}
    assert (found.made.replayed.taken, found.made.replayed.wanted) == (30, plan.count(TRAIN))
    assert found.made.replayed.left_out == {"DUPLICATE": 99, "NEAR_COPY": len(asked) - 9}


def test_one_chunk_or_fact_is_on_one_side(tmp_path: Path) -> None:
    own = [
        replace(one, lineage=replace(one.lineage, chunk_ids=[f"c{at}"], fact_id=f"f{at}"))
        for at, one in enumerate(OWN)
    ]
    general = [
        replace(one, lineage=replace(one.lineage, chunk_ids=["x", f"c{at}"], fact_id=f"f{at}"))
        for at, one in enumerate(GENERAL[:90])
    ]
    for group_by in ("chunk", "fact"):
        found = mixed(tmp_path / group_by, general, own, share=0.9, group_by=group_by)
        assert found.made.replayed is not None
        assert found.made.replayed.left_out == {"SAME_UNIT": found.plan.count(EXAM)}


def test_what_leaks_is_left_out_or_counted_or_ends_it(tmp_path: Path) -> None:
    items = [Item("b", at, one.messages[0].content) for at, one in enumerate(GENERAL[:100])]
    guarded = [Guarded(LeakSource("id", "b", "", len(items)), items, guard_of(items))]
    dropped = mixed(tmp_path / "a", guarded=guarded, share=0.9, benchmark_leaks="drop")
    assert dropped.made.replayed is not None
    assert dropped.made.replayed.left_out == {"BENCHMARK_LEAK": 100}
    assert (dropped.made.replayed.taken, dropped.made.leaks[0].leaks) == (200, 100)
    told = mixed(tmp_path / "b", guarded=guarded, benchmark_leaks="report")
    ids = {one.id for one in GENERAL[:100]}
    assert told.made.leaks[0].leaks == sum(row["id"] in ids for row in taken(told)) > 0
    with pytest.raises(FailedPrecondition) as error:
        mixed(tmp_path / "c", guarded=guarded)
    assert error.value.reason == "BENCHMARK_LEAK"


def test_a_system_prompt_takes_the_place_of_the_other(tmp_path: Path) -> None:
    general = [replace(one, messages=[Message("system", "Be kind."), *one.messages]) for one in GENERAL[:40]]
    found = mixed(tmp_path, general, prompt="Be kind.", system_prompt="Be brief.")
    says = {json.loads(row["content"])["messages"][0]["content"] for row in taken(found)}
    assert says == {"Be brief."}
    bare = mixed(tmp_path / "a", general, prompt="Be kind.")
    assert {json.loads(row["content"])["messages"][0]["role"] for row in taken(bare)} == {"user"}
