"""What a chat template does to a conversation, said without its language.

Other programs have template languages of their own. Most chat templates only put text before and after each
message. Which text that is is read off conversations that the renderer renders, and then held against what
it renders of others: a template that does more has no chat format, rather than a wrong one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.trainer.engine.rendering import Message, Renderer, RenderError

_SYSTEM, _USER, _ANSWER, _AGAIN = "zqSystemqz", "zqUserqz", "zqAnswerqz", "zqAgainqz"
_ROLES = {_SYSTEM: "system", _USER: "user", _ANSWER: "assistant", _AGAIN: "user"}


@dataclass(frozen=True)
class Frame:
    """Text before and after a message."""

    before: str
    after: str


@dataclass(frozen=True)
class ChatFormat:
    """How a conversation becomes a prompt."""

    start: str
    """Before the first message."""
    user: Frame
    assistant: Frame
    answer: str
    """After the last message, where the answer begins."""
    system: Frame | None = None
    """Nothing where the template takes no system message, or puts it elsewhere than first."""
    default_system: str = ""
    """System message of conversations that have none."""
    joins_user: bool = False
    """Whether the user's message after a system message has nothing else before it."""

    def text(self, messages: Sequence[Message]) -> str:
        """The prompt up to where the answer begins."""
        found, bare = [self.start], False
        for message in self._whole(messages):
            frame: Frame = getattr(self, message["role"])
            found += ["" if bare else frame.before, message["content"], frame.after]
            bare = self.joins_user and frame is self.system
        return "".join([*found, self.answer])

    def _whole(self, messages: Sequence[Message]) -> list[Message]:
        if not self.default_system or messages[0]["role"] == "system":
            return list(messages)
        return [{"role": "system", "content": self.default_system}, *messages]


def chat_format(renderer: Renderer) -> ChatFormat | None:
    """The format of a renderer's template; nothing where it cannot be said so."""
    for has_system in (True, False):
        try:
            found = _derived(renderer, has_system=has_system)
            if all(found.text(each) == _prompt(renderer, each) for each in _probes(has_system=has_system)):
                return found
        except (RenderError, ValueError):
            continue
    return None


def _prompt(renderer: Renderer, messages: Sequence[Message]) -> str:
    return renderer.text(messages, answer_follows=True)


def _derived(renderer: Renderer, *, has_system: bool) -> ChatFormat:
    """What must be so if there is a format at all. Raises ValueError where there is none."""
    leading = [_SYSTEM] if has_system else []
    *head, to_answer, to_user, end = _pieces(renderer, [*leading, _USER, _ANSWER, _AGAIN])
    after_user = _pieces(renderer, [*leading, _USER], answered=True)[-1]
    after_answer = _pieces(renderer, [*leading, _USER, _ANSWER], answered=True)[-1]
    user = Frame(_less_front(to_user, after_answer), after_user)
    assistant = Frame(_less_front(to_answer, after_user), after_answer)
    answer = _less_front(end, after_user)
    opening = _pieces(renderer, [_USER])[0]
    if not has_system:
        return ChatFormat(_less_back(opening, user.before), user, assistant, answer)
    before, joint = head
    joins = not joint.endswith(user.before)
    default = _between(opening, before, joint)
    start = "" if default else _less_back(opening, user.before)
    frame = Frame(_less_front(before, start), joint if joins else _less_back(joint, user.before))
    return ChatFormat(start, user, assistant, answer, frame, default, joins)


def _pieces(renderer: Renderer, marks: Sequence[str], *, answered: bool = False) -> list[str]:
    """The text before, between and after messages. Raises ValueError where one does not stand there once."""
    messages = [{"role": _ROLES[mark], "content": mark} for mark in marks]
    rest = renderer.text(messages, answer_follows=not answered)
    found = []
    for mark in marks:
        if rest.count(mark) != 1:
            raise ValueError(mark)
        piece, _, rest = rest.partition(mark)
        found.append(piece)
    return [*found, rest]


def _between(text: str, before: str, after: str) -> str:
    """What lies between two ends of a text; empty where these are not its ends."""
    is_so = len(text) > len(before + after) and text.startswith(before) and text.endswith(after)
    return text[len(before) : len(text) - len(after)] if is_so else ""


def _less_front(text: str, front: str) -> str:
    if not text.startswith(front):
        raise ValueError(front)
    return text.removeprefix(front)


def _less_back(text: str, back: str) -> str:
    if not text.endswith(back):
        raise ValueError(back)
    return text.removesuffix(back)


def _probes(*, has_system: bool) -> list[list[Message]]:
    """Conversations of several lengths, with a system message too where the format has one."""
    said = [
        "Where is Ostrel? 它在河边吗？",
        "By the river, 12 km on.",
        "Sure?\nQuite {{ sure }}?",
        "是的。",
        "Good.",
    ]
    roles = ("user", "assistant")
    turns = [{"role": roles[number % 2], "content": text} for number, text in enumerate(said)]
    plain = [turns[:1], turns[:3], turns]
    system = {"role": "system", "content": "Answer in one line."}
    return plain + ([[system, *each] for each in plain] if has_system else [])
