"""API keys of providers: stored encrypted, in a variable of the room's environment, or in a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from services.runtime.errors import FailedPrecondition
from services.runtime.secrets import SecretBox

FOLDER_VARIABLE = "SISHU_PROVIDER_KEY_FOLDER"
VARIABLE_ENDING = "_API_KEY"
"""How a variable must end that a provider may name, so that nobody sends another secret anywhere."""
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MOST_BYTES = 8192
"""More than any key has."""


class HasKey(Protocol):
    """What says where its key is, as a provider does."""

    @property
    def sealed_key(self) -> bytes | None:
        """The key, encrypted."""

    @property
    def key_variable(self) -> str:
        """The variable that holds it."""

    @property
    def key_file(self) -> str:
        """The file that holds it."""


class Keys:
    """Reads keys at use, so that a changed file holds from the next call on.

    Args:
        secrets: opens the stored ones.
        environ: the room's environment.
        folder: folder of the files; without one, no provider can name a file.
    """

    def __init__(self, secrets: SecretBox, environ: Mapping[str, str], folder: Path | None) -> None:
        self._secrets = secrets
        self._variables = {name: key for name, key in environ.items() if name.endswith(VARIABLE_ENDING)}
        self._folder = folder

    def of(self, provider: HasKey) -> str:
        """The key of a provider, or of what was begun with it; empty where none is configured.

        Raises:
            FailedPrecondition: it is not where the provider says, or can be no key.
        """
        if provider.sealed_key:
            return checked(self._secrets.open(provider.sealed_key), "the stored key")
        if provider.key_variable:
            return self._in_variable(provider.key_variable)
        return self._in_file(provider.key_file) if provider.key_file else ""

    def _in_variable(self, name: str) -> str:
        key = self._variables.get(name, "").strip()
        if not key:
            raise missing(
                f"the environment variable {name} of the generation room is not set; set it where the room "
                "is started (`sishu up` passes on those of its own environment) and start the room again",
                api_key_variable=name,
            )
        return checked(key, f"the environment variable {name}")

    def _in_file(self, name: str) -> str:
        if self._folder is None:
            raise missing(
                f"the key is in the file {name}, but {FOLDER_VARIABLE} names no folder to look in; set it in "
                "the environment of the generation room",
                api_key_file=name,
            )
        place = f"the file {name} in {self._folder} ({FOLDER_VARIABLE})"
        try:
            key = read_inside(self._folder, name)
        except (OSError, ValueError) as error:
            why = (isinstance(error, OSError) and error.strerror) or str(error)
            raise missing(f"{place} cannot be read: {why}", api_key_file=name) from None
        if not key:
            raise missing(f"{place} is empty", api_key_file=name)
        return checked(key, place)


def read_inside(folder: Path, name: str) -> str:
    """The text of a small file of a folder, without the newline at its end.

    Links are followed within the folder, since Kubernetes mounts each secret as one, and never out of it.

    Raises:
        OSError, ValueError: there is no such file, or it is not what a key file is.
    """
    if not FILE_NAME.fullmatch(name):
        raise ValueError("it is no name of a file in the folder")
    path = (folder / name).resolve(strict=True)
    if not path.is_relative_to(folder.resolve()):
        raise ValueError("it is a link out of the folder")
    if not path.is_file():
        raise ValueError("it is no file")
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES} bytes")
    # Not as ASCII: the error would show a part of the content.
    return content.decode(errors="replace").rstrip("\r\n")


def checked(key: str, place: str) -> str:
    """A key that an HTTP header can carry; the libraries' own errors would show it.

    Raises:
        FailedPrecondition: it is none.
    """
    if not (key.isascii() and key.isprintable()):
        raise FailedPrecondition(
            "PROVIDER_KEY_INVALID", f"{place} holds no API key: it has other signs than printable ASCII"
        )
    return key


def missing(message: str, **metadata: str) -> FailedPrecondition:
    """The error for a key that is not where the provider says."""
    return FailedPrecondition("PROVIDER_KEY_MISSING", message, **metadata)
