"""Which chunks and sections of documents examples are about; pure work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.dataset.statistics.statistics import Covered
from services.dataset.statistics.studying import About, Path_

DOCUMENTS = 1000
"""Most documents that are listed."""
UNUSED = 20
"""Most sections of a document that are named."""
BETWEEN = " / "
"""Stands between titles."""


@dataclass
class Known:
    """A document as the project has it now; `sections` are their titles from the top, in reading order."""

    document_id: str
    name: str
    chunk_ids: Sequence[str] = ()
    sections: Sequence[Path_] = field(default_factory=list)


def covered(known: Iterable[Known], about: Mapping[str, About]) -> list[Covered]:
    """Each document, those with the most examples first; also those that the project has no more."""
    nothing = About(Counter(), set(), set())
    found = [document_of(each, about.get(each.document_id, nothing)) for each in known]
    there = {each.document_id for each in found}
    found += [Covered(one, "", dict(about[one].counts)) for one in about.keys() - there]
    return sorted(found, key=lambda each: (-each.examples, each.name, each.document_id))


def document_of(known: Known, about: About) -> Covered:
    """What of a document examples are about."""
    used = {path[:depth] for path in about.paths for depth in range(1, len(path) + 1)}
    unused = [path for path in known.sections if path not in used]
    bare = set(unused)
    tops = [path for path in unused if path[:-1] not in bare]
    return Covered(
        known.document_id,
        known.name,
        dict(about.counts),
        len(known.chunk_ids),
        len(about.chunk_ids.intersection(known.chunk_ids)),
        len(known.sections),
        len(known.sections) - len(unused),
        [BETWEEN.join(path) for path in tops[:UNUSED]],
    )


def sum_of(documents: Sequence[Covered]) -> Covered:
    """All documents together."""
    counts: Counter[str] = Counter()
    for each in documents:
        counts.update(each.counts)
    return Covered(
        "",
        "",
        dict(counts),
        *(
            sum(getattr(each, name) for each in documents)
            for name in ("chunks", "chunks_used", "sections", "sections_used")
        ),
    )


def paths_of(sections: Iterable[tuple[str, str, str]]) -> list[Path_]:
    """The titles from the top of sections in reading order, each given as id, id above it, title."""
    paths: dict[str, Path_] = {}
    for section_id, parent_id, title in sections:
        paths[section_id] = (*paths.get(parent_id, ()), title)
    return list(paths.values())
