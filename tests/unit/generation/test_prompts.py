from __future__ import annotations

import json

import pytest

from services.generation.prompts.built_in import BUILTIN, FOLDER, builtin_text, builtin_version
from services.generation.prompts.prompt_templates import checked, normalised
from services.generation.prompts.prompt_versions import ALL, NAMED
from services.runtime.errors import InvalidArgument
from tests.support.prompts import render

NASTY = "{{ passage }} {% raw %} {%- for x in y %} $$ ${HOME} {# no #} <b>&amp;</b> \\n %s {0} \n=====\n"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_text_of_a_document_is_never_read_as_template(language: str) -> None:
    prompt = render("answer", language, passage=NASTY, question=NASTY)
    system, *_, user = prompt.texts
    assert user.count(NASTY.strip()) == 2
    assert NASTY not in system


@pytest.mark.parametrize("language", ["en", "zh"])
def test_facts_with_template_signs_survive(language: str) -> None:
    prompt = render("questions", language, passage="p", facts=["{{x}} costs $$5", "{% raw %}"], forms=2)
    assert "{{x}} costs $$5" in prompt.texts[-1]
    assert "{% raw %}" in prompt.texts[-1]


def test_a_passage_that_is_only_the_fact_is_shown_once() -> None:
    prompt = render("questions", "en", passage="The fact.", facts=["The fact."], forms=1)
    assert prompt.texts[-1].count("The fact.") == 1
    assert "Write 1 question " in prompt.texts[0]


def test_a_prompt_names_its_version() -> None:
    prompt = render("answer", "zh", passage="p", question="q")
    assert prompt.version == f"answer.zh@{BUILTIN['answer'].number}" == builtin_version("answer", "zh")


def test_a_missing_value_is_an_error_and_no_empty_place() -> None:
    with pytest.raises(InvalidArgument, match="'question' is undefined"):
        render("answer", "en", passage="p")


def test_messages_are_the_system_then_examples_then_the_user() -> None:
    messages = render("answer", "zh", passage="p", question="q").messages()
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("forms", [1, 4])
def test_the_examples_show_as_many_questions_as_are_wanted(language: str, forms: int) -> None:
    messages = render("questions", language, passage="p", facts=["p"], forms=forms).messages()
    examples = [json.loads(one["content"]) for one in messages if one["role"] == "assistant"]
    assert examples
    assert all(len(one["fact_1"]["questions"]) == forms for one in examples)


@pytest.mark.parametrize("version", sorted(path.stem for path in FOLDER.glob("*.jinja")))
def test_every_built_in_template_keeps_the_rules_for_those_of_users(version: str) -> None:
    match, text = NAMED.fullmatch(version), builtin_text(version)
    assert match
    assert text == normalised(text or "")
    assert checked(text, BUILTIN[match[1]].variables, "template").messages


@pytest.mark.parametrize("prompt", ALL, ids=str)
def test_every_prompt_is_built_in_in_every_language(prompt: object) -> None:
    assert builtin_text(f"{prompt}@{BUILTIN[str(prompt).partition('.')[0]].number}")


@pytest.mark.parametrize("version", ["answer.en@9", "../prompts/answer.en@1", "answer.en", "__init__"])
def test_what_is_not_built_in_is_not_found(version: str) -> None:
    assert builtin_text(version) is None
