"""What the commands say that are about examples that say the same, in English and Chinese."""

from __future__ import annotations

DUPLICATE_TEXTS: dict[str, tuple[str, str]] = {
    "dedupe": (
        "Examples that say the same: find them, and reject all but the best.",
        "内容相同的样例：查找，并只保留最好的一个。",
    ),
    "dedupe_cluster": ("{}  {} examples, kept: {}", "{}  {} 个样例，保留：{}"),
    "dedupe_create": ("Search for examples that say the same.", "查找内容相同的样例。"),
    "dedupe_threshold": (
        "How alike near copies are, above 0 to 1; 1 finds only what is exactly the same.",
        "近似到什么程度算重复，大于 0、不超过 1；1 表示只找完全相同的。",
    ),
    "dedupe_embedding_provider": (
        "Compare what texts mean, too: provider of a model of embeddings (id or name).",
        "同时比较含义：嵌入模型的提供方（编号或名称）。",
    ),
    "dedupe_meaning_similarity": (
        "Cosine of embeddings from which texts mean the same; 0.95 unless said.",
        "嵌入向量余弦达到多少算含义相同，默认 0.95 。",
    ),
    "dedupe_by": (
        "What is compared: asked (the questions) or said (all turns).",
        "比较的内容： asked （问题）或 said （全部对话）。",
    ),
    "dedupe_state": (
        "Only examples in this state: kept or rejected.",
        "只比较此状态的样例： kept 或 rejected。",
    ),
    "dedupe_label": ("Only examples with this label; may be repeated.", "只比较带此标签的样例；可重复给出。"),
    "dedupe_clusters": (
        "Show what a search has found, the largest clusters first.",
        "显示查找结果，最大的一组在前。",
    ),
    "dedupe_apply": (
        "Reject all examples of each cluster but the one that is kept; nothing is deleted.",
        "每组只保留一个样例，其余标为未采用；不删除任何内容。",
    ),
    "dedupe_applied": (
        "{0} rejected, {1} as they were; change {2} (`sishu example undo {2}` takes it back)",
        "已标为未采用 {0} 个，{1} 个保持不变； 修改 {2} （可用 `sishu example undo {2}` 撤销）",
    ),
    "dedupe_applying": (
        "they are being rejected; change {2} (`sishu example undo {2}` takes it back once it has ended)",
        "正在标为未采用； 修改 {2} （结束后可用 `sishu example undo {2}` 撤销）",
    ),
}
