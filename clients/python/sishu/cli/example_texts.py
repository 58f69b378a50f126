"""What the commands say by which examples are curated and reviewed, in English and Chinese."""

from __future__ import annotations

EXAMPLE_TEXTS: dict[str, tuple[str, str]] = {
    "example_list": ("List examples.", "列出样例。"),
    "example_count": ("Count examples.", "统计样例数量。"),
    "example_edit": ("Change what an example says.", "修改样例的内容。"),
    "example_accept": ("Keep examples.", "保留样例。"),
    "example_reject": ("Reject examples.", "拒绝样例。"),
    "example_label": (
        "Give examples labels, tags or a score, or take labels and tags away.",
        "为样例添加或去掉标记和标签，或打分。",
    ),
    "example_replace": (
        "Replace a text, letter for letter, in what examples say; `example undo` takes that back.",
        "替换样例内容中的一段文字（逐字匹配）； 可用 example undo 撤销。",
    ),
    "example_comment": ("Comment on an example, or list its comments.", "评论样例，或列出其评论。"),
    "example_history": ("List the changes of an example, newest first.", "列出样例的修改历史，最新的在前。"),
    "example_undo": (
        "Undo a change, of one example or of many; those that were changed again since stay.",
        "撤销一次修改（一个或多个样例）；之后又被修改的保持不变。",
    ),
    "example_discard": (
        "Delete examples; `sishu example undo` brings them back.",
        "删除样例；可用 `sishu example undo` 恢复。",
    ),
    "example_judge": (
        "Have examples judged by a language model: a score from 0 to 5 with the reason.",
        "由语言模型评审样例： 给出 0 到 5 的分数和理由。",
    ),
    "example_improve": (
        "Have the answers of examples written anew by a language model, by an advice.",
        "由语言模型按照建议重写样例的回答。",
    ),
    "example_apply": (
        "Give examples the scores or the new answers that a generation has made; `sishu example undo` takes "
        "them back.",
        "将一次生成得到的分数或新回答写入样例； 可用 `sishu example undo` 撤销。",
    ),
    "example_advice": ("What is to be better, in plain words.", "希望如何改进， 用自己的话说明。"),
    "example_reject_below": (
        "Reject examples whose score is below this, and keep those again that were rejected for it and now "
        "reach it; 0 to 5.",
        "拒绝低于此分数的样例， 并恢复因分数低而被拒绝、现已达到的样例； 0 到 5。",
    ),
    "example_apply_then": (
        "Wait for the end, then give the examples what was made.",
        "等待结束， 然后将结果写入样例。",
    ),
    "example_answer_judge": (
        "Have each new answer judged by this provider; without it, only the gates of the program decide.",
        "由此模型服务评审每个新回答； 不给出则只由程序检查。",
    ),
    "example_generation_id": (
        "Id of the generation that judged or improved examples.",
        "评审或改进样例的生成任务的 ID。",
    ),
    "example_ids": (
        "Ids of examples; without any, the options say which.",
        "样例的 ID； 不给出则由选项决定范围。",
    ),
    "example_project": (
        "Project: name or id; needed without ids.",
        "项目：名称或 ID； 不给出样例 ID 时必需。",
    ),
    "example_order": (
        "oldest (default), newest, lowest-score, highest-score or last-changed.",
        "oldest（最早，默认）, newest（最新）, lowest-score（低分在前）, highest-score（高分在前） "
        "或 last-changed（最近修改）。",
    ),
    "example_by": (
        "Count by this too: state, kind, rejection-reason, score, label, tag, language, generation, "
        "document, section, question-type, prompt-version, model or review-state; may be repeated.",
        "同时按此统计： state, kind, rejection-reason, score, label, tag, language, generation, document, "
        "section, question-type, prompt-version, model 或 review-state； 可重复给出。",
    ),
    "example_question": (
        "The new question: the last thing that the user says.",
        "新的问题：用户最后所说的话。",
    ),
    "example_answer": (
        "The new answer: the last thing that the assistant says; of a preference, the good answer.",
        "新的回答：助手最后所说的话； 偏好样例则为好的回答。",
    ),
    "example_bad_answer": ("The new bad answer of a preference.", "偏好样例的新的差回答。"),
    "example_score": ("The score, 0 to 5.", "分数，0 到 5。"),
    "example_author": (
        "Who does it; by default the name of the user of this machine.",
        "由谁操作； 默认为本机的用户名。",
    ),
    "example_why": ("Why, in a sentence.", "一句话说明原因。"),
    "example_code": ("Why, in a word of capitals, such as WRONG.", "以大写单词表示的原因， 如 WRONG。"),
    "example_all": (
        "All examples of the project, where nothing else says which.",
        "项目的全部样例（未给出其他范围时）。",
    ),
    "example_add": ("Label to give; may be repeated.", "要添加的标记； 可重复给出。"),
    "example_replace_text": ("Text that is replaced.", "被替换的文字。"),
    "example_replace_by": ("What takes its place; nothing takes it out.", "替换成的文字； 不给出则删去。"),
    "example_remove": ("Label to take away; may be repeated.", "要去掉的标记； 可重复给出。"),
    "example_add_tag": (
        "Tag to give: title, alone or with those above it (A > B), or id; may be repeated.",
        "要添加的标签： 标题，可带上级（A > B），或 ID； 可重复给出。",
    ),
    "example_remove_tag": (
        "Tag to take away: title, alone or with those above it (A > B), or id; may be repeated.",
        "要去掉的标签： 标题，可带上级（A > B），或 ID； 可重复给出。",
    ),
    "example_comment_text": (
        "What to say; without it, comments are listed.",
        "评论内容； 不给出则列出评论。",
    ),
    "example_comment_delete": ("Delete this comment: id.", "删除此评论： ID。"),
    "example_change_id": (
        "Id of the change, as `sishu example history` shows it.",
        "修改的 ID， 见 `sishu example history`。",
    ),
    "filter_state": ("Only in this state: kept or rejected.", "只看此状态： kept 或 rejected。"),
    "filter_kind": (
        "Only of this kind: sft, conversation, preference, pretraining or exam-item; may be repeated.",
        "只看此种类： sft, conversation, preference, pretraining 或 exam-item； 可重复给出。",
    ),
    "filter_generation": (
        "Only of this generation: id; may be repeated.",
        "只看此生成任务： ID； 可重复给出。",
    ),
    "filter_import": ("Only of this import: id; may be repeated.", "只看此次导入： ID； 可重复给出。"),
    "filter_document": (
        "Only about this document: name, the last part of it, or id; may be repeated.",
        "只看此文档： 名称、名称的最后一段或 ID； 可重复给出。",
    ),
    "filter_section": (
        "Only about this section, or below it: titles from the top, one option each.",
        "只看此章节及其下级： 从顶层起逐级给出标题， 每级一个选项。",
    ),
    "filter_tag": (
        "Only with this tag: title, alone or with those above it (A > B), or id; may be repeated.",
        "只看有此标签的： 标题，可带上级（A > B），或 ID； 可重复给出。",
    ),
    "filter_label": ("Only with this label; may be repeated.", "只看有此标记的； 可重复给出。"),
    "filter_min_score": ("Lowest score.", "最低分。"),
    "filter_max_score": ("Highest score.", "最高分。"),
    "filter_reason": (
        "Only rejected for this, such as DUPLICATE; may be repeated.",
        "只看因此被拒绝的， 如 DUPLICATE； 可重复给出。",
    ),
    "filter_language": (
        "Only in this language: zh or en; may be repeated.",
        "只看此语言： zh 或 en； 可重复给出。",
    ),
    "filter_question_type": (
        "Only of this type, such as multi_hop; may be repeated.",
        "只看此题型， 如 multi_hop； 可重复给出。",
    ),
    "filter_prompt_version": (
        "Only by this prompt version; may be repeated.",
        "只看由此提示词版本所写的； 可重复给出。",
    ),
    "filter_model": ("Only by this model; may be repeated.", "只看由此模型所写的； 可重复给出。"),
    "filter_min_characters": ("Fewest characters.", "最少字符数。"),
    "filter_max_characters": ("Most characters.", "最多字符数。"),
    "filter_since": (
        "Stored at this time or later, such as 2026-01-31.",
        "此时或之后存入的， 如 2026-01-31。",
    ),
    "filter_before": ("Stored before this time.", "此时之前存入的。"),
    "filter_id": ("Only this example: id; may be repeated.", "只看此样例： ID； 可重复给出。"),
    "filter_text": ("Only with this text in what they say.", "只看内容中有此文本的。"),
    "filter_source": (
        "Only from this source: hand, import:ID, generation:ID or version:ID; may be repeated.",
        "只看此来源： hand（手写）, import:ID（导入）, generation:ID（生成任务） 或 version:ID（其他版本）； "
        "可重复给出。",
    ),
    "filter_deleted": ("Deleted ones.", "已删除的。"),
    "filter_review": (
        "Only those that people left so: unreviewed, accepted, rejected or disputed; may be repeated.",
        "按人工评审结果： unreviewed（未评审）, accepted（通过）, rejected（拒绝） 或 disputed（有分歧）； "
        "可重复给出。",
    ),
    "wrong_time": (
        "{} is no time, such as 2026-01-31 or 2026-01-31T12:00",
        "{} 不是时间， 应如 2026-01-31 或 2026-01-31T12:00",
    ),
    "wrong_which": (
        "say which examples: by ids, by options, or --all",
        "请说明是哪些样例： 给出 ID、选项或 --all",
    ),
    "wrong_ids": (
        "{0} of the {1} ids are of no example of the project; nothing was changed",
        "所给 {1} 个 ID 中有 {0} 个不是该项目的样例； 未作任何修改",
    ),
    "wrong_project": ("name the project with --project", "请用 --project 给出项目"),
    "wrong_answer": ("an example of this kind has no such answer", "此种类的样例没有这样的回答"),
    "changed_count": (
        "{} changed, {} as they were; `sishu example undo {}` undoes it",
        "已修改 {} 个， {} 个不变； 可用 `sishu example undo {}` 撤销",
    ),
    "review": ("Review examples, one by one, by several people.", "由多人逐个评审样例。"),
    "review_next": (
        "Show the next example to review; on a terminal, ask for the verdict and go on with the next.",
        "显示下一个待评审的样例； 在终端中会询问结论并继续下一个。",
    ),
    "review_accept": ("Accept an example as it stands.", "通过一个样例。"),
    "review_edit": ("Accept an example with changes.", "修改并通过一个样例。"),
    "review_reject": ("Reject an example.", "拒绝一个样例。"),
    "review_list": ("List reviews, newest first.", "列出评审，最新的在前。"),
    "review_summary": (
        "Count reviews, and tell how far reviewers agree.",
        "统计评审， 并说明评审人的一致程度。",
    ),
    "review_reviewer": (
        "Who reviews; by default the name of the user of this machine.",
        "评审人； 默认为本机的用户名。",
    ),
    "review_of": ("Only of this reviewer.", "只看此评审人。"),
    "review_of_example": ("Only of this example: id.", "只看此样例： ID。"),
    "review_minutes": ("For how many minutes nobody else gets it.", "多少分钟内不分给他人。"),
    "review_wanted": ("How many reviewers are to see each example.", "每个样例需要几人评审。"),
    "review_ask": (
        "[a]ccept, [e]dit, [r]eject, [s]kip, [q]uit",
        "[a] 通过，[e] 修改，[r] 拒绝，[s] 跳过，[q] 退出",
    ),
    "review_none": ("there is nothing left to review", "没有待评审的样例了"),
    "review_quotes": ("quotes", "引文"),
    "review_agreement": ("agreement (alpha)", "一致程度（alpha）"),
    "review_compared": ("reviewed by several", "多人评审的样例"),
    "review_state_unreviewed": ("unreviewed", "未评审"),
    "review_state_accepted": ("accepted", "通过"),
    "review_state_rejected": ("rejected", "拒绝"),
    "review_state_disputed": ("disputed", "有分歧"),
    "review_verdicts": ("{} accepted, {} edited, {} rejected", "通过 {}， 修改 {}， 拒绝 {}"),
}
