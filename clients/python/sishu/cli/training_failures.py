"""What is said of files of arguments and of training runs, in Chinese, by its reason."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, ...]] = {
    "TRAINING_PRESET_UNKNOWN": ("没有预设 {preset}；现有 {presets}",),
    "TRAINING_RUN_ENDED": (
        "训练任务已结束（{state}），没有改动；失败的任务可用 `sishu run retry {run_id}` 重试",
    ),
    "ARGUMENTS_REFUSED": ("{path} 有 {count} 处错误，训练没有开始；请按上面各行改正",),
    "DATASET_MISSING": ("请用 --dataset 或在文件中给出要学习的数据集版本（一个）",),
    "MODEL_MISSING": ("请用 --model 或在文件中给出要训练的模型",),
    "VALIDATION_ROWS_WANTED": (
        "val_size 需要验证样例，而数据集版本 {dataset_version_id} 没有；"
        "请用 `sishu dataset create` 的 {wish} 另建一个版本，或去掉 val_size",
    ),
    "MEMORY_SHORT": (
        "显存或内存不够：需要 {needed_bytes} 字节，可用 {free_bytes} 字节；放得下的最近设置： {nearest}；"
        "要仍然开始，请用 --ignore-estimate",
    ),
    "DISK_SHORT": (
        "磁盘空间不够：训练会留下 {needed_bytes} 字节，剩余 {free_bytes} 字节；请先腾出空间，"
        "或用 --ignore-estimate 仍然开始",
    ),
    "ACCELERATOR_UNKNOWN": (
        "不认识设备 {name}；`sishu estimate` 的 --accelerator 可用 K100-AI、A100、CPU 等",
    ),
    "ARCHITECTURE_UNKNOWN": (
        "不认识模型 {name}；请给出它的 config.json，或用众所周知的名称",
        "从模型的 config.json 看不出它的形状：{why}",
    ),
    "NO_STEPS": ("训练还没有完成任何一步；请稍后再试",),
    # Warnings of estimates.
    "MEMORY_TIGHT": ("需要超过可用显存的 80%；低于它的估算才有把握",),
    "ARCHITECTURE_ASSUMED": ("不认识 {name} 的层结构，按 Llama 估算",),
    "MIXTURE_UNMEASURED": ("混合专家模型的估算没有与实测比较过",),
    "DATASHEET_MISSING": ("{name} 的部分参数没有厂商资料证实",),
    "RATE_ASSUMED": ("假定矩阵乘法达到峰值的 {share}；用 --products-tflops 给出实测速度",),
    # Faults of arguments.
    "CONFIG_UNREADABLE": ("第 {line} 行无法读取，文件应为 YAML 或 JSON：{message}",),
    "ARGUMENT_UNKNOWN": ("没有参数 {name}；是否想写 {meant}？", "没有参数 {name}；请去掉"),
    "ARGUMENT_TWICE": ("参数 {name} 已在第 {first} 行出现过；请只留一个",),
    "ARGUMENT_INVALID": ("参数 {name} 的值不对：{why}",),
    "ARGUMENT_UNSUPPORTED": ("不支持 {what}：{instead}",),
    "ARGUMENTS_CONFLICT": ("{name} 与 {other} 不能同时使用：{why}",),
    # What is done in place of arguments.
    "ATTENTION_CHOSEN": ("引擎自动选用设备上最快的注意力实现",),
    "KERNELS_CHOSEN": ("只要模型允许，引擎就走自己的快速路径",),
    "MEMORY_PLANNED": ("只有内存需要时引擎才重算激活，结果相同",),
    "PRECISION_KEPT": ("无论何种精度，损失和被学习的权重都保持 fp32",),
    "DEVICE_CHOSEN": ("使用训练服务自己的设备",),
    "TEMPLATE_OF_MODEL": ("训练和推理都使用模型分词器自带的对话模板",),
    "DATA_OF_SERVICE": ("样例来自数据集版本，由引擎按自己的方式读取",),
    "ROWS_NEVER_MIX": ("打包在一起的样例互相看不见",),
    "STEP_OF_ROWS": ("每步学习的样例数与这些参数相同，微批由引擎安排",),
    "ALL_STEPS_KEPT": ("每一步的测量都会保存，可用 ListTrainingSteps 和 /metrics 查看",),
    "NOT_MEASURED": ("不测量，也不发送到别处；学到的内容相同",),
    "MODEL_STORED": ("训练结果由服务保存为模型；可用 `sishu model export` 下载",),
    "CHECKPOINTS_KEPT": ("训练会自动从检查点继续；保留最新的和最好的",),
    "CHECKPOINTS_LIMITED": ("保留这么多个最新的检查点（至多 1000 个），另外保留最好的一个",),
    "TRACKERS_TOLD": (
        "其中的 swanlab、mlflow 和 wandb 会得到每一步，使用训练服务自己的密钥；TensorBoard 事件文件总会写出；"
        "其他跟踪工具不会被告知",
    ),
    "VALIDATION_OF_VERSION": ("验证样例来自数据集版本：用 `sishu dataset create --validation-share` 留出",),
    "LAUNCHED_BY_SERVICE": ("引擎及其进程由服务启动",),
    "NOT_FOR_TRAINING": ("只与推理或导出有关，不影响训练",),
    "TEXT_ONLY": ("只学习文本",),
    "REMOTE_CODE_OFF": ("从不执行模型文件夹中的代码",),
}
