"""What rows can look like, one module a shape."""

from __future__ import annotations

from collections.abc import Mapping

from services.dataset.exports.shapes.alpaca import Alpaca
from services.dataset.exports.shapes.chatml import Chatml
from services.dataset.exports.shapes.custom import Custom
from services.dataset.exports.shapes.kto import KtoLlamaFactory, KtoLlamaFactorySharegpt, KtoTrl
from services.dataset.exports.shapes.messages_jsonl import (
    JudgementsJsonl,
    MessagesJsonl,
    PreferencesJsonl,
)
from services.dataset.exports.shapes.multilingual_thinking import MultilingualThinking
from services.dataset.exports.shapes.openai import Openai
from services.dataset.exports.shapes.preferences import (
    DpoAxolotl,
    DpoLlamaFactory,
    DpoLlamaFactorySharegpt,
    DpoTrl,
    DpoTrlPlain,
)
from services.dataset.exports.shapes.pretraining import Pretraining
from services.dataset.exports.shapes.shape import Shape
from services.dataset.exports.shapes.sharegpt import Sharegpt
from services.dataset.exports.shapes.sharegpt_messages import SharegptMessages
from services.dataset.exports.shapes.structured import Structured
from services.dataset.exports.shapes.swift import DpoSwift, KtoSwift, PretrainingSwift

SHAPES: Mapping[str, type[Shape]] = {
    shape.name: shape
    for shape in (
        Alpaca,
        Sharegpt,
        SharegptMessages,
        Openai,
        Chatml,
        MultilingualThinking,
        DpoLlamaFactory,
        DpoLlamaFactorySharegpt,
        DpoTrl,
        DpoTrlPlain,
        DpoAxolotl,
        DpoSwift,
        KtoLlamaFactory,
        KtoLlamaFactorySharegpt,
        KtoTrl,
        KtoSwift,
        PretrainingSwift,
        Pretraining,
        MessagesJsonl,
        PreferencesJsonl,
        JudgementsJsonl,
        Structured,
        Custom,
    )
}
"""The shapes by their names."""
