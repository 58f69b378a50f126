"""What the dataset room can be told."""

from __future__ import annotations

from dataclasses import dataclass

from services.runtime.config import SOME, setting


@dataclass(frozen=True)
class DatasetConfig:
    """Settings of the dataset room beside those that every room has."""

    upload_seconds: float = setting("SISHU_DATASET_UPLOAD_SECONDS", 86400.0, least=SOME)
    """How long a data file that was uploaded, and that no import took, lives; an hour later it goes."""
    tokenizer_folder: str = setting("SISHU_DATASET_TOKENIZER_FOLDER", "")
    """Folder whose tokenizers requests may name, beside those of the hub; empty: only those of the hub."""
