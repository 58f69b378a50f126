"""What a model wrote, taken apart as it comes: thoughts, answer, tool calls."""

from __future__ import annotations

from dataclasses import dataclass

from services.inference.engine.tools import ToolCall, ToolFormat, read_calls

THINK = "<think>"
END_THINK = "</think>"


@dataclass(frozen=True, slots=True)
class Part:
    """What a piece of text added."""

    content: str = ""
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.content or self.reasoning or self.calls)


class AnswerReader:
    """Takes the text of one answer apart; holds back what may still become a mark.

    Args:
        thinking: whether the prompt ended inside a thought, as some templates let it.
        form: how this model writes tool calls, where the request offers tools.
        names: the tools that it offers.
    """

    def __init__(self, *, thinking: bool, form: ToolFormat | None, names: frozenset[str]) -> None:
        self._thoughts = _Thoughts(open_at_start=thinking)
        self._calls = _Calls(form, names) if form else None

    def push(self, text: str, *, last: bool) -> Part:
        """Add text; `last` lets go of what was held back."""
        reasoning, answer = self._thoughts.push(text, last=last)
        if self._calls is None:
            return Part(answer, reasoning)
        content, calls = self._calls.push(answer, last=last)
        return Part(content, reasoning, tuple(calls))


class _Thoughts:
    """Separates a thought at the beginning from the answer; blanks at the thought's ends are dropped."""

    def __init__(self, *, open_at_start: bool) -> None:
        self._state = "thought" if open_at_start else "start"
        self._held = ""
        self._begun = False

    def push(self, text: str, *, last: bool) -> tuple[str, str]:
        self._held += text
        reasoning = answer = ""
        if self._state == "start":
            self._look_at_start(last=last)
        if self._state == "thought":
            reasoning = self._think(last=last)
        if self._state == "gap":
            self._held = self._held.lstrip()
            self._state = "answer" if self._held or last else "gap"
        if self._state == "answer":
            answer, self._held = self._held, ""
        return reasoning, answer

    def _look_at_start(self, *, last: bool) -> None:
        begun = self._held.lstrip()
        if begun.startswith(THINK):
            self._held, self._state = begun.removeprefix(THINK), "thought"
        elif last or not THINK.startswith(begun):
            self._state = "answer"

    def _think(self, *, last: bool) -> str:
        thought, mark, rest = self._held.partition(END_THINK)
        if mark:
            self._held, self._state = rest, "gap"
        elif last:
            self._held = ""
        else:
            keep = _overlap(thought, END_THINK)
            thought = thought[: len(thought) - keep].rstrip()
            self._held = self._held[len(thought) :]
        thought = thought.rstrip() if mark or last else thought
        if not self._begun:
            thought = thought.lstrip()
        self._begun = self._begun or bool(thought)
        return thought


class _Calls:
    """Separates tool calls from the rest; blanks around them are dropped."""

    def __init__(self, form: ToolFormat, names: frozenset[str]) -> None:
        self._form = form
        self._names = names
        self._held = ""
        self._started = False

    def push(self, text: str, *, last: bool) -> tuple[str, list[ToolCall]]:
        self._held += text
        return self._tagged(last=last) if self._form.begin else self._whole(last=last)

    def _tagged(self, *, last: bool) -> tuple[str, list[ToolCall]]:
        content, calls = "", []
        while (begin := self._held.find(self._form.begin)) >= 0:
            end = self._held.find(self._form.end, begin)
            if end < 0 and not last:
                break
            after = end + len(self._form.end) if end >= 0 else len(self._held)
            inner = self._held[begin + len(self._form.begin) : end if end >= 0 else after]
            found = read_calls(inner, self._form, self._names)
            if found is None:
                # No call after all: what the model wrote is shown as it stands.
                content += self._held[:after]
            else:
                content += self._held[:begin].rstrip()
                calls += found
                self._started = True
            self._held = self._held[after:]
        return content + self._shown(last=last), calls

    def _shown(self, *, last: bool) -> str:
        """Take from what is held what no call can follow or undo."""
        begin = self._held.find(self._form.begin)
        keep = len(self._held) - begin if begin >= 0 else _overlap(self._held, self._form.begin)
        shown = self._held if last else self._held[: len(self._held) - keep].rstrip()
        self._held = self._held[len(shown) :]
        return shown if shown.strip() or not self._started else ""

    def _whole(self, *, last: bool) -> tuple[str, list[ToolCall]]:
        begun = self._held.lstrip()
        if not self._started and (not begun or begun[0] in "{[") and not last:
            return "", []
        if not self._started and last and (found := read_calls(begun, self._form, self._names)):
            self._held = ""
            return "", found
        self._started = True
        shown, self._held = self._held, ""
        return shown, []


def _overlap(text: str, mark: str) -> int:
    """Length of the longest end of `text` with which `mark` begins."""
    longest = min(len(text), len(mark) - 1)
    return next((size for size in range(longest, 0, -1) if mark.startswith(text[-size:])), 0)
