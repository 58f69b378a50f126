"""Between the contract of benchmarks and their domain."""

from __future__ import annotations

from dataclasses import asdict

from services.dataset.benchmarks.benchmarks import Benchmark, BenchmarkOptions
from services.dataset.imports.convert import fault_to_pb
from services.dataset.imports.imports import BAD_SHARE
from services.runtime.convert import job_to_pb, timestamp
from sishu.dataset.v1 import benchmark_pb2 as pb
from sishu.dataset.v1 import import_pb2

SAME = ("question", "answer", "files", "field", "sheet", "encoding")


def benchmark_to_pb(benchmark: Benchmark) -> pb.Benchmark:
    """A benchmark."""
    upload = benchmark.upload
    return pb.Benchmark(
        id=benchmark.id,
        project_id=benchmark.project_id,
        name=benchmark.name,
        file=import_pb2.ImportFile(upload_id=upload.id, name=upload.name, size_bytes=upload.size_bytes),
        options=options_to_pb(benchmark.options),
        job=job_to_pb(benchmark.job),
        counts=pb.BenchmarkCounts(**asdict(benchmark.counts)) if benchmark.counts else None,
        faults=map(fault_to_pb, benchmark.faults),
        sha256=benchmark.sha256,
        create_time=timestamp(benchmark.create_time),
    )


def options_to_pb(options: BenchmarkOptions) -> pb.BenchmarkOptions:
    """How rows are read."""
    return pb.BenchmarkOptions(**asdict(options))


def options_from_pb(message: pb.BenchmarkOptions) -> BenchmarkOptions:
    """How rows are to be read, with the defaults where nothing was said."""
    return BenchmarkOptions(
        **{name: getattr(message, name) for name in SAME},
        choices=list(message.choices),
        splits=list(message.splits),
        max_bad_share=message.max_bad_share if message.HasField("max_bad_share") else BAD_SHARE,
    )
