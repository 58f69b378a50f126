"""What the commands say that are about question templates, in English and Chinese."""

from __future__ import annotations

QUESTION_TEMPLATE_TEXTS: dict[str, tuple[str, str]] = {
    "question_template": (
        "Questions that are asked about every chunk, answered by text, labels or JSON.",
        "对每个文本块都提的问题，以文字、标签或 JSON 回答。",
    ),
    "question_template_add": ("Add a template.", "添加一个模板。"),
    "question_template_update": (
        "Change a template; what is not said stays. Labels and JSON schemas take each other's place.",
        "修改一个模板；未给出的保持不变。标签与 JSON Schema 互相取代。",
    ),
    "question_template_named": ("Template: name or id.", "模板：名称或 ID。"),
    "question_template_text": ("The question, word for word.", "问题，逐字照问。"),
    "question_template_description": (
        "What the answer is to be like, such as 'in one sentence'.",
        "对答案的要求，如“用一句话”。",
    ),
    "question_template_label": (
        "Label that can be answered; two or more, given one by one.",
        "可选的标签；至少两个，逐个给出。",
    ),
    "question_template_several": ("Several labels can be answered.", "可以选多个标签。"),
    "question_template_schema": (
        "File with the JSON schema of an object, which is then answered; - is standard input.",
        "JSON Schema 文件，须为对象，答案即为这样的 JSON；- 表示标准输入。",
    ),
    "question_template_as_text": (
        "The answer is a text; labels or JSON schema are dropped.",
        "以文字回答；去掉标签或 JSON Schema。",
    ),
    "question_templates": (
        "Ask the question of this template about each chunk: name or id; may be repeated.",
        "对每个文本块提此模板的问题：名称或 ID；可重复给出。",
    ),
    "templates_only": (
        "Ask only the questions of the templates, and none about facts.",
        "只提模板中的问题，不另外出题。",
    ),
}
