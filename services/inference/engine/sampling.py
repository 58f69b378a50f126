"""From logits to tokens: biases, penalties, masks, temperature, the most likely few."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

_TOP = 256


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How one completion is drawn."""

    temperature: float = 1.0
    """Divisor of the logits; 0 takes the likeliest token."""
    top_p: float = 1.0
    """Draw from the smallest set of tokens whose probabilities sum to this much."""
    top_k: int = 0
    """Draw from this many likeliest tokens; 0 from all."""
    min_p: float = 0.0
    """Draw from tokens at least this many times as likely as the likeliest."""
    presence_penalty: float = 0.0
    """Taken off the logit of every token that the completion has."""
    frequency_penalty: float = 0.0
    """Taken off the logit of a token as often as the completion has it."""
    repetition_penalty: float = 1.0
    """Divides the positive and multiplies the negative logits of tokens that prompt or completion have."""
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    """Added to the logits of tokens, by id."""
    max_tokens: int = 1024
    """Most tokens of the completion, the end token included."""
    stop: tuple[str, ...] = ()
    """Strings before which the completion ends; they are not part of it."""
    seed: int | None = None
    """Seed of the draws; unset takes a fresh one."""
    logprobs: int | None = None
    """How many alternatives to tell beside each drawn token's log probability; unset tells none."""

    @property
    def moves_logits(self) -> bool:
        """Whether `adjust` has anything to do."""
        return bool(
            self.logit_bias
            or self.presence_penalty
            or self.frequency_penalty
            or self.repetition_penalty != 1.0
        )


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token, and how likely the model held it and others, before penalties, masks and temperature."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens with their log probabilities, best first."""


def adjust(logits: torch.Tensor, params: SamplingParams, prompt: Sequence[int], said: Sequence[int]) -> None:
    """Apply biases and penalties to one row, in place.

    Presence and frequency penalty look at the completion only
    (https://platform.openai.com/docs/api-reference/chat/create), the repetition penalty also at the prompt
    (arXiv:1909.05858).

    Args:
        logits: [vocab_size] in fp32.
        params: of the row.
        prompt: its token ids.
        said: token ids of the completion so far.
    """
    if params.repetition_penalty != 1.0:
        known = _indices(list({*prompt, *said}), logits)
        found = logits[known]
        factor = params.repetition_penalty
        logits[known] = torch.where(found > 0, found / factor, found * factor)
    if said and (params.presence_penalty or params.frequency_penalty):
        counts = Counter(said)
        times = torch.tensor(list(counts.values()), dtype=logits.dtype, device=logits.device)
        logits[_indices(list(counts), logits)] -= params.presence_penalty + params.frequency_penalty * times
    if params.logit_bias:
        bias = torch.tensor(list(params.logit_bias.values()), dtype=logits.dtype, device=logits.device)
        logits[_indices(list(params.logit_bias), logits)] += bias


def _indices(tokens: list[int], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(tokens, dtype=torch.long, device=like.device)


def likelihoods(
    logits: torch.Tensor, tokens: Sequence[int], alternatives: Sequence[int]
) -> list[TokenLogprob]:
    """How likely tokens are, one for each row.

    Args:
        logits: [rows, vocab_size] in fp32, as the model gave them.
        tokens: the drawn token of each row.
        alternatives: how many others to tell of each row.
    """
    table = logits.log_softmax(-1)
    found = []
    for row, (token, count) in enumerate(zip(tokens, alternatives, strict=True)):
        values, ids = table[row].topk(min(count, table.shape[1]))
        top = tuple(zip(ids.tolist(), values.tolist(), strict=True))
        found.append(TokenLogprob(token, float(table[row, token]), top))
    return found


def sample(logits: torch.Tensor, params: list[SamplingParams], draws: list[random.Random]) -> list[int]:
    """Draw one token per row.

    Args:
        logits: [rows, vocab_size] in fp32; forbidden tokens are -inf. Changed in place.
        params: of each row.
        draws: source of uniform numbers of each row; consulted once where the temperature is not 0.

    Returns:
        Token ids, one per row.
    """
    tokens: list[int] = logits.argmax(-1).tolist()
    hot = [row for row, its in enumerate(params) if its.temperature > 0]
    if not hot:
        return tokens
    temperatures = torch.tensor([[params[row].temperature] for row in hot], device=logits.device)
    probabilities = (logits[hot] / temperatures).softmax(-1)
    for index, row in enumerate(hot):
        _keep_likely(probabilities[index], params[row])
    sums = probabilities.cumsum(-1, dtype=torch.float64)
    # random() is below 1, so the drawn point is below the total and falls on a token of non-zero width.
    points = torch.tensor([[draws[row].random()] for row in hot], dtype=torch.float64, device=logits.device)
    drawn = torch.searchsorted(sums, points * sums[:, -1:], right=True)
    for row, token in zip(hot, drawn[:, 0].tolist(), strict=True):
        tokens[row] = min(token, logits.shape[1] - 1)
    return tokens


def _keep_likely(probabilities: torch.Tensor, params: SamplingParams) -> None:
    """Zero, in place, what top_k, min_p and top_p leave out, in this order."""
    if 0 < params.top_k < len(probabilities):
        _keep(probabilities, *probabilities.topk(params.top_k))
        probabilities /= probabilities.sum()
    if params.min_p > 0:
        # arXiv:2407.01082
        probabilities[probabilities < params.min_p * probabilities.max()] = 0
        probabilities /= probabilities.sum()
    if params.top_p < 1:
        _keep_nucleus(probabilities, params.top_p)


def _keep_nucleus(probabilities: torch.Tensor, top_p: float) -> None:
    """Zero, in place, what is outside the smallest set that holds `top_p` (arXiv:1904.09751)."""
    # Sorting the whole vocabulary costs more than a decoding step; the nucleus nearly always is in the top.
    values, indices = probabilities.topk(min(_TOP, len(probabilities)))
    if float(values.sum()) < top_p:
        values, indices = probabilities.sort(descending=True)
    kept = values.cumsum(0) - values < top_p
    _keep(probabilities, values[kept], indices[kept])


def _keep(probabilities: torch.Tensor, values: torch.Tensor, indices: torch.Tensor) -> None:
    probabilities.zero_()
    probabilities[indices] = values
