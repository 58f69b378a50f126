from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from services.dataset.examples.filters import ExampleFilter
from services.dataset.versions.manifest import content_sha256, manifest_bytes, manifest_of
from services.dataset.versions.options import DatasetOptions
from services.dataset.versions.planning import Made, Plan
from services.dataset.versions.versions import VersionFile

OPTIONS = DatasetOptions(filter=ExampleFilter(generation_ids=["a", "b"]), system_prompt="请简短", seed=4)
SPLIT = Made(
    Plan(np.array([0, 0, 2, 2, 3], np.int8), {"NEAR_COPY": 1}, facts_in_train=1),
    {"document": {"total": 2, "train": 1, "validation": 0, "exam": 1}},
    {"hand": {"train": 2, "exam": 2}},
)
FILES = [
    VersionFile("train.jsonl", "messages_jsonl", "train", "a/train.jsonl", 7, "00"),
    VersionFile("exam.jsonl", "messages_jsonl", "exam", "a/exam.jsonl", 8, "11"),
]


def test_the_manifest_says_what_the_version_holds_and_how_it_was_made() -> None:
    manifest = manifest_of(OPTIONS, SPLIT, FILES, "parent")
    assert json.loads(manifest_bytes(manifest)) == manifest
    assert manifest["split_counts"] == {"train": 2, "exam": 2}
    assert manifest["dropped_counts"] == {"NEAR_COPY": 1}
    assert manifest["facts_in_train"] == 1
    assert manifest["options"]["seed"] == 4
    assert [file["name"] for file in manifest["files"]] == ["exam.jsonl", "train.jsonl"]
    assert manifest["parent_content_sha256"] == "parent"
    assert manifest["content_sha256"] == content_sha256(manifest)


def test_the_parent_is_no_part_of_the_content() -> None:
    one, other = (manifest_of(OPTIONS, SPLIT, FILES, parent) for parent in ("", "parent"))
    assert one["content_sha256"] == other["content_sha256"]


def test_every_file_and_option_is_part_of_the_content() -> None:
    changed = [
        manifest_of(OPTIONS, SPLIT, [replace(FILES[0], sha256="22"), FILES[1]], ""),
        manifest_of(replace(OPTIONS, seed=5), SPLIT, FILES, ""),
        manifest_of(OPTIONS, replace(SPLIT, plan=replace(SPLIT.plan, facts_in_train=0)), FILES, ""),
        manifest_of(OPTIONS, SPLIT, FILES, ""),
    ]
    assert len({manifest["content_sha256"] for manifest in changed}) == 4


def test_where_the_files_are_is_no_part_of_the_content() -> None:
    moved = [replace(file, key=f"b/{file.name}") for file in FILES]
    assert manifest_of(OPTIONS, SPLIT, moved, "") == manifest_of(OPTIONS, SPLIT, FILES, "")


def test_the_order_of_files_and_generations_changes_nothing() -> None:
    turned = manifest_of(
        replace(OPTIONS, filter=ExampleFilter(generation_ids=["b", "a"])), SPLIT, FILES[::-1], ""
    )
    assert turned == manifest_of(OPTIONS, SPLIT, FILES, "")
