"""Between the contract of the registry and its domain."""

from __future__ import annotations

from collections.abc import Iterable

from services.trainer.registry.making import SHARD_BYTES, Merge, UploadFile
from sishu.trainer.v1 import model_making_pb2 as making_pb
from sishu.trainer.v1 import model_service_pb2 as model_pb


def merge_of(request: model_pb.MergeModelRequest) -> Merge:
    """How to merge, with what is not said filled in."""
    precision = making_pb.WeightPrecision.Name(request.precision or making_pb.WEIGHT_PRECISION_BF16)
    device = making_pb.MergeDevice.Name(request.device or making_pb.MERGE_DEVICE_CPU)
    return Merge(
        request.id,
        precision.removeprefix("WEIGHT_PRECISION_").lower(),
        request.shard_size_bytes or SHARD_BYTES,
        device.removeprefix("MERGE_DEVICE_").lower(),
    )


def gguf_type(value: making_pb.GgufType.ValueType) -> str:
    """What the engine calls a number format."""
    return making_pb.GgufType.Name(value or making_pb.GGUF_TYPE_F16).removeprefix("GGUF_TYPE_").lower()


def upload_files(files: Iterable[making_pb.ModelUploadFile]) -> list[UploadFile]:
    """Announced files."""
    return [UploadFile(file.name, file.size_bytes, file.sha256) for file in files]
