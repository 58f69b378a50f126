from __future__ import annotations

import json
from dataclasses import replace

from services.dataset.exam_split import EXAM_LIMIT, NEAR_COPY, Split
from services.dataset.versions.manifest import content_sha256, manifest_bytes, manifest_of
from services.dataset.versions.versions import DatasetOptions, VersionFile
from tests.unit.dataset.makers import entry

OPTIONS = DatasetOptions(generation_ids=["b", "a"], system_prompt="请简短", seed=4)
SPLIT = Split(
    train=[entry("a", fact="f"), entry("b", fact="g")],
    exam=[entry("c", fact="f"), entry("d", fact="h")],
    dropped={NEAR_COPY: [entry("e")], EXAM_LIMIT: []},
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
        manifest_of(OPTIONS, replace(SPLIT, exam=[]), FILES, ""),
        manifest_of(OPTIONS, SPLIT, FILES, ""),
    ]
    assert len({manifest["content_sha256"] for manifest in changed}) == 4


def test_where_the_files_are_is_no_part_of_the_content() -> None:
    moved = [replace(file, key=f"b/{file.name}") for file in FILES]
    assert manifest_of(OPTIONS, SPLIT, moved, "") == manifest_of(OPTIONS, SPLIT, FILES, "")


def test_the_order_of_files_and_generations_changes_nothing() -> None:
    turned = manifest_of(replace(OPTIONS, generation_ids=["a", "b"]), SPLIT, FILES[::-1], "")
    assert turned == manifest_of(OPTIONS, SPLIT, FILES, "")
