"""Between the contracts of the inference room and its domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.json_format import MessageToDict

from services.inference.deployments import Deployment, DeploymentOptions
from services.inference.exams import Difference, Exam, ExamResult, NewArm, NewExam, Summary
from services.inference.model_files import ModelFile
from services.inference.upstream import Likelihood, Piece, Sampling, Usage
from services.runtime.convert import failure_to_pb, job_to_pb, timestamp
from services.runtime.extra_body import extra_body, whole
from services.runtime.jobs import Job
from sishu.common.v1 import message_pb2, object_pb2, text_span_pb2
from sishu.inference.v1 import chat_pb2, chat_service_pb2, deployment_pb2, exam_pb2


def deployment_to_pb(deployment: Deployment) -> deployment_pb2.Deployment:
    """A deployment."""
    return deployment_pb2.Deployment(
        id=deployment.id,
        project_id=deployment.project_id,
        model_id=deployment.model_id,
        state=deployment_pb2.DeploymentState.Value(f"DEPLOYMENT_STATE_{deployment.state.upper()}"),
        failure=failure_to_pb(deployment.failure),
        engine=deployment.engine,
        base_url=deployment.base_url,
        served_model_name=deployment.served_model_name,
        restarts=deployment.restarts,
        options=options_to_pb(deployment.options),
        create_time=timestamp(deployment.create_time),
        update_time=timestamp(deployment.update_time),
    )


def options_to_pb(options: DeploymentOptions) -> deployment_pb2.DeploymentOptions:
    """How a model is to be loaded."""
    device, precision = options.device.upper(), options.precision.upper()
    return deployment_pb2.DeploymentOptions(
        shared=options.shared,
        device=deployment_pb2.DeploymentDevice.Value(f"DEPLOYMENT_DEVICE_{device or 'UNSPECIFIED'}"),
        precision=deployment_pb2.DeploymentPrecision.Value(
            f"DEPLOYMENT_PRECISION_{precision or 'UNSPECIFIED'}"
        ),
        context_length=options.context_length,
        kv_memory_mib=options.kv_memory_mib,
        idle_seconds=options.idle_seconds,
    )


def options_from_pb(options: deployment_pb2.DeploymentOptions) -> DeploymentOptions:
    """How a model is to be loaded."""
    device = deployment_pb2.DeploymentDevice.Name(options.device).removeprefix("DEPLOYMENT_DEVICE_")
    precision = deployment_pb2.DeploymentPrecision.Name(options.precision)
    return DeploymentOptions(
        shared=options.shared,
        device="" if device == "UNSPECIFIED" else device.lower(),
        precision=precision.removeprefix("DEPLOYMENT_PRECISION_").lower() if options.precision else "",
        context_length=options.context_length,
        kv_memory_mib=options.kv_memory_mib,
        idle_seconds=options.idle_seconds,
    )


def message_from_pb(message: chat_pb2.ChatMessage) -> dict[str, Any]:
    """A message as the OpenAI protocol writes it; the chat template decides about past reasoning."""
    found: dict[str, Any] = turn_from_pb(message)
    if message.reasoning:
        found["reasoning_content"] = message.reasoning
    if message.tool_calls:
        found["tool_calls"] = [
            {"id": call.key, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    return {**found, "tool_call_id": message.tool_call_key} if message.tool_call_key else found


def turn_from_pb(message: message_pb2.Message | chat_pb2.ChatMessage) -> dict[str, str]:
    """Who said what, as the OpenAI protocol writes it."""
    role = message_pb2.Role.Name(message.role).removeprefix("ROLE_").lower()
    return {"role": role, "content": message.content}


def asking_from_pb(request: chat_service_pb2.ChatRequest) -> Sampling:
    """All that a chat says about its answer."""

    def given(*names: str) -> dict[str, Any]:
        return {name: getattr(request, name) for name in names if request.HasField(name)}  # type: ignore[arg-type]  # our names

    sampling = sampling_from_pb(request.sampling)
    options = given("presence_penalty", "frequency_penalty", "top_logprobs")
    if "top_logprobs" in options:
        options["logprobs"] = True
    if request.HasField("response_schema"):
        schema = whole(MessageToDict(request.response_schema))
        options["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": True},
        }
    if request.tools or request.tool_choice or request.required_tool:
        options["tools"] = [tool_from_pb(tool) for tool in request.tools]
        options["tool_choice"] = tool_choice_from_pb(request)
    extra = given("top_k", "min_p", "repetition_penalty")
    return replace(sampling, options=options, extra={**sampling.extra, **extra})


def tool_from_pb(tool: chat_pb2.Tool) -> dict[str, Any]:
    """A tool as the OpenAI protocol writes it."""
    parameters = whole(MessageToDict(tool.parameters)) or {"type": "object", "properties": {}}
    function = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": function}


def tool_choice_from_pb(request: chat_service_pb2.ChatRequest) -> Any:
    """Whether a tool is called, as the OpenAI protocol writes it."""
    if request.required_tool:
        return {"type": "function", "function": {"name": request.required_tool}}
    choices = {chat_pb2.TOOL_CHOICE_NONE: "none", chat_pb2.TOOL_CHOICE_REQUIRED: "required"}
    return choices.get(request.tool_choice, "auto")


def sampling_from_pb(sampling: message_pb2.Sampling) -> Sampling:
    """Sampling; what is unset is left to the server."""

    def given(name: str) -> Any:
        return getattr(sampling, name) if sampling.HasField(name) else None  # type: ignore[arg-type]  # our names

    return Sampling(
        temperature=given("temperature"),
        top_p=given("top_p"),
        max_tokens=given("max_tokens"),
        seed=given("seed"),
        stop=tuple(sampling.stop),
        extra=extra_body(sampling),
    )


def chat_response(piece: Piece) -> chat_service_pb2.ChatResponse:
    """A piece of an answer."""
    reason = f"FINISH_REASON_{piece.finish_reason.upper() or 'UNSPECIFIED'}"
    return chat_service_pb2.ChatResponse(
        content=piece.content,
        reasoning=piece.reasoning,
        finish_reason=chat_service_pb2.FinishReason.Value(reason),
        usage=usage_to_pb(piece.usage),
        tool_calls=[
            chat_pb2.ToolCall(key=call.id, name=call.name, arguments=call.arguments) for call in piece.calls
        ],
        logprobs=map(likelihood_to_pb, piece.likelihoods),
    )


def likelihood_to_pb(found: Likelihood) -> chat_pb2.TokenLogprob:
    """A token's likelihood."""
    return chat_pb2.TokenLogprob(
        token=found.token, logprob=found.logprob, top=map(likelihood_to_pb, found.top)
    )


def usage_to_pb(usage: Usage | None) -> message_pb2.TokenUsage | None:
    """The tokens of one call; nothing for nothing."""
    if usage is None:
        return None
    return message_pb2.TokenUsage(
        prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens, calls=1
    )


def model_file(stored: object_pb2.StoredObject) -> ModelFile:
    """A file of a model."""
    return ModelFile(stored.name, stored.url, stored.size_bytes, stored.sha256)


def quote_from_pb(quote: text_span_pb2.Quote) -> dict[str, Any]:
    """A quote as it is stored."""
    return {
        "text": quote.text,
        "chunk_id": quote.chunk_id,
        "document_id": quote.document_id,
        "document_version": quote.document_version,
        "start": quote.span.start,
        "end": quote.span.end,
    }


def new_exam(exam: exam_pb2.Exam) -> NewExam:
    """An exam to be made."""
    arms = [NewArm(arm.name, arm.deployment_id) for arm in exam.arms]
    return NewExam(exam.project_id, exam.dataset_version_id, arms)


def exam_to_pb(exam: Exam, job: Job, summary: Summary) -> exam_pb2.Exam:
    """An exam with what it says so far."""
    names = [arm.name for arm in exam.arms]
    return exam_pb2.Exam(
        id=exam.id,
        project_id=exam.project_id,
        dataset_version_id=exam.dataset_version_id,
        arms=[
            exam_pb2.ExamArm(name=arm.name, deployment_id=arm.deployment_id, model_id=arm.model_id)
            for arm in exam.arms
        ],
        job=job_to_pb(job),
        scores=[
            exam_pb2.ArmScore(arm=name, items=found.count, mean=found.mean, low=found.low, high=found.high)
            for name, found in zip(names, summary.arms, strict=True)
        ],
        item_count=exam.item_count,
        differences=[difference_to_pb(found, names) for found in summary.differences],
        create_time=timestamp(exam.create_time),
    )


def difference_to_pb(found: Difference, names: Sequence[str]) -> exam_pb2.ArmDifference:
    """How two arms of these names differ."""
    return exam_pb2.ArmDifference(
        minuend_arm=names[found.minuend],
        subtrahend_arm=names[found.subtrahend],
        mean=found.estimate.mean,
        low=found.estimate.low,
        high=found.estimate.high,
    )


def result_to_pb(result: ExamResult, exam: Exam) -> exam_pb2.ExamResult:
    """An answer of an exam."""
    arm = exam.arms[result.arm]
    return exam_pb2.ExamResult(
        id=result.id,
        exam_id=result.exam_id,
        arm=arm.name,
        example_id=result.example_id,
        question=result.question,
        reference=result.reference,
        answer=result.answer,
        score=result.score,
        metric=exam_pb2.EXAM_METRIC_TOKEN_F1,
        quotes=[quote_to_pb(quote) for quote in result.quotes],
        model_id=arm.model_id,
        create_time=timestamp(result.create_time),
    )


def quote_to_pb(stored: Any) -> text_span_pb2.Quote:
    """A stored quote."""
    return text_span_pb2.Quote(
        text=stored["text"],
        chunk_id=stored["chunk_id"],
        document_id=stored["document_id"],
        document_version=stored["document_version"],
        span=text_span_pb2.TextSpan(start=stored["start"], end=stored["end"]),
    )
