"""Subjects: what a question is about, how it is answered from there, and what its answer is held against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from services.generation.asking.asking import Asked
from services.generation.gates.gates import answer_faults, check_question, first_on, quote_faults
from services.generation.generations.generations import GenerationOptions
from services.generation.genre_audiences.genre_audiences import Voice
from services.generation.questions.answers import (
    AnswerCall,
    Written,
    answer_call,
    kept_reasoning,
    reasoning_faults,
    refusal_faults,
)
from services.generation.questions.facts import Fact
from services.generation.questions.filling import found_quote, place, quote_of
from services.generation.questions.further_forms import Forms
from services.generation.questions.links import LinkedFact
from services.generation.questions.multi_hop import (
    hop_answer_call,
    hop_passages,
    hop_questions_call,
    hop_quote_faults,
    hop_quotes,
    joined,
)
from services.generation.questions.question_types import (
    UNANSWERABLE,
    QuestionsCall,
    asked_place,
    questions_call,
    seen_by,
)
from services.generation.questions.questions import Answer, NewQuestion, OpenQuestion
from services.generation.questions.quotes import Quote
from services.generation.questions.writing import Passage, passage
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.sources.table_heads import with_head
from services.runtime.failures import Failure
from services.runtime.ids import new_id


@dataclass(frozen=True)
class Subject:
    """What a question is about.

    Args:
        type: its type; see `Question.type`.
        chunk: the chunk.
        fact: the fact of the chunk; of UNANSWERABLE the one near which something is left open.
        linked: of MULTI_HOP the fact of another chunk.
    """

    type: str
    chunk: SourceChunk
    fact: Fact
    linked: LinkedFact | None = None

    @property
    def chunks(self) -> list[SourceChunk]:
        """The chunks, the fact's first."""
        return [self.chunk, *([self.linked.chunk] if self.linked else [])]

    @property
    def source(self) -> str:
        """What all of them say, with the heads of tables that began before them."""
        return "\n".join(with_head(chunk) for chunk in self.chunks)


def new_question(
    subject: Subject,
    form: int,
    text: str,
    language: str,
    options: GenerationOptions,
    pair_id: str | None = None,
    known: bool | None = None,
) -> NewQuestion:
    """A question as it is to be stored, held against the gates; one that has no answer asks for no fact."""
    asks = subject.type != UNANSWERABLE
    linked = [quote_of(subject.linked.chunk, subject.linked.fact)] if subject.linked else []
    return NewQuestion(
        new_id(),
        text,
        [chunk.id for chunk in subject.chunks],
        list(dict.fromkeys(chunk.document_id for chunk in subject.chunks)),
        quote_of(subject.chunk, subject.fact) if asks else None,
        form,
        check_question(text, language, subject.source, options.gates),
        subject.chunk.heading_path,
        pair_id,
        subject.type,
        linked_facts=linked,
        known=known,
    )


def written_questions(
    written: Sequence[tuple[Subject, Sequence[str] | None]],
    forms: Forms,
    options: GenerationOptions,
    language: str,
    pair_id: str | None,
) -> tuple[list[NewQuestion], dict[str, list[int]]]:
    """The questions of subjects as they are to be stored, and the place in the chunk of what each asks."""
    questions, places = list[NewQuestion](), dict[str, list[int]]()
    for subject, texts in written:
        for form, text in enumerate(texts or (), forms.first):
            question = new_question(subject, form, text, language, options, pair_id, forms.known)
            questions.append(question)
            places[question.id] = place(subject.fact)
    return questions, places


def questions_call_of(
    subjects: Sequence[Subject], options: GenerationOptions, language: str, voice: Voice | None
) -> QuestionsCall:
    """What is asked for about the facts of one chunk, which are of one type."""
    first = subjects[0]
    if first.linked:
        return hop_questions_call(first.chunk, first.fact, first.linked, options, language, voice)
    facts = [subject.fact for subject in subjects]
    return questions_call(first.type, first.chunk, facts, options, language, voice)


def seen_of(subject: Subject, options: GenerationOptions) -> Passage:
    """What a model sees of the source of a question."""
    if subject.linked:
        return joined(hop_passages(subject.chunk, subject.fact, subject.linked, options))
    chars = seen_by(subject.type, options).context_chars
    return passage(subject.chunk, [subject.fact], chars)


def answer_call_of(
    subject: Subject, question: OpenQuestion, options: GenerationOptions, language: str
) -> AnswerCall:
    """What is asked about a question."""
    if subject.linked:
        passages = hop_passages(subject.chunk, subject.fact, subject.linked, options)
        return hop_answer_call(passages, question.text, options, language, question.voice)
    seen = seen_of(subject, options)
    return answer_call(subject.type, seen, question.text, options, language, question.voice)


def checked(
    subject: Subject, question: str, asked: Asked[Written], options: GenerationOptions, language: str
) -> tuple[Answer, Failure | None]:
    """An answer with its quotes, and why it is rejected; nothing for one that is kept."""
    written = asked.value
    reasoning = kept_reasoning(asked.reasoning, written.reasoning, options)
    quotes, faults = held(subject, question, written, options, language)
    faults = chain(faults, reasoning_faults(reasoning, subject.source, options, language))
    return Answer(written.answer, quotes, reasoning, asked.call), first_on(faults, options.gates)


def held(
    subject: Subject, question: str, written: Written, options: GenerationOptions, language: str
) -> tuple[list[Quote], Iterator[Failure]]:
    """The quotes of an answer as they stand in the documents, and what is wrong with it."""
    source, gates = subject.source, options.gates
    if subject.type == UNANSWERABLE:
        return [], refusal_faults(question, written, source, gates, language)
    others = answer_faults(question, written.answer, source, gates, language)
    if subject.linked:
        places = hop_quotes(subject.chunk, subject.linked.chunk, written.quotes)
        faults = hop_quote_faults(subject.chunk, subject.fact, subject.linked, places)
        return [quote_of(chunk, place) for chunk, place in places], chain(faults, others)
    found = found_quote(subject.chunk, written.quotes[0])
    place = asked_place(subject.type, subject.chunk, subject.fact)
    return [quote_of(subject.chunk, found)] if found else [], chain(quote_faults(found, place), others)
