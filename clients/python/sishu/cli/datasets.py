"""`sishu dataset create|diff`: how a version is made, and what changed since another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from google.protobuf.message import Message

from sishu.cli.context import with_client
from sishu.cli.example_options import with_ids
from sishu.cli.find import find_provider, find_version
from sishu.cli.find_projects import find_project
from sishu.cli.leaks import find_benchmarks
from sishu.cli.options import LimitOption, ProjectOption, WaitOption, need, takes
from sishu.cli.output import CONSOLE, as_json, show_many, show_one, value_at
from sishu.cli.parse_options import chosen
from sishu.cli.settings import SETTINGS
from sishu.cli.texts import say
from sishu.client import Client
from sishu.dataset.v1 import dataset_service_pb2 as pb
from sishu.dataset.v1 import dataset_version_pb2 as versions
from sishu.dataset.v1.dataset_diff_pb2 import DatasetChangeKind, DatasetDiff
from sishu.dataset.v1.example_filter_pb2 import ExampleFilter
from sishu.dataset.v1.example_pb2 import ExampleKind, ReviewState
from sishu.errors import ApiError
from sishu.learn.jobs import wait_for_success

Texts = list[str] | None


@dataclass(frozen=True)
class VersionWishes:
    """How a version is made."""

    exam_share: Annotated[float | None, typer.Option(help=say("dataset_exam_share"))] = None
    exam_count: Annotated[int, typer.Option(help=say("dataset_exam_count"))] = 0
    validation_share: Annotated[float, typer.Option(help=say("dataset_validation_share"))] = 0.0
    validation_count: Annotated[int, typer.Option(help=say("dataset_validation_count"))] = 0
    seed: Annotated[int | None, typer.Option(help=say("dataset_seed"))] = None
    system_prompt: Annotated[str, typer.Option(help=say("dataset_system_prompt"))] = ""
    group_by: Annotated[str, typer.Option(help=say("dataset_group_by"))] = "near_copies"
    stratify_by: Annotated[str, typer.Option(help=say("dataset_stratify_by"))] = "document"
    cap: Annotated[Texts, typer.Option(metavar="FACET=N", help=say("dataset_cap"))] = None
    replay_label: Annotated[str, typer.Option(help=say("dataset_replay_label"))] = ""
    replay_import: Annotated[str, typer.Option(help=say("dataset_replay_import"))] = ""
    replay_version: Annotated[str, typer.Option(help=say("dataset_replay_version"))] = ""
    replay_share: Annotated[float | None, typer.Option(help=say("dataset_replay_share"))] = None
    weight: Annotated[Texts, typer.Option(metavar="SOURCE=WEIGHT", help=say("dataset_weight"))] = None
    generation: Annotated[Texts, typer.Option(help=say("dataset_generation"))] = None
    tag: Annotated[Texts, typer.Option(help=say("dataset_tag"))] = None
    label: Annotated[Texts, typer.Option(help=say("dataset_label"))] = None
    min_score: Annotated[float | None, typer.Option(help=say("dataset_min_score"))] = None
    kind: Annotated[Texts, typer.Option(help=say("filter_kind"))] = None
    review: Annotated[Texts, typer.Option(help=say("filter_review"))] = None
    document: Annotated[Texts, typer.Option(help=say("filter_document"))] = None
    language: Annotated[Texts, typer.Option(help=say("filter_language"))] = None
    question_type: Annotated[Texts, typer.Option(help=say("filter_question_type"))] = None
    model: Annotated[Texts, typer.Option(help=say("filter_model"))] = None
    benchmark: Annotated[Texts, typer.Option(help=say("leak_benchmark"))] = None
    benchmark_leaks: Annotated[str, typer.Option(help=say("dataset_benchmark_leaks"))] = ""
    exam_leaks: Annotated[str, typer.Option(help=say("dataset_exam_leaks"))] = ""
    embedding_provider: Annotated[str, typer.Option(help=say("leak_embedding_provider"))] = ""
    meaning_similarity: Annotated[float | None, typer.Option(help=say("leak_meaning_similarity"))] = None

    def options(self) -> versions.DatasetOptions:
        """The options of the contract.

        Raises:
            ApiError: one is given that does nothing without another.
        """
        if self.meaning_similarity is not None:
            need(self.embedding_provider, "--meaning-similarity", "--embedding-provider NAME")
        return versions.DatasetOptions(
            exam_share=self.exam_share,
            exam_count=self.exam_count,
            validation_share=self.validation_share,
            validation_count=self.validation_count,
            seed=self.seed,
            system_prompt=self.system_prompt,
            group_by=chosen(versions.DatasetGrouping, "DATASET_GROUPING", self.group_by),
            stratify_by=chosen(versions.DatasetStrata, "DATASET_STRATA", self.stratify_by),
            balance=[
                versions.BalanceCap(
                    facet=chosen(versions.BalanceFacet, "BALANCE_FACET", facet),
                    most=whole_number("--cap", most),
                )
                for facet, most in pairs("--cap", self.cap)
            ],
            leak_meaning_similarity=self.meaning_similarity,
            replay=self.replay(),
            source_weights={
                source: number("--weight", weight) for source, weight in pairs("--weight", self.weight)
            },
            benchmark_leaks=chosen(versions.LeakAction, "LEAK_ACTION", self.benchmark_leaks or "unspecified"),
            exam_leaks=chosen(versions.LeakAction, "LEAK_ACTION", self.exam_leaks or "unspecified"),
            filter=self.filter(),
        )

    def filter(self) -> ExampleFilter:
        """Which examples become a part; documents and tags stand as they were given."""
        return ExampleFilter(
            generation_ids=self.generation,
            tag_ids=self.tag,
            labels=self.label,
            min_score=self.min_score,
            kinds=[chosen(ExampleKind, "EXAMPLE_KIND", one) for one in self.kind or []],
            review_states=[chosen(ReviewState, "REVIEW_STATE", one) for one in self.review or []],
            document_ids=self.document,
            languages=self.language,
            question_types=self.question_type,
            models=self.model,
        )

    def replay(self) -> versions.Replay | None:
        """General data; nothing where none is named, or a version, which has to be found.

        Raises:
            ApiError: several are named, or a share of nothing.
        """
        named = [one for one in (self.replay_label, self.replay_import, self.replay_version) if one]
        if len(named) > 1 or (self.replay_share is not None and not named):
            message = (
                "general data comes from one of --replay-label, --replay-import and --replay-version; "
                f"{len(named)} were given: give one"
            )
            raise ApiError("INVALID_ARGUMENT", "OPTION_INVALID", message)
        if self.replay_label:
            return versions.Replay(share=self.replay_share, label=self.replay_label)
        if self.replay_import:
            return versions.Replay(share=self.replay_share, import_id=self.replay_import)
        return None


async def replay_of(client: Client, options: VersionWishes) -> versions.Replay:
    """General data of a version."""
    version_id = await find_version(client, options.replay_version)
    return versions.Replay(share=options.replay_share, dataset_version_id=version_id)


def pairs(option: str, texts: Sequence[str] | None) -> list[tuple[str, str]]:
    """Texts such as `NAME=VALUE` in two.

    Raises:
        ApiError: one has no `=`.
    """
    found = [text.rpartition("=") for text in texts or ()]
    for text, (name, _, value) in zip(texts or (), found, strict=True):
        if not name or not value:
            raise ApiError("INVALID_ARGUMENT", "OPTION_INVALID", f"{option} is NAME=VALUE, not {text!r}")
    return [(name, value) for name, _, value in found]


def number(option: str, text: str) -> float:
    """A number that was given.

    Raises:
        ApiError: it is none.
    """
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ApiError(
            "INVALID_ARGUMENT", "OPTION_INVALID", f"{option} ends with a number, not with {text!r}"
        )
    return found


def whole_number(option: str, text: str) -> int:
    """A number without a fraction that was given.

    Raises:
        ApiError: it is none.
    """
    found = number(option, text)
    if found != int(found):
        message = f"{option} ends with a whole number, not with {text!r}"
        raise ApiError("INVALID_ARGUMENT", "OPTION_INVALID", message)
    return int(found)


@takes(VersionWishes)
def create_dataset(project: ProjectOption, options: VersionWishes, wait: WaitOption = False) -> None:
    """`sishu dataset create`."""
    wanted = options.options()

    async def work(client: Client) -> versions.DatasetVersion:
        project_id = (await find_project(client, project)).id
        wanted.benchmark_ids.extend(await find_benchmarks(client, project_id, options.benchmark))
        await with_ids(client, project_id, wanted.filter)
        if options.embedding_provider:
            wanted.leak_embedding_provider_id = await find_provider(
                client, project_id, options.embedding_provider
            )
        if options.replay_version:
            wanted.replay.CopyFrom(await replay_of(client, options))
        version = versions.DatasetVersion(project_id=project_id, options=wanted)
        request = pb.CreateDatasetVersionRequest(dataset_version=version)
        made = (await client.datasets.CreateDatasetVersion(request)).dataset_version
        if not wait:
            return made
        await wait_for_success(client, "dataset", made.job)
        found = await client.datasets.GetDatasetVersion(pb.GetDatasetVersionRequest(id=made.id))
        return found.dataset_version

    show_one(with_client(work))


VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help=say("dataset_version"))]


def diff_datasets(
    base: Annotated[str, typer.Argument(metavar="BASE", help=say("dataset_version"))],
    version: VersionArgument,
    kind: Annotated[str, typer.Option(help=say("dataset_diff_kind"))] = "",
    limit: LimitOption = 100,
) -> None:
    """`sishu dataset diff`: the counts, then the first changes."""
    wanted = chosen(DatasetChangeKind, "DATASET_CHANGE_KIND", kind or "unspecified")

    async def work(client: Client) -> tuple[DatasetDiff, list[Message]]:
        request = pb.DiffDatasetVersionsRequest(
            base_version_id=await find_version(client, base),
            dataset_version_id=await find_version(client, version),
        )
        started = (await client.datasets.DiffDatasetVersions(request)).dataset_diff
        await wait_for_success(client, "dataset", started.job)
        found = await client.datasets.GetDatasetDiff(pb.GetDatasetDiffRequest(id=started.id))
        return found.dataset_diff, await changes(client, started.id, wanted, limit)

    diff, listed = with_client(work)
    if SETTINGS.json:
        print(as_json(diff))
    else:
        CONSOLE.print(value_at(diff, "change_counts"), highlight=False)
    show_many(listed, ("example_id", "kind", "base_split", "split"))


async def changes(client: Client, diff_id: str, kind: int, limit: int) -> list[Message]:
    """The first changes of a diff."""
    found: list[Message] = []
    request = pb.ListDatasetChangesRequest(dataset_diff_id=diff_id, kind=DatasetChangeKind.ValueType(kind))
    while len(found) < limit:
        request.page_size = min(1000, limit - len(found))
        page = await client.datasets.ListDatasetChanges(request)
        found += page.dataset_changes
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    return found
