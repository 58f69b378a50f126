"""What a language model's server sends back."""

from __future__ import annotations

from dataclasses import dataclass

from openai.types.chat import ChatCompletion


@dataclass(frozen=True)
class Reply:
    """One answer of a server, not validated.

    Args:
        text: what the model said, without its thoughts.
        reasoning: its thoughts, whether they were sent apart or inside `<think>`; may be empty.
        model: the model as the server names it.
        finish_reason: why it ended, such as `stop` or `length`; empty where the server does not say.
    """

    text: str
    reasoning: str = ""
    model: str = ""
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


def reply_of(answer: ChatCompletion) -> Reply:
    """The reply in a server's answer; the SDK does not validate, so any part of it may be missing."""
    usage = answer.usage
    choice = answer.choices[0] if answer.choices else None
    text, reasoning = ("", "") if choice is None else content_of(choice.message)
    return Reply(
        text,
        reasoning,
        answer.model or "",
        (choice.finish_reason or "") if choice else "",
        (usage.prompt_tokens or 0) if usage else 0,
        (usage.completion_tokens or 0) if usage else 0,
    )


def content_of(message: object) -> tuple[str, str]:
    """Text and reasoning of a message; a server may send reasoning apart or inside `<think>`."""
    reasoning = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
    thoughts, text = split_thoughts(getattr(message, "content", None) or "")
    return text, str(reasoning or thoughts).strip()


def split_thoughts(text: str) -> tuple[str, str]:
    """What stands inside `<think>`, and what follows; a chat template may write the opening mark."""
    thoughts, closed, rest = text.rpartition("</think>")
    if not closed:
        rest, _, thoughts = text.partition("<think>")
    return thoughts.replace("<think>", "").strip(), rest.strip()
