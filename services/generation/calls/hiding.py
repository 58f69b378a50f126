"""Keys are taken out of what servers say, as some send them back."""

from __future__ import annotations

from dataclasses import replace

from services.generation.calls.replies import Reply
from services.generation.providers.providers import Endpoint

LEAST_SECRET = 12
"""Characters of the shortest key that is taken out of answers: a text may be about `lm-studio`."""
MOST_NAME = 200
"""Characters of a model's name that are kept."""


def without_key(text: str, endpoint: Endpoint) -> str:
    """A server's words without the key."""
    return text.replace(endpoint.api_key, "***") if endpoint.api_key else text


def name_without_key(name: str, endpoint: Endpoint) -> str:
    """A model's name as a server says it, without the key unless that is a part of the name asked for."""
    shown = name if endpoint.api_key in endpoint.model else without_key(name, endpoint)
    return shown[:MOST_NAME]


def reply_without_key(reply: Reply, endpoint: Endpoint) -> Reply:
    """A reply without the key: what a model says is shown and stored.

    A short key stays in what the model says, unless that comes to be shown as an error.
    """
    key, model = endpoint.api_key, reply.model
    if len(model) > MOST_NAME or (key and key in model):
        reply = replace(reply, model=name_without_key(model, endpoint))
    said = reply.text, reply.reasoning, reply.refusal
    if len(key) < LEAST_SECRET or not any(key in text for text in said):
        return reply
    text, reasoning, refusal = (without_key(one, endpoint) for one in said)
    return replace(reply, text=text, reasoning=reasoning, refusal=refusal)
