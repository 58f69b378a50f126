"""Pages as Markdown by a vision model behind an OpenAI-compatible server; the room asks it, not its child."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import openai
import structlog
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from services.ingest.at_once import all_done
from services.ingest.config import TranscriberConfig
from services.ingest.models.calls import PassingError, is_passing, tried
from services.ingest.models.chat import Chat, is_cut_off, text_of
from services.ingest.models.paid_answers import FORGOTTEN, Answers
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


@dataclass(frozen=True)
class Transcripts:
    """What a transcriber made of a document.

    Args:
        pages: Markdown by page number from 1.
        images: bytes by file name; the Markdown calls them `images/<name>`.
    """

    pages: Mapping[int, str]
    images: Mapping[str, bytes] = field(default_factory=dict)


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
    chat = Chat(config.vision_url, config.vision_model, config.vision_key, config.call_seconds)

    async def transcribe(number: int, path: Path) -> str:
        async with slots:
            page = Page(chat, config.call_seconds, name, number, await asyncio.to_thread(path.read_bytes))
            return await transcribed(page, answers)

    try:
        texts = await all_done(transcribe(number, path) for number, path in pages.items())
    finally:
        await chat.close()
    log.info("pages_transcribed", name=name, pages=len(texts), model=config.vision_model)
    return Transcripts(dict(sorted(zip(pages, texts, strict=True))))


async def transcribed(page: Page, answers: Answers) -> str:
    """The Markdown of a page; what it was before, if it was paid for before."""
    question = (page.chat.model, PROMPT, hashlib.sha256(page.png).hexdigest())
    answer = await answers.get(*question)
    if answer is None:
        answer = await tried(lambda: asked(page))
        await answers.put(answer, *question)
    return answer


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
    """A page to transcribe: PNG, who is asked, and what messages call it."""

    chat: Chat
    call_seconds: float
    name: str
    number: int
    png: bytes = field(repr=False)

    @property
    def where(self) -> str:
        """The page and the server."""
        return f"{self.name}, page {self.number}: {self.chat.where}"

    @property
    def details(self) -> dict[str, str]:
        """The same for programs."""
        return {"name": self.name, "page": str(self.number), "model": self.chat.model}


async def asked(page: Page) -> str:
    """The Markdown of a page; one call.

    Raises:
        PassingError: it may succeed later.
        SishuError: it will not.
    """
    try:
        return markdown_of(await page.chat.ask(messages(page.png)), page)
    except PassingError as passing:
        raise PassingError(failure_of(passing.error, page), passing.seconds) from None
    except openai.APIStatusError as error:
        raise failure_of(error, page) from None
    except (openai.OpenAIError, ValueError) as error:
        raise PassingError(failure_of(error, page)) from None


def messages(png: bytes) -> list[ChatCompletionMessageParam]:
    """The chat that asks for the Markdown of a picture."""
    picture = "data:image/png;base64," + base64.b64encode(png).decode()
    return [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": PROMPT},
                {"type": "image_url", "image_url": {"url": picture}},
            ],
        }
    ]


def markdown_of(answer: ChatCompletion, page: Page) -> str:
    """The Markdown in an answer.

    Raises:
        FailedPrecondition: it ends in the middle.
    """
    if is_cut_off(answer):
        raise FailedPrecondition(
            "VISION_ANSWER_CUT_OFF",
            f"{page.where}: the answer is longer than the model may write; raise its limit of output tokens, "
            "or read the page by `ocr`",
            **page.details,
        )
    return text_of(answer)


def failure_of(error: Exception, page: Page) -> SishuError:
    """What went wrong, never with the key in it."""
    where, details = page.where, page.details
    match error:
        case TimeoutError() | openai.APITimeoutError():
            message = f"{where} did not answer within {page.call_seconds:g} s"
            return DeadlineExceeded("VISION_TIMED_OUT", message, **details)
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            message = f"{where} refused the key; check SISHU_INGEST_VISION_KEY"
            return FailedPrecondition("VISION_REFUSED_KEY", message, **details)
        case openai.APIStatusError() if is_passing(error.status_code):
            return Unavailable("VISION_FAILED", f"{where} answered HTTP {error.status_code}", **details)
        case openai.APIStatusError():
            words = page.chat.without_key(error.message)[:300]
            message = f"{where} refused the request with HTTP {error.status_code}: {words}"
            return FailedPrecondition("VISION_REFUSED", message, **details)
        case openai.APIConnectionError():
            message = f"{where} cannot be reached; check SISHU_INGEST_VISION_URL and that the server runs"
            return Unavailable("VISION_UNREACHABLE", message, **details)
        case _:
            message = f"{where} gave no usable answer; check that an OpenAI-compatible server answers there"
            return Unavailable("VISION_ANSWER_UNUSABLE", message, **details)
