"""Pages as Markdown by a vision model behind an OpenAI-compatible server; the room asks it, not its child."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import openai
import structlog
from openai.types.chat import ChatCompletion

from services.ingest.calls import CONNECT_SECONDS, PassingError, address, asked_pause, is_passing, tried
from services.ingest.config import TranscriberConfig
from services.ingest.transcribing.paid_answers import FORGOTTEN, Answers
from services.runtime.errors import DeadlineExceeded, FailedPrecondition, SishuError, Unavailable

log = structlog.get_logger()

PROMPT = (
    "The picture is one page of a document. Write down everything that can be read on it as Markdown, in the "
    "order in which a person reads it, columns one after the other. Headings become `#` lines, lists stay "
    "lists, tables become Markdown tables with the value of a merged cell once, formulas become LaTeX "
    "between `$`, footnotes stay. Keep the language and every number as they are: translate nothing, sum up "
    "nothing, leave nothing out, add nothing. Answer with the Markdown alone, and with nothing for an empty "
    "page.\n\n"
    "图片是文档的一页。请把页面上能看到的全部文字按人的阅读顺序写成 Markdown，"
    "分栏时先写完一栏再写下一栏。标题用 `#`，列表仍为列表，表格写成 Markdown 表格"
    "（合并单元格的值只写一次），公式写成 `$` 之间的 LaTeX，脚注保留。"
    "语言和每个数字都保持原样：不翻译、不概括、不遗漏、不添加。只回答 Markdown 本身；"
    "空白页则什么也不写。"
)
WHOLE_FENCE = re.compile(r"\A\s*(`{3,}|~{3,})[ \t]*(?:markdown|md)?[ \t]*\n(.*)\n\1\s*\Z", re.DOTALL)
THOUGHT = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)


@dataclass(frozen=True)
class Transcripts:
    """What a transcriber made of a document.

    Args:
        pages: Markdown by page number from 1.
        pictures: bytes by file name; the Markdown calls them `images/<name>`.
    """

    pages: Mapping[int, str]
    pictures: Mapping[str, bytes] = field(default_factory=dict)


async def transcribe_pages(
    config: TranscriberConfig, name: str, pages: Mapping[int, Path], answers: Answers = FORGOTTEN
) -> Transcripts:
    """Have pages transcribed by the vision model.

    Args:
        config: which model.
        name: name of the document, for messages.
        pages: PNG file of each page, by page number from 1.
        answers: those that were paid for before, which are not asked for again; new ones are kept at once.

    Raises:
        FailedPrecondition: no model is configured, it refuses the request, or its answer was cut off.
        Unavailable, DeadlineExceeded: it did not answer, several times.
    """
    require_vision(config, name)
    slots = asyncio.Semaphore(max(config.vision_concurrency, 1))
    found: dict[int, str] = {}
    timeout = openai.Timeout(config.call_seconds, connect=min(config.call_seconds, CONNECT_SECONDS))
    async with openai.AsyncOpenAI(
        base_url=config.vision_url,
        # The SDK refuses an empty key; a server that needs none ignores this one.
        api_key=config.vision_key or "none",
        max_retries=0,
        timeout=timeout,
    ) as sdk:

        async def transcribe(number: int, path: Path) -> None:
            async with slots:
                page = Page(config, name, number, await asyncio.to_thread(path.read_bytes))
                found[number] = await transcribed(sdk, page, answers)

        try:
            async with asyncio.TaskGroup() as group:
                for number, path in pages.items():
                    group.create_task(transcribe(number, path))
        except* SishuError as errors:
            raise first_of(errors) from None
    log.info("pages_transcribed", name=name, pages=len(found), model=config.vision_model)
    return Transcripts(dict(sorted(found.items())))


async def transcribed(sdk: openai.AsyncOpenAI, page: Page, answers: Answers) -> str:
    """The Markdown of a page; what it was before, if it was paid for before."""
    question = (page.config.vision_model, PROMPT, hashlib.sha256(page.png).hexdigest())
    answer = await answers.get(*question)
    if answer is None:
        answer = await tried(lambda: asked(sdk, page))
        await answers.put(answer, *question)
    return answer


def first_of(errors: BaseExceptionGroup[SishuError]) -> SishuError:
    """One error of many."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, SishuError)  # noqa: S101  # the group holds no others
    return error


def require_vision(config: TranscriberConfig, name: str) -> None:
    """Check that a vision model is configured.

    Raises:
        FailedPrecondition: none is.
    """
    if not config.vision_url or not config.vision_model:
        raise FailedPrecondition(
            "VISION_NOT_CONFIGURED",
            f"{name}: no vision model is configured; set SISHU_INGEST_VISION_URL, SISHU_INGEST_VISION_MODEL "
            "and, if the server wants one, SISHU_INGEST_VISION_KEY, or choose another page reader",
            name=name,
        )


@dataclass(frozen=True)
class Page:
    """A page to transcribe: PNG, and what messages call it."""

    config: TranscriberConfig
    name: str
    number: int
    png: bytes = field(repr=False)

    @property
    def where(self) -> str:
        """The page and the server."""
        config = self.config
        return f"{self.name}, page {self.number}: {address(config.vision_url)} (model {config.vision_model})"

    @property
    def details(self) -> dict[str, str]:
        """The same for programs."""
        return {"name": self.name, "page": str(self.number), "model": self.config.vision_model}


async def asked(sdk: openai.AsyncOpenAI, page: Page) -> str:
    """The Markdown of a page; one call.

    Raises:
        PassingError: it may succeed later.
        SishuError: it will not.
    """
    picture = "data:image/png;base64," + base64.b64encode(page.png).decode()
    content = [{"type": "text", "text": PROMPT}, {"type": "image_url", "image_url": {"url": picture}}]
    body = {
        "model": page.config.vision_model,
        "messages": [{"role": "user", "content": content}],
        "temperature": 0,
    }
    try:
        # The SDK's timeout begins anew with every byte.
        async with asyncio.timeout(page.config.call_seconds):
            answer: object = await sdk.post("/chat/completions", cast_to=ChatCompletion, body=body)
    except (openai.OpenAIError, ValueError, TimeoutError) as error:
        raise failure_of(error, page) from None
    return markdown_of(answer, page)


def markdown_of(answer: object, page: Page) -> str:
    """The Markdown in an answer.

    Raises:
        PassingError: there is none.
        FailedPrecondition: it ends in the middle.
    """
    # The SDK hands on what it cannot read, such as the page of a web server.
    choices = answer.choices if isinstance(answer, ChatCompletion) else None
    if not choices or choices[0].message is None or not isinstance(choices[0].message.content or "", str):
        message = f"{page.where} gave no usable answer; check that an OpenAI-compatible server answers there"
        raise PassingError(Unavailable("VISION_ANSWER_UNUSABLE", message, **page.details))
    if choices[0].finish_reason == "length":
        raise FailedPrecondition(
            "VISION_ANSWER_CUT_OFF",
            f"{page.where}: the answer is longer than the model may write; raise its limit of output tokens, "
            "or read the page by `ocr`",
            **page.details,
        )
    return unfenced(choices[0].message.content or "")


def unfenced(text: str) -> str:
    """An answer without thoughts before it and a code fence around it."""
    text = THOUGHT.sub("", text)
    match = WHOLE_FENCE.match(text)
    return (match[2] if match else text).strip()


def failure_of(error: Exception, page: Page) -> SishuError | PassingError:
    """What went wrong, never with the key in it."""
    where, details = page.where, page.details
    match error:
        case TimeoutError() | openai.APITimeoutError():
            message = f"{where} did not answer within {page.config.call_seconds:g} s"
            return PassingError(DeadlineExceeded("VISION_TIMED_OUT", message, **details))
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            message = f"{where} refused the key; check SISHU_INGEST_VISION_KEY"
            return FailedPrecondition("VISION_REFUSED_KEY", message, **details)
        case openai.APIStatusError() if is_passing(error.status_code):
            failed = Unavailable("VISION_FAILED", f"{where} answered HTTP {error.status_code}", **details)
            return PassingError(failed, asked_pause(error.response.headers))
        case openai.APIStatusError():
            words = error.message.replace(page.config.vision_key or "\0", "***")[:300]
            message = f"{where} refused the request with HTTP {error.status_code}: {words}"
            return FailedPrecondition("VISION_REFUSED", message, **details)
        case openai.APIConnectionError():
            message = f"{where} cannot be reached; check SISHU_INGEST_VISION_URL and that the server runs"
            return PassingError(Unavailable("VISION_UNREACHABLE", message, **details))
        case _:
            message = f"{where} gave no usable answer; check that an OpenAI-compatible server answers there"
            return PassingError(Unavailable("VISION_ANSWER_UNUSABLE", message, **details))
