"""The service of estimates: one thin method an rpc."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from services.runtime.errors import InvalidArgument
from services.runtime.interceptors import Context
from services.trainer.convert import training_config
from services.trainer.estimate_convert import estimate_to_pb, hardware_of, rows_of
from services.trainer.estimate_store import EstimateStore
from services.trainer.estimating.architectures import Architecture
from services.trainer.estimating.estimates import Hardware
from services.trainer.machine import cpu_computes_bf16, free_of_machine
from services.trainer.preflight import accelerator_of, architecture_of, estimated
from services.trainer.store import Store
from sishu.trainer.v1 import estimate_service_pb2 as pb
from sishu.trainer.v1.estimate_service_pb2_grpc import EstimateServiceServicer


class EstimateServicer(EstimateServiceServicer):
    """Estimates of trainings.

    Args:
        accelerator: name of the devices that runs will have; empty means this machine's processor.
    """

    def __init__(self, store: Store, estimates: EstimateStore, accelerator: str) -> None:
        self._store = store
        self._estimates = estimates
        self._accelerator = accelerator

    async def EstimateTraining(
        self, request: pb.EstimateTrainingRequest, context: Context
    ) -> pb.EstimateTrainingResponse:
        config = training_config(request.config, request.preset)
        shape = await self._architecture(request)
        found = estimated(config, shape, hardware_of(request, self._usual()), rows_of(request))
        return pb.EstimateTrainingResponse(estimate=estimate_to_pb(found))

    async def _architecture(self, request: pb.EstimateTrainingRequest) -> Architecture:
        kind = request.WhichOneof("model")
        if kind == "architecture":
            return architecture_of(None, request.architecture)
        if kind == "config_json":
            return architecture_of(_parsed(request.config_json))
        model = await self._store.get_model(request.model_id)
        content = await self._estimates.config_of(model.id)
        # A model that is still being prepared has none yet, but may have a name that says enough.
        return architecture_of(content, model.source or model.name)

    def _usual(self) -> Hardware:
        if self._accelerator:
            return Hardware(accelerator_of(self._accelerator))
        return Hardware(accelerator_of("CPU"), free_of_machine(), native_bf16=cpu_computes_bf16())


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        why = f"config_json is not JSON: {error}"
        raise InvalidArgument("ARCHITECTURE_UNKNOWN", why, "config_json", why=why) from error
    return found if isinstance(found, dict) else {}
