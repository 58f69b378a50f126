"""Chats with a language model behind an OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

import openai
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam
from openai.types.chat.chat_completion import Choice

from services.ingest.models.calls import CONNECT_SECONDS, PassingError, address, asked_pause, is_passing

TEMPERATURE = 0.0
THOUGHT = re.compile(r"\A(?:\s*<think>|(?!.*<think>)).*?</think>", re.DOTALL)
"""Templates of some models write the first tag themselves, so that the answer holds only the last."""
WHOLE_FENCE = re.compile(r"\A(`{3,}|~{3,})[ \t]*(?:markdown|md)?[ \t]*\n(.*)\n\1\Z", re.DOTALL)


class Chat:
    """A model that is asked; to be closed.

    Args:
        url: base URL of the server, ending in `/v1`.
        model: name of the model there.
        key: API key; may be empty.
        call_seconds: longest time of one call.
    """

    def __init__(self, url: str, model: str, key: str, call_seconds: float) -> None:
        self.model = model
        self._key = key
        self._address = address(url)
        self._seconds = call_seconds
        timeout = openai.Timeout(call_seconds, connect=min(call_seconds, CONNECT_SECONDS))
        self._sdk = AsyncOpenAI(
            base_url=url,
            # The SDK refuses an empty key; a server that needs none ignores this one.
            api_key=key or "none",
            max_retries=0,
            timeout=timeout,
        )

    @property
    def where(self) -> str:
        """The server and the model, as messages name them."""
        return f"{self._address} (model {self.model})"

    def without_key(self, text: str) -> str:
        """What a server said, without the key."""
        return text.replace(self._key or "\0", "***")

    async def close(self) -> None:
        """Close the connections."""
        await self._sdk.close()

    async def ask(self, messages: Iterable[ChatCompletionMessageParam]) -> ChatCompletion:
        """The model's answer, with one choice at least; one call.

        Raises:
            PassingError: the server is busy or away.
            openai.OpenAIError: it has no answer.
            ValueError: its answer is none of the protocol's.
        """
        try:
            # The SDK's timeout begins anew with every byte.
            async with asyncio.timeout(self._seconds):
                answer: object = await self._sdk.chat.completions.create(
                    model=self.model, messages=messages, temperature=TEMPERATURE
                )
        except (openai.APIConnectionError, TimeoutError) as error:
            raise PassingError(error) from None
        except openai.APIStatusError as error:
            if not is_passing(error.status_code):
                raise
            raise PassingError(error, asked_pause(error.response.headers)) from None
        # The SDK hands on what it cannot read, such as the page of a web server.
        if isinstance(answer, ChatCompletion) and answer.choices and is_readable(answer.choices[0]):
            return answer
        raise ValueError("not a chat completion")


def is_readable(choice: Choice) -> bool:
    """Whether the text of a choice is one, or there is none."""
    return choice.message is not None and isinstance(choice.message.content or "", str)


def text_of(completion: ChatCompletion) -> str:
    """The text of an answer, without thoughts before it and a code fence around it."""
    return bare(completion.choices[0].message.content or "")


def is_cut_off(completion: ChatCompletion) -> bool:
    """Whether the model may not write as much as it had to."""
    return completion.choices[0].finish_reason == "length"


def bare(text: str) -> str:
    """A text without thoughts before it and a code fence around it."""
    text = THOUGHT.sub("", text, count=1).strip()
    fenced = WHOLE_FENCE.match(text)
    return (fenced[2] if fenced else text).strip()
