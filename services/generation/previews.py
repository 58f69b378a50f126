"""Previews of prompts: filled as a worker would fill them, without a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.generation.chunk_reader import ChunkReader, SourceChunk
from services.generation.facts import Fact
from services.generation.filling import answer_values, planned_facts, questions_values, quote_of
from services.generation.generations import GenerationOptions
from services.generation.kinds import TagOptions
from services.generation.outline_reader import OutlineReader
from services.generation.prompt_store import PromptStore
from services.generation.prompt_templates import checked, normalised
from services.generation.prompt_versions import PromptName
from services.generation.prompts import Prompt
from services.generation.store import Store
from services.generation.tag_calls import places_call, tree_call
from services.generation.tag_outlines import part
from services.generation.tag_store import TagStore
from services.generation.tag_trees import Step, TagTree
from services.generation.writing import passage
from services.runtime.errors import FailedPrecondition, NotFound
from services.runtime.pages import page_request


@dataclass(frozen=True)
class PromptDraft:
    """A template that is not stored."""

    prompt: PromptName
    template: str


@dataclass(frozen=True)
class PreviewRequest:
    """What is to be filled with what.

    Args:
        project_id: UUID of the project.
        source: a version by its name, or a draft.
        chunk_id: the chunk; empty for the first that can be asked about.
        question: what the prompt `answer` is to answer; empty for one of the chunk.
        options: those of a generation.
    """

    project_id: str
    source: str | PromptDraft
    chunk_id: str
    question: str
    options: GenerationOptions


@dataclass(frozen=True)
class Preview:
    """A filled prompt, without a version where it is of a draft, and its chunk."""

    version: str
    chunk_id: str
    messages: Sequence[Mapping[str, str]]


class Previewer:
    """Makes previews."""

    def __init__(
        self, store: Store, prompts: PromptStore, chunks: ChunkReader, outlines: OutlineReader, tags: TagStore
    ) -> None:
        self._store = store
        self._prompts = prompts
        self._chunks = chunks
        self._outlines = outlines
        self._tags = tags

    async def preview(self, wanted: PreviewRequest) -> Preview:
        """Fill a prompt with a chunk.

        Raises:
            NotFound: the project has no such version or chunk.
            InvalidArgument: the template breaks a rule, or cannot be filled.
            FailedPrecondition: there is nothing to ask about.
        """
        source = await self._draft(wanted)
        template = checked(source.template, source.prompt.variables, "draft.template")
        chunk, facts = await self._facts(wanted)
        if source.prompt.name in ("tags", "tag_places"):
            values = await self._tag_values(wanted, source.prompt.name, chunk)
        elif source.prompt.name == "questions":
            values = questions_values(chunk, facts[0], wanted.options)
        else:
            question, fact = await self._question(wanted, chunk, [one for call in facts for one in call])
            values = answer_values(passage(chunk.text, [fact], wanted.options.context_chars), question)
        version = wanted.source if isinstance(wanted.source, str) else ""
        return Preview(version, chunk.id, Prompt(version, template.fill(values)).messages())

    async def _draft(self, wanted: PreviewRequest) -> PromptDraft:
        if isinstance(wanted.source, PromptDraft):
            return PromptDraft(wanted.source.prompt, normalised(wanted.source.template))
        found = await self._prompts.get(wanted.project_id, wanted.source)
        return PromptDraft(found.prompt, found.template)

    async def _facts(self, wanted: PreviewRequest) -> tuple[SourceChunk, list[list[Fact]]]:
        """The chunk, and the facts of its calls."""
        options = wanted.options
        if wanted.chunk_id:
            chunks = [await self._chunks.get(wanted.chunk_id)]
            if chunks[0].project_id != wanted.project_id:
                raise NotFound(
                    "CHUNK_NOT_FOUND",
                    f"the project has no chunk {wanted.chunk_id}",
                    "chunk_id",
                    chunk_id=wanted.chunk_id,
                )
        else:
            chunks, _ = await self._chunks.page(wanted.project_id, options.document_ids, "")
        for chunk in chunks:
            if planned := planned_facts(chunk, options):
                return chunk, planned
        raise FailedPrecondition(
            "NO_FACTS",
            f"{f'chunk {wanted.chunk_id}' if wanted.chunk_id else 'the beginning of the project'} holds no "
            "sentence to ask about; name a chunk that does, or parse a document first",
            project_id=wanted.project_id,
            chunk_id=wanted.chunk_id,
        )

    async def _tag_values(
        self, wanted: PreviewRequest, prompt: str, chunk: SourceChunk
    ) -> Mapping[str, object]:
        """What is asked about the beginning of the chunk's document, beside the tags that the project has."""
        entries = await self._outlines.entries(await self._outlines.document(chunk.document_id))
        tree = TagTree(await self._tags.list_titles(wanted.project_id))
        step = Step(part(entries), writes=prompt == "tags", may_be_none=True)
        return (tree_call if step.writes else places_call)(
            step, tree, wanted.options.tags or TagOptions()
        ).values

    async def _question(
        self, wanted: PreviewRequest, chunk: SourceChunk, facts: Sequence[Fact]
    ) -> tuple[str, Fact]:
        """The question to answer, that of the caller, else one that is stored, else a fact; and its fact."""
        if wanted.question:
            return wanted.question, facts[0]
        page = await self._store.list_questions(page_request(1, ""), wanted.project_id, None, chunk.id, None)
        if not page.rows:
            return facts[0].text, facts[0]
        question = page.rows[0]
        asked = (fact for fact in facts if quote_of(chunk, fact) == question.fact)
        return question.text, next(asked, facts[0])
