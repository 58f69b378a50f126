"""`sishu learn`: the main job."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from services.local.status import status
from services.runtime.config import ROOMS
from sishu.cli.context import with_client
from sishu.cli.failures import failure_in_words
from sishu.cli.generations import BatchOption, MaxCostOption, MaxTokensOption, NoCacheOption
from sishu.cli.options import PathsArgument
from sishu.cli.output import CONSOLE, ERRORS, leave_out
from sishu.cli.provider_options import (
    AnswerPriceOption,
    BatchFactorOption,
    PriceOption,
    price_of,
    read_key,
)
from sishu.cli.settings import SETTINGS
from sishu.cli.stack import ensure_up
from sishu.cli.texts import LANGUAGE, say
from sishu.client import Client
from sishu.errors import ApiError
from sishu.learn.files import gather_files
from sishu.learn.options import BUILTIN, LearnOptions
from sishu.learn.out_folder import prepare_out
from sishu.learn.pipeline import Pipeline
from sishu.learn.progress import ProgressDisplay
from sishu.learn.report import write_report


def learn(
    paths: PathsArgument,
    llm_base_url: Annotated[str, typer.Option(help=say("learn_url"))] = "",
    llm_model: Annotated[str, typer.Option(help=say("learn_model"))] = "",
    llm_api_key_env: Annotated[str, typer.Option(help=say("learn_key"))] = "",
    base_model: Annotated[str, typer.Option(help=say("learn_base"))] = BUILTIN,
    name: Annotated[str, typer.Option(help=say("learn_name"))] = "",
    out: Annotated[Path | None, typer.Option(help=say("learn_out"))] = None,
    chars_per_fact: Annotated[int, typer.Option(min=0, help=say("learn_facts"))] = 0,
    forms: Annotated[int, typer.Option(min=0, max=20, help=say("learn_forms"))] = 0,
    exam_share: Annotated[float | None, typer.Option(min=0.01, max=0.9, help=say("learn_exam"))] = None,
    epochs: Annotated[float | None, typer.Option(min=0.01, help=say("learn_epochs"))] = None,
    learning_rate: Annotated[float | None, typer.Option(min=1e-8, max=1, help=say("learn_rate"))] = None,
    max_cost: MaxCostOption = None,
    max_tokens: MaxTokensOption = None,
    no_cache: NoCacheOption = False,
    batch: BatchOption = False,
    price_prompt: PriceOption = None,
    price_completion: AnswerPriceOption = None,
    currency: Annotated[str, typer.Option(help=say("provider_currency"))] = "",
    batch_factor: BatchFactorOption = None,
) -> None:
    """Do the main job, or go on with it."""
    if llm_base_url and not llm_model:
        raise ApiError("INVALID_ARGUMENT", "MODEL_MISSING", "--llm-base-url needs --llm-model")
    if not llm_base_url and (llm_model or llm_api_key_env):
        raise ApiError(
            "INVALID_ARGUMENT", "BASE_URL_MISSING", "--llm-model and --llm-api-key-env need --llm-base-url"
        )
    name = name or project_name(paths[0])
    options = LearnOptions(
        files=gather_files(paths, leave_out),
        name=name,
        out=out or Path("out") / name,
        base_model=base_model,
        llm_base_url=llm_base_url,
        llm_model=llm_model,
        llm_api_key=read_key(llm_api_key_env),
        language=LANGUAGE,
        chars_per_fact=chars_per_fact,
        forms_per_fact=forms,
        exam_share=exam_share,
        epochs=epochs,
        learning_rate=learning_rate,
        max_cost=max_cost or 0,
        max_tokens=max_tokens or 0,
        no_cache=no_cache,
        batch=batch,
        price=price_of(price_prompt, price_completion, currency, batch_factor),
    )
    prepare_out(options.out)
    start_stack()
    with_client(lambda client: run(client, options))


async def run(client: Client, options: LearnOptions) -> None:
    """Run the pipeline, then write the report."""
    display = ProgressDisplay(ERRORS)
    try:
        learned = await Pipeline(client, options, display, say, failure_in_words).run()
    except ApiError as error:
        raise then_again(error) from None
    async with display.stage(say("stage_report")):
        report = await write_report(client, learned, options)
    if SETTINGS.json:
        print(report.json_path.read_text(encoding="utf-8"))
        return
    for line in (report.summary, f"{say('report_at')}: {report.html_path}"):
        CONSOLE.print(line, markup=False, highlight=False, soft_wrap=True)


def then_again(error: ApiError) -> ApiError:
    """The error; of a paused job it is said that this command, given again, goes on after it."""
    if "paused" not in error.metadata:
        return error
    message = f"{error.message}; then give the same command again"
    metadata = {**error.metadata, "same_command": "again"}
    return ApiError(error.code, error.reason, message, error.field, metadata)


def start_stack() -> None:
    """Start the stack on this machine, unless it runs or the environment names another one."""
    elsewhere = all(os.environ.get(f"SISHU_{room.upper()}_ADDRESS") for room in ROOMS)
    state = status(SETTINGS.home)
    if not elsewhere and not (state.running and state.healthy):
        ERRORS.print(say("starting"))
        ensure_up()


def project_name(path: Path) -> str:
    """A project's name from a path: `My Docs/` → `my-docs`."""
    stem = path.resolve().stem if path.is_file() else path.resolve().name
    return re.sub(r"\W+", "-", stem.lower()).strip("-")[:60] or "documents"
