"""What the mock LLM says: JSON that fits a schema, drawn from the messages alone.

The same messages always get the same answer; different messages get different words, so that filters for
near copies keep them apart. A string property whose name holds "quote" is copied out of the prompt, because a
reader of the answer may look it up there; where the prompt counts facts, that of `turn_2` is the second of them. A
short "answer" and what is "right" beside a quote are in its words, a "text" is about half as long as the prompt. To Chinese prompts the answer is
Chinese.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Schema = Mapping[str, Any]

WORDS = tuple(
    beginning + ending
    for beginning in re.findall("..", "bacodefigahejokilumanoperosetuvi")
    for ending in re.findall("...", "bancotdunfelgothorkinlowmernesockrilstovenwicyar")
)

CHARACTERS = tuple(map(chr, range(0x4E00, 0x9FA0, 50)))

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Compact JSON; json.dumps would build this encoder anew for every call."""

_TAG = re.compile(r"<(\w+)>")
_STOPS = ".!?\N{IDEOGRAPHIC FULL STOP}\N{FULLWIDTH EXCLAMATION MARK}\N{FULLWIDTH QUESTION MARK}"
_STOP = re.compile(rf"[\n{_STOPS}]")
_SENTENCE = re.compile(rf"[^\n{_STOPS}]{{6,}}[{_STOPS}]?")
_CJK = re.compile("[\u4e00-\u9fff]")
_PLACE = re.compile(r"_(\d+)$")
_LONGEST_SHORT = 100
_LONGEST_TEXT = 600
_LONGEST_FREE_LIST = 3
_DEFAULT_NUMBER = 100


def has_chinese(text: str) -> bool:
    """Whether a text has a Chinese character."""
    return bool(_CJK.search(text))


class UnsupportedSchemaError(ValueError):
    """The schema uses a keyword that the mock cannot satisfy."""


@dataclass(frozen=True)
class Prompt:
    """The part of a request that decides the answer."""

    text: str
    """The last message."""
    digest: int
    """64 bits of the hash of all messages."""
    exact: str
    """All messages as JSON."""

    @classmethod
    def of(cls, messages: Sequence[Mapping[str, Any]]) -> Prompt:
        """Read the messages of a chat; content may be a string or a list of text parts."""
        exact = encode(messages)
        digest = hashlib.blake2b(exact.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return cls(_text_of(messages[-1].get("content")), int.from_bytes(digest), exact)

    @cached_property
    def chinese(self) -> bool:
        """Whether a fifth or more of its last message, or of the beginning of a long one, is Chinese."""
        beginning = self.text[:2000]
        return len(_CJK.findall(beginning)) * 5 >= len(beginning) > 0

    def fact(self, number: str) -> str:
        """The fact of this number, where the last message counts some."""
        found = re.search(rf"^(?:Fact|\u4e8b\u5b9e) {number}[:\uff1a] ?(.+)$", self.text, re.MULTILINE)
        return found[1].strip() if found else ""

    @cached_property
    def source(self) -> str:
        """The longest tagged or fenced block of the last message, else its longest paragraph."""
        blocks = [_up_to(self.text, tag.end(), f"</{tag[1]}>") for tag in _TAG.finditer(self.text)]
        for fence in ('"""', "```"):
            blocks += self.text.split(fence)[1:-1:2]
        return max(filter(None, blocks), key=len, default="") or max(self.text.split("\n\n"), key=len)


def _up_to(text: str, start: int, end: str) -> str:
    at = text.find(end, start)
    return text[start:at].strip() if at >= 0 else ""


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def matching(text: str, pattern: str) -> str:
    """The text dressed so that it matches a pattern; patterns that no dress fits are refused."""
    bare = text.rstrip("?.").lower()
    dresses = (text, f"What {bare}?", f"请问{bare}？", bare)
    found = next((one for one in dresses if re.search(pattern, one)), None)
    if found is None:
        raise UnsupportedSchemaError(f"this server cannot write a text of the pattern {pattern!r}")
    return found


@dataclass(frozen=True)
class Answerer:
    """Walks one schema for one prompt."""

    prompt: Prompt
    root: Schema
    fixed: Mapping[str, Any]
    """Values to use for properties of these names, whatever the schema draws."""
    dice: random.Random

    def value(self, schema: Schema, name: str = "", owner: str = "") -> Any:
        """Return an instance of `schema`; `name` is the property it is for, `owner` that which holds this one."""
        if name in self.fixed:
            return self.fixed[name]
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._chosen(schema["enum"], name, owner)
        return self._typed(schema, name)

    def _chosen(self, offered: Sequence[Any], name: str, owner: str) -> Any:
        place = _PLACE.search(owner) if "quote" in name else None
        fact = self.prompt.fact(place[1]) if place else ""
        return fact if fact in offered else self.dice.choice(offered)

    def _resolved(self, schema: Schema) -> Schema:
        """Follow references, merge `allOf`, and take one branch of `anyOf` and `oneOf`."""
        for word in ("not", "if", "patternProperties"):
            if word in schema:
                raise UnsupportedSchemaError(f"the mock cannot satisfy the schema keyword {word!r}")
        if "$ref" in schema:
            target: Any = self.root
            for step in schema["$ref"].removeprefix("#").strip("/").split("/"):
                target = target[step] if step else target
            return self._resolved(target)
        if "allOf" in schema:
            merged = {key: value for key, value in schema.items() if key != "allOf"}
            for part in schema["allOf"]:
                merged |= self._resolved(part)
            return merged
        branches = schema.get("anyOf") or schema.get("oneOf")
        if branches:
            return self._resolved(next((b for b in branches if b.get("type") != "null"), branches[0]))
        return schema

    def _typed(self, schema: Schema, name: str) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), "null")
        match kind:
            case "string":
                return self._string(schema, name)
            case "object":
                return self._object(schema, name)
            case "array":
                return self._array(schema, name)
            case "integer" | "number":
                return self._number(schema, whole=kind == "integer")
            case "boolean":
                return self.dice.choice((True, False))
            case "null":
                return None
            case _:
                raise UnsupportedSchemaError(f"the mock knows no schema type {kind!r}")

    def _object(self, schema: Schema, name: str) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, sub in schema.get("properties", {}).items():
            made[key] = self.value(sub, key, name)
            if "quote" in made and key not in self.fixed:
                made[key] = _grounded(key, sub, made)
        return made

    def _array(self, schema: Schema, name: str) -> list[Any]:
        least = schema.get("minItems", 0)
        most = schema.get("maxItems", max(least, _LONGEST_FREE_LIST))
        count = self.dice.randint(max(least, min(1, most)), max(least, most))
        if not schema.get("uniqueItems"):
            return [self.value(schema.get("items", {}), name) for _ in range(count)]
        choices = self._resolved(schema.get("items", {})).get("enum")
        if choices:
            return self.dice.sample(choices, min(count, len(choices)))
        distinct = {encode(item): item for item in (self.value(schema["items"], name) for _ in range(99))}
        if len(distinct) < least:
            raise UnsupportedSchemaError(f"the mock found only {len(distinct)} unique items for {name!r}")
        return list(distinct.values())[:count]

    def _number(self, schema: Schema, *, whole: bool) -> int | float:
        step = schema.get("multipleOf", 1 if whole else 0)
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        high = schema.get("maximum", schema.get("exclusiveMaximum", low + _DEFAULT_NUMBER))
        if not step:
            # Away from both ends, so that exclusive bounds hold too.
            return float(round(low + (high - low) * self.dice.uniform(0.01, 0.99), 6))
        first = -(-low // step) + (low == schema.get("exclusiveMinimum") and low % step == 0)
        last = high // step - (high == schema.get("exclusiveMaximum") and high % step == 0)
        number = self.dice.randint(int(first), int(last)) * step
        return int(number) if whole else number

    def _string(self, schema: Schema, name: str) -> str:
        longest: int = schema.get("maxLength", 10_000)
        if "quote" in name:
            return self._quote()[:longest]
        text = self._sentence("?" if "question" in name else ".")
        if "pattern" in schema:
            return matching(text, schema["pattern"])
        least = min(_LONGEST_TEXT, len(self.prompt.text) // 2) if name == "text" else 0
        while len(text) < max(least, schema.get("minLength", 0)):
            text += " " + self._sentence(".")
        return text[:longest]

    def _sentence(self, end: str) -> str:
        if not self.prompt.chinese:
            return sentence(self.dice, end)
        return (
            "".join(self.dice.choices(CHARACTERS, k=self.dice.randint(10, 16))) + {".": "。", "?": "？"}[end]
        )

    def _quote(self) -> str:
        """Return the first whole sentence after a drawn place, so that long prompts cost no more."""
        source = self.prompt.source
        stop = _STOP.search(source, self.dice.randrange(len(source) or 1))
        found = _SENTENCE.search(source, stop.end() if stop else 0) or _SENTENCE.search(source)
        return (found[0] if found else source).strip()


def _grounded(key: str, schema: Schema, made: Mapping[str, Any]) -> Any:
    """A value in the words of the quote beside it, where readers look it up there: what is right, or short."""
    if key == "right":
        return _end_of(made["quote"]) if schema["type"] == "string" else [_end_of(made["quote"])]
    short = key == "answer" and schema.get("maxLength", 10_000) <= _LONGEST_SHORT
    return _end_of(made["quote"]) if short else made[key]


def _end_of(quote: str) -> str:
    """The last words of a quote, or characters of a Chinese one."""
    bare = quote.strip().rstrip(_STOPS)
    return bare[-8:] if _CJK.search(bare) else " ".join(bare.split()[-4:])


def sentence(dice: random.Random, end: str) -> str:
    """Return six to ten invented words; 256 words make two equal sentences unlikely."""
    return " ".join(dice.choices(WORDS, k=dice.choice((6, 7, 8, 9, 10)))).capitalize() + end


def answer(body: Mapping[str, Any], prompt: Prompt, fixed: Mapping[str, Any]) -> str:
    """Return the content of the assistant's message for a chat-completions request.

    Raises:
        UnsupportedSchemaError: if the request's schema cannot be satisfied.
    """
    dice = random.Random(prompt.digest)  # noqa: S311 - answers must be the same each time, not secret
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        schema = form["json_schema"].get("schema", {})
        return encode(Answerer(prompt, schema, fixed, dice).value(schema))
    text = sentence(dice, ".")
    if form.get("type") == "json_object" or "json" in prompt.exact.lower():
        return encode({"text": text} | dict(fixed))
    return text
