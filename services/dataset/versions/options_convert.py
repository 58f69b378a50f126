"""Between the contract of the options of dataset versions and their domain."""

from __future__ import annotations

from services.dataset.embedding import check_similarity
from services.dataset.examples.convert import name_of, uuid_text
from services.dataset.examples.filter_convert import filter_from_pb, filter_to_pb
from services.dataset.examples.filters import countable, filter_json
from services.dataset.versions.options import Cap, DatasetOptions, Replay
from services.runtime.errors import InvalidArgument
from sishu.dataset.v1 import dataset_version_pb2 as pb

FIELD = "dataset_version.options"


def options_to_pb(options: DatasetOptions) -> pb.DatasetOptions:
    """How a version is made."""
    return pb.DatasetOptions(
        exam_share=options.exam_share,
        max_exam_items=options.max_exam_items,
        near_copy_threshold=options.near_copy_threshold,
        seed=options.seed,
        filter=filter_to_pb(options.filter) if filter_json(options.filter) else None,
        system_prompt=options.system_prompt,
        exam_count=options.exam_count,
        validation_share=options.validation_share,
        validation_count=options.validation_count,
        group_by=pb.DatasetGrouping.Value(f"DATASET_GROUPING_{options.group_by.upper()}"),
        stratify_by=pb.DatasetStrata.Value(f"DATASET_STRATA_{options.stratify_by.upper()}"),
        balance=[
            pb.BalanceCap(facet=pb.BalanceFacet.Value(f"BALANCE_FACET_{cap.facet.upper()}"), most=cap.most)
            for cap in options.balance
        ],
        replay=replay_to_pb(options.replay) if options.replay else None,
        source_weights=options.source_weights,
        benchmark_ids=options.benchmark_ids,
        benchmark_leaks=action_to_pb(options.benchmark_leaks),
        exam_leaks=action_to_pb(options.exam_leaks),
        leak_embedding_provider_id=options.leak_embedding_provider_id,
        leak_meaning_similarity=options.leak_meaning_similarity
        if options.leak_embedding_provider_id
        else None,
    )


def action_to_pb(action: str) -> pb.LeakAction.ValueType:
    """What becomes of leaks; unspecified for nothing."""
    return pb.LeakAction.Value(f"LEAK_ACTION_{(action or 'unspecified').upper()}")


def replay_to_pb(replay: Replay) -> pb.Replay:
    """General data."""
    names = ("label", "import_id", "dataset_version_id")
    source = {name: getattr(replay, name) for name in names if getattr(replay, name)}
    return pb.Replay(share=replay.share, **source)


def options_from_pb(message: pb.DatasetOptions) -> DatasetOptions:
    """How a version is to be made, with the defaults where nothing was said.

    Raises:
        InvalidArgument: the system prompt cannot be stored, the filter goes by text, or meanings are compared
            with nothing, or by nobody.
    """
    if "\0" in message.system_prompt:
        field = f"{FIELD}.system_prompt"
        raise InvalidArgument("FIELD_INVALID", f"{field}: NUL characters cannot be stored", field)
    usual = DatasetOptions()
    is_given = message.HasField("leak_meaning_similarity")
    check_similarity(is_given, message.leak_embedding_provider_id, f"{FIELD}.leak_meaning_similarity")
    if message.leak_embedding_provider_id and not (message.benchmark_ids or message.exam_leaks):
        raise InvalidArgument(
            "LEAK_SOURCE_MISSING",
            "meanings are compared with nothing; name benchmarks (benchmark_ids), say what becomes of leaks "
            "from the exam (exam_leaks), or leave out leak_embedding_provider_id",
            f"{FIELD}.leak_embedding_provider_id",
        )
    return DatasetOptions(
        exam_share=message.exam_share if message.HasField("exam_share") else usual.exam_share,
        exam_count=message.exam_count,
        max_exam_items=message.max_exam_items,
        validation_share=message.validation_share,
        validation_count=message.validation_count,
        near_copy_threshold=message.near_copy_threshold
        if message.HasField("near_copy_threshold")
        else usual.near_copy_threshold,
        seed=message.seed if message.HasField("seed") else usual.seed,
        filter=countable(filter_from_pb(message.filter)),
        system_prompt=message.system_prompt,
        group_by=name_of(pb.DatasetGrouping, message.group_by) or usual.group_by,
        stratify_by=name_of(pb.DatasetStrata, message.stratify_by) or usual.stratify_by,
        balance=[Cap(name_of(pb.BalanceFacet, cap.facet) or "", cap.most) for cap in message.balance],
        replay=replay_from_pb(message.replay) if message.HasField("replay") else None,
        source_weights=dict(sorted(message.source_weights.items())),
        benchmark_ids=[uuid_text(one) for one in message.benchmark_ids],
        benchmark_leaks=name_of(pb.LeakAction, message.benchmark_leaks) or usual.benchmark_leaks,
        exam_leaks=name_of(pb.LeakAction, message.exam_leaks) or usual.exam_leaks,
        leak_embedding_provider_id=message.leak_embedding_provider_id.lower(),
        leak_meaning_similarity=message.leak_meaning_similarity
        if is_given
        else usual.leak_meaning_similarity,
    )


def replay_from_pb(message: pb.Replay) -> Replay:
    """General data."""
    share = message.share if message.HasField("share") else Replay().share
    return Replay(share, message.label, message.import_id.lower(), message.dataset_version_id.lower())
