"""What is said of the machine that trains, in Chinese, by its reason."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, ...]] = {
    "PROBE_ENDED": ("测试在 {check} 处崩溃或卡死（{said}），其后的项目没有测试：请先检查这里",),
    "TORCH_MISSING": ("{python} 无法加载 torch（{said}）；请把 SISHU_ENGINE_PYTHON 设为可用的 Python",),
    "NO_ACCELERATOR": ("没有加速卡：训练在 CPU 上进行",),
    "TORCH_SEES_NO_DEVICE": (
        "{tool} 看到 {cards} 张卡，而 torch {torch} 一张也看不到：它不是厂商的版本，或服务无权打开设备"
        "（video 与 render 组）；请安装与驱动匹配的 wheel",
    ),
    "NODE_BUSY": ("有训练任务正在使用设备，因此没有在设备上测量；请在任务结束后再测",),
    "TELEMETRY_SILENT": ("无法读取加速卡的状态：{said}",),
    "MEMORY_TAKEN": ("卡 {card} 有 {share} 的显存被其他程序占用；请在训练前结束它",),
    "DRIVER_TOO_OLD": ("DTK {dtk} 在 K100-AI 上需要 {wanted} 以上的驱动，而现在是 {driver}；请更新驱动",),
    "TORCH_FOR_OTHER_DTK": ("torch {torch} 不是为 DTK {dtk} 编译的；两者必须一致",),
    "BF16_WRONG": ("bf16 不能正常工作（{said}）；修好软件之前请用 --precision fp32 训练",),
    "BF16_SLOW": ("bf16 结果正确，但没有硬件支持；--precision auto 会用更快的 fp32 计算",),
    "COLLECTIVE_FAILED": (
        "设备之间不能通信（{said}）；经 PCIe 互联的卡请为服务设置 NCCL_P2P_DISABLE=1 后再测，"
        "然后检查 ACS 与 NUMA 平衡",
    ),
    "LIBRARY_MISSING": ("{python} 没有 {library}，引擎无法训练；请在其中安装",),
    "DEEPSPEED_MISSING": ("没有 deepspeed 时每张卡都要放得下整个模型：不能使用 --deepspeed-stage",),
    "BITSANDBYTES_MISSING": ("bitsandbytes 不可用（{said}）：不能用 --quantization-bits 和 adamw_8bit",),
    "FLASH_MISSING": (
        "没有可用的 flash attention：几千个词元的长样例更慢、占用更多显存；2,048 个词元以内影响很小",
    ),
    "GEMM_SLOW": (
        "最快的卡只达到公布的 {published} TFLOPS 中的 {reached}；请检查功率上限、温度和 torch 的版本",
    ),
    "CARD_SLOW": ("卡 {card} 的速度只有最快的 {share}，会拖慢每一步；请检查其功率和温度，或不使用它",),
    "ZERO3_FORECAST": (
        "按矩阵乘 {flops} TFLOPS、每卡收集 {rate} GB/s 计算，"
        " 32B 模型用 ZeRO-3 训练的速度（词元/秒）：{speeds}",
    ),
}
