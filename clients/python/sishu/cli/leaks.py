"""`sishu benchmark` and `sishu leak-check`: what nothing trained on may hold, and what holds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sishu.cli.context import with_client
from sishu.cli.documents import first
from sishu.cli.example_options import ExampleOptions, example_filter, with_ids
from sishu.cli.find import find_provider, find_version
from sishu.cli.find_projects import find_project, is_id
from sishu.cli.options import IdArgument, LimitOption, ProjectOption, WaitOption, need, takes
from sishu.cli.output import ERRORS, show_many, show_one
from sishu.cli.texts import say
from sishu.client import Client
from sishu.dataset.v1 import benchmark_service_pb2, leak_check_service_pb2
from sishu.dataset.v1.benchmark_pb2 import Benchmark, BenchmarkOptions
from sishu.dataset.v1.import_pb2 import ImportFile
from sishu.dataset.v1.leak_check_pb2 import Leak, LeakCheck, LeakOptions
from sishu.errors import ApiError
from sishu.learn.data_files import upload_data
from sishu.learn.jobs import wait_for_success

LEAK_COLUMNS = (
    "example_id",
    "row",
    "exam_example_id",
    "ways",
    "similarity",
    "meaning_similarity",
    "shared_words",
    "question",
)
Words = list[str] | None


@dataclass(frozen=True)
class QuestionOptions:
    """How the rows of a benchmark are read; each option that is empty is left to the service."""

    question: Annotated[str, typer.Option(help=say("benchmark_question"))] = ""
    choice: Annotated[Words, typer.Option(help=say("benchmark_choice"))] = None
    answer: Annotated[str, typer.Option(help=say("benchmark_answer"))] = ""
    max_bad_share: Annotated[float | None, typer.Option(help=say("benchmark_bad_share"))] = None
    split: Annotated[Words, typer.Option(help=say("import_split"))] = None
    files: Annotated[str, typer.Option(help=say("import_files"))] = ""
    field: Annotated[str, typer.Option(help=say("import_field"))] = ""
    sheet: Annotated[str, typer.Option(help=say("import_sheet"))] = ""
    encoding: Annotated[str, typer.Option(help=say("encoding"))] = ""

    def options(self) -> BenchmarkOptions:
        """The options of the contract."""
        values = {**vars(self), "choices": self.choice, "splits": self.split}
        return BenchmarkOptions(**{name: values[name] for name in BenchmarkOptions.DESCRIPTOR.fields_by_name})


@takes(QuestionOptions)
def create_benchmark(
    path: Annotated[Path, typer.Argument(help=say("benchmark_path"))],
    project: ProjectOption,
    options: QuestionOptions,
    name: Annotated[str, typer.Option(help=say("benchmark_name"))] = "",
    wait: WaitOption = False,
) -> None:
    """`sishu benchmark create`."""
    wanted = options.options()

    async def work(client: Client) -> Benchmark:
        project_id = (await find_project(client, project)).id
        file = ImportFile(upload_id=await upload_data(client, project_id, path))
        benchmark = Benchmark(project_id=project_id, name=name, file=file, options=wanted)
        request = benchmark_service_pb2.CreateBenchmarkRequest(benchmark=benchmark)
        made = (await client.benchmarks.CreateBenchmark(request)).benchmark
        if not wait:
            return made
        try:
            await wait_for_success(client, "dataset", made.job)
        finally:
            again = benchmark_service_pb2.GetBenchmarkRequest(id=made.id)
            made = (await client.benchmarks.GetBenchmark(again)).benchmark
            tell_faults(made)
        return made

    show_one(with_client(work))


def tell_faults(made: Benchmark) -> None:
    """Say how many rows are bad, and which is the first."""
    if made.faults:
        bad = made.faults[0]
        words = say("benchmark_bad").format(made.counts.bad, bad.row, bad.file, bad.message)
        ERRORS.print(words, highlight=False, markup=False)


@takes(ExampleOptions)
def create_leak_check(
    project: ProjectOption,
    options: ExampleOptions,
    benchmark: Annotated[Words, typer.Option(help=say("leak_benchmark"))] = None,
    exam: Annotated[bool, typer.Option("--exam", help=say("leak_exam"))] = False,
    version: Annotated[str, typer.Option(help=say("leak_version"))] = "",
    threshold: Annotated[float | None, typer.Option(help=say("leak_threshold"))] = None,
    words: Annotated[int | None, typer.Option(help=say("leak_words"))] = None,
    embedding_provider: Annotated[str, typer.Option(help=say("leak_embedding_provider"))] = "",
    meaning_similarity: Annotated[float | None, typer.Option(help=say("leak_meaning_similarity"))] = None,
    wait: WaitOption = False,
) -> None:
    """`sishu leak-check create`; with --wait print what it has found."""
    if meaning_similarity is not None:
        need(embedding_provider, "--meaning-similarity", "--embedding-provider NAME")
    wanted = example_filter(options)
    if version and wanted.ByteSize():
        message = "--version looks at a whole version; leave it out, or the options that choose examples"
        raise ApiError("INVALID_ARGUMENT", "OPTION_INVALID", message)

    async def work(client: Client) -> LeakCheck:
        project_id = (await find_project(client, project)).id
        check = LeakCheck(
            project_id=project_id,
            benchmark_ids=await find_benchmarks(client, project_id, benchmark),
            against_exam=exam,
            options=LeakOptions(threshold=threshold, words=words, meaning_similarity=meaning_similarity),
        )
        if embedding_provider:
            provider_id = await find_provider(client, project_id, embedding_provider)
            check.options.embedding_provider_id = provider_id
        if version:
            check.dataset_version_id = await find_version(client, version)
        else:
            check.filter.CopyFrom(await with_ids(client, project_id, wanted))
        request = leak_check_service_pb2.CreateLeakCheckRequest(leak_check=check)
        made = (await client.leak_checks.CreateLeakCheck(request)).leak_check
        if not wait:
            return made
        await wait_for_success(client, "dataset", made.job)
        again = leak_check_service_pb2.GetLeakCheckRequest(id=made.id)
        return (await client.leak_checks.GetLeakCheck(again)).leak_check

    show_one(with_client(work))


def list_leaks(leak_check_id: IdArgument, limit: LimitOption = 100) -> None:
    """`sishu leak-check leaks`."""

    async def work(client: Client) -> list[Leak]:
        request = leak_check_service_pb2.ListLeaksRequest(leak_check_id=leak_check_id)
        return await first(client.leak_checks.ListLeaks, request, "leaks", limit)

    show_many(with_client(work), LEAK_COLUMNS)


async def find_benchmarks(client: Client, project_id: str, names: Words) -> list[str]:
    """The ids of benchmarks of a project, given by id or name; of equal names the newest is meant.

    Raises:
        ApiError: the project has none of this name.
    """
    if not names or all(map(is_id, names)):
        return names or []
    request = benchmark_service_pb2.ListBenchmarksRequest(project_id=project_id)
    there: dict[str, str] = {}
    for one in await first(client.benchmarks.ListBenchmarks, request, "benchmarks", 10_000):
        there.setdefault(one.name, one.id)
    for name in names:
        if not is_id(name) and name not in there:
            message = f"there is no benchmark {name!r}; see `sishu benchmark list`"
            raise ApiError("NOT_FOUND", "BENCHMARK_NOT_FOUND", message, metadata={"name": name})
    return [name if is_id(name) else there[name] for name in names]
