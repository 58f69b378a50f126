"""Texts about runs that are stopped, rest and go on, in English and Chinese."""

from __future__ import annotations

RUN_CONTROL_TEXTS: dict[str, tuple[str, str]] = {
    "run_cancel": ("Stop a run for good.", "停止一个训练任务，不再继续。"),
    "run_pause": (
        "Have a run write a checkpoint and free its devices.",
        "让训练任务写下检查点并释放设备。",
    ),
    "run_resume": (
        "Let a paused run go on from its newest checkpoint, on whichever worker is free.",
        "让暂停的训练任务从最新的检查点继续，由任一空闲的训练进程执行。",
    ),
    "run_retry": (
        "Try a failed run again, from its newest checkpoint.",
        "从最新的检查点重试失败的训练任务。",
    ),
    "run_checkpoints": (
        "List the checkpoints of a run that are whole in the bucket.",
        "列出训练任务在对象存储中完整的检查点。",
    ),
    "run_events": (
        "List what happened to a run beside its steps: devices, checkpoints, stalls, lack of memory.",
        "列出训练任务除各步以外发生的事：设备、检查点、停滞、内存不足等。",
    ),
    "run_keep": (
        "How many of the newest checkpoints are kept, on the machine and in the bucket.",
        "在本机和对象存储中保留最新的多少个检查点。",
    ),
    "run_keep_best": (
        "How many of the checkpoints with the lowest validation losses are kept in the bucket as well.",
        "在对象存储中另外保留验证损失最低的多少个检查点。",
    ),
    "trainer": ("What trains.", "训练所用的进程与设备。"),
    "trainer_workers": (
        "List the workers of all machines, their devices, and the runs that have them.",
        "列出各台机器上的训练进程、它们的设备，以及占用设备的训练任务。",
    ),
}
