"""Dataset folders of Hugging Face: as on the hub, with or without card, and as `save_to_disk` makes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import yaml

from services.dataset.imports.readers import is_data
from services.dataset.imports.sources.parts import Choice, Part, files_in, inside
from services.runtime.errors import InvalidArgument

CARD, STATE, SPLITS = "README.md", "state.json", "dataset_dict.json"
MOST_BYTES = 1 << 20
SHARD = re.compile(r"^(?P<split>\w+)-\d{5}(-of-\d{5})?[.-]")
"""How files of a split are called, such as `train-00000-of-00002.parquet`."""
FILES = "data_files"


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote a folder."""
    return (folder / STATE).is_file() or (folder / SPLITS).is_file()


def saved_parts(folder: Path, choice: Choice) -> list[Part]:
    """The Arrow files of a saved dataset, or of the splits of several.

    Raises:
        InvalidArgument: the folder is not whole, or a split is not there.
    """
    if (folder / STATE).is_file():
        return list(state_parts(folder, folder, choice))
    splits = read_json(folder / SPLITS).get("splits")
    if not isinstance(splits, list) or not all(isinstance(one, str) for one in splits):
        raise invalid(SPLITS, "it names no splits")
    return [
        part
        for split in wanted_splits(splits, choice)
        for part in state_parts(folder, inside(folder, split, SPLITS), choice)
    ]


def state_parts(root: Path, folder: Path, choice: Choice) -> Iterator[Part]:
    """The Arrow files of one saved dataset.

    Raises:
        InvalidArgument: they are not there, or only some of their rows are meant.
    """
    state = read_json(folder / STATE)
    if state.get("_indices_files") or state.get("_indices_data_files"):
        raise invalid(
            STATE, "only some rows of its files are meant; call flatten_indices() before save_to_disk()"
        )
    files = state.get("_data_files")
    if not isinstance(files, list):
        raise invalid(STATE, "it names no files")
    for file in files:
        name = file.get("filename") if isinstance(file, dict) else None
        if not isinstance(name, str):
            raise invalid(STATE, "a file in it has no filename")
        path = inside(folder, name, STATE)
        yield Part(path, str(path.relative_to(root.resolve())), read=choice.read)


def read_json(path: Path) -> dict[str, Any]:
    """An object in a file.

    Raises:
        InvalidArgument: there is none.
    """
    try:
        found = orjson.loads(path.read_bytes()) if path.stat().st_size <= MOST_BYTES else None
    except (OSError, orjson.JSONDecodeError):
        found = None
    if not isinstance(found, dict):
        raise invalid(path.name, "it is not there, or no object in JSON")
    return found


def configurations(folder: Path) -> list[dict[str, Any]]:
    """The configurations that the card of a dataset describes; none without such a card.

    Raises:
        InvalidArgument: the card is broken.
    """
    path = folder / CARD
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    if not text.startswith("---"):
        return []
    try:
        card = yaml.safe_load(text.split("\n---", 1)[0])
    except yaml.YAMLError as error:
        raise invalid(CARD, f"its head is no YAML: {error}"[:300]) from error
    configs = card.get("configs") if isinstance(card, dict) else None
    return (
        [one for one in configs if isinstance(one, dict) and FILES in one]
        if isinstance(configs, list)
        else []
    )


def card_parts(folder: Path, configs: Sequence[Mapping[str, Any]], choice: Choice) -> list[Part]:
    """The files of a configuration: the one that is named, or the only one, or the default.

    Raises:
        InvalidArgument: it cannot be told which, or its files are not there.
    """
    by_name = {str(one.get("config_name", "default")): one for one in configs}
    default = next((name for name, one in by_name.items() if one.get("default")), "default")
    names = list(choice.datasets) or ([default] if default in by_name else list(by_name))
    missing = [name for name in names if name not in by_name]
    if missing or (len(names) > 1 and not choice.datasets):
        why = (
            f"there is no configuration {missing[0]!r}" if missing else "it describes several configurations"
        )
        raise InvalidArgument(
            "DATASET_AMBIGUOUS",
            f"{CARD}: {why}; choose from {', '.join(by_name)} (datasets)"[:1500],
            "datasets",
            name=CARD,
        )
    return [
        Part(path, str(path.relative_to(folder.resolve())), read=choice.read)
        for name in names
        for path in config_files(folder, by_name[name], choice)
    ]


def config_files(folder: Path, config: Mapping[str, Any], choice: Choice) -> list[Path]:
    """The files of a configuration, split by split.

    Raises:
        InvalidArgument: there are none, or it names some that are elsewhere.
    """
    root = inside(folder, str(config.get("data_dir") or "."), CARD)
    listed = config[FILES] if isinstance(config[FILES], list) else [config[FILES]]
    by_split: dict[str, list[Any]] = {}
    for one in listed:
        split, paths = (
            (one.get("split", "train"), one.get("path")) if isinstance(one, dict) else ("train", one)
        )
        by_split.setdefault(str(split), []).extend(paths if isinstance(paths, list) else [paths])
    found = [
        path
        for split in wanted_splits(list(by_split), choice)
        for pattern in by_split[split]
        for path in matching(root, pattern)
    ]
    return list(dict.fromkeys(found))


def matching(root: Path, pattern: object) -> list[Path]:
    """The files that a pattern of a card names.

    Raises:
        InvalidArgument: there are none, or it leads out of the folder.
    """
    if not isinstance(pattern, str) or not pattern or pattern.startswith("/") or ".." in pattern.split("/"):
        raise InvalidArgument(
            "PATH_UNSAFE",
            f"{CARD}: {pattern!r}"[:300] + " is outside the folder; put the files into it, and name them by "
            "their paths there",
            name=CARD,
            path=str(pattern)[:200],
        )
    found = [
        path.resolve() for path in sorted(root.glob(pattern)) if path.is_file() and not path.is_symlink()
    ]
    if not found:
        raise InvalidArgument(
            "FILE_MISSING",
            f"{CARD}: no file is called {pattern!r}; add it, or mend the card",
            name=CARD,
            path=pattern,
        )
    return found


def split_parts(folder: Path, paths: Sequence[Path], choice: Choice) -> list[Part]:
    """Files that are named after splits, or all where they are not.

    Raises:
        InvalidArgument: a split is not there.
    """
    by_split: dict[str, list[Path]] = {}
    for path in paths:
        match = SHARD.match(path.name)
        by_split.setdefault(match["split"] if match else path.name.partition(".")[0], []).append(path)
    chosen = wanted_splits(list(by_split), choice)
    return [
        Part(path, str(path.relative_to(folder)), read=choice.read)
        for split in chosen
        for path in by_split[split]
    ]


def wanted_splits(splits: Sequence[str], choice: Choice) -> list[str]:
    """The chosen splits; all where none is.

    Raises:
        InvalidArgument: one is not there.
    """
    missing = [split for split in choice.splits if split not in splits]
    if missing:
        raise InvalidArgument(
            "SPLIT_MISSING",
            f"there is no split {missing[0]!r}; choose from {', '.join(splits)} (splits)"[:500],
            "splits",
            split=missing[0],
        )
    return list(choice.splits or splits)


def data_files(folder: Path, choice: Choice) -> list[Path]:
    """The files of a folder that can be read and are to be taken."""
    return [
        path
        for path in files_in(folder)
        if is_data(path.name) and path.name not in {STATE, SPLITS} and choice.takes(path.name)
    ]


def invalid(name: str, why: str) -> InvalidArgument:
    """The error for a description that cannot be."""
    return InvalidArgument(
        "DATASET_INFO_INVALID", f"{name}: {why}; mend it, or save the dataset anew", name=name
    )
