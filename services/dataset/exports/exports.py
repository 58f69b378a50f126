"""Exports: dataset versions as files that other programs read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from services.dataset.exports.bundles import Made
from services.dataset.exports.options import LISTED, Column, ExportFilter, ExportOptions
from services.runtime.errors import FailedPrecondition, NotFound
from services.runtime.jobs import Job


@dataclass(frozen=True)
class ExportFile:
    """A file of an export in the bucket; one without rows has no shape and no split."""

    name: str
    key: str
    media_type: str
    size_bytes: int
    sha256: str
    shape: str = ""
    split: str = ""
    rows: int = 0
    examples: Mapping[str, int] = field(default_factory=dict)
    """How many examples are in it, by kind."""
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """How many examples have no place in it, by reason and kind."""

    @property
    def made(self) -> Made:
        """What bundles want to know of it."""
        return Made(self.name, self.shape, self.split, self.rows, self.examples)


@dataclass(frozen=True)
class Export:
    """An export, in the making or complete."""

    id: str
    project_id: str
    dataset_version_id: str
    options: ExportOptions
    job: Job
    made: bool
    files: Sequence[ExportFile]
    create_time: datetime

    @property
    def state(self) -> str:
        """`ready` once all its files are there; else `failed` when its job has ended, else `making`."""
        if self.made:
            return "ready"
        return "failed" if self.job.ended else "making"

    def prefix(self, version_prefix: str) -> str:
        """Where its files are in the bucket."""
        return f"{version_prefix}exports/{self.id}/"

    def check_ready(self) -> None:
        """Demand that the export is complete.

        Raises:
            FailedPrecondition: it is not.
        """
        if self.state != "ready":
            raise FailedPrecondition(
                "EXPORT_NOT_READY",
                f"export {self.id} is {self.state}; {self.job.hint}",
                export_id=self.id,
                job_id=self.job.id,
            )


def options_sha256(options: ExportOptions) -> str:
    """What equal options have in common."""
    text = json.dumps(stored_options(options), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def stored_options(options: ExportOptions) -> dict[str, Any]:
    """Options as they are stored; the order of splits, kinds and values of the filter says nothing."""
    found = asdict(options)
    said = dict(options.filter.said)
    said |= {name: in_order(said[name]) for name in LISTED if name in said}
    return {**found, "splits": in_order(options.splits), "kinds": in_order(options.kinds), "filter": said}


def in_order(values: Sequence[str]) -> list[str]:
    """The different ones of values."""
    return sorted(set(values))


def options_of(stored: Mapping[str, Any]) -> ExportOptions:
    """Options as they were stored."""
    columns = [Column(**column) for column in stored["columns"]]
    # JSON gives a large whole score back as a whole number, which no column of scores is compared with.
    scores = {
        name: float(value)
        for name in ("min_score", "max_score")
        if (value := stored["filter"].get(name)) is not None
    }
    wanted = ExportFilter(**{**stored["filter"], **scores})
    return ExportOptions(**{**stored, "columns": columns, "filter": wanted})


def export_not_found(export_id: str) -> NotFound:
    """The error for an export that is not there."""
    return NotFound("EXPORT_NOT_FOUND", f"there is no export {export_id}", export_id=export_id)
