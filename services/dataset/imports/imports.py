"""Imports of data files and of generations: what is imported, how, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from services.dataset.imports.conversion import Wanted
from services.dataset.imports.faults import Threshold
from services.dataset.imports.readers import ReadOptions, check_ending
from services.dataset.imports.rows import Columns
from services.dataset.imports.shapes import SHAPES, MapOptions
from services.dataset.imports.shapes.families import SFT, THINK
from services.dataset.imports.sources import Choice
from services.runtime.errors import InvalidArgument
from services.runtime.jobs import Job

COLUMNS = tuple(sorted(one.name for one in fields(Columns)))
BAD_SHARE = 0.1
"""A larger share of bad rows ends an import, unless a person says otherwise."""


@dataclass(frozen=True)
class ImportOptions:
    """How the rows of an import are read; what is empty is found out.

    Args:
        shape: of the rows.
        columns: names of columns by what is in them.
        kind: of examples that are one question and one answer.
        labels: of all examples.
        keep_thoughts: whether thoughts stay in the answer.
        think: marks around them.
        max_bad_rows: more bad rows end the import; None for any number.
        max_bad_share: a larger share of bad rows ends the import.
        datasets: to be taken of a description of several.
        splits: to be taken.
        files: pattern of files to be taken.
        field: key of the list in a JSON object.
        sheet: of a workbook.
        encoding: of texts.
        tokenizer: counts tokens for the profile.
    """

    shape: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    kind: str = SFT
    labels: Sequence[str] = ()
    keep_thoughts: bool = False
    think: Sequence[str] = THINK
    max_bad_rows: int | None = None
    max_bad_share: float = BAD_SHARE
    datasets: Sequence[str] = ()
    splits: Sequence[str] = ()
    files: str = ""
    field: str = ""
    sheet: str = ""
    encoding: str = ""
    tokenizer: str = ""

    @property
    def wanted(self) -> Wanted:
        """What is said of rows."""
        start, end = self.think
        think = None if self.keep_thoughts else (start, end)
        columns = Columns(**self.columns) if self.columns else None
        return Wanted(self.shape, columns, tuple(self.labels), MapOptions(self.kind, think))

    @property
    def choice(self) -> Choice:
        """What is taken of what holds several things."""
        read = ReadOptions(self.encoding, self.field, self.sheet)
        return Choice(tuple(self.datasets), tuple(self.splits), self.files, read)

    @property
    def threshold(self) -> Threshold:
        """How many bad rows are too many."""
        return Threshold(self.max_bad_rows, self.max_bad_share)


@dataclass(frozen=True)
class ImportUpload:
    """A file that was announced; its key in the bucket holds it once it was sent."""

    id: str
    project_id: str
    name: str
    size_bytes: int
    sha256: str
    create_time: datetime | None = None

    @property
    def key(self) -> str:
        """Where it lies in the bucket."""
        return f"datasets/{self.project_id}/uploads/{self.id}/file"


@dataclass(frozen=True)
class GenerationSource:
    """Generations that are imported; `with_rejected` with what gates have rejected there."""

    generation_ids: Sequence[str]
    with_rejected: bool = False


@dataclass(frozen=True)
class ImportCounts:
    """What became of the rows of an import; the last three are of generations only.

    Args:
        rows: that were read; of generations, questions and candidates that have ended.
        kept: examples.
        duplicates: examples that were rejected as such.
        bad: rows that are no examples.
        bad_by_reason: the same by reason.
        rejected: examples that were rejected for another reason.
        left_out: what was rejected in the generation room, and did not become an example.
        known: what was an example before.
    """

    rows: int = 0
    kept: int = 0
    duplicates: int = 0
    bad: int = 0
    bad_by_reason: Mapping[str, int] = field(default_factory=dict)
    rejected: int = 0
    left_out: int = 0
    known: int = 0


@dataclass(frozen=True)
class Import:
    """An import of an upload or of generations: one of the two is there."""

    id: str
    project_id: str
    upload: ImportUpload | None
    generations: GenerationSource | None
    options: ImportOptions
    job: Job
    counts: ImportCounts | None
    profile: Mapping[str, Any] | None
    create_time: datetime


def check_options(options: ImportOptions) -> None:
    """Refuse options that no file can be read by.

    Raises:
        InvalidArgument: there is no such shape or column, or only one of two marks.
    """
    if options.shape and options.shape not in SHAPES:
        raise InvalidArgument(
            "SHAPE_UNSUPPORTED",
            f"there is no shape {options.shape!r}; use one of {', '.join(SHAPES)}",
            "import.options.shape",
            shape=options.shape,
        )
    unknown = sorted(set(options.columns) - set(COLUMNS))
    if unknown:
        raise InvalidArgument(
            "COLUMN_UNKNOWN",
            f"nothing is called {unknown[0]!r} in an example; say what is in which column by "
            f"{', '.join(COLUMNS)}",
            "import.options.columns",
            column=unknown[0],
        )
    if not all(options.think):
        raise InvalidArgument(
            "FIELD_INVALID",
            "think_start and think_end go together; give both marks, or neither",
            "import.options.think_start",
        )
    check_encoding(options.encoding)


def check_of_generations(options: ImportOptions) -> None:
    """Refuse what says how the rows of a file are read.

    Raises:
        InvalidArgument: something does.
    """
    usual = ImportOptions(labels=options.labels, tokenizer=options.tokenizer)
    said = [one.name for one in fields(ImportOptions) if plain(options, one.name) != plain(usual, one.name)]
    if said:
        name = f"import.options.{said[0]}"
        raise InvalidArgument(
            "FIELD_INVALID",
            f"{name}: that is of the rows of files; of generations give labels and a tokenizer only",
            name,
        )


def plain(options: ImportOptions, name: str) -> Any:
    """What an option says, a sequence as a list."""
    value = getattr(options, name)
    return list(value) if isinstance(value, tuple) else value


def check_encoding(encoding: str, field: str = "import.options.encoding") -> None:
    """Refuse an encoding that is none.

    Raises:
        InvalidArgument: it is none.
    """
    try:
        "".encode(encoding or "utf-8")
    except (LookupError, ValueError):
        raise InvalidArgument(
            "ENCODING_UNSUPPORTED",
            f"there is no encoding {encoding!r}; use a name such as utf-8 or gb18030, or leave it empty",
            field,
            encoding=encoding,
        ) from None


def check_name(name: str) -> None:
    """Refuse a file that cannot be imported, by its name.

    Raises:
        InvalidArgument: it cannot.
    """
    if not name.isprintable():
        raise InvalidArgument("FIELD_INVALID", "name: leave control characters out of it", "name")
    if not name.lower().endswith(".zip"):
        check_ending(name)


def check_upload_of(upload: ImportUpload, project_id: str, field: str = "import.file.upload_id") -> None:
    """Refuse an upload of another project.

    Raises:
        InvalidArgument: it is of one.
    """
    if upload.project_id != project_id:
        raise InvalidArgument(
            "PROJECT_MISMATCH",
            f"upload {upload.id} belongs to project {upload.project_id}",
            field,
            upload_id=upload.id,
            project_id=upload.project_id,
        )
