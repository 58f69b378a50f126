"""Why an argument cannot be, and what to do, in Chinese: what the trainer room says, part by part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

PARTS: dict[str, str] = {
    # What a value must be.
    "must be true or false, not {value}": "应为 true 或 false，而不是 {value}",
    "must be a number, not {value}": "应为数，而不是 {value}",
    "must be a whole number, not {value}": "应为整数，而不是 {value}",
    "must be a whole number of steps, not {value}": "应为整数步，而不是 {value}",
    "must be 4 or 8, not {value}": "应为 4 或 8，而不是 {value}",
    "must be 1 at least, not {value}": "至少为 1，而不是 {value}",
    "must be a text, not {value}": "应为文本，而不是 {value}",
    "must be one of {options}, not {value}": "应为 {options} 之一，而不是 {value}",
    "must be names with commas between, not {value}": "应为以逗号分隔的名称，而不是 {value}",
    "must be names with their numbers, not {value}": "应为名称及其数值，而不是 {value}",
    "must come to {low} at least and {high} at most, not {value}": "应得出 {low} 到 {high}，而不是 {value}",
    # What to do.
    "remove it": "请去掉",
    "remove one": "请去掉其中一个",
    "remove the argument": "请去掉该参数",
    "choose one": "请选择其中一个",
    "remove it, or ask for what the service has": "请去掉，或改用服务支持的",
    "the service has, in its own words: {words}": "服务支持（服务自己的名称）：{words}",
    "remove it, or train with lora": "请去掉，或用 lora 训练",
    "use bf16": "请用 bf16",
    "use ZeRO-2, or remove {name}": "请用 ZeRO-2，或去掉 {name}",
    "use finetuning_type lora, or remove {name}": "请用 finetuning_type lora，或去掉 {name}",
    "remove {name}": "请去掉 {name}",
    "give max_steps": "请给出 max_steps",
    "give a number of rows": "请给出行数",
    "set it to true, or use `sishu exam create`": "请设为 true，或使用 `sishu exam create`",
    "`sishu exam create` asks the model its questions after the run": (
        "训练后可用 `sishu exam create` 向模型提问"
    ),
    "name one of LLaMA-Factory's own (ds_z0, ds_z2, ds_z3), or write its content in its place": (
        "请写 LLaMA-Factory 自带的名称（ds_z0、ds_z2、ds_z3），或直接写出其内容"
    ),
    "mix the data in a dataset version": "请在数据集版本中混合数据",
    "put it into the examples of the dataset version": "请写进数据集版本的样例中",
    "make one dataset version of it, which has its own validation rows": (
        "请合成一个数据集版本，其中有自己的验证样例"
    ),
    "give the token to the trainer service, in the environment variable HF_TOKEN": (
        "请用环境变量 HF_TOKEN 把令牌交给训练服务"
    ),
    "register the revision's folder with `sishu model create --source`": (
        "请用 `sishu model create --source` 登记该修订版的文件夹"
    ),
    # Why things do not go together.
    "it belongs to {name} {value}": "它只用于 {name} {value}",
    "ZeRO-3 keeps weights in fp32 beside": "ZeRO-3 另存一份 fp32 权重",
    "PiSSA needs whole weights, which ZeRO-3 divides": "PiSSA 需要完整的权重，而 ZeRO-3 会切分它们",
    "PiSSA changes the weights that are frozen, and quantised ones cannot be changed": (
        "PiSSA 要改动冻结的权重，而量化的权重不能改动"
    ),
    "PiSSA changes the base, which is the reference of this stage": (
        "PiSSA 会改动基座模型，而它是此阶段的参考模型"
    ),
    "quantised weights cannot learn": "量化的权重不能学习",
    "ZeRO-3 cannot divide 4-bit weights": "ZeRO-3 不能切分 4 位权重",
    "Unsloth does not go with ZeRO-3": "Unsloth 不能与 ZeRO-3 同用",
    "the one leaves out what the other learns": "前者略去的正是后者要学的",
    "there is no validation loss in this stage": "此阶段没有验证损失",
    "a stream has no end": "流式数据没有尽头",
    "a stream is not cut": "流式数据不能截取",
    "a stream has no share": "流式数据没有比例可言",
    "validation rows come from one of them": "验证样例只能来自其中之一",
    "pairs of answers are not packed into blocks": "成对的回答不会打包成块",
    # What there is instead.
    "orpo has its own supervised part, kto has none": "orpo 自带监督部分，kto 没有",
    "bnb is": "支持 bnb",
    "there are min_lr, min_lr_rate, num_cycles and power": "支持 min_lr、min_lr_rate、num_cycles 和 power",
    "one `seed` decides everything": "一切由一个 `seed` 决定",
    "a training run trains": "训练任务总要训练",
    "4-bit weights are nf4": "4 位权重用 nf4",
    "4-bit weights are quantised twice": "4 位权重总是双重量化",
    "AdamW's {name} is {value}": "AdamW 的 {name} 为 {value}",
    "rows are packed by length": "样例按长度打包",
    "the best model is that of the lowest validation loss": "验证损失最低的模型最好",
    "a validation loss is better where it is lower": "验证损失越低越好",
    "runs begin from a base model: merge the adapter into its base, and register what comes out with "
    "`sishu model create`": (
        "训练从基座模型开始：请把适配器合并进其基座，再用 `sishu model create` 登记合并后的模型"
    ),
    "the vocabulary stays as it is": "词表保持不变",
    "the model's form stays as it is": "模型结构保持不变",
    "AdamW and the other optimizers of `optim` are had": "支持 AdamW 和 `optim` 的其他优化器",
    "the loss is the cross-entropy of the learned tokens": "损失是所学词元的交叉熵",
    "the loss is that of `pref_loss`, and its reference is the base model itself": (
        "损失由 `pref_loss` 决定，参考模型就是基座模型"
    ),
    "LoRA matrices alone are trained beside frozen weights": "冻结权重之外只训练 LoRA 矩阵",
    "many devices are driven by DeepSpeed or DDP": "多设备由 DeepSpeed 或 DDP 驱动",
    "models stay in the service": "模型留在服务中",
    "the order of rows follows from `seed`": "样例的顺序由 `seed` 决定",
    "the thoughts of earlier turns are as the template leaves them": "此前各轮的思考由模板决定去留",
    "padding is never learned": "从不学习填充",
    "only text is learned": "只学习文本",
    "a training run serves nothing": "训练任务不提供推理",
    "a run goes on from its own newest checkpoint: `sishu job retry`": (
        "训练从自己最新的检查点继续：`sishu job retry`"
    ),
}
"""By what is said in English; what stands in braces is taken over."""


def halves_in_words(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata of a remark about an argument, its reasons and advice in Chinese."""
    told = {name: in_chinese(metadata[name]) for name in ("why", "instead") if name in metadata}
    return {**metadata, **told}


def in_chinese(said: str) -> str:
    """What is said of an argument; as it is where some of it has no words."""
    whole = _part(said)
    if whole:
        return whole
    parts = [_part(each) for each in said.split("; ")]
    return "；".join(parts) if all(parts) else said


def _part(said: str) -> str:
    for pattern, words in _patterns():
        found = pattern.fullmatch(said)
        if found:
            return words.format_map(found.groupdict())
    return ""


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Patterns of the parts, those without anything to be taken over first."""
    plain_first = sorted(PARTS.items(), key=lambda part: "{" in part[0])
    return [(_pattern(said), words) for said, words in plain_first]


def _pattern(said: str) -> re.Pattern[str]:
    # A value may have anything in it; names and the like end where a sentence does.
    return re.compile(
        "".join(
            f"(?P<{part}>{'.*' if part == 'value' else '[^;]+'})" if number % 2 else re.escape(part)
            for number, part in enumerate(re.split(r"\{(\w+)\}", said))
        ),
        re.DOTALL,
    )
