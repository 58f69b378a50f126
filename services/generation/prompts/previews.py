"""Previews of prompts: filled as a worker would fill them, without a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.generation.candidates.candidate_judging import judging_of, spoken
from services.generation.candidates.candidates import CONTENTS, Message
from services.generation.candidates.store import CandidateStore
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import (
    QUESTION_TYPES,
    ConversationOptions,
    GenreAudienceOptions,
    TagOptions,
)
from services.generation.genre_audiences.genre_audiences import BEGINNING_CHARS, Voice, genre_audience_values
from services.generation.genre_audiences.store import GenreAudienceStore
from services.generation.prompts.built_in import Prompt
from services.generation.prompts.prompt_templates import checked, normalised
from services.generation.prompts.prompt_versions import PromptName
from services.generation.prompts.store import PromptStore
from services.generation.questions.answers import manner_values
from services.generation.questions.facts import Fact
from services.generation.questions.filling import (
    answer_values,
    judge_values,
    planned_facts,
    questions_values,
    quote_of,
)
from services.generation.questions.links import linked_fact, linker
from services.generation.questions.question_types import MULTI_HOP, UNANSWERABLE, seen_by
from services.generation.questions.questions import Answer, QuestionFilter
from services.generation.questions.quotes import one_line
from services.generation.questions.store import QuestionStore
from services.generation.questions.writing import Passage, passage
from services.generation.sources.chunk_reader import ChunkReader, SourceChunk
from services.generation.sources.outline_reader import OutlineReader
from services.generation.sources.table_heads import under_head
from services.generation.tags.store import TagStore
from services.generation.tags.tag_calls import places_call, tree_call
from services.generation.tags.tag_outlines import part
from services.generation.tags.tag_trees import Step, TagTree
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
        question: what the prompt `answer` is to answer, or `judge` to judge; empty for one of the chunk.
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


@dataclass(frozen=True)
class AskedQuestion:
    """A question, the fact that it is about, and its answer where it has one."""

    text: str
    fact: Fact
    answer: str = ""


FROM_CHUNKS = frozenset({"passage", "facts", "fact", "source", "outline", "beginning"})
"""A prompt with one of these variables is about a chunk."""
JUDGED = {f"judge_{kind}": kind for kind in CONTENTS}
"""The prompts by which candidates are judged, with their kinds."""


class Previewer:
    """Makes previews."""

    def __init__(
        self,
        questions: QuestionStore,
        prompts: PromptStore,
        chunks: ChunkReader,
        outlines: OutlineReader,
        tags: TagStore,
        pairs: GenreAudienceStore,
        candidates: CandidateStore,
    ) -> None:
        self._candidates = candidates
        self._questions = questions
        self._prompts = prompts
        self._chunks = chunks
        self._outlines = outlines
        self._tags = tags
        self._pairs = pairs

    async def preview(self, wanted: PreviewRequest) -> Preview:
        """Fill a prompt with a chunk.

        Raises:
            NotFound: the project has no such version or chunk.
            InvalidArgument: the template breaks a rule, or cannot be filled.
            FailedPrecondition: there is nothing to ask about.
        """
        source = await self._draft(wanted)
        template = checked(source.template, source.prompt.variables, "draft.template")
        chunk_id, values = "", sample_values(source.prompt)
        if FROM_CHUNKS & values.keys() or source.prompt.name == "probe":
            chunk, facts = await self._facts(wanted)
            own = await self._values(wanted, source.prompt, chunk, facts)
            chunk_id, values = chunk.id, {name: own.get(name, sample) for name, sample in values.items()}
        version = wanted.source if isinstance(wanted.source, str) else ""
        return Preview(version, chunk_id, Prompt(version, template.fill(values)).messages())

    async def _values(
        self, wanted: PreviewRequest, prompt: PromptName, chunk: SourceChunk, facts: Sequence[Sequence[Fact]]
    ) -> Mapping[str, object]:
        """What a prompt is filled with."""
        if prompt.name in {"tags", "tag_places"}:
            return await self._tag_values(wanted, prompt.name, chunk)
        if prompt.name == "genre_audiences":
            return await self._genre_audience_values(wanted, chunk)
        if prompt.name in JUDGED:
            return await self._candidate_values(wanted, prompt, chunk)
        if prompt.name.startswith("judge"):
            every = [one for call in facts for one in call]
            return judge_values(*await self._judged(wanted, chunk, every, type_of(prompt.name)))
        return await self._chunk_values(wanted, prompt, chunk, facts)

    async def _candidate_values(
        self, wanted: PreviewRequest, prompt: PromptName, chunk: SourceChunk
    ) -> Mapping[str, object]:
        """What a judge sees of the first candidate of the chunk; without one, the chunk alone."""
        kind = JUDGED[prompt.name]
        page = await self._candidates.list_of_chunk(wanted.project_id, chunk.id, kind)
        if not page:
            return {"passage": one_line(under_head(chunk))}
        chunks = await self._chunks.several(page[0].chunk_ids)
        return judging_of(page[0], chunks, prompt.language, wanted.options).values

    async def _chunk_values(
        self, wanted: PreviewRequest, prompt: PromptName, chunk: SourceChunk, facts: Sequence[Sequence[Fact]]
    ) -> Mapping[str, object]:
        """What prompts about a chunk are filled with; several facts have one passage, one its own."""
        question_type, language, voice = (
            type_of(prompt.name),
            prompt.language,
            await self._voice(wanted, chunk),
        )
        options = seen_by(question_type, wanted.options)
        several = questions_values(chunk, facts[0], options, language, voice)
        asked = await self._question(wanted, chunk, [one for call in facts for one in call], question_type)
        seen = passage(chunk, [asked.fact], options.context_chars)
        one = answer_values(seen, asked.text, language, voice)
        is_of_several = any(variable.name == "facts" for variable in prompt.variables)
        return {
            "source": under_head(chunk, chunk.overlap),
            "fact": one_line(asked.fact.text),
            "instruction": options.instruction,
            "history": spoken([Message("user", asked.text)], language),
            **({"advice": options.advice} if options.advice else {}),
            **({"answer": asked.answer} if asked.answer else {}),
            **vars(options.conversations or ConversationOptions()),
            **manner_values(options.answers),
            **(await self._linked_values(wanted, chunk, asked.fact) if question_type == MULTI_HOP else {}),
            **one,
            **several,
            "passage": several["passage"] if is_of_several else one["passage"],
        }

    async def _linked_values(
        self, wanted: PreviewRequest, chunk: SourceChunk, fact: Fact
    ) -> Mapping[str, object]:
        """The fact that is linked to one, and the passage around it; nothing where there is none."""
        chunks, _ = await self._chunks.page(wanted.project_id, wanted.options.document_ids, "")
        link = linker(chunks)(chunk, fact)
        linked = await linked_fact({"link": link.payload}, self._chunks) if link else None
        if linked is None:
            return {}
        seen = passage(linked.chunk, [linked.fact], wanted.options.context_chars)
        return {"linked_fact": one_line(linked.fact.text), "linked_passage": one_line(seen.text)}

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

    async def _voice(self, wanted: PreviewRequest, chunk: SourceChunk) -> Voice | None:
        """That of the first enabled pair of the document, where the options want one."""
        if not wanted.options.genre_audiences:
            return None
        found = await self._pairs.of_documents(chunk.project_id, [chunk.document_id], enabled=True)
        return next((pair.voice for pair in found.get(chunk.document_id, [])), None)

    async def _genre_audience_values(
        self, wanted: PreviewRequest, chunk: SourceChunk
    ) -> Mapping[str, object]:
        """What is asked about the chunk's document."""
        document = await self._outlines.document(chunk.document_id)
        _, text = await self._outlines.beginning(document, BEGINNING_CHARS)
        options = wanted.options.genre_audience_pairs or GenreAudienceOptions()
        found = await self._pairs.of_documents(chunk.project_id, [document.id], enabled=False)
        existing = [] if options.replace else [pair.voice for pair in found.get(document.id, [])]
        return genre_audience_values(document.name, text, options.pairs, existing)

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

    async def _judged(
        self, wanted: PreviewRequest, chunk: SourceChunk, facts: Sequence[Fact], question_type: str
    ) -> tuple[Passage, str, Answer | None]:
        """What a judge sees: the first question of the chunk that is answered, else one without an answer."""
        is_open = question_type == UNANSWERABLE
        page = await self._questions.list_page(
            page_request(1000, ""), QuestionFilter(wanted.project_id, chunk_id=chunk.id)
        )
        judged = (one for one in page.rows if one.answer and (one.type == UNANSWERABLE) == is_open)
        answered = next((one for one in judged if wanted.question in ("", one.text)), None)
        found = await self._question(wanted, chunk, facts, question_type)
        asked, fact = found.text, found.fact
        if answered:
            asked = answered.text
            fact = next((one for one in facts if quote_of(chunk, one) == answered.fact), fact)
        seen = passage(chunk, [fact], seen_by(question_type, wanted.options).context_chars)
        return seen, asked, answered.answer if answered else None

    async def _question(
        self, wanted: PreviewRequest, chunk: SourceChunk, facts: Sequence[Fact], question_type: str
    ) -> AskedQuestion:
        """The question to answer: that of the caller, else one that is stored, else a fact."""
        if wanted.question:
            return AskedQuestion(wanted.question, facts[0])
        of_type = question_type if question_type in QUESTION_TYPES else None
        page = await self._questions.list_page(
            page_request(1, ""), QuestionFilter(wanted.project_id, chunk_id=chunk.id, type=of_type)
        )
        if not page.rows:
            return AskedQuestion(facts[0].text, facts[0])
        question = page.rows[0]
        asked = (fact for fact in facts if quote_of(chunk, fact) == question.fact)
        answer = question.answer.text if question.answer else ""
        return AskedQuestion(question.text, next(asked, facts[0]), answer)


def type_of(name: str) -> str:
    """The type of questions that a prompt is about; empty where it is about any."""
    return next((question_type for question_type in QUESTION_TYPES if name.endswith(f"_{question_type}")), "")


def sample_values(prompt: PromptName) -> dict[str, object]:
    """What a prompt is filled with where there is nothing better."""
    return {one.name: one.samples[1] for one in prompt.variables}
