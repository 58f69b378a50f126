"""Genre-audience pairs: ways to write about a document, and for whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel

from services.generation.questions.quotes import one_line
from services.runtime.errors import AlreadyExists, InvalidArgument, NotFound

BEGINNING_CHARS = 8000
"""Characters of a document that a model sees."""


class Voice(BaseModel, frozen=True):
    """What is written, and for whom: names, and what is said about them."""

    genre: str
    genre_description: str = ""
    audience: str
    audience_description: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Equal for voices that are the same but for case."""
        return self.genre.casefold(), self.audience.casefold()


@dataclass(frozen=True)
class GenreAudience:
    """A voice for a document; generations write in it while it is enabled."""

    id: str
    project_id: str
    document_id: str
    voice: Voice
    enabled: bool
    create_time: datetime
    update_time: datetime

    @property
    def size_bytes(self) -> int:
        """About how large it is in an answer."""
        return sum(len(text.encode()) for text in self.voice.model_dump().values())


@dataclass(frozen=True)
class NewGenreAudience:
    """A pair to store."""

    project_id: str
    document_id: str
    voice: Voice
    enabled: bool = True


def voice_values(voice: Voice | None, language: str) -> dict[str, object]:
    """What prompts say about a voice; empty without."""
    if voice is None:
        return {"genre": "", "audience": ""}
    return {
        "genre": described(voice.genre, voice.genre_description, language),
        "audience": described(voice.audience, voice.audience_description, language),
    }


def described(name: str, description: str, language: str) -> str:
    """A name with what is said about it."""
    if not description:
        return one_line(name)
    text = one_line(description).rstrip(".。")
    return f"{one_line(name)}（{text}）" if language == "zh" else f"{one_line(name)} ({text})"


def listed(voices: Sequence[Voice]) -> str:
    """A line for each voice."""
    return "\n".join(f"- {one_line(one.genre)} / {one_line(one.audience)}" for one in voices)


def genre_audience_values(
    name: str, beginning: str, pairs: int, existing: Sequence[Voice]
) -> dict[str, object]:
    """What the prompt `genre_audiences` is filled with."""
    return {"document": name, "beginning": beginning.strip(), "pairs": pairs, "existing": listed(existing)}


def check_document(project_id: str, document_id: str, document_project_id: str) -> None:
    """Refuse a document of another project.

    Raises:
        InvalidArgument: so it is.
    """
    if document_project_id != project_id:
        raise InvalidArgument(
            "DOCUMENT_OF_OTHER_PROJECT",
            f"document {document_id} belongs to another project; name one of this project",
            "genre_audience.document_id",
            document_id=document_id,
        )


def genre_audience_not_found(genre_audience_id: str) -> NotFound:
    """The error for a pair that is not there."""
    return NotFound(
        "GENRE_AUDIENCE_NOT_FOUND",
        f"there is no genre-audience pair {genre_audience_id}",
        genre_audience_id=genre_audience_id,
    )


def genre_audience_exists(voice: Voice) -> AlreadyExists:
    """The error for a pair that the document has."""
    return AlreadyExists(
        "GENRE_AUDIENCE_EXISTS",
        f"the document has the pair {voice.genre!r} for {voice.audience!r} already; change that one",
        "genre_audience.genre",
        genre=voice.genre,
        audience=voice.audience,
    )
