"""Between the contracts of genre-audience pairs and their domain."""

from __future__ import annotations

from typing import Any

from services.generation.genre_audiences.genre_audiences import GenreAudience, NewGenreAudience, Voice
from services.runtime.convert import timestamp
from sishu.generation.v1 import genre_audience_pb2

VOICE_FIELDS = ("genre", "genre_description", "audience", "audience_description")
GENRE_AUDIENCE_FIELDS = (*VOICE_FIELDS, "enabled")
"""Fields of a pair that people may change."""


def genre_audience_from_pb(message: genre_audience_pb2.GenreAudience) -> NewGenreAudience:
    """A pair to store; a new one is on unless it is said to be off."""
    voice = Voice(**{name: getattr(message, name) for name in VOICE_FIELDS})
    enabled = message.enabled if message.HasField("enabled") else True
    return NewGenreAudience(message.project_id, message.document_id, voice, enabled)


def genre_audience_to_pb(pair: GenreAudience) -> genre_audience_pb2.GenreAudience:
    """A pair."""
    return genre_audience_pb2.GenreAudience(
        id=pair.id,
        project_id=pair.project_id,
        document_id=pair.document_id,
        enabled=pair.enabled,
        create_time=timestamp(pair.create_time),
        update_time=timestamp(pair.update_time),
        **pair.voice.model_dump(),
    )


def merged_genre_audience(
    pair: GenreAudience, wanted: genre_audience_pb2.GenreAudience, paths: frozenset[str]
) -> genre_audience_pb2.GenreAudience:
    """A pair with the named fields of another."""
    message: Any = genre_audience_to_pb(pair)
    for name in paths:
        message.ClearField(name)
        if name != "enabled" or wanted.HasField("enabled"):
            setattr(message, name, getattr(wanted, name))
    merged: genre_audience_pb2.GenreAudience = message
    return merged
