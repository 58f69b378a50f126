"""What the commands say that have other things than questions written, in English and Chinese."""

from __future__ import annotations

CANDIDATE_TEXTS: dict[str, tuple[str, str]] = {
    "generate": (
        "Have something other than questions written: conversations, texts, exam items and more.",
        "编写问答以外的内容：对话、文章、考题等。",
    ),
    "generate_conversations": (
        "Have conversations about the documents written.",
        "编写关于文档的多轮对话。",
    ),
    "generate_passages": (
        "Have texts written that say what the documents say in other forms, for continued pretraining.",
        "以其他形式改写文档内容，供继续预训练使用。",
    ),
    "generate_exam_items": ("Have exam items about the documents written.", "编写关于文档的考题。"),
    "generate_preference_pairs": (
        "Have bad answers written to questions that have a good one.",
        "为已有好回答的问题编写差的回答。",
    ),
    "generate_distill": (
        "Have tags, questions and answers written about a topic, without documents.",
        "不用文档，就一个主题编写标签、问题与回答。",
    ),
    "generate_language": (
        "Language to write in: en or zh; by default that of the source.",
        "编写所用语言：en 或 zh；默认与来源相同。",
    ),
    "generate_document": (
        "Only about this document: id; may be given again.",
        "只针对此文档： ID；可重复给出。",
    ),
    "generate_judge": (
        "Model that judges what the gates let pass: name or id of a provider; it may be the one that writes.",
        "评审通过检查之内容的语言模型：名称或 ID，可与编写者相同。",
    ),
    "generate_judge_score": (
        "Least score of the judge that is kept, 0 to 5; usually 3.",
        "保留所需的最低评审分，0 到 5；默认 3。",
    ),
    "turns": ("Questions of a conversation, 2 to 8.", "每段对话的问题数，2 到 8。"),
    "scenario": (
        "In which situation they talk; becomes part of the system message.",
        "对话的情境；会写入系统消息。",
    ),
    "user_role": ("Who asks, such as 'a new colleague'.", "由谁提问，如“新同事”。"),
    "assistant_role": (
        "Who answers, such as 'an experienced technician'; becomes part of the system message.",
        "由谁回答，如“有经验的技师”；会写入系统消息。",
    ),
    "passage_form": (
        "Form of the texts, such as paraphrase or lesson; may be given again; by default all eight.",
        "文章的形式，如 paraphrase、lesson；可重复给出；默认全部八种。",
    ),
    "exam_item_type": (
        "Type of the items, such as true-false or single-choice; several come in turn; by default all five.",
        "考题类型，如 true-false、single-choice；给出多个则轮流出题；默认全部五种。",
    ),
    "pair_flaw": (
        "What is bad about the answers: wrong or ungrounded; by default both in turn.",
        "回答差在哪里： wrong（错误）或 ungrounded（无依据）；默认两者轮流。",
    ),
    "pair_generation": (
        "Only questions of this generation: id.",
        "只针对此生成任务的问题： ID。",
    ),
    "topic": ("What all is about.", "主题。"),
    "topic_levels": ("Levels of tags under the topic.", "主题之下的标签层数。"),
    "topic_tags": ("Tags under each tag.", "每个标签之下的标签数。"),
    "topic_questions": ("Questions for each tag of the lowest level.", "每个最低层标签的问题数。"),
    "candidate": (
        "Conversations, preference pairs, texts and exam items that were written.",
        "已编写的对话、偏好对、文章和考题。",
    ),
    "candidate_kind": (
        "Only this kind: conversation, preference-pair, passage, exam-item, example-judgement or "
        "example-answer.",
        "只看此类： conversation、preference-pair、passage、exam-item、example-judgement 或 example-answer。",
    ),
    "candidate_state": (
        "Only in this state: kept, rejected or judging.",
        "只看此状态： kept、rejected 或 judging。",
    ),
    "candidate_generation": ("Only of this generation: id.", "只看此生成任务的： ID。"),
    "candidate_chunk": ("Only about this chunk: id.", "只看此文本块的： ID。"),
    "stage_write": ("writing", "编写"),
    "stage_regenerate": ("regenerating", "重新编写"),
    "regenerate": (
        "Regenerate some. What is kept of the new takes the place of the old.",
        "重新编写指定的内容；新的若被保留，则取代旧的。",
    ),
    "regenerate_ids": ("Their ids.", "它们的 ID。"),
    "regenerate_answers_only": ("Keep the questions; only their answers are new.", "问题不变，只重写答案。"),
    "regenerate_provider": (
        "Who writes: name or id; by default who wrote the first of them. All else is as it was then.",
        "由谁编写：名称或 ID；默认由编写其中第一个的语言模型编写。其余设置与当时相同。",
    ),
    "regenerate_instruction": ("What is to be different, in plain words.", "希望有何不同，用自然语言说明。"),
    "regenerate_old": ("old", "旧"),
    "regenerate_new": ("new", "新"),
    "regenerate_question": ("question", "问题"),
    "regenerate_answer": ("answer", "答案"),
    "regenerate_content": ("content", "内容"),
    "regenerate_state": ("state", "状态"),
    "regenerate_missing": ("not written", "未能编写"),
}
