"""Examples of the dataset room: what is asked to judge one, and to have its answer written anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.generation.candidates.assignments import Assignment
from services.generation.candidates.candidate_gates import check_length, check_refusal, check_text
from services.generation.candidates.candidate_judging import example_points, spoken
from services.generation.candidates.candidates import ExampleAnswer, ExampleJudgement, Message, NewCandidate
from services.generation.candidates.topics import answer_schema as plain_schema
from services.generation.candidates.topics import parse_answer as parse_plain
from services.generation.gates.gates import answer_faults, first_on, rejected
from services.generation.gates.judging import Judging
from services.generation.generations.generations import GenerationOptions
from services.generation.question_templates.question_templates import TEMPLATE
from services.generation.questions.facts import Fact, language_of
from services.generation.questions.filling import found_quote, quote_of
from services.generation.questions.question_types import UNANSWERABLE
from services.generation.questions.questions import Judgement, text_key
from services.generation.questions.quotes import Quote, find_quote, one_line
from services.generation.questions.writing import Passage, answer_schema, parse_answer, passage
from services.generation.sources.chunk_reader import SourceChunk
from services.runtime.failures import Failure
from services.runtime.ids import new_id

EXAMPLE_GONE = Failure("NOT_FOUND", "EXAMPLE_GONE", "the example was deleted")
EXAMPLE_WITHOUT_ANSWER = Failure(
    "FAILED_PRECONDITION",
    "EXAMPLE_WITHOUT_ANSWER",
    "the example has no answer that can be written anew, as texts and exam items",
)


@dataclass(frozen=True)
class SourceExample:
    """An example, as far as this room needs it.

    Args:
        kind: `sft`, `conversation`, `preference`, `pretraining` or `exam_item`.
        revision: how often it was changed before it was read.
        chosen: the good answer of a preference; empty for none.
        bad: its bad one.
        quoted: what of the chunks it rests on, the fact first.
        question_type: what it asks for; may be empty.
    """

    id: str
    kind: str
    revision: int
    messages: Sequence[Message]
    chosen: str = ""
    bad: str = ""
    quoted: Sequence[str] = ()
    chunk_ids: Sequence[str] = ()
    question_type: str = ""

    @property
    def turns(self) -> list[Message]:
        """All that is said, the good answer of a preference last."""
        return [*self.messages, *([Message("assistant", self.chosen)] if self.chosen else [])]

    @property
    def asked(self) -> list[Message]:
        """What the last answer answers."""
        return self.turns[:-1]

    @property
    def answer(self) -> str:
        """The last answer, of a preference the good one; empty where none can be written anew."""
        if self.kind not in {"sft", "conversation", "preference"} or len(self.turns) < 2:
            return ""
        return self.turns[-1].content if self.turns[-1].role == "assistant" else ""


@dataclass(frozen=True)
class Improved:
    """A new answer as a model wrote it; the quote is empty where there is no source."""

    answer: str
    quote: str = ""


def language_in(messages: Sequence[Message], options: GenerationOptions) -> str:
    """In which language is written about an example: that of what its user says, `en` or `zh`."""
    asked = "\n".join(one.content for one in messages if one.role == "user")
    return options.language or language_of(asked or "\n".join(one.content for one in messages))


def judging_of(example: SourceExample, chunks: Sequence[SourceChunk], options: GenerationOptions) -> Judging:
    """What a judge is asked about an example.

    Args:
        example: the example.
        chunks: those of its chunks that are still there.
        options: those of the generation.
    """
    seen = one_line(seen_of(example, chunks, options).text)
    language = language_in(example.turns, options)
    is_text = example.kind == "pretraining"
    turns = [one.content.strip() for one in example.turns] if is_text else spoken(example.turns, language)
    values = {"passage": seen, "turns": turns, "bad_answer": example.bad.strip()}
    return Judging("judge_example", values, example_points(seen), options.gates)


def judged(example: SourceExample, chunks: Sequence[SourceChunk], judgement: Judgement) -> NewCandidate:
    """The judgement of an example, as it is kept."""
    content = ExampleJudgement(example.id, example.revision)
    return replace(about(content, chunks, [], None), judgement=judgement)


def improvement(
    example: SourceExample, chunks: Sequence[SourceChunk], options: GenerationOptions
) -> Assignment[Improved]:
    """A new answer to an example, by the advice of the options.

    Args:
        example: one with an answer.
        chunks: those of its chunks that are still there.
        options: those of the generation.
    """
    seen, language = seen_of(example, chunks, options), language_in(example.turns, options)

    def made(written: Improved) -> NewCandidate:
        quotes = quotes_in(chunks, written.quote)
        faults = failures_of(example, written, seen.text, quotes, options, language)
        content = ExampleAnswer(example.id, example.revision, example.asked, written.answer)
        return about(content, chunks, quotes, first_on(faults, options.gates))

    values = {
        "passage": one_line(seen.text),
        "history": spoken(example.asked, language),
        "answer": example.answer.strip(),
        "advice": options.advice,
    }
    schema = answer_schema(seen, options.gates.max_answer_chars) if chunks else plain_schema(options)
    return Assignment("improve_answer", language, values, schema, grounded if chunks else ungrounded, made)


def grounded(value: Any) -> Improved:
    """Reads a new answer with its quote."""
    written = parse_answer(value)
    return Improved(written.answer, written.quote)


def ungrounded(value: Any) -> Improved:
    """Reads a new answer for which there is no source."""
    return Improved(parse_plain(value))


def seen_of(example: SourceExample, chunks: Sequence[SourceChunk], options: GenerationOptions) -> Passage:
    """What a model sees of the chunks of an example: of each what stands around what is quoted, else all."""
    seen = []
    for chunk in chunks:
        facts = [fact for one in example.quoted if (fact := find_quote(chunk.text, one))]
        whole = [Fact(0, len(chunk.text), chunk.text)]
        seen.append(passage(chunk, facts or whole, options.context_chars))
    return Passage("\n\n".join(one.text for one in seen), [fact for one in seen for fact in one.sentences])


def quotes_in(chunks: Sequence[SourceChunk], quote: str) -> list[Quote]:
    """A quote at its place in the first chunk that holds it; nothing where none does."""
    places = ((chunk, found_quote(chunk, quote)) for chunk in chunks)
    return next(([quote_of(chunk, place)] for chunk, place in places if place), [])


def failures_of(
    example: SourceExample,
    written: Improved,
    source: str,
    quotes: Sequence[Quote],
    options: GenerationOptions,
    language: str,
) -> Iterator[Failure]:
    """Why a new answer is rejected.

    Args:
        example: the example.
        written: what the model wrote.
        source: what it saw of the chunks; empty where there are none.
        quotes: the quote as it was found.
        options: those of the generation.
        language: the language that is wanted.
    """
    answer = written.answer
    if source and not quotes:
        yield rejected("QUOTE_NOT_FOUND", "the quote does not stand in the chunk")
    if text_key(answer) == text_key(example.answer):
        yield rejected("NOT_DIFFERENT", "the new answer says what the old one says")
    if not source or example.question_type == TEMPLATE:
        yield from check_length(answer, options.gates, "answer")
        yield from check_refusal(answer, source, "answer")
        yield from check_text(answer, language, "answer")
        return
    asked = "\n".join(one.content for one in example.asked)
    for fault in answer_faults(asked, answer, source, options.gates, language):
        # To what the documents do not answer, a refusal is the good answer.
        if fault.reason != "REFUSAL" or example.question_type != UNANSWERABLE:
            yield fault


def about(
    content: ExampleJudgement | ExampleAnswer,
    chunks: Sequence[SourceChunk],
    quotes: Sequence[Quote],
    rejection: Failure | None,
) -> NewCandidate:
    """What was written about an example."""
    return NewCandidate(
        new_id(),
        content,
        [chunk.id for chunk in chunks],
        list(dict.fromkeys(chunk.document_id for chunk in chunks)),
        [],
        quotes,
        rejection,
        heading_path=chunks[0].heading_path if chunks else (),
    )
