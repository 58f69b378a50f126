"""`sishu run rows`: which rows a run could not learn whole."""

from __future__ import annotations

from typing import Annotated

import typer

from sishu.cli.context import with_client
from sishu.cli.options import IdArgument, LimitOption
from sishu.cli.output import show_many
from sishu.cli.texts import say
from sishu.client import Client
from sishu.trainer.v1.training_row_pb2 import TrainingRow, TrainingRowOutcome
from sishu.trainer.v1.training_service_pb2 import ListTrainingRowsRequest

COLUMNS = ("split", "line", "row_id", "outcome", "tokens", "kept_tokens", "samples")
OUTCOMES = {
    "": TrainingRowOutcome.TRAINING_ROW_OUTCOME_UNSPECIFIED,
    "cut": TrainingRowOutcome.TRAINING_ROW_OUTCOME_CUT,
    "dropped": TrainingRowOutcome.TRAINING_ROW_OUTCOME_DROPPED,
}


def list_rows(
    run_id: IdArgument,
    outcome: Annotated[str, typer.Option(metavar="cut|dropped", help=say("run_row_outcome"))] = "",
    limit: LimitOption = 100,
) -> None:
    """`sishu run rows`."""
    if outcome not in OUTCOMES:
        raise typer.BadParameter("cut|dropped", param_hint="--outcome")

    async def work(client: Client) -> list[TrainingRow]:
        request = ListTrainingRowsRequest(
            training_run_id=run_id, outcome=OUTCOMES[outcome], page_size=min(limit, 1000)
        )
        found: list[TrainingRow] = []
        while len(found) < limit:
            page = await client.training.ListTrainingRows(request)
            found += page.training_rows
            request.page_token = page.next_page_token
            if not request.page_token:
                break
        return found[:limit]

    show_many(with_client(work), COLUMNS)
