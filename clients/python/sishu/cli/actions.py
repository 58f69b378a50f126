"""What can be done with single resources beside list, get and delete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from sishu.cli import (
    dataset_versions,
    datasets,
    documents,
    example_generations,
    examples,
    gate_options,
    generations,
    imports,
    leaks,
    providers,
    regenerate,
    statistics,
    train,
)
from sishu.cli.context import with_client
from sishu.cli.exports import export_dataset
from sishu.cli.find import find_model, find_model_of, find_project, find_version
from sishu.cli.options import IdArgument, LimitOption, NameArgument, ProjectOption, WaitOption
from sishu.cli.output import CONSOLE, show_many, show_one
from sishu.cli.run_rows import list_rows
from sishu.cli.texts import say
from sishu.client import Client
from sishu.inference.v1.deployment_pb2 import Deployment
from sishu.inference.v1.deployment_service_pb2 import CreateDeploymentRequest
from sishu.inference.v1.exam_pb2 import Exam, ExamArm, ExamResult
from sishu.inference.v1.exam_service_pb2 import CreateExamRequest, GetExamRequest, ListExamResultsRequest
from sishu.ingest.v1.project_pb2 import Project
from sishu.ingest.v1.project_service_pb2 import CreateProjectRequest
from sishu.learn.deployments import deploy
from sishu.learn.jobs import wait_for_success
from sishu.learn.resources import absolute
from sishu.learn.transfer import download_model
from sishu.trainer.v1.model_pb2 import Model
from sishu.trainer.v1.model_service_pb2 import CreateModelRequest, GetModelRequest


def create_project(name: NameArgument, description: Annotated[str, typer.Option()] = "") -> None:
    """`sishu project create`."""

    async def work(client: Client) -> Project:
        request = CreateProjectRequest(project=Project(name=name, description=description))
        return (await client.projects.CreateProject(request)).project

    show_one(with_client(work))


def create_model(
    name: NameArgument,
    project: ProjectOption,
    source: Annotated[str, typer.Option(help=say("learn_base"))] = "builtin",
    wait: WaitOption = False,
) -> None:
    """`sishu model create`: register a base model."""

    async def work(client: Client) -> Model:
        wanted = Model(
            project_id=(await find_project(client, project)).id, name=name, source=absolute(source)
        )
        made = (await client.models.CreateModel(CreateModelRequest(model=wanted))).model
        if not wait:
            return made
        await wait_for_success(client, "trainer", made.job)
        return (await client.models.GetModel(GetModelRequest(id=made.id))).model

    show_one(with_client(work))


def export_model(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=say("chat_model"))],
    out: Annotated[Path, typer.Option(help=say("learn_out"))] = Path("model"),
) -> None:
    """`sishu model export`: download the files of a model that a run made."""

    async def work(client: Client) -> list[Path]:
        return await download_model(client, (await find_model(client, model)).id, out)

    show_paths(with_client(work))


def create_deployment(
    project: ProjectOption, model: Annotated[str, typer.Option(help=say("model"))], wait: WaitOption = False
) -> None:
    """`sishu deployment create`: load a model."""

    async def work(client: Client) -> Deployment:
        project_id = (await find_project(client, project)).id
        model_id = await find_model_of(client, project_id, model)
        if wait:
            return await deploy(client, project_id, model_id)
        wanted = Deployment(project_id=project_id, model_id=model_id)
        request = CreateDeploymentRequest(deployment=wanted)
        return (await client.deployments.CreateDeployment(request)).deployment

    show_one(with_client(work))


def create_exam(
    project: ProjectOption,
    dataset: Annotated[str, typer.Option(help=say("dataset_version"))],
    arm: Annotated[list[str], typer.Option(help="NAME=DEPLOYMENT_ID")],
    wait: WaitOption = False,
) -> None:
    """`sishu exam create`: ask the held-out questions to one or more deployments."""

    async def work(client: Client) -> Exam:
        wanted = Exam(
            project_id=(await find_project(client, project)).id,
            dataset_version_id=await find_version(client, dataset),
            arms=[
                ExamArm(name=name, deployment_id=value)
                for name, _, value in (one.partition("=") for one in arm)
            ],
        )
        made = (await client.exams.CreateExam(CreateExamRequest(exam=wanted))).exam
        if not wait:
            return made
        await wait_for_success(client, "inference", made.job)
        return (await client.exams.GetExam(GetExamRequest(id=made.id))).exam

    show_one(with_client(work))


def list_results(exam_id: IdArgument, limit: LimitOption = 100) -> None:
    """`sishu exam results`."""

    async def work(client: Client) -> list[ExamResult]:
        request = ListExamResultsRequest(exam_id=exam_id)
        found: list[ExamResult] = []
        while len(found) < limit:
            request.page_size = limit - len(found)
            answer = await client.exams.ListExamResults(request)
            found += answer.exam_results
            request.page_token = answer.next_page_token
            if not request.page_token:
                break
        return found

    show_many(with_client(work), ("arm", "score", "question", "reference", "answer"))


def show_paths(paths: Sequence[Path]) -> None:
    """Print where files are, whole, a line each."""
    for path in paths:
        CONSOLE.print(str(path), markup=False, highlight=False, soft_wrap=True)


ACTIONS: dict[str, list[tuple[str, str, Callable[..., None]]]] = {
    "project": [("create", "create", create_project)],
    "document": [
        ("add", "add", documents.add_documents),
        ("fetch", "fetch", documents.fetch_documents),
        ("parse", "parse", documents.parse_documents),
        ("text", "text", documents.show_text),
        ("images", "images", documents.list_images),
        ("changes", "changes", documents.list_changes),
    ],
    "chunk": [
        ("edit", "edit", documents.edit_chunk),
        ("merge", "merge", documents.merge_chunks),
        ("split", "split", documents.split_chunk),
        ("exclude", "exclude", documents.exclude_chunk),
        ("include", "include", documents.include_chunk),
    ],
    "provider": [
        ("add", "provider_add", providers.add_provider),
        ("create", "provider_add", providers.add_provider),
        ("update", "provider_update", providers.update_provider),
        ("presets", "provider_presets", providers.list_presets),
        ("test", "test", providers.test_provider),
    ],
    "generation": [
        ("create", "create", generations.create_generation),
        ("forecast", "generation_forecast", generations.forecast_generation),
        ("update", "generation_update", generations.update_generation),
        ("gates", "generation_gates", gate_options.list_gates),
    ],
    "question": [("regenerate", "regenerate", regenerate.regenerate_questions)],
    "example": [
        ("count", "example_count", examples.count_examples),
        ("edit", "example_edit", examples.edit_example),
        ("accept", "example_accept", examples.accept_examples),
        ("reject", "example_reject", examples.reject_examples),
        ("label", "example_label", examples.label_examples),
        ("discard", "example_discard", examples.discard_examples),
        ("comment", "example_comment", examples.comment_example),
        ("history", "example_history", examples.list_history),
        ("undo", "example_undo", examples.undo_change),
        ("judge", "example_judge", example_generations.judge_examples),
        ("improve", "example_improve", example_generations.improve_examples),
        ("apply", "example_apply", example_generations.apply_generation),
    ],
    "import": [
        ("create", "import_file", imports.create_import),
        ("generations", "import_generations", imports.import_generations),
        ("preview", "import_preview", imports.preview_import),
        ("faults", "import_faults", imports.list_faults),
    ],
    "benchmark": [("create", "benchmark_create", leaks.create_benchmark)],
    "leak-check": [
        ("create", "leak_check_create", leaks.create_leak_check),
        ("leaks", "leak_leaks", leaks.list_leaks),
    ],
    "dataset": [
        ("create", "create", datasets.create_dataset),
        ("export", "export_dataset", export_dataset),
        ("diff", "dataset_diff", datasets.diff_datasets),
        ("statistics", "dataset_statistics", statistics.show_statistics),
        ("report", "dataset_report", statistics.write_report),
        ("restore", "dataset_restore", dataset_versions.restore_dataset),
        ("tag", "dataset_set_tag", dataset_versions.tag_dataset),
        ("untag", "dataset_delete_tag", dataset_versions.untag_dataset),
    ],
    "model": [("create", "create", create_model), ("export", "export_model", export_model)],
    "run": [
        ("create", "create", train.create_run),
        ("presets", "run_presets", train.list_presets),
        ("rows", "run_rows", list_rows),
    ],
    "deployment": [("create", "create", create_deployment)],
    "exam": [("create", "create", create_exam), ("results", "results", list_results)],
}
"""Commands of each resource: name, key of the help text, function."""
