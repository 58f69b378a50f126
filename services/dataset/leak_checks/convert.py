"""Between the contract of leak checks and their domain."""

from __future__ import annotations

from dataclasses import asdict

from services.dataset.embedding import check_similarity
from services.dataset.examples.convert import uuid_text
from services.dataset.examples.filter_convert import filter_from_pb, filter_to_pb
from services.dataset.leak_checks.leak_checks import FoundLeak, LeakCheck, LeakOptions, LeakWishes
from services.dataset.versions.convert import split_to_pb
from services.runtime.convert import job_to_pb, timestamp
from sishu.dataset.v1 import leak_check_pb2 as pb


def check_to_pb(check: LeakCheck) -> pb.LeakCheck:
    """A check."""
    wanted = check.wanted
    examples = (
        {"dataset_version_id": wanted.version_id}
        if wanted.version_id
        else {"filter": filter_to_pb(wanted.filter)}
    )
    return pb.LeakCheck(
        id=check.id,
        project_id=check.project_id,
        **examples,
        benchmark_ids=wanted.benchmark_ids,
        against_exam=wanted.against_exam,
        options=options_to_pb(wanted.options),
        job=job_to_pb(check.job),
        counts=pb.LeakCounts(**asdict(check.counts)) if check.counts else None,
        sources=[pb.LeakSource(**asdict(source)) for source in check.sources],
        create_time=timestamp(check.create_time),
    )


def options_to_pb(options: LeakOptions) -> pb.LeakOptions:
    """When an example holds a question."""
    return pb.LeakOptions(
        threshold=options.threshold,
        words=options.words,
        embedding_provider_id=options.embedding_provider_id,
        meaning_similarity=options.meaning_similarity if options.embedding_provider_id else None,
    )


def wishes_from_pb(message: pb.LeakCheck) -> LeakWishes:
    """What a check is to do, with the defaults where nothing was said.

    Raises:
        InvalidArgument: it says when meanings are equal, and nobody compares them.
    """
    options, usual = message.options, LeakOptions()
    is_given = options.HasField("meaning_similarity")
    check_similarity(is_given, options.embedding_provider_id, "leak_check.options.meaning_similarity")
    return LeakWishes(
        filter=filter_from_pb(message.filter),
        version_id=uuid_text(message.dataset_version_id) if message.dataset_version_id else "",
        benchmark_ids=[uuid_text(one) for one in message.benchmark_ids],
        against_exam=message.against_exam,
        options=LeakOptions(
            threshold=options.threshold if options.HasField("threshold") else usual.threshold,
            words=options.words if options.HasField("words") else usual.words,
            embedding_provider_id=options.embedding_provider_id.lower(),
            meaning_similarity=options.meaning_similarity if is_given else usual.meaning_similarity,
        ),
    )


def leak_to_pb(leak: FoundLeak) -> pb.Leak:
    """A leak."""
    values = {**vars(leak), "split": split_to_pb(leak.split), "ways": [way_to_pb(way) for way in leak.ways]}
    return pb.Leak(**values)


def way_to_pb(way: str) -> pb.LeakWay.ValueType:
    """How a leak was found."""
    return pb.LeakWay.Value(f"LEAK_WAY_{way.upper()}")
