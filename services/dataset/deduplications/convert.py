"""Between the contracts of deduplications and their domain."""

from __future__ import annotations

from dataclasses import asdict

from services.dataset.deduplications.deduplications import (
    Deduplication,
    DeduplicationOptions,
    Duplicate,
    DuplicateCluster,
)
from services.dataset.embedding import check_similarity
from services.dataset.examples.convert import name_of
from services.dataset.examples.filter_convert import filter_to_pb
from services.runtime.convert import job_to_pb, timestamp
from sishu.dataset.v1 import deduplication_pb2 as pb


def deduplication_to_pb(search: Deduplication) -> pb.Deduplication:
    """A search."""
    return pb.Deduplication(
        id=search.id,
        project_id=search.project_id,
        filter=filter_to_pb(search.filter),
        options=options_to_pb(search.options),
        job=job_to_pb(search.job),
        counts=pb.DeduplicationCounts(**asdict(search.counts)) if search.counts else None,
        apply_job=job_to_pb(search.apply_job) if search.apply_job else None,
        rejected=search.rejected,
        skipped=search.skipped,
        create_time=timestamp(search.create_time),
        change_id=search.apply_job.id if search.apply_job else "",
    )


def options_to_pb(options: DeduplicationOptions) -> pb.DeduplicationOptions:
    """How examples are compared."""
    return pb.DeduplicationOptions(
        compared_by=pb.ComparedBy.Value(f"COMPARED_BY_{options.compared_by.upper()}"),
        threshold=options.threshold,
        embedding_provider_id=options.embedding_provider_id,
        meaning_similarity=options.meaning_similarity if options.embedding_provider_id else None,
    )


def options_from_pb(message: pb.DeduplicationOptions) -> DeduplicationOptions:
    """How examples are to be compared, with the defaults where nothing was said.

    Raises:
        InvalidArgument: it says when meanings are equal, and nobody compares them.
    """
    usual = DeduplicationOptions()
    is_given = message.HasField("meaning_similarity")
    check_similarity(is_given, message.embedding_provider_id, "deduplication.options.meaning_similarity")
    return DeduplicationOptions(
        compared_by=name_of(pb.ComparedBy, message.compared_by) or usual.compared_by,
        threshold=message.threshold if message.HasField("threshold") else usual.threshold,
        embedding_provider_id=message.embedding_provider_id,
        meaning_similarity=message.meaning_similarity if is_given else usual.meaning_similarity,
    )


def cluster_to_pb(cluster: DuplicateCluster) -> pb.DuplicateCluster:
    """A cluster."""
    return pb.DuplicateCluster(
        number=cluster.number,
        keeper_id=cluster.keeper_id,
        size=cluster.size,
        duplicates=map(duplicate_to_pb, cluster.duplicates),
    )


def duplicate_to_pb(duplicate: Duplicate) -> pb.Duplicate:
    """A duplicate."""
    return pb.Duplicate(
        example_id=duplicate.example_id,
        similarity=duplicate.similarity,
        kind=pb.DuplicateKind.Value(f"DUPLICATE_KIND_{duplicate.kind.upper()}"),
    )
