"""Texts of `sishu trainer`, in English and Chinese."""

from __future__ import annotations

TRAINER_TEXTS: dict[str, tuple[str, str]] = {
    "trainer": ("The machine that trains: its cards and what they can do.", "训练机：它的加速卡和能力。"),
    "trainer_node": (
        "Show what the accelerators say of themselves: use, memory, temperature, power.",
        "显示各加速卡的使用率、显存、温度和功率。",
    ),
    "trainer_nodes": (
        "Show the same of every machine that trains, as its workers tell it.",
        "显示每台训练机的加速卡，数据由各自的工作进程上报。",
    ),
    "trainer_probe": (
        "Try what the engine's Python and the devices can do, and how fast; with advice.",
        "测试训练引擎的 Python 与设备的能力和速度，并给出建议。",
    ),
    "trainer_host": ("machine", "机器"),
    "trainer_tool": ("told by", "来源"),
    "trainer_no_tool": (
        "nobody: there is no hy-smi, rocm-smi, nvidia-smi or NVML",
        "无：没有 hy-smi、rocm-smi、nvidia-smi 或 NVML",
    ),
    "trainer_age": ("seen", "时间"),
    "trainer_fresh": ("{} s ago", "{} 秒前"),
    "trainer_old": ("{} s ago: old values, as nobody answers", "{} 秒前：旧数据，没有应答"),
    "trainer_silent": ("trouble", "故障"),
    "trainer_card": ("card", "卡"),
    "trainer_name": ("name", "名称"),
    "trainer_use": ("use", "使用率"),
    "trainer_memory": ("memory", "显存"),
    "trainer_temperature": ("temperature", "温度"),
    "trainer_power": ("power", "功率"),
    "trainer_driver": ("driver", "驱动"),
    "trainer_backends": ("collectives", "通信"),
    "trainer_libraries": ("packages", "软件包"),
    "trainer_passed": ("works", "正常"),
    "trainer_failed": ("fails", "失败"),
    "trainer_absent": ("absent", "没有"),
    "trainer_ended": ("died or hung here", "在此崩溃或卡死"),
}
