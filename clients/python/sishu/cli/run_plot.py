"""`sishu run plot`: the loss curves of runs as a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from sishu.cli.context import with_client
from sishu.cli.output import show_paths
from sishu.cli.texts import LANGUAGES, TEXTS, say
from sishu.client import Client
from sishu.errors import ApiError
from sishu.learn.curve_picture import KINDS, DrawnRun, chinese_fonts, draw_runs
from sishu.learn.curves import Curves, all_steps
from sishu.trainer.v1.training_service_pb2 import GetTrainingRunRequest

WORDS = ("step", "loss", "rate", "train", "validation", "best")


def plot_runs(
    run_ids: Annotated[list[str], typer.Argument(metavar="ID...", help=say("plot_runs"))],
    out: Annotated[Path, typer.Option("--out", "-o", help=say("plot_out"))] = Path("curve.png"),
) -> None:
    """`sishu run plot`: draw one run, or several to be compared; one that goes on too."""
    if out.suffix.lower() not in KINDS:
        raise typer.BadParameter(", ".join(KINDS), param_hint="--out")

    async def work(client: Client) -> list[DrawnRun]:
        return [await found(client, run_id) for run_id in run_ids]

    runs = told_apart(with_client(work), run_ids)
    if not any(run.curves.steps for run in runs):
        raise ApiError("FAILED_PRECONDITION", "NO_STEPS", "no step is done yet; try again later")
    draw_runs(runs, words(out), out)
    show_paths([out])


async def found(client: Client, run_id: str) -> DrawnRun:
    """A run as it is drawn."""
    run = (await client.training.GetTrainingRun(GetTrainingRunRequest(id=run_id))).training_run
    curves = Curves(await all_steps(client, run_id))
    return DrawnRun(run.name, curves, run.summary.validation_best_step)


def told_apart(runs: Sequence[DrawnRun], run_ids: Sequence[str]) -> list[DrawnRun]:
    """Runs of the same name with the ends of their ids."""
    names = Counter(run.name for run in runs)
    return [
        replace(run, name=f"{run.name} …{run_id[-6:]}") if names[run.name] > 1 else run
        for run, run_id in zip(runs, run_ids, strict=True)
    ]


def words(out: Path) -> dict[str, str]:
    """Names of what is shown, in English where the picture has no Chinese letters of its own or others'."""
    lettered = out.suffix.lower() == ".svg" or chinese_fonts()
    names = {word: say(f"curve_{word}") for word in WORDS}
    return names if lettered else {word: TEXTS[f"curve_{word}"][LANGUAGES.index("en")] for word in WORDS}
