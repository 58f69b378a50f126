"""The manifest of a dataset version: what it holds, how it was made, and the SHA-256 of every file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from services.dataset.exam_split import Split
from services.dataset.versions.versions import DatasetOptions, VersionFile

SCHEMA = "sishu.dataset_version/1"
NAME = "manifest.json"
OUTSIDE = frozenset({"parent_content_sha256", "content_sha256"})
"""What is said about the content, and is no part of it: two versions that hold the same are the same."""


def manifest_of(
    options: DatasetOptions, split: Split, files: Sequence[VersionFile], parent_content_sha256: str
) -> dict[str, Any]:
    """The manifest; equal examples, options and seed give an equal one but for the parent."""
    manifest = {
        "schema": SCHEMA,
        "options": {**asdict(options), "generation_ids": sorted(options.generation_ids)},
        "split_counts": split_counts(split),
        "dropped_counts": dropped_counts(split),
        "facts_in_train": split.facts_in_train,
        "files": [described(file) for file in sorted(files, key=lambda file: file.name)],
        "parent_content_sha256": parent_content_sha256,
    }
    return {**manifest, "content_sha256": content_sha256(manifest)}


def described(file: VersionFile) -> dict[str, Any]:
    """A file as the manifest names it, wherever it is."""
    return {key: value for key, value in asdict(file).items() if key != "key"}


def content_sha256(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of the manifest as canonical JSON, parent and this hash left out: the content's identity."""
    content = {key: value for key, value in manifest.items() if key not in OUTSIDE}
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    """The manifest as it is stored."""
    return (json.dumps(manifest, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()


def split_counts(split: Split) -> dict[str, int]:
    """Examples by split."""
    return {side: len(entries) for side, entries in split.sides.items()}


def dropped_counts(split: Split) -> dict[str, int]:
    """Examples left out, by reason; reasons that did not occur are left out too."""
    return {reason: len(entries) for reason, entries in sorted(split.dropped.items()) if entries}
