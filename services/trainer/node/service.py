"""The service of the machine that trains: one thin method an rpc."""

from __future__ import annotations

import socket
from pathlib import Path

from services.runtime.db import Pool
from services.runtime.interceptors import Context
from services.runtime.pages import page_request
from services.runtime.sql import Statements
from services.trainer.node.advice import advise
from services.trainer.node.convert import node_to_pb, probe_to_pb
from services.trainer.node.probing import Prober
from services.trainer.node.reports import NodeReports
from services.trainer.node.sampler import Sampler
from sishu.trainer.v1 import trainer_node_service_pb2 as pb
from sishu.trainer.v1.trainer_node_service_pb2_grpc import TrainerNodeServiceServicer

SQL = Statements(Path(__file__).parent.parent / "sql" / "node.sql")


class TrainerNodeServicer(TrainerNodeServiceServicer):
    """The machine that trains.

    Args:
        pool: the database, which knows whether a run has a device of this machine.
        sampler: who looks at the accelerators.
        prober: who tries what they can do.
        reports: what all machines told.
    """

    def __init__(self, pool: Pool, sampler: Sampler, prober: Prober, reports: NodeReports) -> None:
        self._pool = pool
        self._sampler = sampler
        self._prober = prober
        self._reports = reports

    async def GetTrainerNode(
        self, request: pb.GetTrainerNodeRequest, context: Context
    ) -> pb.GetTrainerNodeResponse:
        return pb.GetTrainerNodeResponse(trainer_node=node_to_pb(socket.gethostname(), self._sampler.sample))

    async def ListTrainerNodes(
        self, request: pb.ListTrainerNodesRequest, context: Context
    ) -> pb.ListTrainerNodesResponse:
        page = await self._reports.list(page_request(request.page_size, request.page_token))
        nodes = [node_to_pb(node.host, node.sample) for node in page.rows]
        return pb.ListTrainerNodesResponse(trainer_nodes=nodes, next_page_token=page.next_token)

    async def ProbeTrainerNode(
        self, request: pb.ProbeTrainerNodeRequest, context: Context
    ) -> pb.ProbeTrainerNodeResponse:
        is_busy = bool(await self._pool.fetchval(SQL.is_leased, socket.gethostname()))
        probe = await self._prober.probe(is_busy=is_busy)
        return pb.ProbeTrainerNodeResponse(probe=probe_to_pb(probe, advise(probe)))
