"""What models are asked to write about genre-audience pairs: JSON schema, and how their output is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

from services.generation.calls.output import OutputIncomplete, OutputInvalid
from services.generation.genre_audiences.genre_audiences import Voice
from services.generation.questions.quotes import one_line
from services.generation.questions.writing import strict_object

LONGEST_NAME = 100
LONGEST_DESCRIPTION = 400


def voices_schema(count: int) -> dict[str, Any]:
    """`{"pair_1": {"genre": ..., "genre_description": ..., "audience": ..., ...}, ...}`, so many pairs."""
    name = {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}
    description = {"type": "string", "minLength": 1, "maxLength": LONGEST_DESCRIPTION}
    pair = strict_object(
        {
            "genre": name,
            "genre_description": description,
            "audience": name,
            "audience_description": description,
        }
    )
    return strict_object({pair_key(index): pair for index in range(count)})


def voices_parser(count: int, known: Sequence[Voice]) -> Callable[[Any], list[Voice]]:
    """Reads what `voices_schema` asked for: different voices, of which none is known.

    What lacks, or is there already, is asked for again alone.
    """

    def parse(value: Any) -> list[Voice]:
        if not isinstance(value, dict):
            raise OutputInvalid("the answer is not a JSON object")
        found: dict[str, Voice] = {}
        wrong: dict[str, str] = {}
        for key in map(pair_key, range(count)):
            voice = read(value.get(key))
            if voice is None:
                wrong[key] = "must have the texts genre, genre_description, audience and audience_description"
            elif voice.key in {one.key for one in (*known, *found.values())}:
                wrong[key] = (
                    f"must be another pair than {voice.genre} / {voice.audience}, which is there already"
                )
            else:
                found[key] = voice
        if not wrong:
            return list(found.values())
        key, why = next(iter(wrong.items()))
        if not found:
            raise OutputInvalid(f'"{key}" {why}')
        raise OutputIncomplete(f'"{key}" {why}', {one: value[one] for one in found}, list(found.values()))

    return parse


def read(value: Any) -> Voice | None:
    """A pair as a model wrote it; nothing where it is none."""
    try:
        voice = Voice.model_validate(value)
    except ValidationError:
        return None
    voice = Voice(
        genre=one_line(voice.genre)[:LONGEST_NAME],
        genre_description=one_line(voice.genre_description)[:LONGEST_DESCRIPTION],
        audience=one_line(voice.audience)[:LONGEST_NAME],
        audience_description=one_line(voice.audience_description)[:LONGEST_DESCRIPTION],
    )
    return voice if voice.genre and voice.audience else None


def pair_key(index: int) -> str:
    """Name of a pair in prompt and schema, from 1."""
    return f"pair_{index + 1}"
