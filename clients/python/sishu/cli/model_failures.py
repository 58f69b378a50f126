"""What is said of models that are merged, exported or imported, in Chinese, by its reason."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, ...]] = {
    "ARCHITECTURE_UNSUPPORTED": ("{architecture} 不能写成 GGUF；可以的有 {architectures}",),
    "ADAPTER_BASE_MISMATCH": ("适配器注明的基座是 {named}，不是 {base}；请给出训练它时的基座",),
    "MERGE_UNSUPPORTED": ("这个适配器不能合并：{message}",),
    "EXPORT_UNSUPPORTED": ("这个模型不能导出为 GGUF：{message}",),
    "MODEL_FILES_INVALID": ("文件夹不是完整的适配器或模型：{message}",),
}
