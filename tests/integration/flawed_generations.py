"""Run generations against a server that plants faults, and count what the gates caught."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sishu.client import Client
from sishu.generation.v1 import generation_pb2, question_pb2
from tests.integration.documents import JOB_SECONDS, parsed_project
from tests.integration.generations import generated, new_provider, questions_of, start_generation
from tests.support.flawed_texts import FAULTS, JUDGED, RESTATED, Said, documents

REASONS = {**FAULTS, **JUDGED}
ANSWERED, REJECTED = question_pb2.QUESTION_STATE_ANSWERED, question_pb2.QUESTION_STATE_REJECTED


@dataclass(frozen=True)
class Measured:
    """What became of a corpus.

    Args:
        generation: the ended generation.
        questions: what it made.
        faults: for each fault how often it was planted and caught, and how many clean texts its gates rejected.
        wrong: clean questions that were rejected, with their reasons.
        missed: planted ones that were kept.
    """

    generation: generation_pb2.Generation
    questions: Sequence[question_pb2.Question]
    faults: Mapping[str, Mapping[str, int]]
    wrong: Sequence[tuple[str, str]]
    missed: Sequence[tuple[str, str]]


async def flawed_project(client: Client, said: Sequence[Said]) -> str:
    """A project with a corpus, each fact in a chunk of its own."""
    most = 110 if said[0].language == "en" else 50
    return await parsed_project(client, documents(said), min_size=1, max_size=most)


async def measured(
    client: Client,
    project: str,
    said: Sequence[Said],
    base_url: str,
    seconds: float = JOB_SECONDS,
    **options: Any,
) -> Measured:
    """Generate over a corpus, in at most so many seconds, and count."""
    provider = await new_provider(client, project, base_url)
    wanted = generation_pb2.GenerationOptions(chars_per_fact=1, **options)
    done = await generated(client, await start_generation(client, project, provider, wanted), seconds)
    return counted(done, await questions_of(client, done), said)


def counted(
    done: generation_pb2.Generation, questions: Sequence[question_pb2.Question], said: Sequence[Said]
) -> Measured:
    """What became of each planted text, and of the clean ones."""
    by_text: defaultdict[str, list[question_pb2.Question]] = defaultdict(list)
    for question in questions:
        by_text[question.text].append(question)
    caught, planted, wrong, missed = (
        Counter[str](),
        Counter[str](),
        list[tuple[str, str]](),
        list[tuple[str, str]](),
    )
    excused = {said[one.restates].questions[0] for one in said if one.fault in RESTATED}
    for one in said:
        planted[one.fault] += 1
        if one.fault == "wrong_count":
            continue
        if one.fault and is_caught(one, said, by_text):
            caught[one.fault] += 1
        elif one.fault:
            missed.append((one.fault, one.questions[1]))
        clean = one.questions[:1] if one.fault else one.questions
        for text in clean:
            reasons = [
                found.rejection.reason for found in by_text[" ".join(text.split())] if found.state == REJECTED
            ]
            if reasons and text not in excused:
                wrong.append((text, reasons[0]))
    caught["wrong_count"] = done.stats.missing_by_reason["OUTPUT_INCOMPLETE"]
    alarms = Counter(reason for _, reason in wrong)
    faults = {
        fault: {
            "planted": planted[fault],
            "caught": caught[fault],
            "false_alarms": sum(alarms[reason] for reason in REASONS[fault]),
        }
        for fault in REASONS
        if planted[fault]
    }
    return Measured(done, questions, faults, wrong, missed)


def is_caught(
    one: Said, said: Sequence[Said], by_text: Mapping[str, Sequence[question_pb2.Question]]
) -> bool:
    """Whether a planted fault was rejected by a gate of its kind; of two copies either."""
    texts = [one.questions[1]]
    if one.fault in RESTATED:
        texts.append(said[one.restates].questions[0])
    found = [question for text in texts for question in by_text[" ".join(text.split())]]
    kept = [question for question in found if question.state != REJECTED]
    reasons = {question.rejection.reason for question in found if question.state == REJECTED}
    most = 1 if one.fault in RESTATED else 0
    return len(kept) <= most and bool(reasons & REASONS[one.fault])
