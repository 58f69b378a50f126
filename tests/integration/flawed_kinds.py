"""Run generations of several kinds against a server that plants faults, and count what the gates caught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from sishu.client import Client
from sishu.common.v1 import failure_pb2
from sishu.generation.v1 import candidate_pb2, candidate_service_pb2, gates_pb2, generation_pb2, question_pb2
from sishu.generation.v1 import question_template_pb2 as template_pb
from sishu.generation.v1.question_template_service_pb2 import CreateQuestionTemplateRequest
from tests.integration.documents import JOB_SECONDS, parsed_project
from tests.integration.generations import generated, new_provider, questions_of, start_generation
from tests.support.flawed_kinds import KINDS, LABELS, TEMPLATE, Posed, Pump, handbook, plain, posed_of
from tests.support.flawed_llm import PosedLlm, served

JUDGED = gates_pb2.Gates(judge=gates_pb2.Judge())


@dataclass(frozen=True)
class KindMeasured:
    """What became of the texts of a kind.

    Args:
        faults: for each fault how often it was planted and caught, and how many clean texts its gates rejected.
        clean: how many clean texts there are.
        wrong: clean texts that were rejected or never came, with the reasons.
        missed: planted ones that were kept, rejected for something else, or never came.
    """

    faults: Mapping[str, Mapping[str, int]]
    clean: int
    wrong: Sequence[tuple[str, str]]
    missed: Sequence[tuple[str, str]]


async def pumps_project(client: Client, pumps: Sequence[Pump]) -> str:
    """A project with a handbook of pumps, each fact in a chunk of its own."""
    most = 110 if pumps[0].language == "en" else 50
    return await parsed_project(client, {"pumps.md": handbook(pumps)}, min_size=1, max_size=most)


async def measured_kind(
    client: Client, project: str, kind: str, pumps: Sequence[Pump], seconds: float = JOB_SECONDS
) -> KindMeasured:
    """Have the texts of a kind written about pumps, each job in at most so many seconds, and count."""
    options = await options_of(client, project, kind, pumps, seconds)
    posed = posed_of(kind, pumps)
    done = await written(client, project, posed, options, seconds)
    return counted(kind, posed, await outcomes(client, done, kind))


async def options_of(
    client: Client, project: str, kind: str, pumps: Sequence[Pump], seconds: float
) -> generation_pb2.GenerationOptions:
    """The options of a generation of the kind; what it needs beside documents is made first."""
    options = generation_pb2.GenerationOptions(chars_per_fact=1, forms_per_fact=1)
    if kind == "multi_hop":
        options.question_types.append(question_pb2.QUESTION_TYPE_MULTI_HOP)
    elif kind == "unanswerable":
        options.question_types.append(question_pb2.QUESTION_TYPE_UNANSWERABLE)
        options.gates.CopyFrom(JUDGED)
    elif kind == "template":
        options.question_template_ids.append(await label_template(client, project, pumps[0].language))
        options.templates_only = True
    else:
        answered = await written(client, project, list(chain(*map(plain, pumps))), options, seconds)
        assert answered.stats.answered == 2 * len(pumps), answered.stats
        options = generation_pb2.GenerationOptions(
            kind=generation_pb2.GENERATION_KIND_PREFERENCE_PAIRS, gates=JUDGED
        )
        options.preference_pairs.generation_id = answered.id
        options.preference_pairs.flaw = candidate_pb2.PREFERENCE_FLAW_WRONG
    return options


async def label_template(client: Client, project: str, language: str) -> str:
    """A template that is answered by one of two labels; its id."""
    wanted = template_pb.QuestionTemplate(
        project_id=project,
        name="kind",
        text=TEMPLATE[language],
        answer=template_pb.TEMPLATE_ANSWER_LABEL,
        labels=LABELS[language],
    )
    request = CreateQuestionTemplateRequest(question_template=wanted)
    return (await client.question_templates.CreateQuestionTemplate(request)).question_template.id


async def written(
    client: Client,
    project: str,
    posed: Sequence[Posed],
    options: generation_pb2.GenerationOptions,
    seconds: float,
) -> generation_pb2.Generation:
    """A generation against a server that says these texts, when it has ended."""
    async with served(PosedLlm(posed)) as base_url:
        provider = await new_provider(client, project, base_url)
        started = await start_generation(client, project, provider, options)
        return await generated(client, started, seconds)


async def outcomes(client: Client, done: generation_pb2.Generation, kind: str) -> dict[str, str]:
    """By question, of a template by quote, with which reason it was rejected; empty for what was kept."""
    if kind == "preference_pair":
        request = candidate_service_pb2.ListCandidatesRequest(
            project_id=done.project_id, generation_id=done.id, page_size=1000
        )
        page = await client.candidates.ListCandidates(request)
        kept = candidate_pb2.CANDIDATE_STATE_KEPT
        pairs = page.candidates
        assert not page.next_page_token
        return {one.preference_pair.prompt: reason(one.state == kept, one.rejection) for one in pairs}
    kept_state = question_pb2.QUESTION_STATE_ANSWERED
    return {
        one.answer.quotes[0].text if kind == "template" else one.text: reason(
            one.state == kept_state, one.rejection
        )
        for one in await questions_of(client, done)
    }


def reason(kept: bool, rejection: failure_pb2.Failure) -> str:
    """Why something was rejected; empty where it was kept."""
    return "" if kept else rejection.reason or "NOT_ENDED"


def counted(kind: str, posed: Sequence[Posed], found: Mapping[str, str]) -> KindMeasured:
    """What became of each planted text, and of the clean ones."""
    ends = [
        (one, found.get(one.sentence if kind == "template" else one.question, "MISSING")) for one in posed
    ]
    wrong = [(one.question, end) for one, end in ends if not one.fault and end]
    faults = {
        fault: {
            "planted": sum(one.fault == fault for one in posed),
            "caught": sum(one.fault == fault and end in reasons for one, end in ends),
            "false_alarms": sum(end in reasons for _, end in wrong),
        }
        for fault, reasons in KINDS[kind].items()
    }
    missed = [
        (one.fault, f"{one.question} {end}")
        for one, end in ends
        if one.fault and end not in KINDS[kind][one.fault]
    ]
    return KindMeasured(faults, sum(not one.fault for one in posed), wrong, missed)
