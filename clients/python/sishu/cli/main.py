"""The `sishu` command: global options, all commands, and one way to say what went wrong."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from services.runtime.errors import SishuError
from sishu.cli import (
    candidates,
    dedupe,
    generate,
    genres,
    jobs,
    prompts,
    question_templates,
    reviews,
    stack,
    tags,
)
from sishu.cli.actions import ACTIONS
from sishu.cli.chat import chat
from sishu.cli.context import SETTINGS, Interrupted
from sishu.cli.coverage import coverage
from sishu.cli.failures import in_words
from sishu.cli.help import use_whole_tables
from sishu.cli.learn import learn
from sishu.cli.output import ERRORS
from sishu.cli.resources import RESOURCES, commands
from sishu.cli.texts import LANGUAGES, say
from sishu.cli.train import train
from sishu.errors import ApiError

DEFAULT_HOME = Path.home() / ".sishu"

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback(help=say("app"))
def options(
    home: Annotated[Path, typer.Option(help=say("home"), envvar="SISHU_HOME")] = DEFAULT_HOME,
    debug: Annotated[bool, typer.Option("--debug", help=say("debug"))] = False,
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
    lang: Annotated[str, typer.Option(help=say("lang"))] = "",
) -> None:
    """Keep the options that every command knows."""
    if lang and lang not in LANGUAGES:
        raise ApiError(
            "INVALID_ARGUMENT", "LANG_UNKNOWN", f"--lang is one of {', '.join(LANGUAGES)}, not {lang}"
        )
    SETTINGS.home = home.expanduser().absolute()
    SETTINGS.debug = debug
    SETTINGS.json = as_json


def assemble() -> None:
    """Add every command to the app."""
    app.add_typer(stack.app)
    app.command("learn", help=say("learn"))(learn)
    app.command("chat", help=say("chat"))(chat)
    app.command("train", help=say("train"))(train)
    app.command("coverage", help=say("coverage"))(coverage)
    for resource in RESOURCES:
        group = commands(resource)
        for name, text, function in ACTIONS.get(resource.name, []):
            group.command(name, help=say(text))(function)
        app.add_typer(group, name=resource.name)
    app.add_typer(generate.app, name="generate")
    app.add_typer(candidates.app, name="candidate")
    app.add_typer(prompts.app, name="prompt")
    app.add_typer(question_templates.app, name="question-template")
    app.add_typer(dedupe.app, name="dedupe")
    app.add_typer(tags.app, name="tag")
    app.add_typer(genres.app, name="genre")
    app.add_typer(reviews.app, name="review")
    app.add_typer(jobs.app, name="job")
    use_whole_tables()


assemble()


def main() -> None:
    """Run a command; a known error ends it with one message, whatever it was."""
    try:
        app()
    except Interrupted:
        ERRORS.print(say("interrupted"), soft_wrap=True)
        sys.exit(130)
    except (ApiError, SishuError) as error:
        fail(error, f"{in_words(error.reason, error.message, error.metadata)} [{error.reason}]")
    except Exception as error:  # the last line of defence before the user
        fail(error, f"{type(error).__name__}: {error} (--debug)")


def fail(error: Exception, message: str) -> None:
    """Print what went wrong and end with code 1; with --debug the traceback as well."""
    if SETTINGS.debug:
        traceback.print_exception(error)
    ERRORS.print(
        f"{say('failed')}: {message}", style="bold red", markup=False, highlight=False, soft_wrap=True
    )
    sys.exit(1)


if __name__ == "__main__":
    main()
