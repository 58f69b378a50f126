"""The rows of a data file in blocks, ready for COPY, and what became of them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.dataset.imports.copy_rows import CopyRows
from services.dataset.imports.faults import Faults
from services.dataset.imports.imports import ImportCounts, ImportOptions
from services.dataset.imports.profile import Profile
from services.dataset.imports.reading import read_parts
from services.dataset.imports.rows import Fault, Imported
from services.dataset.imports.sources import parts_in
from services.runtime.errors import InvalidArgument

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BATCH = 2000
"""Rows that are stored at once."""
BATCH_BYTES = 32 << 20


@dataclass(frozen=True)
class Task:
    """What is read.

    Args:
        project_id: whose examples the rows become.
        import_id: that they come with.
        options: how they are read.
        name: of the file.
        path: where it lies.
        folder: where things may be unpacked.
        tokenizer: that counts tokens, as it is loaded; empty for none.
    """

    project_id: str
    import_id: str
    options: ImportOptions
    name: str
    path: Path
    folder: Path
    tokenizer: str = ""


@dataclass
class Block:
    """Rows that wait to be stored: what COPY takes for two tables, and how many rows were read so far."""

    examples: bytes
    contents: bytes
    rows: int


@dataclass(frozen=True)
class Outcome:
    """What became of all rows that were read.

    Args:
        examples: good rows.
        faults: the first bad rows.
        reasons: how many are bad, by reason.
        profile: what they are like; nothing where they were not read to the end.
    """

    examples: int = 0
    faults: Sequence[Fault] = ()
    reasons: Mapping[str, int] = field(default_factory=dict)
    profile: Mapping[str, Any] | None = None

    @property
    def bad(self) -> int:
        """Bad rows."""
        return sum(self.reasons.values())

    @property
    def rows(self) -> int:
        """All rows."""
        return self.examples + self.bad

    def counts(self, duplicates: int = 0, *, kept: bool = True) -> ImportCounts:
        """The same as counts of an import."""
        number = self.examples - duplicates if kept else 0
        return ImportCounts(self.rows, number, duplicates, self.bad, dict(self.reasons))


class Reading:
    """Reads the rows of a file, a block at a time.

    Args:
        task: what is read.
        tokenizer: counts tokens, if one does.
    """

    def __init__(self, task: Task, tokenizer: Tokenizer | None = None) -> None:
        self._task = task
        self._profile = Profile(tokenizer)
        self._faults = Faults(task.options.threshold)
        self._examples = 0
        self._is_whole = False

    def blocks(self) -> Generator[Block]:
        """The rows in blocks.

        Raises:
            InvalidArgument: the file cannot be read, or too many rows are bad.
        """
        task, options = self._task, self._task.options
        parts = parts_in(task.path, task.name, task.folder, options.choice)
        copied = CopyRows(task.project_id, task.import_id)
        rows: list[Imported] = []
        size = 0
        for one in read_parts(parts, task.folder, options.wanted, self._profile):
            if not isinstance(one, Imported):
                self._fault(one)
                continue
            self._examples += 1
            rows.append(one)
            size += len(one.content)
            if len(rows) >= BATCH or size >= BATCH_BYTES:
                yield self._block(copied, rows)
                rows, size = [], 0
        yield self._block(copied, rows)
        if not self._rows:
            raise InvalidArgument("FILE_EMPTY", f"{task.name}: the file holds no rows; send another")
        self._faults.check(self._rows)
        self._is_whole = True

    def _fault(self, fault: Fault) -> None:
        """Take a bad row.

        Raises:
            InvalidArgument: it is one too many.
        """
        self._profile.add_fault(fault)
        self._faults.add(fault)

    def _block(self, copied: CopyRows, rows: Sequence[Imported]) -> Block:
        """The next block."""
        self._profile.add_rows(rows)
        return Block(*copied.of(rows), self._rows)

    def outcome(self) -> Outcome:
        """What became of the rows that were read."""
        profile = self._profile.as_json() if self._is_whole else None
        reasons = dict(self._faults.reasons.most_common())
        return Outcome(self._examples, self._faults.kept, reasons, profile)

    def close(self) -> None:
        """Nothing is held."""

    @property
    def _rows(self) -> int:
        return self._examples + self._faults.count
