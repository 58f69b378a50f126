"""The prompts that are built in: what each is filled with, and its templates, one file a version.

A changed prompt is a new file with the next version, `answer.en@1.jinja` → `answer.en@2.jinja`, and its
number here. A new prompt is a new line here and a file a language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
LANGUAGES = ("en", "zh")
ROLES = ("user", "assistant")


@dataclass(frozen=True)
class Variable:
    """Something that templates are filled with.

    Args:
        name: its name in templates.
        description: what it holds.
        samples: two values that it can have, the least first; templates are tried with them.
        required: whether a template must use it.
    """

    name: str
    description: str
    samples: tuple[object, object]
    required: bool = False

    @property
    def is_list(self) -> bool:
        """Whether a template can loop over it."""
        return isinstance(self.samples[0], list)


@dataclass(frozen=True)
class Builtin:
    """A prompt, as it is built in.

    Args:
        number: the version that is current.
        variables: what it is filled with.
    """

    number: int
    variables: tuple[Variable, ...]


PASSAGE = "the part of the chunk that the model sees, on one line"
SAMPLE = "The ash is 20 years old."
SEEN = Variable("passage", f"{PASSAGE}; empty for an example without a chunk", ("", SAMPLE), required=True)
TAGS = "the tags that are there, each on a line, indented by level, and numbered in `tag_places`"
OUTLINE = Variable(
    "outline",
    "the entries, each a numbered line, indented by level, under lines with the names of their documents",
    ("# a.md\n1. Ash", "# a.md\n1. Ash\n2.   Age"),
    required=True,
)
GENRE = Variable(
    "genre",
    "how it is written: name and description of the genre; empty without a genre-audience pair",
    ("", "work instruction (short steps in order)"),
)
AUDIENCE = Variable(
    "audience",
    "for whom it is written: name and description of the audience; empty without a genre-audience pair",
    ("", "apprentices (who know no routine yet)"),
)
INSTRUCTION = Variable(
    "instruction",
    "what is to be different of what is regenerated, in the user's words; empty otherwise",
    ("", "Ask about the year, in a formal voice."),
)
QUESTION = Variable("question", "the question to answer", ("How old is the ash?",) * 2, required=True)
FACT = (
    Variable("fact", "the sentence that is asked for, on one line", (SAMPLE, SAMPLE), required=True),
    Variable("passage", PASSAGE, (SAMPLE, SAMPLE * 2)),
    INSTRUCTION,
)
FORMS = Variable("forms", "how many questions are wanted about each fact, a number", (1, 3))
FACTS = Variable(
    "facts",
    "the sentences to ask about, a list: the answer names them fact_1, fact_2 and so on",
    ([SAMPLE], [SAMPLE, "The birch is 30 years old."]),
    required=True,
)
KNOWN = Variable(
    "existing", "questions about the fact that are there already, a list", ([], ["How old is the ash?"])
)
QUESTIONS = (FACTS, FORMS, Variable("passage", PASSAGE, (SAMPLE, SAMPLE * 2)), GENRE, AUDIENCE, INSTRUCTION)
REASONING = Variable("reasoning", "whether the way to the answer is asked for, true or false", (False, True))
MANNER = (
    Variable("length", "how long an answer is wanted: short, medium or long", ("short", "long")),
    Variable("style", "in which style, in the words of the user; empty for no wish", ("", "formal")),
    REASONING,
)
FULL_ANSWER = (
    Variable("passage", PASSAGE, (SAMPLE, SAMPLE * 2), required=True),
    QUESTION,
    GENRE,
    AUDIENCE,
    INSTRUCTION,
    *MANNER,
)
LINKED_PASSAGE = Variable(
    "linked_passage",
    "the part of the other chunk that the model sees, on one line",
    (SAMPLE, SAMPLE * 2),
    required=True,
)
JUDGE = (
    Variable("answer", "the answer to judge", ("20 years.",) * 2, required=True),
    Variable("passage", PASSAGE, (SAMPLE, SAMPLE * 2), required=True),
    Variable("question", "the question to judge", ("How old is the ash?",) * 2, required=True),
)
PATH = Variable("path", "titles from the topic down to the tag, a list", (["Trees"], ["Trees", "Ashes"]))
TOPICS = (
    Variable("count", "how many are wanted, a number", (1, 3), required=True),
    Variable("existing", "those that are there already, a list", ([], ["Age", "Bark"])),
    PATH,
    Variable("siblings", "the tags beside the last of the path, a list", ([], ["Birches"])),
)
TEMPLATE = (
    Variable("source", "what the chunk says", (SAMPLE, SAMPLE * 2), required=True),
    QUESTION,
    Variable("description", "what the answer is to be like, or nothing", ("", "in one sentence")),
)
JUDGED = (
    *JUDGE,
    Variable("quote", "where the chunk says so; may be empty", ("", SAMPLE)),
)
BUILTIN: Mapping[str, Builtin] = {
    "answer": Builtin(
        1,
        (
            Variable("passage", PASSAGE, (SAMPLE, SAMPLE * 2), required=True),
            QUESTION,
            GENRE,
            AUDIENCE,
            INSTRUCTION,
        ),
    ),
    "answer_full": Builtin(1, FULL_ANSWER),
    "answer_multi_hop": Builtin(1, (*FULL_ANSWER, LINKED_PASSAGE)),
    "answer_unanswerable": Builtin(1, FULL_ANSWER),
    "conversation": Builtin(
        1,
        (
            Variable("assistant_role", "who answers, or nothing", ("", "a forester")),
            Variable(
                "facts",
                "the sentences to talk about, a list: the answer asks for each in a turn_1, turn_2 and so on",
                ([SAMPLE, SAMPLE], [SAMPLE, "The birch is 30 years old.", "The oak is the oldest."]),
                required=True,
            ),
            Variable("passage", PASSAGE, (SAMPLE, SAMPLE * 2)),
            Variable("scenario", "in which situation they talk, or nothing", ("", "A walk in the woods.")),
            Variable("user_role", "who asks, or nothing", ("", "a child")),
            INSTRUCTION,
        ),
    ),
    "exam_item_multiple_choice": Builtin(1, FACT),
    "exam_item_open_ended": Builtin(1, FACT),
    "exam_item_short_answer": Builtin(1, FACT),
    "exam_item_single_choice": Builtin(1, FACT),
    "exam_item_true_false": Builtin(
        1,
        (
            *FACT,
            Variable("is_true", "whether the statement is to be true", (False, True), required=True),
        ),
    ),
    "improve_answer": Builtin(
        1,
        (
            SEEN,
            Variable(
                "history",
                "what was said before the answer, the question last, a list",
                (["User: How old is the ash?"], ["User: Is it old?", "Assistant: Yes.", "User: How old?"]),
                required=True,
            ),
            Variable("answer", "the answer that is to be better", ("20 years.",) * 2, required=True),
            Variable("advice", "what is to be better, in the user's words", ("Shorter.",) * 2, required=True),
        ),
    ),
    "genre_audiences": Builtin(
        1,
        (
            Variable("beginning", "the beginning of the document", (SAMPLE, SAMPLE * 2), required=True),
            Variable("document", "the name of the document", ("a.md", "garden/ash.md")),
            Variable(
                "existing",
                "pairs that the document has, each on a line; empty without",
                ("", "- Lesson / Pupils"),
            ),
            Variable("pairs", "how many pairs are wanted, a number", (1, 5), required=True),
        ),
    ),
    "judge": Builtin(1, JUDGED),
    "judge_template": Builtin(1, JUDGED),
    "judge_unanswerable": Builtin(1, JUDGE),
    "judge_conversation": Builtin(
        1,
        (
            Variable("passage", PASSAGE, (SAMPLE, SAMPLE * 2), required=True),
            Variable(
                "turns",
                "what both say in turn, a list",
                (["User: How old is the ash?"], ["User: How old is the ash?", "Assistant: 20 years."]),
                required=True,
            ),
        ),
    ),
    "judge_example": Builtin(
        1,
        (
            SEEN,
            Variable(
                "turns",
                "what is said in turn, a list; of a text, the text alone",
                (["An ash of 20 years."], ["User: How old is the ash?", "Assistant: 20 years."]),
                required=True,
            ),
            Variable("bad_answer", "the bad answer of a preference; empty otherwise", ("", "30 years.")),
        ),
    ),
    "judge_exam_item": Builtin(
        1,
        (
            Variable("passage", PASSAGE, (SAMPLE, SAMPLE * 2), required=True),
            Variable("task", "what is asked or claimed", ("How old is the ash?",) * 2, required=True),
            Variable("choices", "what can be chosen, a list; empty without", ([], ["20 years", "30 years"])),
            Variable("key", "what is right", ("20 years",) * 2, required=True),
        ),
    ),
    "judge_passage": Builtin(
        1,
        (
            Variable("passage", "what the chunk says", (SAMPLE, SAMPLE * 2), required=True),
            Variable("text", "the text to judge", ("An ash of 20 years.",) * 2, required=True),
        ),
    ),
    "judge_preference_pair": Builtin(
        1,
        (
            Variable("passage", PASSAGE, (SAMPLE, SAMPLE * 2), required=True),
            QUESTION,
            Variable("answer", "the good answer", ("20 years.", "The ash is 20 years old."), required=True),
            Variable("bad_answer", "the bad answer", ("30 years.",) * 2, required=True),
        ),
    ),
    "passage": Builtin(
        1,
        (
            Variable(
                "form",
                "the form that is wanted: paraphrase, key_concepts, outline, implications, "
                "critical_questions, case, discussion or lesson",
                ("paraphrase", "lesson"),
                required=True,
            ),
            Variable("source", "what the chunk says", (SAMPLE, SAMPLE * 2), required=True),
            INSTRUCTION,
        ),
    ),
    "preference_pair": Builtin(
        1,
        (
            Variable("answer", "the good answer", ("20 years.", "The ash is 20 years old."), required=True),
            Variable(
                "flaw", "what is to be bad: wrong or ungrounded", ("wrong", "ungrounded"), required=True
            ),
            Variable("passage", PASSAGE, (SAMPLE, SAMPLE * 2), required=True),
            QUESTION,
            INSTRUCTION,
        ),
    ),
    "probe": Builtin(1, (QUESTION,)),
    "questions": Builtin(1, (*QUESTIONS, KNOWN)),
    "questions_comparison": Builtin(1, (*QUESTIONS, KNOWN)),
    "questions_definition": Builtin(1, (*QUESTIONS, KNOWN)),
    "questions_multi_hop": Builtin(
        1,
        (
            *FACT,
            Variable(
                "linked_fact",
                "the sentence of the other chunk that is asked for as well, on one line",
                (SAMPLE, SAMPLE),
                required=True,
            ),
            replace(LINKED_PASSAGE, required=False),
            FORMS,
            GENRE,
            AUDIENCE,
            KNOWN,
        ),
    ),
    "questions_procedure": Builtin(1, (*QUESTIONS, KNOWN)),
    "questions_reason": Builtin(1, (*QUESTIONS, KNOWN)),
    "questions_unanswerable": Builtin(1, QUESTIONS),
    "tag_places": Builtin(
        1,
        (
            OUTLINE,
            Variable("tags", TAGS, ("1. Trees", "1. Trees\n2.   Ash"), required=True),
            Variable(
                "may_be_none", "whether the answer may be 0, that no tag fits, true or false", (False, True)
            ),
        ),
    ),
    "tags": Builtin(
        1,
        (
            OUTLINE,
            Variable("levels", "how many levels of tags are wanted, a number", (1, 3)),
            Variable("most", "how many tags may stand under one at most, a number", (1, 10)),
            Variable("tags", TAGS, ("", "- Trees\n  - Ash")),
        ),
    ),
    "template_json": Builtin(
        1,
        (
            *TEMPLATE,
            REASONING,
            Variable(
                "json_schema",
                "the JSON schema of the answer",
                ('{"type":"object"}', '{"type":"object","properties":{"age":{"type":"integer"}}}'),
                required=True,
            ),
        ),
    ),
    "template_label": Builtin(
        1,
        (
            *TEMPLATE,
            REASONING,
            Variable("labels", "what can be answered, each on a line", ("- yes\n- no",) * 2, required=True),
            Variable(
                "several_labels", "whether several labels can be answered, true or false", (False, True)
            ),
        ),
    ),
    "template_text": Builtin(1, (*TEMPLATE, *MANNER)),
    "topic_answer": Builtin(1, (PATH, QUESTION)),
    "topic_questions": Builtin(1, TOPICS),
    "topics": Builtin(1, TOPICS),
}
"""By name."""


@dataclass(frozen=True)
class Prompt:
    """A filled prompt: the system message, then user and assistant in turn, the user last."""

    version: str
    texts: Sequence[str]

    def messages(self) -> list[dict[str, str]]:
        """As chat messages."""
        system, *turns = self.texts
        return [
            {"role": "system", "content": system},
            *({"role": ROLES[index % 2], "content": text} for index, text in enumerate(turns)),
        ]


def builtin_version(name: str, language: str) -> str:
    """The version of a prompt that is built in."""
    return f"{name}.{language}@{BUILTIN[name].number}"


@cache
def builtin_text(version: str) -> str | None:
    """The template of a built-in version, be it no more current; nothing where there is none."""
    path = FOLDER / f"{version}.jinja"
    return path.read_text(encoding="utf-8") if path.parent == FOLDER and path.is_file() else None
