"""What the generation room can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.runtime.config import SOME, setting


@dataclass(frozen=True)
class GenerationConfig:
    """Settings of the generation room beside those that every room has."""

    secret_key_file: Path | None = setting("SISHU_SECRET_KEY_FILE", None)
    """File with the Fernet key under which provider keys are stored."""
    provider_key_folder: Path | None = setting("SISHU_PROVIDER_KEY_FOLDER", None)
    """Folder of the files that providers name for their keys."""
    call_seconds: float = setting("SISHU_GENERATION_CALL_SECONDS", 300.0, least=SOME)
    """Longest time that one call to a language model may take whose answer is not streamed."""
    idle_seconds: float = setting("SISHU_GENERATION_IDLE_SECONDS", 120.0, least=SOME)
    """Longest time that a streamed answer may take until its first piece, and between two of them."""
    batch_seconds: float = setting("SISHU_GENERATION_BATCH_SECONDS", 15.0, least=SOME)
    """Calls for batches are gathered until none came for so long; a batch is not looked at more often."""
