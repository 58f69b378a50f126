"""How many forms of a question about a fact are written, where its first one tells what a model knows.

The first call about facts then asks for one form of each. Once its answer stands, the model that is to learn
is asked, and the rest follows, a fact a call: what is asked for about a fact depends on no other, and is
found among kept answers when another model is to learn. Of voices, the first one has the form that is asked
about, and the others follow whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.generation.generations.generations import GenerationOptions
from services.generation.questions.facts import Fact
from services.generation.questions.question_types import FACT, UNANSWERABLE
from services.generation.questions.questions import OpenQuestion
from services.runtime.jobs import Item, NewItem

Payload = Mapping[str, Any]

OUTPUT_INCOMPLETE, TYPE_NOT_IN_TEXT = "OUTPUT_INCOMPLETE", "TYPE_NOT_IN_TEXT"
"""Why questions are missing that a call was to bring: it brought fewer, or the fact gives none."""


@dataclass(frozen=True)
class Forms:
    """The forms about each fact that a call asks for.

    Args:
        count: how many.
        first: number of the first one.
        asked: questions about it that are there already.
        known: whether the model that is to learn knows the fact; nothing where that is not known.
        voices: of a first call that others follow, the pairs in whose voices these are, or that of none.
    """

    count: int
    first: int = 0
    asked: Sequence[str] = ()
    known: bool | None = None
    voices: Sequence[str | None] = ()

    def wanted(self, options: GenerationOptions) -> GenerationOptions:
        """The options, with these forms in place of all."""
        if self.count == options.forms_per_fact:
            return options
        return replace(options, forms_per_fact=self.count)

    def lost(self, options: GenerationOptions) -> int:
        """Forms that will not come about a fact that gives none: these, and all that would have followed."""
        return len(self.voices) * options.forms_per_fact if self.voices else self.count


def asks_first(question_type: str, options: GenerationOptions) -> bool:
    """Whether a model is asked what it knows before all questions of a type are written.

    Nobody knows what has no answer.
    """
    return options.knowledge is not None and question_type != UNANSWERABLE


def forms_of(payload: Payload, options: GenerationOptions) -> Forms:
    """What an item `write_questions` asks for."""
    if further := payload.get("forms"):
        return Forms(**further)
    if asks_first(payload.get("type", FACT), options):
        return Forms(1, voices=payload.get("voices", [None]))
    return Forms(options.forms_per_fact)


def rest(
    chunk_id: str,
    payload: Payload,
    options: GenerationOptions,
    turn: int,
    *,
    known: bool | None = None,
    asked: str = "",
) -> list[NewItem]:
    """The items that write the further forms about a fact.

    Args:
        chunk_id: where it stands.
        payload: of the item that goes on: `fact`, its place, `voices`, and what its type needs.
        options: those of the generation.
        turn: the turn of that item.
        known: whether the model that is to learn knows it; as an unknown one where nobody could find out.
        asked: the first question; empty where none came.
    """
    wanted = options.forms_per_fact
    if known and options.knowledge:
        wanted = options.knowledge.forms_per_known_fact
    others = {name: value for name, value in payload.items() if name not in {"fact", "voices"}}
    items = []
    for index, voice in enumerate(payload["voices"]):
        first = int(index == 0)
        forms = {
            "count": wanted - first,
            "first": first,
            "asked": [asked] if first and asked else [],
            "known": known,
        }
        own = {"genre_audience_id": voice} if voice else {}
        key = f"{chunk_id}:{payload['fact'][0]}:{voice or ''}:rest"
        if forms["count"]:
            new = {**others, "facts": [payload["fact"]], "forms": forms, **own}
            items.append(NewItem("write_questions", key, chunk_id, new, turn))
    return items


def next_voice(item: Item) -> list[NewItem]:
    """The first call about facts once more, in the next voice, where the pair of the first one is gone."""
    voices = item.payload.get("voices", [])[1:]
    if not voices:
        return []
    payload = {**item.payload, "voices": voices, "genre_audience_id": voices[0]}
    key = item.key.replace(item.payload["genre_audience_id"], voices[0])
    return [NewItem("write_questions", key, item.resource_id, payload, item.turn)]


def lacking(
    written: Sequence[Sequence[str] | None], forms: Forms, options: GenerationOptions, questions: int
) -> dict[str, int]:
    """How many questions a call was to bring and did not, by the reason.

    Args:
        written: the questions of each fact; no list of a fact that gives none.
        forms: what was asked for about each.
        options: those of the generation.
        questions: how many came.
    """
    misfits = sum(texts is None for texts in written)
    incomplete = (len(written) - misfits) * forms.count - questions
    return {OUTPUT_INCOMPLETE: incomplete, TYPE_NOT_IN_TEXT: misfits * forms.lost(options)}


def after_questions(
    item: Item,
    options: GenerationOptions,
    written: Iterable[tuple[Fact, Sequence[str] | None]],
    waiting: Mapping[str, Sequence[int]],
) -> list[NewItem]:
    """What comes after questions: their answers, so that these come early; then the rest about other facts.

    Args:
        item: the call that brought them.
        options: those of the generation.
        written: the facts with their questions; no list of a fact that gives none.
        waiting: questions that wait for their answer, with the place of what each asks for.
    """
    told = {name: item.payload[name] for name in ("type", "link") if name in item.payload}
    voices = forms_of(item.payload, options).voices
    if voices:
        told["voices"] = voices
    items = [
        NewItem("write_answer", one, one, {"fact": found, **told}, item.turn)
        for one, found in waiting.items()
    ]
    if voices:
        items += unprobed(item, told, options, written, [*waiting.values()])
    return items


def unprobed(
    item: Item,
    told: Payload,
    options: GenerationOptions,
    written: Iterable[tuple[Fact, Sequence[str] | None]],
    begun: Sequence[Sequence[int]],
) -> list[NewItem]:
    """The items that go on with facts whose first question is not answered, so that no model is asked it.

    Args:
        item: the first call about the facts.
        told: what the items that follow are told.
        options: those of the generation.
        written: the facts with their questions; no list of a fact that gives none.
        begun: places of those whose question waits for its answer.
    """
    return [
        new
        for fact, texts in written
        if texts is not None and (place := [fact.start, fact.end]) not in begun
        for new in rest(
            item.resource_id, {**told, "fact": place}, options, item.turn, asked=next(iter(texts), "")
        )
    ]


def after_answer(
    item: Item, options: GenerationOptions, question: OpenQuestion, *, kept: bool
) -> list[NewItem]:
    """What comes after an answer: a model that is to learn is asked, or one that judges."""
    if "voices" in item.payload:
        if kept:
            return [NewItem("probe_fact", question.id, question.chunk_id, item.payload, item.turn)]
        return rest(question.chunk_id, item.payload, options, item.turn, asked=question.text)
    if kept and options.gates.judge:
        return [NewItem("judge_answer", question.id, question.id, item.payload, item.turn)]
    return []
