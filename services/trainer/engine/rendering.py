"""From messages to a prompt's text and tokens, for training and for serving: there is no other way.

What a model was taught to answer is what the model server shows it later. It needs a tokenizer and no more.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from services.trainer.engine.errors import EngineError

Message = dict[str, str]

FILE = "renderer.json"
"""In the folder of a model: how it was rendered for, and the hash of the renderer that did."""
FORMAT = 1
"""Another number means that this module renders otherwise than before."""
REASONING = ("auto", "on", "off")
_SWITCHES = ("enable_thinking", "thinking")
"""What templates call the switch; a template passes over what it does not know."""
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)
_PROBE = [
    {"role": "user", "content": "Where is Ostrel? 它在河边吗？"},
    {"role": "assistant", "content": "By the river, 12 km on."},
    {"role": "user", "content": "Sure?"},
]


class RenderError(EngineError):
    """The chat template refuses a conversation, there is none, or it is not the one of the model."""

    reason = "INVALID_ROW"
    exit_code = 2


@dataclass(frozen=True)
class RenderSettings:
    """What is decided for a model beside its chat template."""

    system_prompt: str = ""
    """What a conversation without a system message begins with; empty adds none."""
    reasoning: str = "auto"
    """`on` and `off` turn the template's switch for reasoning; `off` also takes thoughts out of answers.
    `auto` leaves both to the template and the rows."""


class Renderer:
    """Renders conversations as a model was, or will be, trained on them.

    Raises RenderError where the tokenizer has no chat template.
    """

    def __init__(self, tokenizer: Any, settings: RenderSettings | None = None) -> None:
        if not tokenizer.chat_template:
            raise RenderError("its tokenizer has no chat template; use an instruction-tuned model")
        self.settings = settings or RenderSettings()
        self._tokenizer = tokenizer
        wish = self.settings.reasoning
        self._switches = {} if wish == "auto" else dict.fromkeys(_SWITCHES, wish == "on")

    def text(
        self,
        messages: Sequence[Message],
        *,
        answer_follows: bool,
        tools: Sequence[Mapping[str, Any]] = (),
        switches: Mapping[str, Any] | None = None,
    ) -> str:
        """What the model is shown of a conversation, up to where its answer begins where one is to follow.

        `tools` are functions that it may call, `switches` further names for the template; what is decided for
        the model wins over them.

        Raises RenderError where the template refuses the messages.
        """
        try:
            text = self._tokenizer.apply_chat_template(
                self._prepared(messages),
                tokenize=False,
                add_generation_prompt=answer_follows,
                tools=list(tools) or None,
                **{**(switches or {}), **self._switches},
            )
        except Exception as error:  # jinja2 and the template's own raise_exception have no common base
            raise RenderError(f"the chat template refuses this conversation: {error}") from error
        return str(text)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts, each by itself."""
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        if backend is None or not hasattr(backend, "encode_batch"):
            found: list[list[int]] = self._tokenizer(list(texts), add_special_tokens=False)["input_ids"]
            return found
        # Not through the wrapper: it sets state first, and the server encodes from several threads.
        return [each.ids for each in backend.encode_batch(list(texts), add_special_tokens=False)]

    def prompt_ids(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        switches: Mapping[str, Any] | None = None,
    ) -> list[int]:
        """Token ids of a conversation up to where the answer begins; see `text`. Raises RenderError."""
        return self.ids([self.text(messages, answer_follows=True, tools=tools, switches=switches)])[0]

    @property
    def sha256(self) -> str:
        """Hash of what decides text and tokens: this module, the template, the settings, the tokenizer.

        The tokenizer enters by the tokens of a probe: releases that agree on them write different files.
        """
        parts = [FORMAT, template_text(self._tokenizer), asdict(self.settings), self._probed()]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def record(self) -> dict[str, Any]:
        """What `read_record` takes, for the model's folder."""
        return {"format": FORMAT, **asdict(self.settings), "sha256": self.sha256}

    def _prepared(self, messages: Sequence[Message]) -> list[Message]:
        found = list(messages)
        if self.settings.reasoning == "off":
            found = [_without_thought(each) for each in found]
        if self.settings.system_prompt and found[0]["role"] != "system":
            found.insert(0, {"role": "system", "content": self.settings.system_prompt})
        return found

    def _probed(self) -> list[list[int]]:
        """Tokens of a conversation as it stands and as a prompt, or of its texts where that is refused."""
        try:
            return self.ids(
                [self.text(_PROBE, answer_follows=True), self.text(_PROBE[:2], answer_follows=False)]
            )
        except RenderError:
            return self.ids([each["content"] for each in _PROBE])


def _without_thought(message: Message) -> Message:
    if message["role"] != "assistant":
        return message
    return {**message, "content": _THOUGHT.sub("", message["content"])}


def template_text(tokenizer: Any) -> str:
    """The chat template of a tokenizer; of several, all."""
    template = tokenizer.chat_template
    return template if isinstance(template, str) else json.dumps(template, sort_keys=True)


def model_renderer(tokenizer: Any, folder: Path | None) -> Renderer:
    """The renderer with which a model was trained, or a plain one where its folder has no record.

    Raises RenderError where tokenizer and record do not belong together.
    """
    record = read_record(folder) if folder else None
    if record is None:
        return Renderer(tokenizer)
    known = {each.name for each in fields(RenderSettings)}
    renderer = Renderer(tokenizer, RenderSettings(**{k: v for k, v in record.items() if k in known}))
    if record.get("sha256") != renderer.sha256:
        raise RenderError(
            f"{folder}: the model was trained with another chat template or tokenizer (renderer "
            f"{str(record.get('sha256'))[:12]}…, here it is {renderer.sha256[:12]}…); bring the base model's "
            "old files back"
        )
    return renderer


def read_record(folder: Path) -> dict[str, Any] | None:
    """What a model's folder says of its renderer; nothing where it has no record. Raises RenderError."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_bytes())
    except ValueError as error:
        raise RenderError(f"{path}: not a readable JSON file: {error}") from error
    if not isinstance(record, dict):
        raise RenderError(f"{path}: must be a JSON object")
    return record
