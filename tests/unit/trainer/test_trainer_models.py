from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.failures import Failure
from services.runtime.jobs import Job
from services.trainer.models import Model, ModelFile, check_new_model, check_trainable, digest_of, public_name

NOW = datetime(2024, 1, 1, tzinfo=UTC)
JOB = Job("j", "p", "prepare_model", "succeeded", "m", "", NOW, NOW, NOW, 1, 1, 0, 0)
BASE = Model("m", "p", "tiny", "base", "/x", None, None, "Llama", 1, "aa", "bb", 64, 0, NOW, JOB)
NOT_FOUND = Failure("NOT_FOUND", "BASE_MODEL_NOT_FOUND", "No base model 'x'")


def in_state(state: str, failure: Failure | None = None) -> Model:
    return replace(BASE, job=replace(JOB, state=state, failure=failure))


@pytest.mark.parametrize(
    ("job_state", "state"),
    [
        ("pending", "preparing"),
        ("running", "preparing"),
        ("succeeded", "ready"),
        ("failed", "failed"),
        ("cancelled", "failed"),
    ],
)
def test_the_state_of_a_base_model_is_that_of_its_job(job_state: str, state: str) -> None:
    assert in_state(job_state).state == state


def test_an_adapter_is_ready_from_the_start() -> None:
    adapter = replace(BASE, kind="adapter", job=None)
    assert (adapter.state, adapter.failure) == ("ready", None)


def test_a_failed_model_says_why() -> None:
    assert in_state("failed", NOT_FOUND).failure == NOT_FOUND
    cancelled = in_state("cancelled").failure
    assert cancelled is not None
    assert cancelled.reason == "MODEL_CANCELLED"
    assert in_state("running").failure is None


def test_the_digest_of_files_does_not_depend_on_their_order() -> None:
    one, two = ModelFile("a", "k1", 1, "11"), ModelFile("b", "k2", 1, "22")
    assert digest_of([one, two]) == digest_of([two, one])
    assert digest_of([one, two]) != digest_of([one, replace(two, sha256="23")])


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        ("builtin", "tiny"),
        ("/data/model", "tiny"),
        ("~/model", "tiny"),
        ("models/model.gguf", "tiny"),
        ("./models", "tiny"),
    ],
)
def test_an_adapter_names_its_base_so_that_others_find_it(source: str, name: str) -> None:
    assert public_name(replace(BASE, source=source)) == name


@pytest.mark.parametrize(
    ("name", "source"), [("", "builtin"), (" ", "builtin"), ("a\n", "builtin"), ("a", " ")]
)
def test_a_model_needs_a_name_and_a_source(name: str, source: str) -> None:
    with pytest.raises(InvalidArgument):
        check_new_model(name, source, None)


@pytest.mark.parametrize("kind", ["adapter", "merged", "tuned"])
def test_only_base_models_can_be_created(kind: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_new_model("tiny", "builtin", kind)
    assert (caught.value.reason, caught.value.field) == ("MODEL_KIND_UNSUPPORTED", "model.kind")
    check_new_model("tiny", "builtin", "base")


def test_a_run_needs_a_ready_base_model_of_its_project() -> None:
    check_trainable(BASE, "p")
    with pytest.raises(InvalidArgument, match="another project"):
        check_trainable(BASE, "q")
    with pytest.raises(InvalidArgument, match="adapter"):
        check_trainable(replace(BASE, kind="adapter", job=None), "p")
    check_trainable(replace(BASE, kind="tuned", job=None), "p")
    with pytest.raises(FailedPrecondition, match="wait until"):
        check_trainable(in_state("running"), "p")
    with pytest.raises(FailedPrecondition, match="No base model 'x'"):
        check_trainable(in_state("failed", NOT_FOUND), "p")
