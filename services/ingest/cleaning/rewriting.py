"""Clean a text by a language model, block by block, and take only what changes no facts.

A block whose answer is missing or not faithful stays as it was, and is counted.
"""

from __future__ import annotations

import asyncio
import difflib
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import openai
import structlog

from services.ingest.at_once import all_done
from services.ingest.cleaning import SYNTAXES
from services.ingest.cleaning.changes import Change
from services.ingest.cleaning.checks import HAN, unfaithful
from services.ingest.cleaning.drafts import Draft, Line
from services.ingest.cleaning.prompts import VERSION, messages
from services.ingest.config import RewriteConfig
from services.ingest.models.calls import address, is_passing, tried
from services.ingest.models.chat import Chat, is_cut_off, text_of
from services.ingest.models.paid_answers import FORGOTTEN, Answers
from services.ingest.readers.shared.images import REFERENCE
from services.runtime.errors import FailedPrecondition, Unavailable

log = structlog.get_logger()

Span = tuple[int, int]

FIRST_PAUSE_SECONDS = 0.5
RETRIES = 5
"""Tries after the first, where the server is busy or away."""
BLOCK_SECONDS = 600.0
"""Longest time for a block, with all tries and the pauses that the server asks for."""
BLOCK_CHARS = 2000
OF_THE_BLOCK = {400, 413, 422}
"""HTTP statuses about what was asked, such as a content filter's; any other that does not pass is for all."""
TOKEN = re.compile(rf"\s+|[{HAN}]|[^\W{HAN}]+|[^\w\s]")
PARAGRAPH_END = re.compile(r"\n\s*\n")
SENTENCE_END = re.compile(r"[.!?…]+[\"')\]”’]*\s+|[。！？；…]+[”’」』）]*|\n")
LETTERS = re.compile(r"[^\W\d_]{2}")


@dataclass(frozen=True)
class Rewritten:
    """What came out.

    Args:
        changes: sorted and disjoint, rule `rewrite`.
        blocks: how many blocks were asked for.
        kept: how many stay as they were because the answer was not faithful, by what was wrong with it, or
            because the server refuses them (`refused`).
        failed: how many have no answer yet; one may come later.
        prompt_tokens: paid for questions.
        completion_tokens: paid for answers.
        prompt: version of the prompt.
    """

    changes: Sequence[Change]
    blocks: int
    kept: Mapping[str, int]
    failed: int
    prompt_tokens: int
    completion_tokens: int
    prompt: str = VERSION


@dataclass(frozen=True)
class Answer:
    """What a block becomes: a text, empty if no answer came; and what was wrong with the answer.

    `status` is that of HTTP where the server refuses the block, else 0.
    """

    text: str = ""
    fault: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    status: int = 0


class Rewriter:
    """Asks a model to tidy texts; to be closed."""

    def __init__(self, config: RewriteConfig) -> None:
        self._config = config
        self._chat = Chat(config.url, config.model, config.key, config.call_seconds)
        self._slots = asyncio.Semaphore(config.concurrency)

    async def close(self) -> None:
        """Close the connections."""
        await self._chat.close()

    async def rewrite(self, text: str, syntax: str, answers: Answers = FORGOTTEN) -> Rewritten:
        """Tidy a text; code, tables, formulas and pictures are left out.

        Args:
            text: the text.
            syntax: of the text, as in `Reading`.
            answers: those that were paid for before; they are not asked for again.

        Raises:
            FailedPrecondition: the server refuses the key, the model, or all of several blocks.
            Unavailable: it answered for no block at all.
        """
        draft = Draft(text, (), syntax)
        blocks = blocks_of(draft, BLOCK_CHARS) if syntax in SYNTAXES else []
        made = await all_done(self._tidied(text[start:end], answers) for start, end in blocks)
        if made and not any(answer.text for answer in made):
            raise unanswered(self._config)
        if len(made) > 1 and all(answer.status for answer in made):
            raise refused(self._config, made[0].status)
        changes = await asyncio.to_thread(changes_of, draft, blocks, made)
        return Rewritten(
            changes,
            len(blocks),
            Counter(answer.fault for answer in made if answer.fault),
            sum(not answer.text for answer in made),
            sum(answer.prompt_tokens for answer in made),
            sum(answer.completion_tokens for answer in made),
        )

    async def _tidied(self, block: str, paid: Answers) -> Answer:
        """What a block becomes; what it became before, if it did.

        Raises:
            FailedPrecondition: no block would fare better.
        """
        question = (self._config.model, VERSION, block)
        before = await paid.get(*question)
        if before is not None:
            fault = unfaithful(block, before)
            return Answer(block if fault else before, fault)
        try:
            async with self._slots, asyncio.timeout(BLOCK_SECONDS):
                completion = await tried(
                    lambda: self._chat.ask(messages(block)), FIRST_PAUSE_SECONDS, RETRIES
                )
        except (openai.OpenAIError, ValueError, TimeoutError) as error:
            return self._without_answer(block, error)
        text, is_whole = text_of(completion), not is_cut_off(completion)
        fault = unfaithful(block, text) if is_whole else "length"
        if is_whole:
            await paid.put(text, *question)
        usage = completion.usage
        tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
        return Answer(block if fault else text, fault, *tokens)

    def _without_answer(self, block: str, error: Exception) -> Answer:
        """What a block becomes after an error: itself if the server refuses it, else nothing yet.

        Raises:
            FailedPrecondition: no block would fare better.
        """
        status = error.status_code if isinstance(error, openai.APIStatusError) else 0
        # A short word such as `content_filter`; the message may hold the block, or the key.
        reason = error.code if isinstance(error, openai.APIError) else None
        log.warning(
            "block_not_rewritten",
            model=self._config.model,
            error=type(error).__name__,
            status=status,
            reason=self._chat.without_key(str(reason or "")[:100]),
        )
        if status == 0 or is_passing(status):
            return Answer()
        if status in OF_THE_BLOCK:
            return Answer(block, "refused", status=status)
        raise refused(self._config, status) from None


def blocks_of(draft: Draft, most_chars: int) -> list[Span]:
    """The spans of running text to ask for, cut between paragraphs, and long paragraphs after sentences."""
    found = []
    for run in runs(draft.lines):
        for start, end in gathered(draft.text, run, most_chars):
            part = draft.text[start:end]
            first = start + len(part) - len(part.lstrip())
            last = first + len(part.strip())
            # What has no sentence end for so long is no running text.
            if LETTERS.search(part) and last - first <= 2 * most_chars:
                found.append((first, last))
    return found


def runs(lines: Sequence[Line]) -> Iterator[Span]:
    """Spans of lines that are neither code nor table nor formula and hold no picture."""
    kinds = itertools.groupby(
        lines, lambda line: line.kind in {"prose", "blank"} and not REFERENCE.search(line.text)
    )
    for is_text, group in kinds:
        run = list(group)
        if is_text:
            yield run[0].start, run[-1].end


def gathered(text: str, run: Span, most_chars: int) -> Iterator[Span]:
    """Cut a run into spans of whole paragraphs or sentences, as long as the limit lets them be."""
    start, end = run
    last = start
    for stop in stops(text, run, most_chars):
        if stop - start > most_chars and last > start:
            yield start, last
            start = last
        last = stop
    if end > start:
        yield start, end


def stops(text: str, run: Span, most_chars: int) -> Iterator[int]:
    """The ends of paragraphs, and of the sentences of those that are longer than the limit."""
    start, end = run
    for stop in [*(match.end() for match in PARAGRAPH_END.finditer(text, start, end)), end]:
        if stop - start > most_chars:
            yield from (match.end() for match in SENTENCE_END.finditer(text, start, stop))
        yield stop
        start = stop


def changes_of(draft: Draft, blocks: Sequence[Span], answers: Sequence[Answer]) -> list[Change]:
    """The changes, word by word, that turn the blocks into their answers."""
    changes = [
        change
        for (start, end), answer in zip(blocks, answers, strict=True)
        if answer.text
        for change in word_changes(draft.text[start:end], answer.text, start)
    ]
    return draft.allowed(changes)


def word_changes(block: str, answer: str, offset: int) -> Iterator[Change]:
    """The words that differ, by the longest common runs (`difflib`)."""
    if block == answer:
        return
    old, new = TOKEN.findall(block), TOKEN.findall(answer)
    places = list(itertools.accumulate(map(len, old), initial=offset))
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for tag, first, last, new_first, new_last in matcher.get_opcodes():
        if tag != "equal":
            yield Change(places[first], places[last], "".join(new[new_first:new_last]), "rewrite")


def refused(config: RewriteConfig, status: int) -> FailedPrecondition:
    """The error for a server that will answer for no block; its words are left out: they may hold the key."""
    return FailedPrecondition(
        "REWRITE_REFUSED",
        f"{address(config.url)} (model {config.model}) answers HTTP {status}; check key, model and URL",
        base_url=address(config.url),
        model=config.model,
        status=str(status),
    )


def unanswered(config: RewriteConfig) -> Unavailable:
    """The error for a server that answered for no block."""
    return Unavailable(
        "REWRITE_UNANSWERED",
        f"{address(config.url)} (model {config.model}) gave no answer for any part of the text; check that "
        "it runs, and try again later",
        base_url=address(config.url),
        model=config.model,
    )
