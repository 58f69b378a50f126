"""Services and servers that many use: where they answer, as their own documents say."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Preset:
    """A service or server.

    Args:
        name: name for programs.
        title: name for people.
        base_url: base address; empty for Sishu itself, whose models are named by their deployment.
        api_key_variable: environment variable that usually holds its key; empty where it needs none.
        batches: whether it takes files of `/v1/chat/completions` calls by OpenAI's `/files` and `/batches`.
        batch_factor: what a call in a batch costs of one made singly.
    """

    name: str
    title: str
    base_url: str
    api_key_variable: str = ""
    batches: bool = False
    batch_factor: float = 1.0


PRESETS = (
    # https://help.aliyun.com/zh/model-studio/openai-compatible-batch-file-input
    Preset(
        "bailian",
        "Alibaba Bailian (Qwen)",
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
        "DASHSCOPE_API_KEY",
        batches=True,
        batch_factor=0.5,
    ),
    # https://api-docs.deepseek.com
    Preset("deepseek", "DeepSeek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    # https://console.groq.com/docs/batch
    Preset("groq", "Groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", batches=True, batch_factor=0.5),
    # https://lmstudio.ai/docs/api/openai-api
    Preset("lmstudio", "LM Studio", "http://127.0.0.1:1234/v1"),
    # https://platform.kimi.com/docs/api/overview, https://platform.kimi.ai/docs/pricing/batch
    Preset(
        "moonshot",
        "Moonshot (Kimi)",
        "https://api.moonshot.cn/v1",
        "MOONSHOT_API_KEY",
        batches=True,
        batch_factor=0.6,
    ),
    # https://github.com/ollama/ollama/blob/main/docs/openai.md
    Preset("ollama", "Ollama", "http://127.0.0.1:11434/v1"),
    # https://platform.openai.com/docs/guides/batch
    Preset("openai", "OpenAI", "https://api.openai.com/v1", "OPENAI_API_KEY", batches=True, batch_factor=0.5),
    # https://openrouter.ai/docs
    Preset("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    # https://docs.siliconflow.cn/cn/userguide/guides/batch
    Preset(
        "siliconflow",
        "SiliconFlow",
        "https://api.siliconflow.cn/v1",
        "SILICONFLOW_API_KEY",
        batches=True,
        batch_factor=0.5,
    ),
    Preset("sishu", "Sishu", ""),
    # https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
    Preset("vllm", "vLLM", "http://127.0.0.1:8000/v1"),
    # https://www.volcengine.com/docs/82379/1399518: its batches go by an object store of its own.
    Preset("volcano", "Volcano Ark", "https://ark.cn-beijing.volces.com/api/v3", "ARK_API_KEY"),
    # https://docs.bigmodel.cn/cn/api/introduction; its batches name calls `/v4/chat/completions`.
    Preset("zhipu", "Zhipu (GLM)", "https://open.bigmodel.cn/api/paas/v4", "ZAI_API_KEY"),
)
"""All of them, by name."""


def batch_factor_at(base_url: str) -> float:
    """What a call in a batch costs of one made singly, by what is known of the service at an address."""
    host = urlsplit(base_url).hostname
    known = (preset for preset in PRESETS if preset.base_url and urlsplit(preset.base_url).hostname == host)
    return next((preset.batch_factor for preset in known), 1.0)
