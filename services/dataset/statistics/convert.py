"""Between the contract of statistics and their domain."""

from __future__ import annotations

from services.dataset.imports.convert import lengths_to_pb
from services.dataset.statistics.statistics import (
    Copies,
    Covered,
    DatasetStatistics,
    Facet,
    Figures,
    Sample,
    StatisticsOptions,
)
from services.dataset.versions.convert import split_to_pb
from services.dataset.versions.versions import DatasetVersion
from services.runtime.convert import job_to_pb, timestamp
from sishu.common.v1 import message_pb2
from sishu.dataset.v1 import dataset_statistics_pb2 as pb
from sishu.dataset.v1 import example_pb2


def options_from_pb(message: pb.StatisticsOptions, version: DatasetVersion) -> StatisticsOptions:
    """How statistics are computed, with the defaults where nothing was said."""
    threshold = version.options.near_copy_threshold
    usual = StatisticsOptions(threshold)
    return StatisticsOptions(
        near_copy_threshold=message.near_copy_threshold
        if message.HasField("near_copy_threshold")
        else threshold,
        samples=message.samples if message.HasField("samples") else usual.samples,
        seed=message.seed,
        tokenizer=message.tokenizer,
    )


def statistics_to_pb(statistics: DatasetStatistics) -> pb.DatasetStatistics:
    """Statistics, with the figures once they are there."""
    options = statistics.options
    message = pb.DatasetStatistics(
        id=statistics.id,
        project_id=statistics.project_id,
        dataset_version_id=statistics.version_id,
        options=pb.StatisticsOptions(
            samples=options.samples,
            seed=options.seed,
            near_copy_threshold=options.near_copy_threshold,
            tokenizer=options.tokenizer,
        ),
        job=job_to_pb(statistics.job),
        ready=statistics.figures is not None,
        create_time=timestamp(statistics.create_time),
    )
    if statistics.figures:
        message.MergeFrom(figures_to_pb(statistics.figures))
    return message


def figures_to_pb(figures: Figures) -> pb.DatasetStatistics:
    """What was computed, in a message without all else."""
    return pb.DatasetStatistics(
        split_counts=figures.split_counts,
        lengths={name: lengths_to_pb(lengths) for name, lengths in figures.lengths.items()},
        facets=map(facet_to_pb, figures.facets),
        mean_score=figures.mean_score,
        documents=map(document_to_pb, figures.documents),
        more_documents=figures.more_documents,
        all_documents=document_to_pb(figures.all_documents),
        copies=copies_to_pb(figures.copies),
        samples=map(sample_to_pb, figures.samples),
    )


def facet_to_pb(facet: Facet) -> pb.FacetStatistics:
    """Counts by a facet."""
    return pb.FacetStatistics(
        facet=facet.facet,
        values=[
            pb.FacetValue(value=one.value, name=one.name, split_counts=one.counts) for one in facet.values
        ],
        more_values=facet.more,
        without=facet.without,
    )


def document_to_pb(document: Covered) -> pb.DocumentStatistics:
    """What of a document the examples are about."""
    return pb.DocumentStatistics(
        document_id=document.document_id,
        name=document.name,
        split_counts=document.counts,
        chunks=document.chunks,
        chunks_used=document.chunks_used,
        sections=document.sections,
        sections_used=document.sections_used,
        unused_sections=document.unused_sections,
    )


def copies_to_pb(copies: Copies) -> pb.CopyStatistics:
    """Examples that ask alike."""
    return pb.CopyStatistics(
        threshold=copies.threshold,
        duplicates=copies.duplicates,
        near_copies=copies.near_copies,
        groups=copies.groups,
        largest_group=copies.largest_group,
        crossing_groups=copies.crossing_groups,
    )


def sample_to_pb(sample: Sample) -> pb.ExampleSample:
    """An example that was drawn."""
    return pb.ExampleSample(
        example_id=sample.example_id,
        split=split_to_pb(sample.split),
        kind=example_pb2.ExampleKind.Value(f"EXAMPLE_KIND_{sample.kind.upper()}"),
        messages=[
            message_pb2.Message(role=ROLES.get(turn.role, message_pb2.ROLE_ASSISTANT), content=turn.content)
            for turn in sample.turns
        ],
        quote=sample.quote,
        document_id=sample.document_id,
        score=sample.score,
    )


ROLES = {"system": message_pb2.ROLE_SYSTEM, "user": message_pb2.ROLE_USER}
"""The roles of turns; the answers of a preference are the assistant's."""
