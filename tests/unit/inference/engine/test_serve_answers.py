from __future__ import annotations

import json

import pytest

from services.inference.engine.answer import AnswerReader
from services.inference.engine.tools import BARE, LISTED, TAGGED, ToolFormat, tool_format

NAMES = frozenset({"weather", "clock"})
CALL = '{"name": "weather", "arguments": {"place": "奥斯特雷"}}'


def read(
    text: str, size: int, *, thinking: bool = False, form: ToolFormat | None = None
) -> tuple[str, str, list[tuple[str, str]]]:
    reader = AnswerReader(thinking=thinking, form=form, names=NAMES)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    parts = [reader.push(piece, last=False) for piece in pieces] + [reader.push("", last=True)]
    calls = [(call.name, call.arguments) for part in parts for call in part.calls]
    return "".join(p.reasoning for p in parts), "".join(p.content for p in parts), calls


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("text", "thinking", "reasoning", "content"),
    [
        ("Plain.", False, "", "Plain."),
        ("  <b>Plain.", False, "", "  <b>Plain."),
        ("<think>\nHm, so.\n</think>\n\nDone.", False, "Hm, so.", "Done."),
        ("\nHm </thin so.\n</think>\n\nDone.", True, "Hm </thin so.", "Done."),
        ("<think>\n\n</think>\n\nDone.", False, "", "Done."),
        ("<think>never ends", False, "never ends", ""),
        ("Ends <think> late</think>", False, "", "Ends <think> late</think>"),
        ("<thin", False, "", "<thin"),
    ],
)
def test_a_thought_is_kept_apart(size: int, text: str, thinking: bool, reasoning: str, content: str) -> None:
    assert read(text, size, thinking=thinking) == (reasoning, content, [])


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize(
    ("text", "form", "content", "calls"),
    [
        (f"<tool_call>\n{CALL}\n</tool_call>", TAGGED, "", 1),
        (
            f"Let me see.\n<tool_call>\n{CALL}\n</tool_call>\n<tool_call>{CALL}</tool_call>",
            TAGGED,
            "Let me see.",
            2,
        ),
        ("No <tool_cal needed. ", TAGGED, "No <tool_cal needed. ", 0),
        ("<tool_call>{broken</tool_call> so", TAGGED, "<tool_call>{broken</tool_call> so", 0),
        (CALL.replace("weather", "unknown"), BARE, CALL.replace("weather", "unknown"), 0),
        (f"[{CALL}, {CALL}]", LISTED, "", 2),
        (CALL.replace("arguments", "parameters"), BARE, "", 1),
        ("It is {late}.", BARE, "It is {late}.", 0),
        ("{late} it is", BARE, "{late} it is", 0),
    ],
)
def test_tool_calls_are_read_out(size: int, text: str, form: ToolFormat, content: str, calls: int) -> None:
    _, said, found = read(text, size, form=form)
    assert said == content
    assert [name for name, _ in found] == ["weather"] * calls
    assert all(json.loads(arguments) == {"place": "奥斯特雷"} for _, arguments in found)


def test_a_call_that_the_budget_cut_off_is_shown_as_text() -> None:
    assert read('<tool_call>{"name": "wea', 4, form=TAGGED)[1] == '<tool_call>{"name": "wea'


@pytest.mark.parametrize(
    ("template", "form"),
    [
        ("{% if tools %}<tool_call>{% endif %}", TAGGED),
        ("{% if tools %}[TOOL_CALLS]{% endif %}", LISTED),
        ("{% if tools %}<|python_tag|>{% endif %}", BARE),
        ("{{ messages }}", None),
    ],
)
def test_the_template_says_how_calls_are_written(template: str, form: ToolFormat | None) -> None:
    assert tool_format(template) == form
