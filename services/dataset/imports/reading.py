"""All of an import's data: from files to examples and faults."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from services.dataset.imports.conversion import Wanted, converted
from services.dataset.imports.profile import Profile
from services.dataset.imports.readers import read_rows
from services.dataset.imports.readers.reading import Source
from services.dataset.imports.rows import Fault, Imported
from services.dataset.imports.sources import Part


def read_parts(
    parts: list[Part], folder: Path, wanted: Wanted, profile: Profile
) -> Iterator[Imported | Fault]:
    """What becomes of the rows of files, in their order; the profile sees their columns.

    Raises:
        InvalidArgument: a file cannot be read, or its shape cannot be told.
    """
    for part in parts:
        rows = read_rows(Source(part.path, part.name, folder, part.read))
        columns = profile.next_file()
        taken = columns.watched(itertools.islice(rows, part.most_rows))
        yield from converted(taken, part.name, wanted, part.shape, columns.read_as)
