"""A folder onto a hub of data sets, by `huggingface_hub` where it is installed."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from sishu.errors import ApiError

TOKEN = "HF_TOKEN"  # noqa: S105  # the name of a variable
PARTS = ("left_out/*", ".*.part", "**/.*.part")
"""What stays here: who was left out, and downloads that were broken off."""


def push_folder(folder: Path, repository: str, private: bool = True) -> str:
    """Upload a folder as a data set; return its address. The token comes from the environment.

    Raises:
        ApiError: the library or the token is missing, or the hub refuses.
    """
    hub = library()
    token = os.environ.get(TOKEN, "")
    if not token:
        raise ApiError(
            "UNAUTHENTICATED",
            "HUB_TOKEN_MISSING",
            f"set {TOKEN} to a token of the hub that may write to {repository}",
        )
    api = hub.HfApi(token=token)
    try:
        api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        done = api.upload_folder(
            repo_id=repository, folder_path=folder, repo_type="dataset", ignore_patterns=list(PARTS)
        )
    except (hub.errors.HfHubHTTPError, hub.errors.HFValidationError, OSError) as error:
        raise ApiError(
            "UNAVAILABLE", "HUB_REFUSED", f"the hub did not take {repository}: {first_line(error)}"
        ) from error
    return str(done.commit_url or repository)


def library() -> Any:
    """`huggingface_hub`.

    Raises:
        ApiError: it is not installed.
    """
    try:
        found = importlib.import_module("huggingface_hub")
        importlib.import_module("huggingface_hub.errors")
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
