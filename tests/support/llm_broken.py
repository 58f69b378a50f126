"""Ways in which models break the JSON that they are asked for, each made of a good answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

THOUGHTS = 'Let me see: {"draft": "no"}, that is [1].'


def dumped(value: Any, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, **options)


def strings(value: Any, change: Callable[[str], Any]) -> Any:
    """The value with every string in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [strings(item, change) for item in value]
    if isinstance(value, dict):
        return {key: strings(item, change) for key, item in value.items()}
    return value


def in_first_string(good: str, put: Callable[[str], str]) -> str:
    """The text with the middle of its first string value changed as it is written."""
    return re.sub(r'([:\[]\s*")([^"]{2,})', lambda found: found[1] + put(found[2]), good, count=1)


def split(text: str, put: str) -> str:
    """The text with something put between two of its words."""
    before, _, after = text.partition(" ")
    return f"{before} {put} {after}"


def quoted(text: str) -> str:
    """The text with a word in quotation marks that are not escaped."""
    before, _, after = text.partition(" ")
    return f'{before} "such" {after}'


def last_key(good: str) -> str:
    return str(list(json.loads(good))[-1])


def without_last(good: str) -> str:
    value = json.loads(good)
    value.pop(last_key(good))
    return dumped(value)


def last_as(good: str, written: str) -> str:
    """The text with its last member written otherwise."""
    rest = without_last(good).removesuffix("}")
    comma = ", " if len(rest) > 1 else ""
    return f'{rest}{comma}"{last_key(good)}": {written}}}'


def twice(good: str) -> str:
    return f'{good.removesuffix("}")},"{last_key(good)}":"another"}}'


def full_width(good: str) -> str:
    """JSON as Chinese models write it at times: the punctuation of their language, outside of the words."""
    marks = str.maketrans({":": "：", ",": "，"})
    parts = re.split(r'("[^"]*")', good)
    return "".join(f"「{one[1:-1]}」" if one[:1] == '"' else one.translate(marks) for one in parts)


def commented(good: str) -> str:
    return good.replace("{", "{ // the answer\n", 1).removesuffix("}") + " /* that is all */ }"


BROKEN: Mapping[str, Callable[[str], str]] = {
    "fence": lambda good: f"```json\n{good}\n```",
    "words_around": lambda good: f"Sure! Here is [the] {{answer}}:\n{good}\nI hope it helps [1].",
    "fence_and_words": lambda good: f"Here it is:\n```\n{good}\n```\nAnything else?",
    "truncated_object": lambda good: good[: good.rfind('"') - 4],
    "truncated_array": lambda good: good[: good.rfind(',"') + 6],
    "unclosed": lambda good: good.removesuffix("}"),
    "think_before": lambda good: f"<think>\n{THOUGHTS}\n</think>\n{good}",
    "think_inside": lambda good: good.replace(":", f": <think>{THOUGHTS}</think> ", 1),
    "think_after": lambda good: f"{good}\n<think>{THOUGHTS} {good}{good}</think>",
    "think_without_beginning": lambda good: f"{THOUGHTS}\n</think>\n\n{good}",
    "think_nested": lambda good: f"<think>One <think>two</think> {good} three</think>{good}",
    "think_unclosed": lambda good: f"<think>\n{THOUGHTS}\n{good}",
    "think_in_a_string": lambda good: in_first_string(good, lambda text: split(text, "</think><think>")),
    "single_quotes": lambda good: dumped(json.loads(good)).replace('"', "'"),
    "trailing_commas": lambda good: re.sub(r"(?=[\]}])", ",", good),
    "comments": commented,
    "python_literals": lambda good: good.replace("{", "{'sure': True, 'note': None, ", 1),
    "unquoted_keys": lambda good: re.sub(r'"(\w+)":', r"\1:", good),
    "wrong_types": lambda good: dumped(strings(json.loads(good), len)),
    "missing_keys": without_last,
    "extra_keys": lambda good: dumped({"thoughts": "none", **json.loads(good), "confidence": 0.9}),
    "empty": lambda _: "",
    "empty_object": lambda _: "{}",
    "prose": lambda _: "The answer is easy to find: it stands in the text.",
    "prose_in_another_language": lambda _: "根据上述文本，答案显而易见。",
    "refusal": lambda _: "I'm sorry, but I can't help with that.",
    "nan": lambda good: last_as(good, "NaN"),
    "infinity": lambda good: last_as(good, "-Infinity"),
    "duplicate_keys": twice,
    "line_end_in_a_string": lambda good: in_first_string(good, lambda text: text.replace(" ", "\n", 1)),
    "quotes_in_a_string": lambda good: in_first_string(good, quoted),
    "one_quote_in_a_string": lambda good: in_first_string(good, lambda text: text.replace(" ", ' "', 1)),
    "wrong_escapes": lambda good: in_first_string(good, lambda text: split(text, r"\(\frac{1}{2}\)")),
    "byte_order_mark": lambda good: "\ufeff" + good,
    "full_width_punctuation": full_width,
    "curly_quotes": lambda good: re.sub(r'"([^"]*)"', "“\\1”", good),
    "json_in_a_string": dumped,
    "list_around": lambda good: f"[{good}]",
    "two_objects": lambda good: f"[{good},{good}]",
    "ellipsis": lambda good: last_as(good, "..."),
    "nul": lambda good: in_first_string(good, lambda text: text.replace(" ", "\\u0000 ", 1)),
    "lone_surrogate": lambda good: in_first_string(good, lambda text: text.replace(" ", "\\ud83d ", 1)),
    "deep_nesting": lambda _: "[" * 50_000,
    "filtered": lambda good: good[: len(good) // 2],
}
"""By kind, what it makes of a good JSON object of two members or more."""
FINISH_REASONS = {"truncated_object": "length", "truncated_array": "length", "filtered": "content_filter"}
"""Why an answer ended, for the kinds where that is not `stop`."""
