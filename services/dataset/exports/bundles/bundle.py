"""What all bundles have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from services.dataset.exports.options import ExportOptions

BASE_MODEL = "Qwen/Qwen3-4B"
"""What the configurations name as the model to start with; users put their own there."""


@dataclass(frozen=True)
class Wanted:
    """Files that a bundle has of a shape: one a split, unless the bundle is in parts.

    Args:
        shape: of their rows.
        file_type: of the files.
        train: their name for the split `train`, without its ending.
        other: the same for other splits; `{split}` stands for the split.
    """

    shape: str
    file_type: str
    train: str
    other: str

    def name(self, split: str) -> str:
        """Name of the file of a split, without its ending."""
        return (self.train if split == "train" else self.other).format(split=split)


@dataclass(frozen=True)
class Made:
    """A file that has been made: its name, shape and split, how many rows, and how many examples by kind."""

    name: str
    shape: str
    split: str
    rows: int
    examples: Mapping[str, int]


Papers = Callable[[Sequence[Made], ExportOptions], Mapping[str, str]]
"""The texts that lie beside the files, by their names."""


@dataclass(frozen=True)
class Bundle:
    """A folder for a program.

    Args:
        name: names it.
        files: those with rows.
        papers: what else is there.
        parts: whether there is a file for every shard of the version.
        file_types: what the program reads.
    """

    name: str
    files: Sequence[Wanted]
    papers: Papers
    parts: bool = False
    file_types: Sequence[str] = ("jsonl", "json", "parquet")


def of_shape(made: Sequence[Made], shape: str) -> dict[str, Made]:
    """The files of a shape that have rows, by split."""
    return {one.split: one for one in made if one.shape == shape and one.rows}
