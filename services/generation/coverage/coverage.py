"""How far sections are covered by questions, and which of their facts are asked about next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import CoverageOptions
from services.generation.questions.facts import Fact
from services.generation.questions.filling import own_facts, quote_of
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.sources.section_reader import Section
from services.runtime.errors import InvalidArgument

EXCLUDED_BY_COVERAGE: Mapping[str, str] = {
    "pilot_chunks": "a pilot is spread over chunks",
    "templates_only": "templates ask about no facts",
    "new_chunks_only": "it already asks about what lacks something alone",
    "regeneration": "that says itself what is written",
}
"""Options that do not go together with `coverage`, and why."""


@dataclass(frozen=True)
class Coverage:
    """How far a section is covered; see `sishu.generation.v1.Coverage`."""

    document_id: str
    document_version: int
    section_id: str
    heading_path: Sequence[str]
    chunks: int
    chars: int
    sentences: int
    facts: int
    answered_facts: int
    questions: int
    answered: int
    rejected: int
    answered_about_facts: int
    answered_by_type: Mapping[str, int]

    @property
    def forms_per_fact(self) -> float:
        """Answered questions about facts for each answered fact; 0 without any."""
        return self.answered_about_facts / self.answered_facts if self.answered_facts else 0.0

    @property
    def size_bytes(self) -> int:
        """About how large it is in an answer."""
        return 200 + sum(len(title.encode()) for title in self.heading_path)

    def with_part(self, part: Coverage) -> Coverage:
        """That of the section as far as it was read, and of its next part."""
        sums = {name: getattr(self, name) + getattr(part, name) for name in ("chunks", *SUMMED)}
        by_type = Counter(self.answered_by_type) + Counter(part.answered_by_type)
        return replace(self, **sums, answered_by_type=dict(by_type))

    def lacks(self, facts: int) -> bool:
        """Whether it has fewer answered facts than this, and than sentences."""
        return self.answered_facts < min(facts, self.sentences)


@dataclass(frozen=True)
class CoverageFilter:
    """Which sections are listed, and which questions count; nothing means any."""

    project_id: str
    document_id: str | None = None
    generation_id: str | None = None
    fewer_facts_than: int = 0

    def shows(self, coverage: Coverage) -> bool:
        """Whether a section is listed."""
        return not self.fewer_facts_than or coverage.lacks(self.fewer_facts_than)


@dataclass(frozen=True)
class ChunkCoverage:
    """What questions there are about a chunk, and how large it is; the fields are as of `Coverage`."""

    chars: int
    sentences: int
    facts: int = 0
    answered_facts: int = 0
    questions: int = 0
    answered: int = 0
    rejected: int = 0
    answered_about_facts: int = 0
    answered_by_type: Mapping[str, int] = field(default_factory=dict)


def coverage_of(section: Section[ChunkCoverage]) -> Coverage:
    """The coverage of a section, or a part, by that of its chunks; a fact belongs to one chunk."""
    by_type: Counter[str] = Counter()
    for one in section.found:
        by_type.update(one.answered_by_type)
    return Coverage(
        section.document_id,
        section.document_version,
        section.id,
        section.heading_path,
        len(section.found),
        **{name: sum(getattr(one, name) for one in section.found) for name in SUMMED},
        answered_by_type=dict(by_type),
    )


SUMMED = (
    "chars",
    "sentences",
    "facts",
    "answered_facts",
    "questions",
    "answered",
    "rejected",
    "answered_about_facts",
)


def askable(chunk: SourceChunk) -> dict[str, Fact]:
    """The sentences of a chunk that can be asked about, each once, by what stands in the document."""
    found: dict[str, Fact] = {}
    for fact in own_facts(chunk):
        found.setdefault(quote_of(chunk, fact).text, fact)
    return found


@dataclass(frozen=True)
class ChunkFacts:
    """The facts of a chunk by what became of them.

    Args:
        chunk: the chunk.
        answered: how many have an answered question.
        free: those that nobody has asked about.
        again: those that other generations have asked about without an answer.
        asked: how many this generation has asked about without an answer.
        before: how many this generation has asked about, or others with an answer.
    """

    chunk: SourceChunk
    answered: int
    free: Sequence[Fact]
    again: Sequence[Fact]
    asked: int
    before: int = 0

    @property
    def sentences(self) -> int:
        """How many there are."""
        return self.answered + len(self.free) + len(self.again) + self.asked


def facts_of(chunk: SourceChunk, asked: Mapping[str, bool], planned: Iterable[int]) -> ChunkFacts:
    """Sort the facts of a chunk.

    Args:
        chunk: the chunk.
        asked: what the project has asked about, by its words, and whether there is an answer.
        planned: where the facts begin that this generation has asked about.
    """
    own, free, again = set(planned), list[Fact](), list[Fact]()
    answered = mine = before = 0
    for text, fact in askable(chunk).items():
        before += fact.start in own or asked.get(text, False)
        if asked.get(text):
            answered += 1
        elif fact.start in own:
            mine += 1
        else:
            (again if text in asked else free).append(fact)
    return ChunkFacts(chunk, answered, free, again, mine, before)


@dataclass(frozen=True)
class Choice:
    """Facts of a chunk that are asked about, after so many others of it."""

    chunk: SourceChunk
    facts: Sequence[Fact]
    before: int


@dataclass(frozen=True)
class Tally:
    """How many facts a section has, by what became of them; the fields are as of `ChunkFacts`."""

    sentences: int = 0
    answered: int = 0
    free: int = 0
    again: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.sentences + other.sentences,
            self.answered + other.answered,
            self.free + other.free,
            self.again + other.again,
        )


def tally(found: Iterable[ChunkFacts]) -> Tally:
    """The facts of some chunks, counted."""
    counts = (Tally(one.sentences, one.answered, len(one.free), len(one.again)) for one in found)
    return sum(counts, Tally())


def lacking(section: Tally, options: CoverageOptions) -> int:
    """How many answered facts a section lacks."""
    return max(0, min(options.facts_per_section, section.sentences) - section.answered)


@dataclass(frozen=True)
class Share:
    """Which facts of a section are asked about, at even distances, whatever parts it is read in.

    Args:
        document_id: UUID of the document.
        section_id: UUID of the section; empty for what stands before the first heading.
        free: facts that nobody has asked about.
        free_wanted: how many of them are asked about.
        again: facts that other generations have asked about in vain.
        again_wanted: how many of them are asked about.
        free_seen: how many of the free ones stand in the parts before.
        again_seen: the same of the others.
    """

    document_id: str
    section_id: str
    free: int
    free_wanted: int
    again: int
    again_wanted: int
    free_seen: int = 0
    again_seen: int = 0

    def is_of(self, part: Section[ChunkFacts]) -> bool:
        """Whether a part belongs to the section."""
        return (self.document_id, self.section_id) == (part.document_id, part.id)

    def of_part(self, found: Iterable[ChunkFacts]) -> tuple[list[Choice], Share]:
        """The facts of the next part, by their chunks; and what is left for the parts after it."""
        free, again, choices = self.free_seen, self.again_seen, list[Choice]()
        for one in found:
            facts = [*spread(one.free, free, self.free, self.free_wanted)]
            facts += spread(one.again, again, self.again, self.again_wanted)
            free, again = free + len(one.free), again + len(one.again)
            if facts:
                facts.sort(key=lambda fact: fact.start)
                choices.append(Choice(one.chunk, facts, one.before))
        return choices, replace(self, free_seen=free, again_seen=again)


def share_of(part: Section[ChunkFacts], whole: Tally, count: int) -> Share:
    """So many facts of a section; those that nobody has asked about come first.

    Args:
        part: the section, or its first part.
        whole: the facts of all of it.
        count: how many are asked about.
    """
    free = min(count, whole.free)
    return Share(part.document_id, part.id, whole.free, free, whole.again, min(count - free, whole.again))


def spread(found: Sequence[Fact], first: int, total: int, wanted: int) -> list[Fact]:
    """Of some facts, the first of which is number `first` of `total`, those wanted at even distances."""
    return [fact for number, fact in enumerate(found, first) if is_at_distance(number, total, wanted)]


def is_at_distance(number: int, total: int, wanted: int) -> bool:
    """Whether a number below `total` is one of `wanted` at even distances: 0, total / wanted, and so on."""
    if not wanted:
        return False
    nearest = -(-number * wanted // total)
    return nearest < wanted and nearest * total // wanted == number


@dataclass(frozen=True)
class Round:
    """How far a look at all sections is; a generation looks once a round, and once at the end.

    Args:
        number: of the round, from 1.
        page: item of the round, from 0.
        sections: sections seen.
        lacking: those of them that lack answered facts.
        facts: facts that are asked about in this round.
    """

    number: int = 1
    page: int = 0
    sections: int = 0
    lacking: int = 0
    facts: int = 0

    @property
    def key(self) -> str:
        """The key of its item."""
        return f"{self.number}:{self.page}"

    def told(self, rounds: int) -> str:
        """What it found, in plain words."""
        return (
            f"round {self.number} of {rounds}: {self.lacking} of {self.sections} sections lack answered "
            f"facts; {self.facts} facts are asked about"
        )


def check_coverage(options: GenerationOptions) -> None:
    """Refuse what does not go together with coverage.

    Raises:
        InvalidArgument: so it is.
    """
    if options.coverage and "unanswerable" in options.question_types:
        raise InvalidArgument(
            "OPTIONS_CONFLICT",
            "options.coverage and the question type unanswerable do not go together: what the documents do "
            "not say covers no fact; have these questions written by a generation of their own",
            "generation.options.question_types",
            option="question_types",
            other="coverage",
        )
    for name, why in EXCLUDED_BY_COVERAGE.items():
        if options.coverage and getattr(options, name):
            raise InvalidArgument(
                "OPTIONS_CONFLICT",
                f"options.coverage and options.{name} do not go together: {why}; leave one out",
                f"generation.options.{name}",
                option=name,
                other="coverage",
            )
