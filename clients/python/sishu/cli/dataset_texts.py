"""What the commands about dataset versions say, in English and Chinese."""

from __future__ import annotations

DATASET_TEXTS: dict[str, tuple[str, str]] = {
    "dataset_version": (
        "Dataset version: its id, PROJECT/NUMBER, PROJECT/latest, or PROJECT/TAG such as acme/prod.",
        "数据集版本：ID、项目/编号、项目/latest，或 项目/标签，如 acme/prod。",
    ),
    "dataset_version_tag": (
        "Tag: a letter, then letters, digits, dots, dashes and underscores.",
        "标签：以字母开头，可含字母、数字、点、短横和下划线。",
    ),
    "dataset_restore": (
        "Make examples again what they are in a version; `sishu example undo` takes it back.",
        "把项目中的样例恢复成某个版本中的样子；可用 `sishu example undo` 撤销。",
    ),
    "dataset_delete_added": (
        "Delete the examples that were added since and are not in the version; otherwise they stay.",
        "删除此后新增、且不在该版本中的样例；不给出则保留。",
    ),
    "dataset_restore_wait": (
        "Wait until it has ended, and count what was restored; or print the change at once, with its job.",
        "等待其结束并统计恢复了什么；否则立即输出该改动及其作业。",
    ),
    "dataset_restored": (
        "{changed} changed back, {brought_back} brought back, {deleted} deleted, {missing} missing",
        "改回 {changed}，找回 {brought_back}，删除 {deleted}，已不存在 {missing}",
    ),
    "dataset_set_tag": (
        "Put a tag such as prod on a version; another version that bears it loses it.",
        "给版本加上标签（如 prod）；原来带此标签的版本不再带它。",
    ),
    "dataset_delete_tag": ("Take a tag off a version.", "去掉版本的标签。"),
    "dataset_tag_moved": ("tag {} taken from version {}", "标签 {} 原属版本 {}，现已移走"),
    "dataset_diff": ("Show what changed from one version to another.", "显示两个版本之间的变化。"),
    "dataset_diff_kind": (
        "Only changes of this kind: added, removed, changed or moved.",
        "只看此类变化：added、removed、changed 或 moved。",
    ),
    "dataset_exam_share": ("Share held out for the exam, 0 to 0.9.", "留作考试的比例，0 到 0.9。"),
    "dataset_exam_count": (
        "Number of exam items, exactly, in place of the share.",
        "考题数量，替代比例； 不足此数则不建立版本。",
    ),
    "dataset_validation_share": ("Share held out to validate training.", "留作验证的比例。"),
    "dataset_validation_count": (
        "Number of examples to validate on, exactly.",
        "验证样例数量； 不足此数则不建立版本。",
    ),
    "dataset_seed": ("Seed of split and order.", "划分与排序的随机种子。"),
    "dataset_system_prompt": ("System message before every conversation.", "每段对话前的系统消息。"),
    "dataset_group_by": (
        "What stays on one side: near_copies, fact or chunk.",
        "保持在同一侧的单位：near_copies、fact 或 chunk。",
    ),
    "dataset_stratify_by": (
        "Hold out in proportion by document, tag or document_and_tag.",
        "按 document、tag 或 document_and_tag 成比例抽取。",
    ),
    "dataset_cap": (
        "Most examples of every value of a facet; facets: tag, label, document, section, question_type, "
        "length, source, kind. Can be repeated.",
        "某一维度每个取值的最多样例数；维度：tag、label、document、section、question_type、length、source、"
        "kind。可重复。",
    ),
    "dataset_replay_label": (
        "Label of general data to mix into train.",
        "混入训练集的通用数据的标签。",
    ),
    "dataset_replay_import": (
        "Id of an import of general data to mix into train.",
        "混入训练集的通用数据的导入 ID。",
    ),
    "dataset_replay_version": (
        "Dataset version, of any project, whose train split has general data to mix into train: its id, "
        "PROJECT/NUMBER, PROJECT/latest or PROJECT/TAG.",
        "从中混入通用数据的数据集版本（任何项目，取其训练集）：ID、项目/编号、项目/latest 或 项目/标签。",
    ),
    "dataset_replay_share": ("Share of general data in train.", "通用数据在训练集中的比例。"),
    "dataset_weight": (
        "Weight of a source in train, such as hand=1. Can be repeated.",
        "某一来源在训练集中的权重，如 hand=1。可重复。",
    ),
    "dataset_generation": (
        "Only examples of this generation. Can be repeated.",
        "只用此生成任务的样例。可重复。",
    ),
    "dataset_tag": (
        "Only examples with this tag: title, alone or with those above it (A > B), or id. Can be repeated.",
        "只用带此标签的样例： 标题，可带上级（A > B），或 ID。可重复。",
    ),
    "dataset_label": ("Only examples with this label. Can be repeated.", "只用带此标记的样例。可重复。"),
    "dataset_min_score": ("Only examples with this score or more.", "只用不低于此分数的样例。"),
}
