"""The manifest of a dataset version: what it holds, how it was made, and the SHA-256 of every file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from services.dataset.versions.options import DatasetOptions, options_json
from services.dataset.versions.planning import Made
from services.dataset.versions.versions import VersionFile

SCHEMA = "sishu.dataset_version/1"
NAME = "manifest.json"
OUTSIDE = frozenset({"parent_content_sha256", "content_sha256"})
"""What is said about the content, and is no part of it: two versions that hold the same are the same."""


def manifest_of(
    options: DatasetOptions, made: Made, files: Sequence[VersionFile], parent_content_sha256: str
) -> dict[str, Any]:
    """The manifest; equal examples, options and seed give an equal one but for the parent."""
    manifest = {
        "schema": SCHEMA,
        "options": options_json(options),
        "split_counts": made.plan.split_counts,
        "dropped_counts": dict(made.plan.dropped),
        "facts_in_train": made.plan.facts_in_train,
        "source_counts": made.sources,
        "coverage": made.coverage,
        "leaks": [asdict(source) for source in made.leaks],
        **({"replayed": asdict(made.replayed)} if made.replayed else {}),
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
