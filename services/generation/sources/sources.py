"""Whether there is something to write about: chunks, answered questions, or examples."""

from __future__ import annotations

from services.generation.candidates.store import CandidateStore
from services.generation.generations.generations import NewGeneration
from services.generation.generations.kinds import OF_EXAMPLES, PreferencePairOptions
from services.generation.regeneration.original_store import OriginalStore
from services.generation.sources.chunk_reader import ChunkReader
from services.generation.sources.example_reader import ExampleReader


class Sources:
    """What generations write about, by their kind."""

    def __init__(
        self,
        chunks: ChunkReader,
        candidates: CandidateStore,
        originals: OriginalStore,
        examples: ExampleReader,
    ) -> None:
        self._examples = examples
        self._chunks = chunks
        self._candidates = candidates
        self._originals = originals

    async def check_originals(self, wanted: NewGeneration) -> None:
        """Refuse what cannot be regenerated, where that is wanted.

        Raises:
            NotFound, InvalidArgument, FailedPrecondition: as `OriginalStore.check`.
        """
        await self._originals.check(wanted)

    async def any(self, wanted: NewGeneration) -> bool:
        """Whether a generation has something to write about."""
        options = wanted.options
        if options.kind == "distillation" or options.regeneration:
            return True
        if options.kind in OF_EXAMPLES:
            return await self._examples.any(wanted.project_id, options.example_filter)
        if options.kind == "preference_pairs":
            own = options.preference_pairs or PreferencePairOptions()
            return bool(await self._candidates.answered(wanted.project_id, own.generation_id, "", 1))
        return await self._chunks.any(wanted.project_id)
