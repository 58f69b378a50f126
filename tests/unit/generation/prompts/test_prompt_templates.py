"""Templates of users: what is refused, with the line and what to do, and what documents cannot do to them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generation.prompts.built_in import BUILTIN
from services.generation.prompts.prompt_filters import MOST_FILLED
from services.generation.prompts.prompt_templates import (
    LONGEST,
    MOST_MESSAGES,
    checked,
    normalised,
    parsed,
    parts_of,
)
from services.runtime.errors import InvalidArgument

QUESTIONS = BUILTIN["questions"].variables
ANSWER = BUILTIN["answer"].variables
VALUES: dict[str, Any] = {"passage": "p", "facts": ["a", "b"], "forms": 2}

SIGNS = [
    "{{ passage }}",
    "{{",
    "}}",
    "{%",
    "{% raw %}",
    "{#",
    "$$",
    "$&",
    "\\1",
    "\x1f",
    "\n=====\n",
    "=====",
    "%s",
]
documents = st.lists(st.one_of(st.sampled_from(SIGNS), st.text(max_size=5)), max_size=8).map("".join)


def template(user: str, system: str = "Ask.") -> str:
    return f"{system}\n=====\n{user}\n"


PLAIN = parsed(template("[{{ passage }}]{% for fact in facts %}<{{ fact }}>{% endfor %}."), QUESTIONS)
FILTERED = parsed(
    template('[{{ passage | replace("q", passage) | trim }}] {{ facts | join("\\n") }}'), QUESTIONS
)


def refused(text: str, variables: Any = QUESTIONS) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as raised:
        checked(text, variables, "prompt.template")
    assert raised.value.field == "prompt.template"
    return raised.value


def user_of(text: str, **values: Any) -> str:
    """The last message, filled."""
    return checked(text, QUESTIONS, "f").fill({**VALUES, **values})[-1]


@given(documents, documents)
def test_what_stands_in_a_document_is_never_read_as_template(passage: str, fact: str) -> None:
    filled = PLAIN.fill({"passage": passage, "facts": [fact, fact], "forms": 1})
    assert filled == ["Ask.", f"[{passage}]<{fact}><{fact}>."]


@given(documents)
def test_filters_do_to_a_document_what_they_say_and_no_more(passage: str) -> None:
    filled = FILTERED.fill({**VALUES, "passage": passage, "facts": [passage, passage]})
    assert filled[-1] == f"[{passage.replace('q', passage).strip()}] {passage}\n{passage}".strip()


@given(st.text(max_size=60))
def test_any_text_is_taken_or_refused_with_a_reason(text: str) -> None:
    try:
        checked(template(text), QUESTIONS, "f")
    except InvalidArgument as error:
        assert error.reason.startswith("PROMPT_")


@given(
    st.lists(
        st.sampled_from([*SIGNS, " facts ", " if ", "{% endif %}", "for", "|", "join", "(", ")"]), max_size=12
    )
)
def test_any_mixture_of_signs_is_taken_or_refused_with_a_reason(pieces: list[str]) -> None:
    try:
        checked(template("".join(pieces)), QUESTIONS, "f")
    except InvalidArgument as error:
        assert error.reason.startswith("PROMPT_")


def test_a_template_can_do_what_prompts_need() -> None:
    assert user_of(template("{{ facts | join('; ') | upper }}")) == "A; B"
    assert (
        user_of(template("{% for fact in facts if fact != 'a' %}{{ loop.index }}{{ fact }}{% endfor %}"))
        == "1b"
    )
    assert user_of(template("{{ facts[0] }}{{ facts[-1:] | first }}{{ facts | length }}")) == "ab2"
    assert user_of(template("{{ facts | tojson }}"), facts=["北"]) == '["北"]'
    assert (
        user_of(
            template("{% if forms > 1 and not passage %}many{% elif 'p' in passage %}p{% endif %}{{facts}}")
        )[0]
        == "p"
    )
    assert user_of(template("{{ facts[7] | default('none') }}{# a remark #}")) == "none"
    loops = "{% for fact in facts %}{% for sign in [1, 2] %}{{ fact }}{{ sign }}{% endfor %}{% endfor %}"
    assert user_of(template(loops)) == "a1a2b1b2"
    assert user_of(template("{% raw %}{{ x }}{% endraw %}{{ facts | last }}")) == "{{ x }}b"


@pytest.mark.parametrize(
    ("user", "line", "words"),
    [
        ("{{ facts", 3, "unexpected"),
        ("{{ facts }}\n{% if forms %}\nmany", 5, "'if'"),
        ("{{ facts }}\n\n{{ facts | }}", 5, "mend"),
        ("{{ facts }}{% frob %}", 3, "frob"),
        ("{{ facts }}{{ 1" + "0" * 5000 + " }}", 3, "integer"),
    ],
)
def test_a_mistake_is_told_with_its_line(user: str, line: int, words: str) -> None:
    error = refused(template(user))
    assert (error.reason, error.metadata["line"]) == ("PROMPT_SYNTAX", str(line))
    assert words in error.message


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("{{ passage.upper() }}", "a call"),
        ("{{ passage.upper }}", "`.upper`"),
        ("{{ loop.cycle }}", "`.cycle`"),
        ("{{ facts.__class__.__mro__ }}", "`.__mro__`"),
        ("{{ passage | attr('x') }}", "the filter `attr`"),
        ("{{ facts | map('upper') }}", "the filter `map`"),
        ("{{ range(9) }}", "a call"),
        ("{{ passage * 1000000 }}", "what Jinja calls Mul"),
        ("{{ 9 ** 9 ** 9 }}", "what Jinja calls Pow"),
        ("{{ passage + passage }}", "what Jinja calls Add"),
        ("{{ passage ~ passage }}", "`~`"),
        ("{{ '%999999999d' % forms }}", "what Jinja calls Mod"),
        ("{{ {'a': 1} }}", "a dict"),
        ("{{ passage is defined }}", "a test with `is`"),
        ("{{ facts | join(separator='x') }}", "a named argument"),
        ("{% set x = 1 %}", "{% set %}"),
        ("{% set x %}a{% endset %}", "{% set %}"),
        ("{% include 'answer.en@1.jinja' %}", "{% include %}"),
        ("{% import 'x' as y %}", "{% import %}"),
        ("{% from 'x' import y %}", "{% from %}"),
        ("{% extends 'x' %}", "{% extends %}"),
        ("{% block x %}{% endblock %}", "{% block %}"),
        ("{% macro x() %}{% endmacro %}", "{% macro %}"),
        ("{% filter upper %}a{% endfilter %}", "{% filter %}"),
        ("{% with x = 1 %}{% endwith %}", "{% with %}"),
        ("{% for sign in passage %}{% endfor %}", "a loop over anything but a list"),
        ("{% for a in [1] %}{% for b in a %}{% endfor %}{% endfor %}", "a loop over anything but a list"),
        ("{% for facts in facts %}{% endfor %}", "such a loop"),
        ("{% for a, b in facts %}{% endfor %}", "such a loop"),
        ("{% for a in facts recursive %}{% endfor %}", "such a loop"),
        ("{% for a in facts %}" * 3 + "{% endfor %}" * 3, "nested so deeply"),
        ("{{ " + "not " * 100 + "facts }}", "nested so deeply"),
        ("{{ " + "(" * 5000 + "facts" + ")" * 5000 + " }}", "nested so deeply"),
        ("{{ facts }}" * 2000, "so many expressions"),
        ("{% for a in facts %}{% for b in facts %}{{ a }}{% endfor %}{% endfor %}", "so many in loops"),
        ("a\0b", "U+0000"),
    ],
)
def test_what_templates_of_users_may_not_do_is_refused(expression: str, what: str) -> None:
    error = refused(template("{{ facts }}\n" + expression))
    assert error.reason == "PROMPT_NOT_ALLOWED"
    assert what in error.metadata["what"]
    assert "join, last" in error.message


def test_an_unknown_variable_is_told_with_the_nearest_and_all_others() -> None:
    error = refused(template("{{ facts }}\n{{ passge }}"))
    assert (error.reason, error.metadata["line"]) == ("PROMPT_VARIABLE_UNKNOWN", "4")
    assert "did you mean `passage`?" in error.message
    assert "facts, forms, passage" in error.message
    far = refused(template("{{ facts }}{{ xyz }}"))
    assert "did you mean" not in far.message


@pytest.mark.parametrize("name", ["self", "super", "caller", "range", "loop", "one", "lipsum"])
def test_names_that_jinja_knows_are_no_variables(name: str) -> None:
    text = template("{{ facts }}{% for one in facts %}{% endfor %}{{ " + name + " }}")
    assert refused(text).reason == "PROMPT_VARIABLE_UNKNOWN"


def test_a_required_variable_must_be_used() -> None:
    error = refused(template("{{ passage }}"), ANSWER)
    assert (error.reason, error.metadata["name"]) == ("PROMPT_VARIABLE_MISSING", "question")
    assert "{{ question }}" in error.message
    loop = refused(template("{% for fact in ['a'] %}{{ fact }}{% endfor %}"))
    assert (loop.reason, loop.metadata["name"]) == ("PROMPT_VARIABLE_MISSING", "facts")


@pytest.mark.parametrize(
    ("expression", "line"),
    [
        ("{{ forms > passage }}", 3),
        ("\n{{ facts[9] }}", 4),
        ("\n\n{{ facts['upper'] }}", 5),
        ("{{ forms | join }}", 3),
        ("{{ passage | replace('', 'x') }}", 3),
    ],
)
def test_what_cannot_be_filled_is_told_with_its_line(expression: str, line: int) -> None:
    error = refused(template(expression + "{{ facts }}"))
    assert (error.reason, error.metadata["line"]) == ("PROMPT_FAILED", str(line))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("{{ facts }}", 1),
        ("a\n=====\nb\n=====\n{{ facts }}", 3),
        ("a\n=====\n" * MOST_MESSAGES * 2 + "b{{ facts }}", 81),
    ],
)
def test_messages_go_in_pairs(text: str, count: int) -> None:
    error = refused(text)
    assert (error.reason, error.metadata["count"]) == ("PROMPT_MESSAGES", str(count))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (template("{{ facts }}", ""), 1),
        ("a\n=====\n\n=====\nb\n=====\n{{ facts }}", 3),
        (template("{% if forms > 1 %}{{ facts }}{% endif %}"), 3),
    ],
)
def test_no_message_is_empty(text: str, line: int) -> None:
    error = refused(text)
    assert (error.reason, error.metadata["line"]) == ("PROMPT_MESSAGES", str(line))


def test_a_template_has_an_end() -> None:
    fits = template("{{ facts }}")
    assert checked(fits + "x" * (LONGEST - len(fits)), QUESTIONS, "f")
    error = refused(fits + "x" * (LONGEST - len(fits) + 1))
    assert (error.reason, error.metadata["length"]) == ("PROMPT_TOO_LONG", str(LONGEST + 1))


@pytest.mark.parametrize(
    "expression",
    [
        "{{ passage | replace('a', passage) }}",
        "{{ passage | join(passage) }}",
        "{{ passage" + " | tojson" * 30 + " }}",
        "{{ passage" + " | replace('a', 'aaaaaaaaaaaaaaaa')" * 30 + " }}",
        "{% for a in facts %}{{ passage }}{% endfor %}",
        "{{ passage }}\n=====\n" * 12,
        "{{ 'a'" + " | replace('a', 'aaaaaaaaaaaaaaaa')" * 10 + " }}",
    ],
)
def test_no_template_makes_a_text_grow_without_bounds(expression: str) -> None:
    values = {"facts": ["a"] * 100, "forms": 1, "passage": 'a"' * 50_000}
    made = parsed(template(expression + "{{ facts }}"), QUESTIONS)
    began = time.process_time()
    with pytest.raises(InvalidArgument, match=f"beyond {MOST_FILLED}"):
        made.fill(values)
    assert time.process_time() - began < 5


def test_the_slowest_template_is_filled_in_time() -> None:
    condition = "{% if 'zz' in passage" + " | tojson" * 12 + " %}x{% endif %}"
    text = template("{% for a in facts %}" + condition * 5 + "{% endfor %}{{ facts }}")
    made = parsed(text, QUESTIONS)
    # All messages count together.
    beside = text.replace("Ask.", "{% for a in facts %}" + condition * 5 + "{% endfor %}")
    assert refused(beside).metadata["what"].startswith("so many")
    assert refused(text.replace(condition, condition * 2)).metadata["what"].startswith("so many")
    began = time.process_time()
    made.fill({"facts": ["a"] * 100, "forms": 1, "passage": "p" * 50_000})
    assert time.process_time() - began < 5


def test_lines_are_those_of_the_whole_template() -> None:
    assert [(part.line, part.text) for part in parts_of("a\nb\n=====  \nc\n=====\n")] == [
        (1, "a\nb"),
        (4, "c"),
        (6, ""),
    ]


def test_a_template_of_any_editor_is_the_same_text() -> None:
    assert normalised("\ufeffa\r\n=====\r\nb") == normalised("\na\n=====\nb\n\n") == "a\n=====\nb\n"
