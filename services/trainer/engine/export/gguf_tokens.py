"""A tokenizer as the keys of a GGUF file.

Two kinds go: byte-level BPE with a way of splitting text that llama.cpp knows by name, and the BPE of
SentencePiece. Of the latter the file wants a score for each token, by which llama.cpp chooses what to join
first: it is that of tokenizer.model, or follows from the order of the merges.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
from gguf import TokenType

from services.trainer.engine.errors import BaseModelError
from services.trainer.engine.export.prompts import Prompts

_SHARED = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_SHARED_END = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPLITS: dict[str, list[dict[str, Any]]] = {
    "gpt-2": [{"type": "ByteLevel", "use_regex": True}],
    "smollm": [{"type": "Digits", "individual_digits": True}, {"type": "ByteLevel", "use_regex": True}],
    "llama-bpe": [
        {"type": "Split", "pattern": {"Regex": f"{_SHARED}\\p{{N}}{{1,3}}{_SHARED_END}"}},
        {"type": "ByteLevel", "use_regex": False},
    ],
    "qwen2": [
        {"type": "Split", "pattern": {"Regex": f"{_SHARED}\\p{{N}}{_SHARED_END}"}},
        {"type": "ByteLevel", "use_regex": False},
    ],
}
"""Ways of splitting text by their names in llama.cpp, as what tells the parts of a pre-tokenizer."""
_SPACE = "▁"
_BARE_SCORE = -1e4
"""Of what is joined of nothing."""
_VARINT, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}
"""Bytes of protobuf's other kinds."""


@dataclass(frozen=True)
class Vocabulary:
    """What a file says of a tokenizer."""

    model: str
    """`gpt2` or `llama`."""
    split: str
    tokens: list[str]
    types: list[int]
    merges: list[str]
    """Empty where there are scores."""
    scores: list[float]
    """Empty where there are merges."""
    adds_space: bool
    """Whether a space is put before a text."""


def vocabulary_of(tokenizer: Any, folder: Path, size: int) -> Vocabulary:
    """The vocabulary of a tokenizer.

    Args:
        tokenizer: that of transformers.
        folder: of the model, which may have a tokenizer.model.
        size: tokens that the model has embeddings of; those without a text are marked as unused.

    Raises:
        BaseModelError: it is of a kind that does not go.
    """
    parts = _parts(tokenizer)
    model = parts["model"]
    if model.get("type") != "BPE":
        raise BaseModelError(f"tokenizer: {model.get('type')} is not written as GGUF here, only BPE")
    if len(tokenizer) > size:
        raise BaseModelError(f"tokenizer: it has {len(tokenizer)} tokens, the model has embeddings of {size}")
    if model.get("byte_fallback"):
        tokens, types = _tokens(parts, size, has_bytes=True)
        scores = _scores(folder, model, tokens)
        return Vocabulary("llama", "default", tokens, types, [], scores, _adds_space(parts))
    tokens, types = _tokens(parts, size, has_bytes=False)
    merges = [each if isinstance(each, str) else " ".join(each) for each in model["merges"]]
    return Vocabulary("gpt2", _split(parts), tokens, types, merges, [], adds_space=False)


def _parts(tokenizer: Any) -> dict[str, Any]:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or not hasattr(backend, "to_str"):
        raise BaseModelError("tokenizer: it has no tokenizer.json; convert it with transformers first")
    found: dict[str, Any] = json.loads(backend.to_str())
    return found


def _split(parts: dict[str, Any]) -> str:
    """The name of the way of splitting text. Raises BaseModelError where it is none of those known."""
    given = parts.get("pre_tokenizer") or {}
    steps = given.get("pretokenizers", [given])
    for name, wanted in SPLITS.items():
        if len(steps) == len(wanted) and all(map(_is, steps, wanted)):
            return name
    raise BaseModelError(
        "tokenizer: its way of splitting text is none of those that are written as GGUF here: "
        f"{', '.join(SPLITS)}"
    )


def _is(step: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return not step.get("add_prefix_space") and all(step.get(name) == value for name, value in wanted.items())


def _tokens(parts: dict[str, Any], size: int, *, has_bytes: bool) -> tuple[list[str], list[int]]:
    """Text and kind of every token, by number."""
    tokens = [f"[PAD{number}]" for number in range(size)]
    types = [int(TokenType.UNUSED)] * size
    unknown = parts["model"].get("unk_token")
    for text, number in parts["model"]["vocab"].items():
        is_byte = has_bytes and len(text) == len("<0x00>") and text.startswith("<0x") and text.endswith(">")
        tokens[number], types[number] = text, int(TokenType.BYTE if is_byte else TokenType.NORMAL)
        if has_bytes and text == unknown:
            types[number] = int(TokenType.UNKNOWN)
    for added in parts.get("added_tokens", []):
        number, text = added["id"], added["content"]
        tokens[number] = text
        if types[number] != TokenType.UNKNOWN:
            types[number] = int(TokenType.CONTROL if added["special"] else TokenType.USER_DEFINED)
    return tokens, types


def _scores(folder: Path, model: dict[str, Any], tokens: list[str]) -> list[float]:
    pieces = _piece_scores(folder / "tokenizer.model")
    known = pieces or _merge_scores(model)
    bare = 0.0 if pieces else _BARE_SCORE
    return [known.get(token, bare) for token in tokens]


def _merge_scores(model: dict[str, Any]) -> dict[str, float]:
    """Of each token that is joined of two the less, the later that happens."""
    found: dict[str, float] = {}
    for rank, pair in enumerate(model["merges"]):
        left, right = pair.split(" ") if isinstance(pair, str) else pair
        found.setdefault(left + right, -float(rank))
    return found


def _piece_scores(path: Path) -> dict[str, float]:
    """Scores by token of a SentencePiece model; empty where there is no such file.

    Of its protobuf message only field 1 is wanted, the pieces, each with its text in field 1 and its score in
    field 2 (https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto).
    """
    if not path.is_file():
        return {}
    pieces = [dict(_fields(content)) for number, content in _fields(path.read_bytes()) if number == 1]
    return {
        piece[1].decode("utf-8"): struct.unpack("<f", piece[2])[0] for piece in pieces if {1, 2} <= {*piece}
    }


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each field of a protobuf message that is no varint (protobuf.dev/encoding)."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            _, at = _varint(message, at)
            continue
        length, at = _varint(message, at) if kind == _BYTES else (_FIXED[kind], at)
        yield tag >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _adds_space(parts: dict[str, Any]) -> bool:
    """Whether a space comes before the first word."""
    normalizer = parts.get("normalizer") or {}
    steps = normalizer.get("normalizers", [normalizer])
    if any(step.get("type") == "Prepend" and step.get("prepend") == _SPACE for step in steps):
        return True
    splitter = parts.get("pre_tokenizer") or {}
    return splitter.get("type") == "Metaspace" and splitter.get("prepend_scheme") in {"first", "always"}


def add_tokens(writer: gguf.GGUFWriter, words: Vocabulary, tokenizer: Any, prompts: Prompts) -> None:
    """Write a vocabulary, the numbers of the special tokens, and the chat template."""
    writer.add_tokenizer_model(words.model)
    writer.add_tokenizer_pre(words.split)
    writer.add_token_list(words.tokens)
    writer.add_token_types(words.types)
    if words.merges:
        writer.add_token_merges(words.merges)
    if words.scores:
        writer.add_token_scores(words.scores)
    for add, number in (
        (writer.add_bos_token_id, tokenizer.bos_token_id),
        (writer.add_eos_token_id, tokenizer.eos_token_id),
        (writer.add_unk_token_id, tokenizer.unk_token_id),
        (writer.add_pad_token_id, tokenizer.pad_token_id),
    ):
        if number is not None:
            add(number)
    writer.add_add_bos_token(bool(prompts.bos))
    writer.add_add_eos_token(value=False)
    writer.add_add_space_prefix(words.adds_space)
    if isinstance(tokenizer.chat_template, str):
        writer.add_chat_template(tokenizer.chat_template)
