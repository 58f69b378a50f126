from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any

import pytest
import torch

from services.inference.engine import scheduler as scheduling
from services.inference.engine.attention import FlatBatch
from services.inference.engine.grammar import Grammars
from services.inference.engine.kv_cache import GRAIN
from services.inference.engine.model import Model
from services.inference.engine.scheduler import Scheduler
from services.runtime.errors import Internal, ResourceExhausted, Unavailable
from tests.unit.inference.engine.tiny import ITEMS, ask, greedy, until


def prompt(model: Model, text: str) -> list[int]:
    return model.render([{"role": "user", "content": text}])


def generate(reference: Any, model: Model, tokens: list[int], count: int) -> str:
    with torch.inference_mode():
        output = reference.generate(
            torch.tensor([tokens]),
            attention_mask=torch.ones(1, len(tokens), dtype=torch.long),
            do_sample=False,
            max_new_tokens=count,
        )
    return str(model.tokenizer.decode(output[0, len(tokens) :], skip_special_tokens=True))


def test_greedy_completions_that_join_and_leave_equal_generate(
    model: Model, reference: Any, scheduler: Scheduler
) -> None:
    # Twelve of different lengths over four slots: each joins a batch that is under way.
    prompts = [prompt(model, "What " * n + f"is number {n}?") for n in range(12)]
    heard = [ask(scheduler, model, tokens, greedy(max_tokens=5 + 3 * n)) for n, tokens in enumerate(prompts)]
    for n, (tokens, one) in enumerate(zip(prompts, heard, strict=True)):
        assert one.wait().text == generate(reference, model, tokens, 5 + 3 * n)


def test_a_shared_beginning_is_computed_once(model: Model, scheduler: Scheduler) -> None:
    system = {"role": "system", "content": "You write questions about the river Amber. " * 8}
    prompts = [model.render([system, {"role": "user", "content": f"{n} of them"}]) for n in range(4)]
    alone = [ask(scheduler, model, tokens, greedy()).wait() for tokens in prompts]
    fresh = Scheduler(model, max_batch=4, max_queue=64)
    together = [ask(fresh, model, tokens, greedy()) for tokens in prompts]
    fresh.start()
    last = [one.wait() for one in together]
    fresh.stop()
    shared = len(model.render([system]))
    assert [delta.text for delta in last] == [delta.text for delta in alone]
    assert last[0].cached_tokens == 0
    assert all(delta.cached_tokens >= shared - 16 for delta in last[1:])


def test_a_repeated_prompt_is_taken_over_but_for_its_last_token(model: Model, scheduler: Scheduler) -> None:
    tokens = prompt(model, "Where is the river?")
    first, second = (ask(scheduler, model, tokens, greedy()).wait() for _ in range(2))
    assert second.cached_tokens == len(tokens) - 1
    assert second.text == first.text


def test_a_prompt_longer_than_a_step_is_read_in_pieces(
    model: Model, reference: Any, scheduler: Scheduler
) -> None:
    tokens = prompt(model, "river " * 600)
    assert 512 < len(tokens) < 740
    assert ask(scheduler, model, tokens, greedy(8)).wait().text == generate(reference, model, tokens, 8)


def test_a_seed_repeats_the_draws(model: Model, scheduler: Scheduler) -> None:
    tokens = prompt(model, "Tell")
    warm = greedy(24, temperature=1.5, top_p=0.95)
    texts = [ask(scheduler, model, tokens, replace(warm, seed=seed)).wait().text for seed in (7, 7, 8)]
    assert texts[0] == texts[1] != texts[2]


def test_a_stop_string_ends_the_text_before_it(model: Model, reference: Any, scheduler: Scheduler) -> None:
    tokens = prompt(model, "Where?")
    whole = generate(reference, model, tokens, 30)
    stop = whole[10:14]
    last = ask(scheduler, model, tokens, greedy(30, stop=(stop,))).wait()
    assert last.text == whole[: whole.index(stop)]
    assert last.finish_reason == "stop"
    assert last.completion_tokens < 30


def test_the_budget_ends_a_completion_and_says_so(model: Model, scheduler: Scheduler) -> None:
    last = ask(scheduler, model, prompt(model, "Where?"), greedy(5)).wait()
    assert (last.finish_reason, last.completion_tokens) == ("length", 5)


def test_pieces_of_a_stream_join_to_the_whole(model: Model, scheduler: Scheduler) -> None:
    tokens = prompt(model, "Where?")
    whole = ask(scheduler, model, tokens, greedy(30)).wait().text
    streamed = ask(scheduler, model, tokens, greedy(30), stream=True)
    streamed.wait()
    assert len(streamed.deltas) > 3
    assert "".join(delta.text for delta in streamed.deltas) == whole


@pytest.mark.parametrize("seed", range(6))
def test_random_weights_satisfy_a_schema(model: Model, scheduler: Scheduler, seed: int) -> None:
    grammars = Grammars(model.tokenizer, model.vocab_size, model.eos_ids)
    params = greedy(400, temperature=1.0, seed=seed)
    last = ask(scheduler, model, prompt(model, "List"), params, grammar=grammars.compile(ITEMS)).wait()
    items = json.loads(last.text)["items"]
    assert last.finish_reason == "stop"
    assert 1 <= len(items) <= 2
    for item in items:
        assert set(item) == {"quote", "question"}
        assert item["quote"] in ITEMS["properties"]["items"]["items"]["properties"]["quote"]["enum"]
        assert 1 <= len(item["question"]) <= 20


@pytest.mark.parametrize("max_tokens", [40, 60, 90])
def test_a_short_budget_still_closes_the_json(model: Model, scheduler: Scheduler, max_tokens: int) -> None:
    grammars = Grammars(model.tokenizer, model.vocab_size, model.eos_ids)
    schema = {
        "type": "object",
        "properties": {"lines": {"type": "array", "items": {"type": "string"}}},
        "required": ["lines"],
    }
    params = greedy(max_tokens, temperature=1.0, seed=max_tokens)
    heard = ask(scheduler, model, prompt(model, "Write"), params, grammar=grammars.compile(schema))
    last = heard.wait()
    assert isinstance(json.loads(last.text)["lines"], list)
    assert last.completion_tokens <= max_tokens
    assert last.finish_reason in ("stop", "length")


def test_a_budget_too_short_for_any_json_says_length(model: Model, scheduler: Scheduler) -> None:
    grammars = Grammars(model.tokenizer, model.vocab_size, model.eos_ids)
    last = ask(scheduler, model, prompt(model, "List"), greedy(3), grammar=grammars.compile(ITEMS)).wait()
    assert (last.finish_reason, last.completion_tokens) == ("length", 3)


def test_a_cancelled_completion_frees_its_slot(model: Model) -> None:
    scheduler = Scheduler(model, max_batch=1, max_queue=8)
    scheduler.start()
    endless = ask(scheduler, model, prompt(model, "Where?"), greedy(600, temperature=2.0, seed=1))
    assert until(lambda: scheduler.active == 1)
    waiting = ask(scheduler, model, prompt(model, "Who?"), greedy(600))
    next_one = ask(scheduler, model, prompt(model, "What?"), greedy(3))
    endless.completion.cancelled = waiting.completion.cancelled = True
    assert next_one.wait().completion_tokens == 3
    assert not endless.deltas
    assert until(lambda: scheduler.active == 0 and scheduler.waiting == 0)
    scheduler.stop()


def test_those_who_left_the_queue_keep_no_place_in_it(model: Model) -> None:
    scheduler = Scheduler(model, max_batch=1, max_queue=2)
    scheduler.start()
    grammars = Grammars(model.tokenizer, model.vocab_size, model.eos_ids)
    long = grammars.compile({"type": "string", "minLength": 9000})
    endless = ask(scheduler, model, prompt(model, "Where?"), greedy(4000), grammar=long)
    assert until(lambda: scheduler.active == 1)
    first, left = (ask(scheduler, model, prompt(model, "Who?"), greedy(3)) for _ in range(2))
    left.completion.cancelled = True
    assert until(lambda: scheduler.waiting == 1)
    assert not endless.deltas
    last = ask(scheduler, model, prompt(model, "What?"), greedy(3))
    endless.completion.cancelled = True
    assert [one.wait().completion_tokens for one in (first, last)] == [3, 3]
    assert not left.deltas
    scheduler.stop()


def test_a_prompt_that_waits_for_a_shared_beginning_is_compared_once(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare, compared = scheduling._common, []

    def counted(left: list[int], right: list[int]) -> int:
        compared.append(len(right))
        return compare(left, right)

    monkeypatch.setattr(scheduling, "_STEP_TOKENS", 8)
    monkeypatch.setattr(scheduling, "_common", counted)
    scheduler = Scheduler(model, max_batch=4, max_queue=8)
    tokens = prompt(model, "river " * 300)
    heard = [ask(scheduler, model, tokens, greedy(2)) for _ in range(2)]
    scheduler.start()
    first, second = (one.wait() for one in heard)
    scheduler.stop()
    # Dozens of steps read the first prompt while the second waits.
    assert first.cached_tokens == 0
    assert second.cached_tokens > len(tokens) - 40
    assert second.text == first.text
    assert len(compared) <= 3 * 4


def test_a_full_queue_refuses_and_stopping_fails_those_who_wait(model: Model) -> None:
    scheduler = Scheduler(model, max_batch=1, max_queue=2)
    heard = [ask(scheduler, model, prompt(model, "Where?"), greedy()) for _ in range(2)]
    with pytest.raises(ResourceExhausted):
        ask(scheduler, model, prompt(model, "Where?"), greedy())
    scheduler.start()
    scheduler.stop()
    assert all(one.wait().last for one in heard)
    with pytest.raises(Unavailable):
        ask(scheduler, model, prompt(model, "Where?"), greedy())


def test_a_failed_step_fails_its_completions_and_nothing_after(
    model: Model, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = threading.Event()
    broken.set()
    compute = Model.logits

    def logits(self: Model, batch: FlatBatch) -> torch.Tensor:
        if broken.is_set():
            raise RuntimeError("out of memory")
        return compute(self, batch)

    monkeypatch.setattr(Model, "logits", logits)
    failed = ask(scheduler, model, prompt(model, "Where?"), greedy()).wait()
    broken.clear()
    assert isinstance(failed.error, Internal)
    assert "memory" not in str(failed.error)
    assert ask(scheduler, model, prompt(model, "Where?"), greedy(4)).wait().completion_tokens == 4


def test_completions_wait_until_their_worst_case_fits_in_memory(model: Model) -> None:
    model = replace(model, cache_tokens=2 * GRAIN)
    scheduler = Scheduler(model, max_batch=4, max_queue=8)
    heard = [ask(scheduler, model, prompt(model, f"{n}"), greedy(60)) for n in range(4)]
    seen: list[int] = []

    def ended() -> bool:
        seen.append(scheduler.active)
        return heard[-1].ended.is_set()

    watch = threading.Thread(target=until, args=(ended,))
    watch.start()
    scheduler.start()
    for one in heard:
        assert one.wait().error is None
    watch.join()
    scheduler.stop()
    assert 0 < max(seen) <= 2
