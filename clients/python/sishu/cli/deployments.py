"""`sishu deployment create`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from sishu.cli.context import with_client
from sishu.cli.find import find_model_of
from sishu.cli.find_projects import find_project
from sishu.cli.options import ProjectOption, WaitOption
from sishu.cli.output import show_one
from sishu.cli.texts import say
from sishu.client import Client
from sishu.inference.v1.deployment_pb2 import (
    Deployment,
    DeploymentDevice,
    DeploymentOptions,
    DeploymentPrecision,
)
from sishu.inference.v1.deployment_service_pb2 import CreateDeploymentRequest
from sishu.learn.deployments import loaded

Device = Literal["auto", "cuda", "cpu"]
Precision = Literal["auto", "bf16", "fp32"]


def create_deployment(
    project: ProjectOption,
    model: Annotated[str, typer.Option(help=say("model"))],
    shared: Annotated[bool, typer.Option("--shared", help=say("deploy_shared"))] = False,
    device: Annotated[Device, typer.Option(help=say("deploy_device"))] = "auto",
    precision: Annotated[Precision, typer.Option(help=say("deploy_precision"))] = "auto",
    context_length: Annotated[int, typer.Option(min=0, help=say("deploy_context_length"))] = 0,
    kv_memory_mib: Annotated[int, typer.Option(min=0, help=say("deploy_kv_memory"))] = 0,
    idle_seconds: Annotated[int, typer.Option(min=0, help=say("deploy_idle_seconds"))] = 0,
    wait: WaitOption = False,
) -> None:
    """`sishu deployment create`: load a model."""
    options = DeploymentOptions(
        shared=shared,
        device=DeploymentDevice.Value(f"DEPLOYMENT_DEVICE_{named(device)}"),
        precision=DeploymentPrecision.Value(f"DEPLOYMENT_PRECISION_{named(precision)}"),
        context_length=context_length,
        kv_memory_mib=kv_memory_mib,
        idle_seconds=idle_seconds,
    )

    async def work(client: Client) -> Deployment:
        project_id = (await find_project(client, project)).id
        model_id = await find_model_of(client, project_id, model)
        wanted = Deployment(project_id=project_id, model_id=model_id, options=options)
        request = CreateDeploymentRequest(deployment=wanted)
        made = (await client.deployments.CreateDeployment(request)).deployment
        return await loaded(client, made) if wait else made

    show_one(with_client(work))


def named(choice: str) -> str:
    """The contract's word for a choice."""
    return "UNSPECIFIED" if choice == "auto" else choice.upper()
