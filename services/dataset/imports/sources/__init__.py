"""What is to be imported, in parts: a file, a folder with or without a description, or a zip of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from services.dataset.imports.readers import ending_of, sheet
from services.dataset.imports.readers.reading import Source
from services.dataset.imports.sources import hugging_face, llama_factory, zipped
from services.dataset.imports.sources.parts import Choice, Part
from services.runtime.errors import InvalidArgument

__all__ = ["Choice", "Part", "parts_in"]

WORKBOOKS = {".xlsx", ".xlsm"}


def parts_in(path: Path, name: str, folder: Path, choice: Choice) -> list[Part]:
    """The files of what is to be imported, in the order in which they are.

    Args:
        path: a file or folder.
        name: what it is called.
        folder: where something can be unpacked.
        choice: what is to be taken where there are several things.

    Raises:
        InvalidArgument: there is nothing that can be read, or it cannot be told what is meant.
    """
    if path.is_dir():
        parts = folder_parts(path, choice)
    elif zipped.is_zip(Path(name)):
        parts = folder_parts(zipped.unpacked(path, name, folder), choice)
    else:
        parts = [Part(path, name, read=choice.read)]
    return [one for part in parts for one in sheets(part, folder)]


def folder_parts(folder: Path, choice: Choice) -> list[Part]:
    """The files of a folder.

    Raises:
        InvalidArgument: there is none that can be read, or it cannot be told which are meant.
    """
    if not folder.is_dir():
        raise nothing(choice)
    # It has a `dataset_info.json`, too, of another sort.
    if hugging_face.is_saved(folder):
        return hugging_face.saved_parts(folder, choice)
    if (folder / llama_factory.NAME).is_file() and not choice.files:
        return llama_factory.parts_of(folder, choice)
    configs = hugging_face.configurations(folder)
    if configs and not choice.files:
        return hugging_face.card_parts(folder, configs, choice)
    paths = hugging_face.data_files(folder, choice)
    paths = [path for path in paths if not is_description(path) and not tells_left_out(path)]
    if not paths:
        raise nothing(choice)
    check_one_format(paths)
    return hugging_face.split_parts(folder, paths, choice)


def is_description(path: Path) -> bool:
    """Whether a file says something of others: it holds no rows."""
    return path.name.lower() in {
        "manifest.json",
        "dataset_info.json",
        "dataset_infos.json",
        "license.txt",
        "readme.txt",
        "requirements.txt",
    }


def tells_left_out(path: Path) -> bool:
    """Whether a file of an export of our own names the examples that another one leaves out."""
    return path.parent.name == "left_out" and (path.parent.parent / path.stem).is_file()


def check_one_format(paths: list[Path]) -> None:
    """Refuse files of several formats: they may say the same.

    Raises:
        InvalidArgument: there are such.
    """
    endings = sorted({ending_of(path.name) for path in paths})
    if len(endings) > 1:
        raise InvalidArgument(
            "FORMATS_MIXED",
            f"the folder holds files of kinds {', '.join(endings)}, which may say the same; choose by a "
            f"pattern, such as *{endings[0]} (files)",
            "files",
        )


def sheets(part: Part, folder: Path) -> Iterator[Part]:
    """The sheets of a workbook as parts; any other file as it is."""
    if ending_of(part.name) not in WORKBOOKS:
        yield part
        return
    source = Source(part.path, part.name, folder, part.read)
    for name in sheet.names_in(source):
        yield replace(part, name=f"{part.name}#{name}", read=replace(part.read, sheet=name))


def nothing(choice: Choice) -> InvalidArgument:
    """The error for a folder without data."""
    return InvalidArgument(
        "FILES_MISSING",
        "there is no file that can be read"
        + (f" whose name fits {choice.files!r}" if choice.files else "")
        + "; put .json, .jsonl, .csv, .xlsx or .parquet files into it",
        "files",
    )
