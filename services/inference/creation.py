"""Check and make what callers ask for: deployments of models, and exams of deployments."""

from __future__ import annotations

from collections.abc import Sequence

from services.inference.deployments import Deployment, DeploymentOptions, not_found
from services.inference.exams import Exam, ExamArm, ExamItem, NewExam, check_arms
from services.inference.held_out import read_exam_items
from services.inference.store import DeploymentStore, Store
from services.runtime.db import claim_request, first_answer, transaction
from services.runtime.errors import InvalidArgument
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs, NewItem
from sishu.client import Client
from sishu.trainer.v1 import model_service_pb2


async def create_deployment(
    project_id: str,
    model_id: str,
    options: DeploymentOptions,
    request_id: str,
    store: DeploymentStore,
    client: Client,
) -> Deployment:
    """The project's deployment of a model with these options, or what the request id made before.

    Raises:
        NotFound: there is no such model.
        InvalidArgument: it belongs to another project.
    """
    made = await first_answer(store.pool, "CreateDeployment", request_id)
    if made:
        return await store.get(made)
    name = await check_model(client, project_id, model_id)
    return await store.create(project_id, model_id, name, options, request_id)


async def check_model(client: Client, project_id: str, model_id: str) -> str:
    """Name of a model, which must belong to the project.

    Raises:
        NotFound: there is no such model.
        InvalidArgument: it belongs to another project.
    """
    answer = await client.models.GetModel(model_service_pb2.GetModelRequest(id=model_id))
    if answer.model.project_id != project_id:
        raise InvalidArgument(
            "FIELD_INVALID",
            f"model {model_id} belongs to project {answer.model.project_id}, not to {project_id}",
            "deployment.model_id",
        )
    return answer.model.name


async def create_exam(
    wanted: NewExam,
    request_id: str,
    store: Store,
    jobs: Jobs,
    client: Client,
) -> str:
    """Make an exam with its questions and its job, all or nothing; return its id.

    Raises:
        InvalidArgument: the arms contradict each other, or something belongs to another project.
        NotFound: a deployment or the dataset version is not there.
        FailedPrecondition: the dataset version is no use for an exam.
    """
    made = await first_answer(store.pool, "CreateExam", request_id)
    if made:
        return made
    arms = await read_arms(wanted, store)
    items = await read_exam_items(client, wanted.project_id, wanted.dataset_version_id)
    async with transaction(store.pool) as connection:
        new = new_id()
        exam_id = await claim_request(connection, "CreateExam", request_id, new)
        if exam_id != new:
            return exam_id
        await store.deployments.share(connection, [arm.deployment_id for arm in arms])
        job = await jobs.create(
            connection,
            "examine",
            questions_of(arms, items),
            project_id=wanted.project_id,
            resource_id=exam_id,
        )
        exam = Exam(
            exam_id, wanted.project_id, wanted.dataset_version_id, job.id, arms, len(items), job.create_time
        )
        await store.exams.insert(connection, exam, items)
    return exam_id


def questions_of(arms: Sequence[ExamArm], items: Sequence[ExamItem]) -> list[NewItem]:
    """One job item for each arm and question, arm by arm, so that one engine has the machine at a time."""
    return [
        NewItem("ask_question", f"{arm}:{item.example_id}", item.example_id, {"arm": arm})
        for arm in range(len(arms))
        for item in items
    ]


async def read_arms(wanted: NewExam, store: Store) -> list[ExamArm]:
    """The arms of a wanted exam, whose deployments must be there and belong to the project.

    Raises:
        InvalidArgument: two arms share a name, or a deployment belongs to another project.
        NotFound: a deployment is not there.
    """
    check_arms([arm.name for arm in wanted.arms])
    found = await store.deployments.get_many([arm.deployment_id for arm in wanted.arms])
    arms = []
    for index, arm in enumerate(wanted.arms):
        deployment = found.get(arm.deployment_id)
        if deployment is None:
            raise not_found(arm.deployment_id)
        if deployment.project_id != wanted.project_id:
            raise InvalidArgument(
                "FIELD_INVALID",
                f"deployment {arm.deployment_id} belongs to another project",
                f"exam.arms[{index}].deployment_id",
            )
        arms.append(ExamArm(arm.name, deployment.id, deployment.model_id))
    return arms
