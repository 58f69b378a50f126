"""`sishu model|exam create`, and what else can be done with them."""

from __future__ import annotations

from typing import Annotated

import typer

from sishu.cli.context import with_client
from sishu.cli.find import find_version
from sishu.cli.find_projects import find_project
from sishu.cli.options import IdArgument, LimitOption, NameArgument, ProjectOption, WaitOption
from sishu.cli.output import show_many, show_one
from sishu.cli.texts import say
from sishu.client import Client
from sishu.inference.v1.exam_pb2 import Exam, ExamArm, ExamResult
from sishu.inference.v1.exam_service_pb2 import CreateExamRequest, GetExamRequest, ListExamResultsRequest
from sishu.learn.jobs import wait_for_success
from sishu.learn.resources import absolute
from sishu.trainer.v1.model_pb2 import Model
from sishu.trainer.v1.model_service_pb2 import CreateModelRequest, GetModelRequest


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


def create_exam(
    project: ProjectOption,
    dataset: Annotated[str, typer.Option(help=say("dataset_version"))],
    arm: Annotated[list[str], typer.Option(metavar="NAME=DEPLOYMENT_ID", help=say("exam_arm"))],
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
