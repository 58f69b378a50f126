from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.ingest.cleaning import apply, moved, rewriting
from services.ingest.cleaning.checks import unfaithful
from services.ingest.cleaning.drafts import Draft
from services.ingest.cleaning.prompts import CHINESE, ENGLISH, messages
from services.ingest.cleaning.rewriting import Rewriter, blocks_of, word_changes
from services.ingest.config import RewriteConfig
from services.ingest.readers.reading import Reading
from services.runtime.errors import FailedPrecondition, SishuError
from tests.support.mock_llm import MockServer, mock_llm
from tests.support.web_server import served
from tests.unit.ingest.cleaning.diffs import diff

Tidying = Callable[[str], str | web.Response]

ENGLISH_TEXT = """# The mill

The rnill stands on the river Aire , and its wheel turns day and night. It was built in 1784
by John Smeaton,who also built a light-
house.

| Year | Sacks |
|---|---|
| 1784 | rnill |

```
rnill
```

The rnill was sold for 4,000 pounds.
"""
CHINESE_TEXT = "退货须在三十日内提岀，逾期不予\n受理。\n\n货款于 7 个工作日内退还 ， 不另收费。\n"


def said(text: str, finish_reason: str = "stop") -> web.Response:
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
    body = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": usage,
    }
    return web.json_response(body)


@asynccontextmanager
async def rewriter(url: str, **settings: Any) -> AsyncIterator[Rewriter]:
    """A rewriter; settings in capitals are constants of its module."""
    with pytest.MonkeyPatch.context() as patch:
        for name in filter(str.isupper, list(settings)):
            patch.setattr(rewriting, name, settings.pop(name))
        one = Rewriter(RewriteConfig(url, "mock-model", **settings))
        try:
            yield one
        finally:
            await one.close()


@asynccontextmanager
async def tidied_by(tidy: Tidying, **settings: Any) -> AsyncIterator[tuple[Rewriter, list[dict[str, Any]]]]:
    """A rewriter whose model server answers each block by a function, and the requests that came."""
    bodies: list[dict[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        answered = tidy(bodies[-1]["messages"][-1]["content"])
        return answered if isinstance(answered, web.Response) else said(answered)

    async with served(answer) as url, rewriter(url, **settings) as one:
        yield one, bodies


def good(block: str) -> str:
    return (
        block.replace("rnill", "mill")
        .replace(" ,", ",")
        .replace("Smeaton,who", "Smeaton, who")
        .replace("light-\nhouse", "lighthouse")
        .replace("提岀", "提出")
        .replace("不予\n受理", "不予受理")
        .replace(" ， ", "，")
    )


async def test_prose_is_tidied_word_by_word_and_code_and_tables_stay() -> None:
    async with tidied_by(good) as (one, bodies):
        rewritten = await one.rewrite(ENGLISH_TEXT, "markdown")
    after = apply(ENGLISH_TEXT, rewritten.changes)
    assert after.count("rnill") == 2
    assert "| 1784 | rnill |" in after
    assert "```\nrnill\n```" in after
    assert "The mill stands on the river Aire, and its wheel" in after
    assert "John Smeaton, who also built a lighthouse." in after
    assert (rewritten.blocks, dict(rewritten.kept), rewritten.failed) == (2, {}, 0)
    assert (rewritten.prompt_tokens, rewritten.completion_tokens) == (20, 6)
    shown = [(hunk.removed, hunk.added) for hunk in diff(ENGLISH_TEXT, rewritten.changes)]
    assert shown == [
        ("rnill", "mill"),
        (" ", ""),
        ("", " "),
        ("light-\nhouse", "lighthouse"),
        ("rnill", "mill"),
    ]
    assert {change.rule for change in rewritten.changes} == {"rewrite"}
    assert all(body["temperature"] == 0 for body in bodies)
    assert all(body["messages"][0]["content"] == ENGLISH for body in bodies)


async def test_chinese_is_asked_for_in_chinese_and_changed_by_characters() -> None:
    async with tidied_by(good) as (one, bodies):
        rewritten = await one.rewrite(CHINESE_TEXT, "markdown")
    assert (
        apply(CHINESE_TEXT, rewritten.changes)
        == "退货须在三十日内提出，逾期不予受理。\n\n货款于 7 个工作日内退还，不另收费。\n"
    )
    assert bodies[0]["messages"][0]["content"] == CHINESE
    assert max(len(change.added) for change in rewritten.changes) == 1


async def test_pages_move_with_the_changes() -> None:
    second = CHINESE_TEXT.index("货款")
    async with tidied_by(good) as (one, _):
        rewritten = await one.rewrite(CHINESE_TEXT, "markdown")
    after = moved(Reading(CHINESE_TEXT, (0, second)), rewritten.changes)
    assert after.text.startswith("货款", after.page_starts[1])


@pytest.mark.parametrize(
    ("tidy", "fault"),
    [
        (lambda block: block.replace("1784", "1874"), "numbers"),
        (lambda block: block.replace("4,000", "4000"), "numbers"),
        (lambda block: block + " It has 3 floors.", "numbers"),
        (lambda block: block.replace("Smeaton", "Smith"), "names"),
        (lambda block: block.replace("# ", ""), "headings"),
        (
            lambda block: (
                f"Sure! Here is the repaired text, as you asked for it: {block} I hope that this helps you."
            ),
            "length",
        ),
        (lambda block: block[: len(block) // 3], "length"),
        (lambda _: "", "length"),
        (
            lambda block: block.replace("stands", "is").replace(
                "wheel turns day and night", "rotor moves without rest"
            ),
            "numbers",
        ),
        (lambda block: said(block, finish_reason="length"), "length"),
    ],
)
async def test_an_answer_that_changes_facts_is_not_taken(tidy: Tidying, fault: str) -> None:
    text = "# The mill\n\nThe mill stands on the river Aire, and its wheel turns day and night. It was built in 1784 by John Smeaton for 4,000 pounds.\n"
    async with tidied_by(tidy) as (one, _):
        rewritten = await one.rewrite(text, "markdown")
    assert (dict(rewritten.kept), rewritten.changes, rewritten.failed) == ({fault: 1}, [], 0)


@pytest.mark.parametrize(
    ("block", "answer", "fault"),
    [
        ("The fee is 5 %.", "The fee is 5 %.", ""),
        ("The fee is 5 %.", "The fee is 5.", "numbers"),
        ("It is -5 degrees.", "It is 5 degrees.", "numbers"),
        ("It is −5 degrees.", "It is -5 degrees.", ""),
        ("It is not allowed to smoke here at all.", "It is allowed to smoke here at all.", "numbers"),
        ("You mustn't open the door of the oven now.", "You must open the door of the oven now.", "numbers"),
        ("本办法不适用于门店。", "本办法适用于门店。", "numbers"),
        ("三十日内可以退货。", "三十五日内可以退货。", "numbers"),
        ("See https://a.example/x for more.", "See https://a.example/y for more.", "links"),
        ("See https://a.example/x.", "See (https://a.example/x).", ""),
        ("Ask help@a.example today.", "Ask us today.", "links"),
        ("A note[^n] here stands.", "A note here stands.", "links"),
        ("A [page](b.html) is here.", "A page is here.", "links"),
        ("We met Ada Lovelace there.", "We met Ada Byron there.", "names"),
        ("We met Ada Love-\nlace there.", "We met Ada Lovelace there.", ""),
        ("the iPhone and the NASA probe", "the phone and the NASA probe", "names"),
        ("## Title\n\ntext of it", "# Title\n\ntext of it", "headings"),
        ("some words of a text here", "```\nsome words of a text here\n```", "headings"),
        (
            "one fine day the king went out to hunt a deer",
            "one fine day a queen went out to catch some deer",
            "words",
        ),
    ],
)
def test_what_an_answer_must_keep(block: str, answer: str, fault: str) -> None:
    assert unfaithful(block, answer) == fault


async def test_thoughts_and_fences_are_no_part_of_the_answer() -> None:
    async with tidied_by(
        lambda block: f"<think>\nLet me see 12.\n</think>\n\n```markdown\n{good(block)}\n```"
    ) as (one, _):
        rewritten = await one.rewrite("The rnill stands on the river.", "markdown")
    assert apply("The rnill stands on the river.", rewritten.changes) == "The mill stands on the river."


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_block_that_the_server_refuses_stays_and_is_counted(status: int) -> None:
    def tidy(block: str) -> str | web.Response:
        error = {"error": {"message": f"no: {block}", "code": "content_filter"}}
        return web.json_response(error, status=status) if "sold" in block else good(block)

    with capture_logs() as logs:
        async with tidied_by(tidy) as (one, bodies):
            rewritten = await one.rewrite(ENGLISH_TEXT, "markdown")
    assert (rewritten.blocks, rewritten.failed, len(bodies)) == (2, 0, 2)
    assert dict(rewritten.kept) == {"refused": 1}
    after = apply(ENGLISH_TEXT, rewritten.changes)
    assert "The mill stands" in after
    assert "The rnill was sold" in after
    [logged] = logs
    assert (logged["status"], logged["reason"]) == (status, "content_filter")


@pytest.mark.parametrize("status", [400, 402])
async def test_a_server_that_refuses_all_blocks_is_an_error(status: int) -> None:
    async with tidied_by(lambda _: web.json_response({}, status=status)) as (one, _):
        with pytest.raises(FailedPrecondition) as raised:
            await one.rewrite(ENGLISH_TEXT, "markdown")
    assert (raised.value.reason, raised.value.metadata["status"]) == ("REWRITE_REFUSED", str(status))


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: web.Response(text="<html>It works!</html>", content_type="text/html"),
        lambda _: web.json_response({"choices": []}),
        lambda _: web.json_response({"choices": [{"message": None}]}),
        lambda _: web.json_response([]),
    ],
)
async def test_an_answer_that_is_none_of_the_protocol_leaves_the_text(answer: Tidying) -> None:
    async with tidied_by(answer) as (one, _):
        try:
            rewritten = await one.rewrite("The rnill stands.", "markdown")
            assert rewritten.changes == []
        except SishuError as error:
            assert error.reason == "REWRITE_UNANSWERED"


@pytest_asyncio.fixture(scope="module")
async def running() -> AsyncIterator[MockServer]:
    async with mock_llm() as server:
        yield server


@pytest_asyncio.fixture
async def mock(running: MockServer) -> MockServer:
    await running.control(next_faults=[], api_key="", models=[], hang_s=3600, retry_after_s=1.0)
    await running.reset()
    return running


@pytest.mark.parametrize("fault", ["429", "500", "503", "drop"])
async def test_a_busy_server_is_asked_again(mock: MockServer, fault: str) -> None:
    await mock.control(next_faults=[fault])
    async with rewriter(mock.base_url) as one:
        rewritten = await one.rewrite("The rnill stands on the river.", "markdown")
    assert (rewritten.failed, sum(rewritten.kept.values())) == (0, 1)
    assert (await mock.stats())["calls"] == 2


async def test_the_pause_is_as_long_as_the_server_asks_for(mock: MockServer) -> None:
    await mock.control(next_faults=["429"], retry_after_s=1.5)
    started = time.monotonic()
    async with rewriter(mock.base_url) as one:
        await one.rewrite("The rnill stands on the river.", "markdown")
    assert time.monotonic() - started >= 1.5


async def test_a_server_that_hangs_is_left_at_the_deadline(mock: MockServer) -> None:
    await mock.control(next_faults=["hang", "ok"])
    async with rewriter(mock.base_url, call_seconds=0.3, RETRIES=0) as one:
        rewritten = await one.rewrite(
            f"{'The rnill stands. ' * 100}\n\n{'The wheel turns. ' * 100}", "markdown"
        )
    assert (rewritten.blocks, rewritten.failed) == (2, 1)


async def test_a_block_is_given_up_at_its_deadline_whatever_pause_the_server_asks_for(
    mock: MockServer,
) -> None:
    await mock.control(next_faults=["429", "ok"], retry_after_s=60)
    started = time.monotonic()
    async with rewriter(mock.base_url, BLOCK_SECONDS=0.5) as one:
        rewritten = await one.rewrite(
            f"{'The rnill stands. ' * 100}\n\n{'The wheel turns. ' * 100}", "markdown"
        )
    assert (rewritten.blocks, rewritten.failed) == (2, 1)
    assert time.monotonic() - started < 10


async def test_a_server_that_never_answers_is_an_error_and_no_clean_text(mock: MockServer) -> None:
    await mock.control(next_faults=["503"] * 2)
    async with rewriter(mock.base_url, RETRIES=1) as one:
        with pytest.raises(SishuError) as raised:
            await one.rewrite("The rnill stands on the river.", "markdown")
    assert (raised.value.code, raised.value.reason) == ("UNAVAILABLE", "REWRITE_UNANSWERED")


@pytest.mark.parametrize("settings", [{"api_key": "right"}, {"models": ["another"]}])
async def test_a_wrong_key_or_model_ends_all_at_once(mock: MockServer, settings: dict[str, Any]) -> None:
    await mock.control(**settings)
    text = "\n\n".join(f"The rnill stands on the river. {'It turns. ' * 150}" for _ in range(20))
    async with rewriter(mock.base_url, key="hunter2", concurrency=2) as one:
        with pytest.raises(SishuError) as raised:
            await one.rewrite(text, "markdown")
    assert (raised.value.code, raised.value.reason) == ("FAILED_PRECONDITION", "REWRITE_REFUSED")
    assert "hunter2" not in str(vars(raised.value))
    assert (await mock.stats())["calls"] < 10


async def test_no_more_blocks_are_asked_for_at_once_than_allowed() -> None:
    now, most = 0, 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        return said((await request.json())["messages"][-1]["content"])

    text = "\n\n".join(f"Paragraph of the text. {'It goes on. ' * 20}" for _ in range(30))
    async with served(answer) as url, rewriter(url, concurrency=3, BLOCK_CHARS=300) as one:
        rewritten = await one.rewrite(text, "markdown")
    assert (rewritten.blocks, most, rewritten.changes) == (30, 3, [])


async def test_source_code_is_not_asked_about(mock: MockServer) -> None:
    async with rewriter(mock.base_url) as one:
        assert (await one.rewrite("rnill = 1\n", "python")).blocks == 0
        assert (await one.rewrite("", "markdown")).blocks == 0
    assert (await mock.stats())["calls"] == 0


def test_blocks_are_whole_paragraphs_and_long_ones_are_cut_after_sentences() -> None:
    paragraph = "The mill stands on the river. " * 20
    text = f"# Mill\n\n{paragraph}\n\n{paragraph}\n\n![a](images/0123456789abcdef.png)\n\n{paragraph * 5}\n\n{'x' * 9000}\n\n1 2 3\n"
    blocks = [text[start:end] for start, end in blocks_of(Draft(text, (), "markdown"), 1300)]
    assert blocks[0] == f"# Mill\n\n{paragraph}\n\n{paragraph}".rstrip()
    assert all(len(block) <= 1300 and block.endswith("river.") for block in blocks)
    assert sum(block.count("river.") for block in blocks) == 140
    assert "images/" not in "".join(blocks)


@given(
    text=st.lists(
        st.sampled_from(["A b. ", "字。", "\n", "\n\n", "| a |\n", "```\n", "x" * 30]), max_size=30
    ).map("".join)
)
def test_blocks_are_disjoint_and_in_order(text: str) -> None:
    last = 0
    for start, end in blocks_of(Draft(text, (), "markdown"), 20):
        assert last <= start < end
        assert text[start:end] == text[start:end].strip()
        last = end


@given(block=st.text("ab 字,\n", max_size=40), answer=st.text("ab 字,\n", max_size=40))
def test_word_changes_make_the_answer_of_the_block(block: str, answer: str) -> None:
    changes = list(word_changes(f"{block}", answer, 3))
    assert apply(f"...{block}", changes) == f"...{answer}"


def test_a_long_chinese_block_is_compared_in_no_time() -> None:
    block = ("退货应当自签收之日起三十日内提出，逾期不予受理，货款在七个工作日内原路退还。" * 60)[:2000]
    started = time.perf_counter()
    changes = list(word_changes(block, block.replace("逾期", "过期"), 0))
    assert len(changes) > 40
    assert time.perf_counter() - started < 5


def test_the_prompt_is_in_the_language_of_the_block() -> None:
    assert messages("退货 policy")[0]["content"] == CHINESE
    assert messages("The word 退货 means that goods go back to the shop.")[0]["content"] == ENGLISH
    assert messages("123")[0]["content"] == ENGLISH


async def test_an_answer_that_was_paid_for_is_not_asked_for_again() -> None:
    class Kept:
        def __init__(self) -> None:
            self.answers: dict[tuple[str, ...], str] = {}

        async def get(self, *question: str) -> str | None:
            return self.answers.get(question)

        async def put(self, answer: str, *question: str) -> None:
            self.answers[question] = answer

    kept = Kept()
    async with tidied_by(good) as (one, bodies):
        first = await one.rewrite(ENGLISH_TEXT, "markdown", kept)
        second = await one.rewrite(ENGLISH_TEXT, "markdown", kept)
    assert first.changes == second.changes
    assert len(bodies) == first.blocks == 2
