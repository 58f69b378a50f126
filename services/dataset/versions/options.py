"""How a dataset version is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from services.dataset.benchmarks.meanings import SIMILARITY
from services.dataset.examples.filters import ExampleFilter, filter_of

GROUPINGS = ("near_copies", "fact", "chunk")
"""What stays on one side."""
STRATA = ("document", "tag", "document_and_tag")
"""In proportion to what is held out."""
FACETS = ("tag", "label", "document", "section", "question_type", "length", "source", "kind")
"""By which a version is balanced."""


@dataclass(frozen=True)
class Cap:
    """At most so many examples of every value of a facet."""

    facet: str
    most: int


@dataclass(frozen=True)
class Replay:
    """General data that is mixed into train: the examples with a label, of an import, or of a version."""

    share: float = 0.1
    """Its share of train, 0 to 0.9; less where there is not enough."""
    label: str = ""
    import_id: str = ""
    dataset_version_id: str = ""


@dataclass(frozen=True)
class DatasetOptions:
    """How a version is made."""

    exam_share: float = 0.2
    """Share of the examples that is held out for the exam, 0 to 0.9."""
    exam_count: int = 0
    """Exam items, in place of the share; 0 means that the share counts."""
    max_exam_items: int = 0
    """Most exam items; 0 means no limit."""
    validation_share: float = 0.0
    """As `exam_share`, for validation."""
    validation_count: int = 0
    """As `exam_count`, for validation."""
    near_copy_threshold: float = 0.7
    """Jaccard similarity of character 3-grams from which two questions are near copies."""
    seed: int = 0
    """Seed of the split, of what is left out by chance, and of the order of the rows."""
    filter: ExampleFilter = field(default_factory=ExampleFilter)
    """Which of the kept examples."""
    system_prompt: str = ""
    """System message put before every conversation; may be empty."""
    group_by: str = "near_copies"
    """What stays on one side besides near copies."""
    stratify_by: str = "document"
    """By what examples are held out in proportion."""
    balance: Sequence[Cap] = ()
    """Caps, held one after the other."""
    replay: Replay | None = None
    source_weights: Mapping[str, float] = field(default_factory=dict)
    """In what proportion the named sources are in train; what is too much of one is left out."""
    benchmark_ids: Sequence[str] = ()
    """Benchmarks of which nothing that is trained or validated on may hold questions."""
    benchmark_leaks: str = "block"
    """What becomes of examples that do: `block`, `drop` or `report`."""
    exam_leaks: str = ""
    """The same of those that hold words of exam questions; empty looks for none beside near copies."""
    leak_embedding_provider_id: str = ""
    """Who says what texts mean; empty where leaks are not looked for by meaning."""
    leak_meaning_similarity: float = SIMILARITY
    """Cosine of embeddings from which what is asked means the same."""


def options_json(options: DatasetOptions) -> dict[str, Any]:
    """Options as JSON values: as they are stored, and named in the manifest."""
    usual = ExampleFilter()
    wanted = {
        each.name: plain(each.name, getattr(options.filter, each.name))
        for each in fields(ExampleFilter)
        if getattr(options.filter, each.name) != getattr(usual, each.name)
    }
    values = {each.name: getattr(options, each.name) for each in fields(options)}
    if not options.leak_embedding_provider_id:
        values = without(values, "leak_embedding_provider_id", "leak_meaning_similarity")
    return {
        **values,
        "filter": {name: value for name, value in wanted.items() if value != []},
        "balance": [asdict(cap) for cap in options.balance],
        "replay": replay_json(options.replay) if options.replay else None,
        "source_weights": dict(options.source_weights),
        "benchmark_ids": list(options.benchmark_ids),
    }


def replay_json(replay: Replay) -> dict[str, Any]:
    """General data as JSON values."""
    values = asdict(replay)
    return values if replay.dataset_version_id else without(values, "dataset_version_id")


def without(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Values but for some, which say nothing: then what said nothing of them keeps its identity."""
    return {name: value for name, value in values.items() if name not in names}


def plain(name: str, value: Any) -> Any:
    """A field of a filter as a JSON value; the order of values that it leaves in means nothing."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return list(value) if name == "heading_path" else sorted(set(value))
    return value


def options_of(values: Mapping[str, Any]) -> DatasetOptions:
    """Options from their JSON values."""
    rest = {
        "filter": filter_of(values["filter"]),
        "balance": [Cap(**cap) for cap in values["balance"]],
        "replay": Replay(**values["replay"]) if values["replay"] else None,
    }
    return DatasetOptions(**{**values, **rest})
