"""Texts of watching training runs, in English and Chinese."""

from __future__ import annotations

WATCH_TEXTS: dict[str, tuple[str, str]] = {
    "run_watch": (
        "Show a run while it goes on: progress, rate, time to go, loss curves; Ctrl-C leaves it alone.",
        "实时查看训练：进度、速度、剩余时间和损失曲线；按 Ctrl-C 不影响训练。",
    ),
    "watch_from": ("First step to show; earlier ones are left out.", "从第几步开始显示。"),
    "watch_no_curve": ("Without the curves.", "不显示曲线。"),
    "watch_left": (
        "stopped watching; the run goes on. `sishu run watch {0}` shows it again, `sishu job cancel {1}` "
        "stops it",
        "已停止查看；训练仍在继续。`sishu run watch {0}` 可再次查看，`sishu job cancel {1}` 可停止训练",
    ),
    "watch_step": ("step {0}/{1} ({2:.0f} %)", "第 {0}/{1} 步（{2:.0f} %）"),
    "watch_loss": ("loss {:.4g}", "损失 {:.4g}"),
    "watch_validation": ("validation {:.4g}", "验证 {:.4g}"),
    "watch_rate": ("{:,.0f} tokens/s", "{:,.0f} 词元/秒"),
    "watch_left_time": ("{} to go", "剩余 {}"),
    "watch_verdict": ("verdict", "结论"),
    "watch_verdict_so_far": ("verdict so far", "目前的结论"),
    "curve_step": ("step", "步"),
    "curve_loss": ("loss", "损失"),
    "curve_rate": ("learning rate", "学习率"),
    "curve_train": ("training loss", "训练损失"),
    "curve_validation": ("validation loss", "验证损失"),
    "curve_best": ("best", "最佳"),
    "verdict_too_few_points": (
        "too few points: {measurements} measurements on the validation rows in {steps} steps; three are "
        "needed (`--validation-steps` has them more often)",
        "数据点太少：{steps} 步中只有 {measurements} 次验证，至少需要 3 次（可用 `--validation-steps` 增加）",
    ),
    "verdict_too_few_steps": (
        "too few points: {steps} steps; 20 are needed, and validation rows for more than a first sight",
        "数据点太少：只有 {steps} 步，至少需要 20 步；要作出完整判断还需要验证样例",
    ),
    "verdict_under_fitted": (
        "under-fitted: the {loss} still falls, by {slope} in 100 steps; it is {last} at step {last_step}, "
        "and another third of the run would lower it by about {fall}. Train longer, or with a higher "
        "learning rate",
        "欠拟合：{loss}仍在下降，每 100 步降 {slope}；第 {last_step} 步为 {last}，"
        "再训练三分之一的步数还可降低约 {fall}。请延长训练，或提高学习率",
    ),
    "verdict_best_point": (
        "best point: the {loss} has levelled off at {last} (step {last_step}; lowest {best} at step "
        "{best_step}), and another third of the run would lower it by {fall} at most",
        "最佳点：{loss}已稳定在 {last}（第 {last_step} 步；最低 {best}，第 {best_step} 步），"
        "再训练三分之一的步数最多再降 {fall}",
    ),
    "verdict_over_fitted": (
        "over-fitted after step {best_step}: the {loss} was {best} there, and has risen by {rise} to {last} "
        "at step {last_step}. Fewer passes, a lower learning rate or more data would help",
        "第 {best_step} 步之后过拟合：{loss}当时为 {best}，到第 {last_step} 步已上升 {rise}，为 {last}。"
        "可减少轮数、降低学习率或增加数据",
    ),
    "verdict_published": (". What the run gives is of step {}", "。训练给出的是第 {} 步的结果"),
    "verdict_unstable": (
        "unstable: the loss climbs or swings far more than its noise; the {loss} was {best} at step "
        "{best_step} and is {last} at step {last_step}. A lower learning rate, a longer warm-up or larger "
        "steps would help",
        "不稳定：损失的上升或摆动远超噪声；{loss}在第 {best_step} 步为 {best}，第 {last_step} 步为 {last}。"
        "可降低学习率、延长预热或增大每步的样例数",
    ),
    "verdict_not_validated": (
        "not validated: the {loss} is {last} at step {last_step}, but the dataset version has no validation "
        "rows, so nobody can tell a good fit from over-fitting; `sishu dataset create --validation-share "
        "0.1` makes one that has",
        "未验证：{loss}在第 {last_step} 步为 {last}，但数据集版本没有验证样例，"
        "无法区分拟合良好与过拟合；可用 `sishu dataset create --validation-share 0.1` 另建一个版本",
    ),
    "run_plot": (
        "Draw the loss curves of one or several runs as a picture.",
        "把一个或几个训练的损失曲线画成图片。",
    ),
    "plot_runs": ("Training runs: ids.", "训练任务的 ID。"),
    "plot_out": (
        "Picture to write: .png, .svg or .pdf.",
        "要写的图片： .png、.svg 或 .pdf。",
    ),
    "run_files": ("List or download the files of a run.", "列出或下载训练的文件。"),
    "files_out": ("Download them into this folder.", "下载到此文件夹。"),
    "run_tensorboard": (
        "Write the curves of runs for TensorBoard, at any time.",
        "随时把训练曲线写成 TensorBoard 文件。",
    ),
    "tensorboard_out": (
        "Folder for TensorBoard's --logdir; each run has one of its own there.",
        "TensorBoard 的 --logdir 文件夹；每个训练在其中有自己的子文件夹。",
    ),
    "tensorboard_follow": (
        "Go on writing until the run has ended; Ctrl-C leaves it alone.",
        "持续写入直到训练结束；按 Ctrl-C 不影响训练。",
    ),
    "tensorboard_one": ("Only one run can be followed.", "只能跟随一个训练。"),
    "tensorboard_left": (
        "stopped writing; the run goes on, and what is written stays",
        "已停止写入；训练仍在继续，已写的文件保留",
    ),
    "run_tracker": (
        "Experiment tracker that is told of every step; may be repeated. Whatever goes wrong there, the run "
        "goes on.",
        "同时上报每一步的实验跟踪工具；可重复给出。上报出错不影响训练。",
    ),
    "run_tracker_project": (
        "Project of the trackers; sishu if not given.",
        "跟踪工具中的项目名；默认 sishu。",
    ),
}
