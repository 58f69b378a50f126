"""`sishu dataset statistics|report`: what a version is like, in figures and on a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sishu.cli.context import with_client
from sishu.cli.datasets import VersionArgument
from sishu.cli.find import find_version
from sishu.cli.options import takes
from sishu.cli.output import show_one, show_paths
from sishu.cli.texts import LANGUAGE, LANGUAGES, say
from sishu.client import Client
from sishu.dataset.v1 import statistics_service_pb2 as pb
from sishu.dataset.v1.dataset_statistics_pb2 import DatasetStatistics, StatisticsOptions
from sishu.errors import ApiError
from sishu.learn.jobs import wait_for_success
from sishu.learn.report import write_whole


@dataclass(frozen=True)
class StatisticsWishes:
    """How statistics are computed."""

    samples: Annotated[int | None, typer.Option(min=0, max=50, help=say("statistics_samples"))] = None
    seed: Annotated[int, typer.Option(help=say("statistics_seed"))] = 0
    near_copy_threshold: Annotated[float | None, typer.Option(help=say("statistics_threshold"))] = None
    tokenizer: Annotated[str, typer.Option(help=say("statistics_tokenizer"))] = ""

    def options(self) -> StatisticsOptions:
        """The options of the contract."""
        return StatisticsOptions(
            samples=self.samples,
            seed=self.seed,
            near_copy_threshold=self.near_copy_threshold,
            tokenizer=self.tokenizer,
        )


@takes(StatisticsWishes)
def show_statistics(version: VersionArgument, options: StatisticsWishes) -> None:
    """`sishu dataset statistics`: compute them unless they are there, and show them."""
    wanted = options.options()

    async def work(client: Client) -> DatasetStatistics:
        return await computed(client, await find_version(client, version), wanted)

    show_one(with_client(work))


@takes(StatisticsWishes)
def write_report(
    version: VersionArgument,
    options: StatisticsWishes,
    out: Annotated[Path, typer.Option("--out", "-o", help=say("report_out"))] = Path("report.html"),
    language: Annotated[str, typer.Option(help=say("report_language"))] = LANGUAGE,
) -> None:
    """`sishu dataset report`: write the page; whole or not at all."""
    if language not in LANGUAGES:
        message = f"--language is one of {', '.join(LANGUAGES)}, not {language}"
        raise ApiError("INVALID_ARGUMENT", "OPTION_INVALID", message)
    wanted = options.options()

    async def work(client: Client) -> str:
        version_id = await find_version(client, version)
        await computed(client, version_id, wanted)
        request = pb.GetDatasetVersionReportRequest(
            dataset_version_id=version_id, options=wanted, language=language
        )
        return (await client.statistics.GetDatasetVersionReport(request)).html

    write_page(out, with_client(work))
    show_paths([out])


async def computed(client: Client, version_id: str, options: StatisticsOptions) -> DatasetStatistics:
    """Statistics of a version once they are complete."""
    request = pb.ComputeDatasetVersionStatisticsRequest(dataset_version_id=version_id, options=options)
    found = (await client.statistics.ComputeDatasetVersionStatistics(request)).dataset_statistics
    if found.ready:
        return found
    await wait_for_success(client, "dataset", found.job)
    again = pb.GetDatasetVersionStatisticsRequest(dataset_version_id=version_id, options=options)
    return (await client.statistics.GetDatasetVersionStatistics(again)).dataset_statistics


def write_page(out: Path, html: str) -> None:
    """Write the page.

    Raises:
        ApiError: it cannot be written there.
    """
    try:
        write_whole(out, html)
    except OSError as error:
        message = f"{out} cannot be written ({error.strerror}); choose another file with --out"
        raise ApiError(
            "FAILED_PRECONDITION", "OUTPUT_UNWRITABLE", message, metadata={"path": str(out)}
        ) from error
