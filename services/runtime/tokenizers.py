"""Tokenizers that requests name: hub ids, or files in a folder that the operator has set."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from services.runtime.errors import InvalidArgument

if TYPE_CHECKING:
    from tokenizers import Tokenizer

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
FILE = "tokenizer.json"


@dataclass(frozen=True)
class Naming:
    """How a room names tokenizers, for its messages.

    Args:
        room: whose machines have the folder.
        setting: the variable that sets the folder.
        field: of the request that names a tokenizer.
        without: what comes of leaving it empty.
    """

    room: str
    setting: str
    field: str
    without: str


def allowed_tokenizer(name: str, folder: str, naming: Naming) -> str:
    """What `load_tokenizer` takes for the name that a request gives: nothing else of this machine is opened.

    Args:
        name: a hub id, or a path in the folder; empty for none.
        folder: what requests may name; empty for nothing.
        naming: for messages.

    Raises:
        InvalidArgument: it is neither.
    """
    if not name:
        return ""
    if folder and name.isprintable():
        root = Path(folder).expanduser().resolve()
        path = (root / name).resolve()
        if path.is_relative_to(root) and (path.exists() or not HUB_ID.fullmatch(name)):
            return str(path)
    if HUB_ID.fullmatch(name):
        return name
    raise InvalidArgument(
        "TOKENIZER_NOT_ALLOWED",
        f"tokenizer {name!r} is no hub id such as org/name, and not in the folder of tokenizers of the "
        f"{naming.room} machines ({naming.setting}); give a hub id, put the tokenizer there, or "
        f"leave it empty for {naming.without}",
        naming.field,
        tokenizer=name,
    )


@functools.lru_cache(maxsize=4)
def load_tokenizer(name: str, naming: Naming) -> Tokenizer:
    """The tokenizer of a model.

    Args:
        name: absolute path of a folder with a `tokenizer.json`, or of such a file; or a hub id `org/name`,
            which is looked up in the local cache of the hub and then at the hub.
        naming: for messages.

    Raises:
        InvalidArgument: it cannot be had.
    """
    # Seconds of imports that only those pay who name a tokenizer.
    from tokenizers import Tokenizer  # noqa: PLC0415

    path = Path(name)
    if path.is_dir():
        path /= FILE
    try:
        if path.is_absolute() and path.is_file():
            return Tokenizer.from_file(str(path))
        if HUB_ID.fullmatch(name):
            return Tokenizer.from_pretrained(name)
    except MemoryError:
        raise
    except Exception as error:
        raise not_found(name, str(error).partition("\n")[0][:300], naming) from error
    raise not_found(name, "there is no such file or folder", naming)


def not_found(name: str, cause: str, naming: Naming) -> InvalidArgument:
    """The error for a tokenizer that cannot be had."""
    return InvalidArgument(
        "TOKENIZER_NOT_FOUND",
        f"tokenizer {name}: {cause}; give a folder with tokenizer.json, such a file, or a hub id such as "
        f"org/name that this machine can reach, or leave it empty for {naming.without}",
        naming.field,
        tokenizer=name,
    )
