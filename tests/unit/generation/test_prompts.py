from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from services.generation.prompts import CURRENT, FOLDER, render, template

NASTY = "{{ passage }} {% raw %} {%- for x in y %} $$ ${HOME} {# no #} <b>&amp;</b> \\n %s {0} \n=====\n"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_text_of_a_document_is_never_read_as_template(language: str) -> None:
    prompt = render("answer", language, passage=NASTY, question=NASTY)
    assert prompt.user.count(NASTY.strip()) == 2
    assert NASTY not in prompt.system


@pytest.mark.parametrize("language", ["en", "zh"])
def test_facts_with_template_signs_survive(language: str) -> None:
    prompt = render("questions", language, passage="p", facts=["{{x}} costs $$5", "{% raw %}"], forms=2)
    assert "{{x}} costs $$5" in prompt.user
    assert "{% raw %}" in prompt.user


def test_a_passage_that_is_only_the_fact_is_shown_once() -> None:
    prompt = render("questions", "en", passage="The fact.", facts=["The fact."], forms=1)
    assert prompt.user.count("The fact.") == 1
    assert "1 different question " in prompt.user


def test_a_prompt_names_its_version() -> None:
    assert render("answer", "zh", passage="p", question="q").version == f"answer.zh@{CURRENT['answer']}"


def test_a_missing_value_is_an_error_and_no_empty_place() -> None:
    with pytest.raises(UndefinedError):
        render("answer", "en", passage="p")


def test_messages_are_one_of_the_system_and_one_of_the_user() -> None:
    messages = render("answer", "en", passage="p", question="q").messages()
    assert [message["role"] for message in messages] == ["system", "user"]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.jinja")), ids=lambda path: path.stem)
def test_every_prompt_file_can_be_read(path: object) -> None:
    assert len(template(str(path).rpartition("/")[2].removesuffix(".jinja"))) == 2
