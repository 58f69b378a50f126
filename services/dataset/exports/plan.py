"""Which files an export has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.dataset.examples.examples import KINDS
from services.dataset.exports.bundles import BUNDLES, Bundle, Wanted, plain
from services.dataset.exports.filtering import described
from services.dataset.exports.options import COMPRESSIONS, FILE_TYPES, REASONING, ExportOptions
from services.dataset.exports.shapes import SHAPES
from services.dataset.exports.shards import Shard
from services.dataset.exports.sinks import ending, media_type
from services.dataset.exports.survey import Survey
from services.dataset.versions.versions import SPLITS
from services.runtime.errors import FailedPrecondition, InvalidArgument

AT = "export.options."
LEFT_OUT_FOLDER = "left_out/"
WIDER = "ask for other values of the filter, for fewer of its fields, or for other splits"
WORDS = {
    "splits": SPLITS,
    "kinds": KINDS,
    "file_type": FILE_TYPES,
    "compression": COMPRESSIONS,
    "reasoning": REASONING,
}
"""Options of which there are only some, by name."""


@dataclass(frozen=True)
class FilePlan:
    """A file that is to be made.

    Args:
        name: its path in the export.
        shape: of its rows.
        file_type: `json`, `jsonl`, `csv` or `parquet`.
        media_type: of its content.
        split: of its examples.
        shards: what it is made of.
        start: how many rows of the split come before.
        tells: kinds of examples that are named as left out, because no file of the export carries them.
    """

    name: str
    shape: str
    file_type: str
    media_type: str
    split: str
    shards: Sequence[Shard]
    start: int = 0
    tells: frozenset[str] = frozenset()

    @property
    def left_out_name(self) -> str:
        """Path of the file that names whom this one leaves out."""
        return f"{LEFT_OUT_FOLDER}{self.name.replace('/', '-')}.jsonl"

    @property
    def is_guessed(self) -> bool:
        """Whether its readers guess the types of its columns from its beginning."""
        return self.file_type == "jsonl"

    @property
    def may_be_empty(self) -> bool:
        """Whether it stays if it has no rows: the names of parts say how many there are."""
        return "-of-" in self.name


def bundle_of(options: ExportOptions) -> Bundle:
    """The bundle of an export; that of a shape alone holds nothing else.

    Raises:
        InvalidArgument: there is none of that name.
    """
    if bool(options.shape) == bool(options.bundle):
        raise InvalidArgument(
            "EXPORT_SHAPE_MISSING",
            f"name a shape ({', '.join(SHAPES)}) or a bundle ({', '.join(BUNDLES)}), and not both",
            AT + "shape",
        )
    if options.bundle:
        known(options.bundle, BUNDLES, "bundle")
        return BUNDLES[options.bundle]
    known(options.shape, SHAPES, "shape")
    return plain(options.shape)


def check_options(options: ExportOptions) -> None:
    """Demand that an export can be made so.

    Raises:
        InvalidArgument: it cannot; the message says what to change.
    """
    bundle = bundle_of(options)
    for name, values in WORDS.items():
        found = getattr(options, name)
        for value in [found] if isinstance(found, str) else found:
            if value:
                known(value, values, name)
    if options.bundle:
        check_bundle(options, bundle)
    check_reasoning(options, bundle)
    for wanted in bundle.files:
        SHAPES[wanted.shape](options, wanted_kinds(options, bundle))
    if options.columns and options.shape != "custom":
        raise unfit("columns", "columns are those of the shape custom")


def check_bundle(options: ExportOptions, bundle: Bundle) -> None:
    """Demand that a bundle can have such files."""
    if options.compression:
        raise unfit("compression", f"the program of the bundle {bundle.name} reads no compressed files")
    if options.file_type and options.file_type not in bundle.file_types:
        raise unfit(
            "file_type", f"the bundle {bundle.name} has files of type {' or '.join(bundle.file_types)}"
        )


def check_reasoning(options: ExportOptions, bundle: Bundle) -> None:
    """Demand that every shape has a place for reasoning where it is wished for."""
    for wanted in bundle.files:
        ways = SHAPES[wanted.shape].reasoning
        if options.reasoning and options.reasoning not in ways:
            raise unfit("reasoning", f"the shape {wanted.shape} can do with reasoning: {', '.join(ways)}")
    if not options.reasoning_field.isidentifier():
        raise unfit("reasoning_field", "the field of reasoning needs a name of letters, digits and _")
    if options.reasoning == "tags" and not (
        options.reasoning_open.strip() and options.reasoning_close.strip()
    ):
        raise unfit("reasoning_open", "reasoning needs a mark before and a mark behind it")


def wanted_kinds(options: ExportOptions, bundle: Bundle) -> set[str]:
    """Kinds of examples that find a place in the export.

    Raises:
        InvalidArgument: there is none.
    """
    kinds = {kind for wanted in bundle.files for kind in SHAPES[wanted.shape].kinds}
    found = {kind for kind in kinds if options.wants_kind(kind)}
    if not found:
        raise unfit("kinds", f"{options.shape or bundle.name} carries {', '.join(sorted(kinds))} only")
    return found


def plan_files(options: ExportOptions, shards: Sequence[Shard], survey: Survey) -> list[FilePlan]:
    """The files of an export, in the order in which they are made.

    Raises:
        FailedPrecondition: no example finds a place.
    """
    bundle = bundle_of(options)
    carried = wanted_kinds(options, bundle)
    found: list[FilePlan] = []
    for split in dict.fromkeys(shard.split for shard in shards if options.wants_split(shard.split)):
        mine = [shard for shard in shards if shard.split == split]
        present = survey.wanted(split, options)
        told = frozenset(present - carried)
        for wanted in bundle.files:
            if present & set(SHAPES[wanted.shape].kinds):
                found += plans_of(options, bundle, wanted, mine, told)
                told = frozenset()
    if not found:
        raise nothing_found(options, carried, survey)
    return found


def nothing_found(options: ExportOptions, carried: Iterable[str], survey: Survey) -> FailedPrecondition:
    """The error for an export in which no example finds a place."""
    told = f" that fit the filter ({described(options.filter)})" if options.filter.said else ""
    name = options.shape or options.bundle
    carries = f"{name} carries {', '.join(sorted(carried))}, and the version has none"
    if told and not any(survey.kinds.values()):
        message = f"the version has no examples{told} in the splits that were named; {WIDER}"
    elif told:
        message = f"{carries} of them{told} in the splits that were named; name another shape, or {WIDER}"
    else:
        message = f"{carries} of them in the splits that were named; name another shape or other splits"
    return FailedPrecondition("NOTHING_TO_EXPORT", message)


def plans_of(
    options: ExportOptions, bundle: Bundle, wanted: Wanted, shards: Sequence[Shard], tells: frozenset[str]
) -> list[FilePlan]:
    """The files of one split for one shape: one, or one for every shard."""
    file_type = options.file_type or wanted.file_type
    end = ending(file_type, options.compression)
    kind = media_type(file_type, options.compression)
    split = shards[0].split
    if not bundle.parts:
        name = wanted.name(split) + end
        return [FilePlan(name, wanted.shape, file_type, kind, split, shards, 0, tells)]
    parts, start = list[FilePlan](), 0
    for at, shard in enumerate(shards):
        name = f"{wanted.name(split)}-{at:05d}-of-{len(shards):05d}{end}"
        parts.append(FilePlan(name, wanted.shape, file_type, kind, split, [shard], start, tells))
        start += shard.rows
    return parts


def known(value: str, values: Iterable[str], name: str) -> None:
    """Demand that a value is one of those that there are."""
    if value not in values:
        raise unfit(name, f"there is no {value}; there are {', '.join(values)}")


def unfit(name: str, fault: str) -> InvalidArgument:
    """The error for an option that does not fit the others."""
    return InvalidArgument("EXPORT_OPTION_UNFIT", f"{name}: {fault}", AT + name, option=name, fault=fault)
