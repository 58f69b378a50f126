"""A stand-in of the generation room: its generations, questions and candidates."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from services.runtime.errors import NotFound
from services.runtime.ids import new_id
from services.runtime.interceptors import Context
from sishu.generation.v1 import (
    candidate_pb2,
    candidate_service_pb2,
    candidate_service_pb2_grpc,
    generation_pb2,
    generation_service_pb2,
    generation_service_pb2_grpc,
    question_pb2,
    question_service_pb2,
    question_service_pb2_grpc,
)


@dataclass
class Gate:
    """Holds the pages of questions from a place on back until it is opened."""

    place: int
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def let_by(self, place: int) -> None:
        if place >= self.place:
            self.reached.set()
            await self.opened.wait()


@dataclass
class FakeGenerations(
    generation_service_pb2_grpc.GenerationServiceServicer,
    question_service_pb2_grpc.QuestionServiceServicer,
    candidate_service_pb2_grpc.CandidateServiceServicer,
):
    """A generation room's questions, page by page, each page after a pause and past the gate; and candidates."""

    projects: dict[str, str] = field(default_factory=dict)
    questions: dict[str, list[question_pb2.Question]] = field(default_factory=dict)
    candidates: dict[str, list[candidate_pb2.Candidate]] = field(default_factory=dict)
    page_seconds: float = 0.0
    largest_page: int = 1000
    pages: int = 0
    gate: Gate | None = None

    async def GetGeneration(  # the name in the proto
        self, request: generation_service_pb2.GetGenerationRequest, _context: Context
    ) -> generation_service_pb2.GetGenerationResponse:
        if request.id not in self.projects:
            raise NotFound("GENERATION_NOT_FOUND", f"there is no generation {request.id}")
        found = generation_pb2.Generation(id=request.id, project_id=self.projects[request.id])
        return generation_service_pb2.GetGenerationResponse(generation=found)

    async def ListQuestions(  # the name in the proto
        self, request: question_service_pb2.ListQuestionsRequest, _context: Context
    ) -> question_service_pb2.ListQuestionsResponse:
        await asyncio.sleep(self.page_seconds)
        self.pages += 1
        if request.source_gone:
            return question_service_pb2.ListQuestionsResponse()
        found, start = self.questions[request.generation_id], int(request.page_token or 0)
        if self.gate:
            await self.gate.let_by(start)
        end = start + min(request.page_size, self.largest_page)
        more = str(end) if end < len(found) else ""
        return question_service_pb2.ListQuestionsResponse(questions=found[start:end], next_page_token=more)

    async def GetQuestion(  # the name in the proto
        self, request: question_service_pb2.GetQuestionRequest, _context: Context
    ) -> question_service_pb2.GetQuestionResponse:
        for found in self.questions.values():
            for one in found:
                if one.id == request.id:
                    return question_service_pb2.GetQuestionResponse(question=one)
        raise NotFound("QUESTION_NOT_FOUND", f"there is no question {request.id}")

    async def ListCandidates(  # the name in the proto
        self, request: candidate_service_pb2.ListCandidatesRequest, _context: Context
    ) -> candidate_service_pb2.ListCandidatesResponse:
        if request.source_gone:
            gone = [
                one for some in self.candidates.values() for one in some if one.HasField("source_gone_time")
            ]
            return candidate_service_pb2.ListCandidatesResponse(candidates=gone)
        found, start = self.candidates.get(request.generation_id, []), int(request.page_token or 0)
        end = start + min(request.page_size, self.largest_page)
        more = str(end) if end < len(found) else ""
        return candidate_service_pb2.ListCandidatesResponse(candidates=found[start:end], next_page_token=more)

    async def GetCandidate(  # the name in the proto
        self, request: candidate_service_pb2.GetCandidateRequest, _context: Context
    ) -> candidate_service_pb2.GetCandidateResponse:
        found = next(one for some in self.candidates.values() for one in some if one.id == request.id)
        return candidate_service_pb2.GetCandidateResponse(candidate=found)

    def add(self, project_id: str, questions: list[question_pb2.Question]) -> str:
        generation_id = new_id()
        self.projects[generation_id] = project_id
        self.questions[generation_id] = questions
        for question in questions:
            question.project_id, question.generation_id = project_id, generation_id
        return generation_id
