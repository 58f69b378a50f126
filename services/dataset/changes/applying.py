"""Read what a generation has made for examples, and have it applied page by page."""

from __future__ import annotations

from services.dataset.changes.applied import Applying, Improved, Judged, Result
from services.dataset.changes.apply_store import END, ApplyStore, ResultPage
from services.dataset.examples.convert import origin_from_pb, quote_from_pb
from services.runtime.errors import FailedPrecondition, InvalidArgument
from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.generation.v1 import candidate_pb2, generation_pb2, generation_service_pb2
from sishu.generation.v1 import candidate_service_pb2 as pb

PAGE = 200
ENDED = (job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED)
JUDGES = generation_pb2.GENERATION_KIND_JUDGE_EXAMPLES
IMPROVES = generation_pb2.GENERATION_KIND_IMPROVE_EXAMPLES


class Applier:
    """Applies generations to the examples that they are about."""

    def __init__(self, client: Client, store: ApplyStore) -> None:
        self._client = client
        self._store = store

    async def start(self, applying: Applying, request_id: str) -> str:
        """Start a change that applies a generation which has ended; return its id.

        Raises:
            InvalidArgument: the generation makes nothing for examples, or has no use for a score.
            FailedPrecondition: it has not ended.
            ApiError: there is none.
        """
        request = generation_service_pb2.GetGenerationRequest(id=applying.generation_id)
        generation = (await self._client.generations.GetGeneration(request)).generation
        check_applying(generation, applying)
        first = await self._listed(generation.project_id, generation.id, "", 1)
        model = next((one.origin.model for one in first.candidates), "")
        return await self._store.create(generation.project_id, applying, model, request_id)

    async def step(self, change_id: str, project_id: str) -> bool | None:
        """Apply the next page; whether there may be more. Nothing where the change is of another kind."""
        place = await self._store.place(change_id)
        if place is None:
            return None
        if place.page_token == END:
            return False
        listed = await self._listed(project_id, place.applying.generation_id, place.page_token, PAGE)
        results = [one for candidate in listed.candidates if (one := result_of(candidate))]
        await self._store.step(change_id, project_id, place, ResultPage(results, listed.next_page_token))
        return bool(listed.next_page_token)

    async def _listed(
        self, project_id: str, generation_id: str, token: str, size: int
    ) -> pb.ListCandidatesResponse:
        request = pb.ListCandidatesRequest(
            project_id=project_id,
            generation_id=generation_id,
            state=candidate_pb2.CANDIDATE_STATE_KEPT,
            page_size=size,
            page_token=token,
        )
        return await self._client.candidates.ListCandidates(request)


def check_applying(generation: generation_pb2.Generation, applying: Applying) -> None:
    """Refuse a generation that cannot be applied, or not so.

    Raises:
        InvalidArgument: it makes nothing for examples, or has no use for a score.
        FailedPrecondition: it has not ended.
    """
    kind = generation.options.kind
    if kind not in (JUDGES, IMPROVES):
        raise InvalidArgument(
            "GENERATION_OF_OTHER_KIND",
            f"generation {generation.id} makes nothing for examples; name one of judge_examples or "
            "improve_examples",
            "generation_id",
            generation_id=generation.id,
        )
    if applying.min_score is not None and kind != JUDGES:
        message = "min_score: only judgements have a score by which examples are kept; leave it out"
        raise InvalidArgument("FIELD_INVALID", message, "min_score")
    if generation.job.state not in ENDED:
        raise FailedPrecondition(
            "GENERATION_RUNNING",
            f"generation {generation.id} has not ended; wait for its job {generation.job.id}, or cancel it",
            generation_id=generation.id,
            job_id=generation.job.id,
        )


def result_of(candidate: candidate_pb2.Candidate) -> Result | None:
    """What a candidate says of an example; nothing where it is about none."""
    match candidate.WhichOneof("content"):
        case "example_judgement":
            of, said = candidate.example_judgement, candidate.judgement
            return Judged(of.example_id, of.example_revision, said.score, said.reason, candidate.origin.model)
        case "example_answer":
            answer = candidate.example_answer
            return Improved(
                answer.example_id,
                answer.example_revision,
                answer.answer,
                [quote_from_pb(one) for one in candidate.quotes],
                origin_from_pb(candidate.origin),
                candidate.judgement.score if candidate.HasField("judgement") else None,
            )
        case _:
            return None
