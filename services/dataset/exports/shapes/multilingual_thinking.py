"""Multilingual-Thinking: questions with reasoning in a named language, as gpt-oss was tuned on."""

from __future__ import annotations

import re

import pyarrow as pa

from services.dataset.exports.dressing import Dressed
from services.dataset.exports.shapes.shape import SEVERAL_TURNS, Row, Shape, pair

LANGUAGES = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "pt": "Portuguese",
    "ru": "Russian",
    "tr": "Turkish",
    "vi": "Vietnamese",
    "zh": "Chinese",
}
"""English names of languages by their codes; one that is not here stands as its code."""
HAN = re.compile("[\u4e00-\u9fff]")
SPOKEN = pa.struct({"role": pa.string(), "content": pa.string(), "thinking": pa.string()})


class MultilingualThinking(Shape):
    """Three messages; the system's begins with a line that names the language of the reasoning."""

    name = "multilingual_thinking"
    kinds = ("sft", "exam_item")
    reasoning = ("field",)
    reasoning_field = "thinking"
    needs = ("language",)

    def rows(self, example: Dressed) -> list[Row] | str:  # noqa: D102
        if not example.single:
            return SEVERAL_TURNS
        question, answer = pair(example)
        thinking = example.turns[-1]["thinking"]
        language = language_of(example, thinking or answer)
        header = f"reasoning language: {language}"
        system = f"{header}\n\n{example.system}" if example.system else header
        return [
            {
                "reasoning_language": language,
                "developer": example.system,
                "user": question,
                "analysis": thinking,
                "final": answer,
                "messages": [
                    {"role": "system", "content": system, "thinking": None},
                    {"role": "user", "content": question, "thinking": None},
                    {"role": "assistant", "content": answer, "thinking": thinking},
                ],
            }
        ]

    def schema(self) -> pa.Schema:  # noqa: D102
        texts = ("reasoning_language", "developer", "user", "analysis", "final")
        return pa.schema({**{name: pa.string() for name in texts}, "messages": pa.list_(SPOKEN)})


def language_of(example: Dressed, text: str) -> str:
    """English name of the language of an example; where it is not told, Chinese characters tell Chinese."""
    code = example.columns.get("language") or ("zh" if HAN.search(text) else "en")
    return LANGUAGES.get(code.partition("-")[0].lower(), code)
