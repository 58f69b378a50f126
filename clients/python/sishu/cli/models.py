"""`sishu model merge|export|card|import`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from sishu.cli.context import with_client
from sishu.cli.find import find_model, find_model_of
from sishu.cli.find_projects import find_project
from sishu.cli.options import ProjectOption, WaitOption
from sishu.cli.output import leave_out, show_one, show_paths
from sishu.cli.texts import say
from sishu.client import Client
from sishu.learn.jobs import wait_for_success
from sishu.learn.model_folders import upload_model
from sishu.learn.transfer import download_model
from sishu.trainer.v1 import model_making_pb2 as making_pb
from sishu.trainer.v1.model_pb2 import Model
from sishu.trainer.v1.model_service_pb2 import (
    ExportModelRequest,
    GetModelCardRequest,
    GetModelRequest,
    ImportModelRequest,
    MergeModelRequest,
)

PRECISIONS = {
    "bf16": making_pb.WEIGHT_PRECISION_BF16,
    "fp16": making_pb.WEIGHT_PRECISION_FP16,
    "fp32": making_pb.WEIGHT_PRECISION_FP32,
}
DEVICES = {"cpu": making_pb.MERGE_DEVICE_CPU, "trainer": making_pb.MERGE_DEVICE_TRAINER}
TYPES = {
    "f16": making_pb.GGUF_TYPE_F16,
    "bf16": making_pb.GGUF_TYPE_BF16,
    "f32": making_pb.GGUF_TYPE_F32,
    "q8_0": making_pb.GGUF_TYPE_Q8_0,
}
FORMATS = ("hf", "gguf")
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]?B|)", re.IGNORECASE)

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help=say("chat_model"))]


def merge_model(
    adapter: Annotated[str, typer.Argument(metavar="ADAPTER", help=say("model_adapter"))],
    name: Annotated[str, typer.Option(help=say("model_merged_name"))],
    precision: Annotated[str, typer.Option(help=say("model_precision"))] = "bf16",
    shard_size: Annotated[str, typer.Option(help=say("model_shard_size"))] = "5GB",
    device: Annotated[str, typer.Option(help=say("model_device"))] = "cpu",
    wait: WaitOption = False,
) -> None:
    """`sishu model merge`: a whole model of an adapter and its base."""
    check_one_of("--precision", precision, PRECISIONS)
    check_one_of("--device", device, DEVICES)
    size = bytes_of(shard_size)

    async def work(client: Client) -> Model:
        request = MergeModelRequest(
            id=(await find_model(client, adapter)).id,
            name=name,
            precision=PRECISIONS[precision],
            shard_size_bytes=size,
            device=DEVICES[device],
        )
        return await made((await client.models.MergeModel(request)).model, client, wait)

    show_one(with_client(work))


async def made(model: Model, client: Client, wait: bool) -> Model:
    """A model, when its job has ended if that is waited for."""
    if not wait:
        return model
    await wait_for_success(client, "trainer", model.job)
    return (await client.models.GetModel(GetModelRequest(id=model.id))).model


def export_model(
    model: ModelArgument,
    out: Annotated[Path, typer.Option(help=say("model_export_out"))] = Path("model"),
    form: Annotated[str, typer.Option("--format", metavar="hf|gguf", help=say("model_format"))] = "hf",
    kind: Annotated[str, typer.Option("--type", help=say("model_type"))] = "f16",
) -> None:
    """`sishu model export`: download the files of a model, made anew where GGUF is asked for."""
    check_one_of("--format", form, FORMATS)
    check_one_of("--type", kind, TYPES)

    async def work(client: Client) -> list[Path]:
        model_id = (await find_model(client, model)).id
        if form == "gguf":
            answer = await client.models.ExportModel(ExportModelRequest(id=model_id, type=TYPES[kind]))
            await wait_for_success(client, "trainer", answer.job)
            return await download_model(client, model_id, out, f"gguf/{kind}/")
        paths = await download_model(client, model_id, out)
        # The stored card is of the day on which the model was made: exams came later.
        return sorted({*paths, write(out / "README.md", await card_of(client, model_id))})

    show_paths(with_client(work))


def write(path: Path, text: str) -> Path:
    """Write a text to a file."""
    path.write_text(text, encoding="utf-8")
    return path


async def card_of(client: Client, model_id: str) -> str:
    """The card of a model as it is now."""
    return (await client.models.GetModelCard(GetModelCardRequest(id=model_id))).markdown


def show_card(model: ModelArgument) -> None:
    """`sishu model card`: print it as it is, to be piped into a file."""

    async def work(client: Client) -> str:
        return await card_of(client, (await find_model(client, model)).id)

    print(with_client(work), end="")


def import_model(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help=say("model_folder"))],
    name: Annotated[str, typer.Option(help=say("argument_name"))],
    project: ProjectOption,
    base: Annotated[str, typer.Option(help=say("model_import_base"))] = "",
    wait: WaitOption = False,
) -> None:
    """`sishu model import`: upload a folder, and have it checked and kept."""

    async def work(client: Client) -> Model:
        project_id = (await find_project(client, project)).id
        base_id = await find_model_of(client, project_id, base) if base else ""
        upload_id = await upload_model(client, project_id, folder, leave_out)
        request = ImportModelRequest(upload_id=upload_id, name=name, base_model_id=base_id)
        return await made((await client.models.ImportModel(request)).model, client, wait)

    show_one(with_client(work))


def check_one_of(option: str, value: str, known: Iterable[str]) -> None:
    """Refuse a value that an option does not have."""
    names = list(known)
    if value not in names:
        raise typer.BadParameter("|".join(names), param_hint=option)


def bytes_of(text: str) -> int:
    """A size such as 5GB in bytes, by powers of ten."""
    found = SIZE.fullmatch(text.strip())
    size = int(float(found[1]) * UNITS[found[2].upper()]) if found else 0
    if size < 1:
        raise typer.BadParameter(say("model_shard_wrong").format(text), param_hint="--shard-size")
    return size
