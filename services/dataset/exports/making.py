"""A whole export into a folder, without a queue: what tests, benchmarks and programs of one process use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.dataset.exports.bundles import Made
from services.dataset.exports.options import ExportOptions
from services.dataset.exports.plan import bundle_of, check_options, plan_files, wanted_kinds
from services.dataset.exports.shards import Shard
from services.dataset.exports.survey import survey
from services.dataset.exports.writing import FileWriter, Written


@dataclass(frozen=True)
class Result:
    """The files of an export, and what became of each that has rows."""

    names: Sequence[str]
    written: dict[str, Written]


def export(
    shards: Sequence[Shard],
    options: ExportOptions,
    folder: Path,
    advance: Callable[[int], None] = lambda count: None,
) -> Result:
    """Write an export into a folder.

    Raises:
        InvalidArgument: it cannot be made so.
        FailedPrecondition: no example finds a place.
    """
    check_options(options)
    bundle = bundle_of(options)
    mine = [shard for shard in shards if options.wants_split(shard.split)]
    found = survey(mine, options, wanted_kinds(options, bundle))
    written: dict[str, Written] = {}
    made: list[Made] = []
    for plan in plan_files(options, mine, found):
        path, left_out = folder / plan.name, folder / plan.left_out_name
        path.parent.mkdir(parents=True, exist_ok=True)
        left_out.parent.mkdir(exist_ok=True)
        result = FileWriter(plan, options, found).write(path, left_out, advance)
        written[plan.name] = result
        if result.rows or plan.may_be_empty:
            made.append(Made(plan.name, plan.shape, plan.split, result.rows, result.examples))
        else:
            path.unlink()
    for name, text in bundle.papers(made, options).items():
        (folder / name).write_text(text, encoding="utf-8")
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return Result(names, written)
