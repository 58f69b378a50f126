"""Whether there is something to write about: chunks, or answered questions."""

from __future__ import annotations

from services.generation.candidate_store import CandidateStore
from services.generation.chunk_reader import ChunkReader
from services.generation.generations import NewGeneration
from services.generation.kinds import PreferencePairOptions


class Sources:
    """What generations write about, by their kind."""

    def __init__(self, chunks: ChunkReader, candidates: CandidateStore) -> None:
        self._chunks = chunks
        self._candidates = candidates

    async def any(self, wanted: NewGeneration) -> bool:
        """Whether a generation has something to write about."""
        options = wanted.options
        if options.kind == "distillation":
            return True
        if options.kind == "preference_pairs":
            own = options.preference_pairs or PreferencePairOptions()
            return bool(await self._candidates.answered(wanted.project_id, own.generation_id, "", 1))
        return await self._chunks.any(wanted.project_id)
