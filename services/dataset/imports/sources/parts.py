"""Parts of what is to be imported: a file each, with what is said of it beside it."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from services.dataset.imports.readers import ReadOptions
from services.dataset.imports.shapes import Shape
from services.runtime.errors import InvalidArgument


@dataclass(frozen=True)
class Choice:
    """What is to be taken of a folder that holds several things; empty for what there is only one of.

    Args:
        datasets: names in a `dataset_info.json`, or of configurations of a Hugging Face dataset.
        splits: of a Hugging Face dataset; empty for all.
        files: pattern of names, such as `*.jsonl`.
        read: how files are read.
    """

    datasets: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    files: str = ""
    read: ReadOptions = field(default_factory=ReadOptions)

    def takes(self, name: str) -> bool:
        """Whether a file is to be taken, by its name."""
        return not self.files or fnmatch.fnmatch(name, self.files)


@dataclass(frozen=True)
class Part:
    """A file to import.

    Args:
        path: where it lies.
        name: what it is called in faults: its path in what is imported.
        shape: of its rows, where something beside it says so.
        most_rows: so many rows are taken; None for all.
        read: how it is read.
    """

    path: Path
    name: str
    shape: Shape | None = None
    most_rows: int | None = None
    read: ReadOptions = field(default_factory=ReadOptions)


def inside(root: Path, wanted: str, name: str) -> Path:
    """The path of something that a description names, which must be in its folder.

    Raises:
        InvalidArgument: it is not there, or elsewhere.
    """
    path = (root / wanted.replace("\0", "/../")).resolve()
    if "\0" in wanted or not path.is_relative_to(root.resolve()):
        raise InvalidArgument(
            "PATH_UNSAFE",
            f"{name}: {wanted!r} is outside the folder; put the file into it, and name it by its path there",
            name=name,
            path=wanted,
        )
    if not path.exists():
        raise InvalidArgument(
            "FILE_MISSING",
            f"{name}: there is no file or folder {wanted!r} beside it; add it, or take it out of "
            "the description",
            name=name,
            path=wanted,
        )
    return path


def files_in(folder: Path) -> list[Path]:
    """The files in a folder and those in it, by name; hidden ones and links are left out."""
    return sorted(path for path in walked(folder) if path.is_file())


def walked(folder: Path) -> Iterable[Path]:
    """All in a folder that is not hidden, and no link."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "~$", "__MACOSX")) or path.is_symlink():
            continue
        if path.is_dir():
            yield from walked(path)
        else:
            yield path
