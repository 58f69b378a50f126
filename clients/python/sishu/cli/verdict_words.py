"""What the loss curves of a run say, in a sentence with the figures that it rests on."""

from __future__ import annotations

from sishu.cli.texts import say
from sishu.trainer.v1.training_run_pb2 import TrainingRun
from sishu.trainer.v1.training_tracking_pb2 import LossVerdict, LossVerdictKind

PREFIX = "LOSS_VERDICT_KIND_"


def verdict_in_words(run: TrainingRun) -> str:
    """The verdict on a run; empty before there is one."""
    verdict = run.verdict
    if verdict.kind == LossVerdictKind.LOSS_VERDICT_KIND_UNSPECIFIED:
        return ""
    kind = LossVerdictKind.Name(verdict.kind).removeprefix(PREFIX).lower()
    if kind == "too_few_points" and not verdict.measurements:
        kind = "too_few_steps"
    words = say(f"verdict_{kind}").format(**figures(verdict))
    published = run.summary.published_step
    if kind == "over_fitted" and published:
        words += say("verdict_published").format(published)
    return words


def figures(verdict: LossVerdict) -> dict[str, str]:
    """The figures of a verdict, as they are told."""
    return {
        "loss": say("curve_validation" if verdict.validated else "curve_train"),
        "best": f"{verdict.best_loss:.4g}",
        "best_step": str(verdict.best_step),
        "last": f"{verdict.last_loss:.4g}",
        "last_step": str(verdict.last_step),
        "rise": f"{verdict.rise:.2g}",
        "slope": f"{abs(verdict.slope):.2g}",
        "fall": f"{verdict.expected_fall:.2g}",
        "measurements": str(verdict.measurements),
        "steps": str(verdict.steps),
    }
