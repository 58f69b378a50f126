"""A folder onto a hub of data sets, by `huggingface_hub` where it is installed."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from sishu.errors import ApiError

TOKEN = "HF_TOKEN"  # noqa: S105  # the name of a variable
PARTS = ("left_out/*", ".*.part", "**/.*.part")
"""What stays here: who was left out, and downloads that were broken off."""


@dataclass(frozen=True)
class Hub:
    """A hub on which one may write.

    Args:
        repository: name of the data set there, such as `NAME/DATA`.
        library: `huggingface_hub`.
        token: what lets one write.
    """

    repository: str
    library: Any
    token: str

    @classmethod
    def of(cls, repository: str) -> Self:
        """The hub that the library names, with the token of the environment; it is not asked anything yet.

        Raises:
            ApiError: the library or the token is missing, or the name is none.
        """
        hub, token = library(), os.environ.get(TOKEN, "")
        try:
            hub.utils.validate_repo_id(repository)
        except hub.errors.HFValidationError as error:
            message = f"{repository!r} is no name of a data set on a hub; give one such as NAME/DATA"
            raise ApiError(
                "INVALID_ARGUMENT", "HUB_NAME_INVALID", message, metadata={"name": repository}
            ) from error
        if not token:
            message = f"set {TOKEN} to a token of the hub that may write to {repository}"
            raise ApiError(
                "UNAUTHENTICATED",
                "HUB_TOKEN_MISSING",
                message,
                metadata={"variable": TOKEN, "name": repository},
            )
        return cls(repository, hub, token)

    def push(self, folder: Path, private: bool = True) -> str:
        """Upload a folder as a data set; return its address.

        Raises:
            ApiError: the hub refuses, or cannot be reached; the folder stays.
        """
        hub, name = self.library, self.repository
        api = hub.HfApi(token=self.token)
        try:
            api.create_repo(name, repo_type="dataset", private=private, exist_ok=True)
            done = api.upload_folder(
                repo_id=name, folder_path=folder, repo_type="dataset", ignore_patterns=list(PARTS)
            )
        except (hub.errors.HfHubHTTPError, hub.errors.HFValidationError) as error:
            why = first_line(error)
            message = f"the hub did not take {name}: {why}"
            raise ApiError(
                "UNAVAILABLE", "HUB_REFUSED", message, metadata={"name": name, "why": why}
            ) from error
        except (httpx.TransportError, OSError) as error:
            why = first_line(error)
            address = hub.constants.ENDPOINT
            message = (
                f"the hub {address} cannot be reached ({why}); the files are in {folder}: give the same "
                "command again to upload them, HF_ENDPOINT names another hub"
            )
            metadata = {"address": address, "why": why, "folder": str(folder)}
            raise ApiError("UNAVAILABLE", "HUB_UNREACHABLE", message, metadata=metadata) from error
        return str(done.commit_url or name)


def library() -> Any:
    """`huggingface_hub`.

    Raises:
        ApiError: it is not installed.
    """
    try:
        found = importlib.import_module("huggingface_hub")
        for part in ("constants", "errors", "utils"):
            importlib.import_module(f"huggingface_hub.{part}")
    except ImportError as error:
        raise ApiError(
            "FAILED_PRECONDITION",
            "HUB_LIBRARY_MISSING",
            "an upload needs the Python package huggingface_hub; install it beside sishu",
        ) from error
    return found


def first_line(error: BaseException) -> str:
    """What an error says, in a line."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
