"""ShareGPT with OpenAI's roles, as Easy Dataset writes it: `messages` of `role` and `content`."""

from __future__ import annotations

from services.dataset.exports.shapes.openai import Openai


class SharegptMessages(Openai):
    """LLaMA-Factory reads it as `sharegpt` with tags; as `openai` it would add a system message to rows."""

    name = "sharegpt_messages"
