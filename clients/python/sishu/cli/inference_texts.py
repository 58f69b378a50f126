"""Texts of deployments and chats, in English and Chinese."""

from __future__ import annotations

INFERENCE_TEXTS: dict[str, tuple[str, str]] = {
    "chat": ("Talk to a model.", "与模型对话。"),
    "chat_model": (
        "Model: its id, PROJECT/NAME, or a project (its newest trained model).",
        "模型：ID、项目/名称，或项目名（取其最新训练的模型）。",
    ),
    "chat_message": ("Ask this and end; otherwise read lines.", "只问这一句；否则逐行读取。"),
    "chat_base": ("Talk to the base of the model instead.", "改为与其基座模型对话。"),
    "chat_system": ("What the model is told before the conversation.", "对话开始前给模型的系统提示。"),
    "chat_max_tokens": ("Longest answer, in tokens.", "回答的最大词元数。"),
    "chat_schema": (
        "File with a JSON schema; the answer is JSON that satisfies it.",
        "JSON Schema 文件；回答将是符合它的 JSON。",
    ),
    "chat_reasoning": (
        "Also print what the model thinks before it answers, on standard error.",
        "同时把模型作答前的思考打印到标准错误输出。",
    ),
    "chat_conversation": (
        "Go on with this kept conversation (its id), and keep what is said in it.",
        "接续这个已保存的对话（ID），并把新内容存入其中。",
    ),
    "conversation_create": ("Begin a conversation that is kept.", "新建一个会被保存的对话。"),
    "conversation_title": ("What it is about.", "对话主题。"),
    "conversation_messages": ("Show what was said.", "显示对话内容。"),
    "deploy_shared": (
        "Serve it in one engine with the other --shared deployments of its base; LoRA adapters only.",
        "与同一基座的其他 --shared 部署共用一个引擎；仅限 LoRA 适配器。",
    ),
    "deploy_device": ("Where to compute.", "在哪里计算。"),
    "deploy_precision": ("Number format of weights.", "权重的数值格式。"),
    "deploy_context_length": (
        "Most tokens of prompt and answer together; 0: the model's own limit.",
        "提示与回答合计的最大词元数；0 表示模型自身的上限。",
    ),
    "deploy_kv_memory": (
        "MiB of memory for keys and values; 0: 2048.",
        "键值缓存的内存（MiB）；0 表示 2048。",
    ),
    "deploy_idle_seconds": (
        "Unload it after so many seconds without a question; the next one loads it again. 0: never.",
        "多少秒无人提问后卸载，下次提问时自动重新加载；0 表示不卸载。",
    ),
}
