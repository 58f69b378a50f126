"""Open Packaging Conventions: which part of an Office file belongs to which."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

from services.ingest.readers.reading import Source
from services.ingest.readers.shared import archives

RELATION = "{*}Relationship"


@dataclass(frozen=True)
class Relation:
    """What a part refers to.

    Args:
        kind: last word of its type: `image`, `drawing`, `hyperlink`.
        target: path of the part in the archive; an address where it is outside.
        is_outside: whether it is outside.
    """

    kind: str
    target: str
    is_outside: bool = False


Relations = Mapping[str, Relation]
"""What a part refers to, by id."""


def relations(archive: zipfile.ZipFile, part: str, source: Source) -> Relations:
    """What a part refers to, by id; nothing where it has no relations. The file itself is the part "".

    Raises:
        InvalidArgument: the relations are damaged.
    """
    folder, name = posixpath.split(part)
    path = posixpath.join(folder, "_rels", f"{name}.rels")
    if path not in archive.NameToInfo:
        return {}
    found: dict[str, Relation] = {}
    for one in archives.xml(archives.read(archive, path, source), source).iter(RELATION):
        is_outside = one.get("TargetMode") == "External"
        target = one.get("Target", "")
        if not is_outside:
            target = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
        found[one.get("Id", "")] = Relation(one.get("Type", "").rpartition("/")[2], target, is_outside)
    return found


def targets(relations: Relations, kind: str) -> list[str]:
    """The parts of a kind that are referred to."""
    return [one.target for one in relations.values() if one.kind == kind and not one.is_outside]
