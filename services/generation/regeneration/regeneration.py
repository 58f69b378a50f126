"""Regeneration: questions and candidates, the originals, are written again about the same.

What is kept of the new is the successor of its original, and replaces it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.generation.candidates.assignments import Payload
from services.generation.candidates.candidate_gates import content_words
from services.generation.candidates.candidates import Candidate, ExamItem, Passage
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import CANDIDATES_OF, RegenerationOptions
from services.generation.questions.facts import Fact, sentences
from services.generation.questions.filling import in_source, place, quote_of
from services.generation.questions.quotes import Quote, find_quote, overlap
from services.generation.sources.chunk_reader import SourceChunk
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound, SishuError
from services.runtime.failures import Failure

FIELD = "generation.options.regeneration"
PASSED_OVER = (
    "chars_per_fact",
    "forms_per_fact",
    "facts_per_call",
    "document_ids",
    "pilot_chunks",
    "genre_audiences",
    "question_types",
    "question_template_ids",
    "templates_only",
    "coverage",
    "knowledge",
    "new_chunks_only",
    "preference_pairs",
    "passages",
    "exam_items",
)
"""Options that say about what is written, which the originals say."""

UNFINISHED = ("open", "judging")
"""States of what waits for its answer, or its judge."""
MOST_TOLD = 3
"""So many ids stand in an error beside that of which it tells."""
REPLACED = "REPLACED"

ORIGINAL_GONE = Failure("NOT_FOUND", "ORIGINAL_GONE", "what was to be regenerated was deleted")
ORIGINAL_REPLACED = Failure(
    "FAILED_PRECONDITION", "ORIGINAL_REPLACED", "something took the place of what was to be regenerated"
)
CHUNK_GONE = Failure("NOT_FOUND", "CHUNK_GONE", "the chunk that it was written from was deleted")
QUESTION_GONE = Failure("NOT_FOUND", "QUESTION_GONE", "the question that it was made from was deleted")
FACT_GONE = Failure("NOT_FOUND", "FACT_GONE", "the chunk does not hold the fact that it is about")


class Gone(Exception):
    """Something is not there any more, or not as it was, of what is written about; `failure` says what."""

    def __init__(self, failure: Failure) -> None:
        """Keep the failure."""
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True)
class Original:
    """A question or candidate that is to be regenerated, as far as it decides whether it can be.

    Args:
        kind: `question`, or the kind of a candidate.
        has_fact: whether it is about a fact of a document, or what a document leaves open.
        rejection: why it was rejected, be it because it was replaced; nothing where it was not.
        has_answer: whether it has got as far as an answer.
        state: where it stands.
        job_id: the job of the generation that wrote it, while that has not ended.
        successor_id: what took its place already, be it replaced itself since.
    """

    id: str
    project_id: str
    kind: str
    has_fact: bool
    rejection: Failure | None
    has_answer: bool
    state: str
    job_id: str | None = None
    successor_id: str | None = None


@dataclass(frozen=True)
class QuestionPlace:
    """What a question is about, and which form of a question about it it is."""

    id: str
    chunk_id: str
    fact: Quote | None
    linked_facts: Sequence[Quote]
    form: int
    type: str
    genre_audience_id: str | None


def check_regeneration(options: GenerationOptions) -> None:
    """Refuse a regeneration of nothing, of what the kind does not write, or with options that say nothing.

    Raises:
        InvalidArgument: so it is.
    """
    own = options.regeneration
    if own is None:
        return
    is_questions = options.kind == "questions"
    if not is_questions and options.kind not in CANDIDATES_OF:
        raise of_other_kind("", f"a generation of {options.kind} regenerates nothing")
    if own.candidate_ids if is_questions else own.question_ids:
        name, right = ("candidate_ids", "question_ids") if is_questions else ("question_ids", "candidate_ids")
        raise of_other_kind(f".{name}", f"a generation of {options.kind} regenerates what {right} name")
    if own.answers_only and not is_questions:
        raise of_other_kind(".answers_only", "only questions have answers that can be written alone")
    if not named_ids(options):
        name = "question_ids" if is_questions else "candidate_ids"
        raise InvalidArgument(
            "REGENERATION_EMPTY", f"nothing is to be regenerated; name it in {name}", f"{FIELD}.{name}"
        )
    usual = GenerationOptions()
    for name in PASSED_OVER:
        if getattr(options, name) not in (getattr(usual, name), []):
            raise InvalidArgument(
                "OPTION_OF_OTHER_KIND",
                f"options.{name} says nothing where named ones are regenerated; leave it out",
                f"generation.options.{name}",
            )


def of_other_kind(path: str, message: str) -> InvalidArgument:
    """The error for a part of a regeneration that is not of the kind."""
    return InvalidArgument("OPTION_OF_OTHER_KIND", f"{message}; leave it out", f"{FIELD}{path}")


def named_ids(options: GenerationOptions) -> Sequence[str]:
    """The ids of what is regenerated."""
    own = options.regeneration or RegenerationOptions()
    return own.question_ids if options.kind == "questions" else own.candidate_ids


def check_originals(options: GenerationOptions, project_id: str, found: Mapping[str, Original]) -> None:
    """Refuse to regenerate what is not there, or cannot be.

    Args:
        options: those of the generation.
        project_id: its project.
        found: those of the named that are there, by id.

    Raises:
        NotFound: one of them is not there.
        InvalidArgument: one is of another project or kind, or asks for no fact of a document.
        FailedPrecondition: one was replaced already, is still in work, or its answer alone would not help.
    """
    errors = {
        one: error
        for one in named_ids(options)
        if (error := fault_of(one, found.get(one), options, project_id))
    }
    if errors:
        raise of_all(errors)


def of_all(errors: Mapping[str, SishuError]) -> SishuError:
    """The first of some errors, which says for which other ids it holds as well."""
    error, *rest = errors.values()
    others = [one for one, other in errors.items() if other.reason == error.reason][1:]
    if not rest or not others:
        return error
    also = ", ".join(others[:MOST_TOLD]) + (" …" if len(others) > MOST_TOLD else "")
    message = f"{error.message} (so it is with {len(others)} more: {also})"
    return type(error)(
        error.reason, message, error.field, **error.metadata, others=str(len(others)), also=also
    )


def fault_of(
    original_id: str, original: Original | None, options: GenerationOptions, project_id: str
) -> SishuError | None:
    """Why something cannot be regenerated; nothing where it can."""
    kind = CANDIDATES_OF.get(options.kind, "question")
    field = f"{FIELD}.{'question_ids' if kind == 'question' else 'candidate_ids'}"
    if original is None:
        return original_not_found(original_id, kind, field)
    if original.project_id != project_id:
        return InvalidArgument(
            "ORIGINAL_OF_OTHER_PROJECT",
            f"{original.kind} {original_id} belongs to another project",
            field,
            id=original_id,
        )
    if original.kind != kind:
        return InvalidArgument(
            "ORIGINAL_OF_OTHER_KIND",
            f"{original_id} is a {original.kind}, and a generation of {options.kind} regenerates a {kind}; "
            "start one of its kind for it",
            field,
            id=original_id,
            kind=original.kind,
        )
    return fault_in(original, options, field)


def original_not_found(original_id: str, kind: str, field: str) -> NotFound:
    """The error for something that is to be regenerated and not there."""
    if kind == "question":
        return NotFound(
            "QUESTION_NOT_FOUND", f"there is no question {original_id}", field, question_id=original_id
        )
    return NotFound(
        "CANDIDATE_NOT_FOUND", f"there is no candidate {original_id}", field, candidate_id=original_id
    )


def fault_in(original: Original, options: GenerationOptions, field: str) -> SishuError | None:
    """Why something cannot be regenerated as it stands; nothing where it can."""
    own = options.regeneration or RegenerationOptions()
    if not original.has_fact:
        return InvalidArgument(
            "ORIGINAL_WITHOUT_FACT",
            f"question {original.id} asks for no fact of a document, as those of topics and templates; start "
            "a generation like its own in place of it",
            field,
            id=original.id,
        )
    if original.successor_id:
        return FailedPrecondition(
            "ORIGINAL_REPLACED",
            f"{original.kind} {original.id} was replaced by {original.successor_id}; name that one",
            field,
            id=original.id,
            successor_id=original.successor_id,
        )
    if original.job_id and original.state in UNFINISHED:
        return FailedPrecondition(
            "ORIGINAL_IN_WORK",
            f"{original.kind} {original.id} is still in the state {original.state}; wait until job "
            f"{original.job_id} has ended, or `sishu job cancel {original.job_id}`",
            field,
            id=original.id,
            state=original.state,
            job_id=original.job_id,
        )
    if own.answers_only and original.rejection and not original.has_answer:
        reason = original.rejection.reason
        return FailedPrecondition(
            "QUESTION_REJECTED",
            f"the words of question {original.id} were rejected ({reason}), so that no answer helps; "
            "regenerate the question itself, without answers_only",
            field,
            id=original.id,
            rejection=reason,
        )
    return None


def replaced_by(successor_id: str, message: str = "") -> Failure:
    """The rejection of what something else has the place of; it may say in other words how."""
    message = message or f"{successor_id} took its place"
    return Failure("FAILED_PRECONDITION", "REPLACED", message, {"id": successor_id})


def is_replaced(rejection: Failure | None) -> bool:
    """Whether this is the rejection of what something else has the place of."""
    return rejection is not None and rejection.reason == REPLACED


def grouped(question_ids: Sequence[str], places: Iterable[QuestionPlace]) -> list[list[str]]:
    """Questions that one call regenerates: the forms of a question about one fact, in one voice.

    Args:
        question_ids: the questions; one that is not there any more, or has no fact, stands alone.
        places: of those that are there.
    """
    there = {place.id: place for place in places}
    groups: dict[tuple[object, ...], list[str]] = {}
    seen = Counter[tuple[object, ...]]()
    for one in question_ids:
        place = there.get(one)
        if place is None or place.fact is None:
            groups[(one,)] = [one]
            continue
        about = (place.chunk_id, place.fact, *place.linked_facts, place.type, place.genre_audience_id)
        # Another generation may have asked in the same form.
        times = seen[(*about, place.form)]
        seen[(*about, place.form)] += 1
        groups.setdefault((*about, times), []).append(one)
    return list(groups.values())


def fact_in(chunk: SourceChunk, quote: Quote) -> Fact | None:
    """A fact as it stands in its chunk, whose place in the document may be another one since.

    Where the chunk says it twice, the one at the place of the quote is taken, else the first.
    """
    placed = [(quote_of(chunk, one), one) for one in placed_facts(chunk)]
    same = [(place.place_id == quote.place_id, one) for place, one in placed if place.text == quote.text]
    return next((one for exact, one in same if exact), same[0][1] if same else None)


def nearest_fact(chunk: SourceChunk, text: str) -> Fact | None:
    """The fact of a chunk that shares most words with a text; of equal ones the first."""
    wanted = content_words(text)
    return max(placed_facts(chunk), key=lambda one: len(wanted & content_words(one.text)), default=None)


def facts_in(chunk: SourceChunk, fact_ids: Sequence[str], quotes: Sequence[Quote]) -> list[Fact]:
    """The facts of a candidate as they stand in its chunk, in their order.

    Where the place of the chunk in the document is another one since, its facts have other ids; then those
    are taken that its quotes touch.
    """
    facts = placed_facts(chunk)
    by_id = {quote_of(chunk, one).place_id: one for one in facts}
    if found := [by_id[one] for one in fact_ids if one in by_id]:
        return found
    places = [place for quote in quotes if (place := find_quote(chunk.text, quote.text))]
    touched = (one for place in places for one in facts if overlap(one, place))
    return list(dict.fromkeys(touched))[: len(fact_ids)]


def candidate_payload(candidate: Candidate, chunk: SourceChunk) -> Payload:
    """What the item that writes a candidate of a chunk is told, out of one that was written.

    Raises:
        Gone: the chunk holds none of its facts.
    """
    content = candidate.content
    if isinstance(content, Passage):
        return {"form": content.form}
    facts = facts_in(chunk, candidate.fact_ids, candidate.quotes)
    if not facts:
        raise Gone(FACT_GONE)
    if isinstance(content, ExamItem):
        return {"fact": place(facts[0]), "type": content.type, "is_true": content.is_true}
    return {"facts": [place(fact) for fact in facts]}


def placed_facts(chunk: SourceChunk) -> list[Fact]:
    """All sentences of a chunk that stand in its document."""
    return [one for one in sentences(chunk.text) if in_source(chunk, one)]
