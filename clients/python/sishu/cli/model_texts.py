"""Texts of the commands about models, in English and Chinese."""

from __future__ import annotations

MODEL_TEXTS: dict[str, tuple[str, str]] = {
    "export_model": (
        "Download the files of a model, with its card; as GGUF for llama.cpp and Ollama where asked.",
        "下载模型的文件及其模型卡；也可导出为 GGUF，供 llama.cpp 和 Ollama 使用。",
    ),
    "model_export_out": ("Folder that the files go to.", "存放这些文件的文件夹。"),
    "model_format": (
        "hf: the folder that transformers reads; gguf: a GGUF file with a Modelfile.",
        "hf 为 transformers 的文件夹； gguf 为 GGUF 文件和 Modelfile。",
    ),
    "model_type": (
        "Number format of a GGUF file: f16, bf16, f32 or q8_0.",
        "GGUF 文件的数值格式： f16、bf16、f32 或 q8_0。",
    ),
    "model_merge": (
        "Merge an adapter into its base: a model of its own, whose logits are held against the two.",
        "把适配器合并进基座，得到独立的模型；其 logits 会与两者对照。",
    ),
    "model_adapter": (
        "The adapter: its id, PROJECT/NAME, or a project (its newest trained model).",
        "适配器：ID、项目/名称，或项目名（取其最新训练的模型）。",
    ),
    "model_merged_name": ("Name of the merged model.", "合并后模型的名称。"),
    "model_precision": (
        "Number format of the weights: bf16, fp16 or fp32.",
        "权重的数值格式： bf16、fp16 或 fp32。",
    ),
    "model_shard_size": (
        "Most bytes of a weight file, such as 5GB or 500MB.",
        "每个权重文件的最大字节数，如 5GB 或 500MB。",
    ),
    "model_shard_wrong": (
        "a number of bytes, such as 5GB, 500MB or 4000000, not {}",
        "应为字节数，如 5GB、500MB 或 4000000，不能是 {}",
    ),
    "model_device": (
        "Where to merge: cpu, or trainer for the device that trains.",
        "在哪里合并： cpu，或 trainer（训练所用的设备）。",
    ),
    "model_card": (
        "Print the card of a model: lineage, data, parameters, curves, exams.",
        "输出模型卡：来历、数据、参数、曲线与考试。",
    ),
    "model_import": (
        "Upload a folder with an adapter or a model, have it checked, and keep it.",
        "上传适配器或模型的文件夹，经检查后保存。",
    ),
    "model_folder": ("The folder.", "文件夹。"),
    "model_import_base": (
        "The model that it was made from: id or name; needed for an adapter.",
        "它由哪个模型得来：ID 或名称；适配器必须给出。",
    ),
}
