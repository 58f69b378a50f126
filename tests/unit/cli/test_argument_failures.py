"""What the trainer room says of arguments has Chinese words, to the last part."""

from __future__ import annotations

import re

import pytest

from services.trainer.llama_factory.arguments import ARGUMENTS
from services.trainer.llama_factory.conflicts import CONFLICTS
from services.trainer.llama_factory.translation import translate
from sishu.cli.argument_failures import halves_in_words, in_chinese
from sishu.cli.failures import in_words

BASIS = "stage: sft\nfinetuning_type: lora\n"
HAN = re.compile("[\u4e00-\u9fff]")
WRONG = """
do_train: no
bf16: perhaps
learning_rate: high
num_train_epochs: [1]
lora_rank: 1.5
lora_dropout: 7
quantization_bit: 5
stage: sorcery
lora_target: {a: 1}
output_dir: ""
lr_scheduler_kwargs: {gamma: 1}
per_device_train_batch_size: 0
data_seed: 7
optim: lion
deepspeed: somewhere.json
save_steps: 0.5
""".strip()


@pytest.mark.parametrize("said", sorted({each.why for each in CONFLICTS}))
def test_every_contradiction_has_words(said: str) -> None:
    assert HAN.search(in_chinese(said))


@pytest.mark.parametrize("said", sorted({each.instead for each in ARGUMENTS.values() if each.instead}))
def test_all_advice_has_words(said: str) -> None:
    assert HAN.search(in_chinese(said))


def test_faults_of_values_have_words() -> None:
    faults = [
        *translate(WRONG).faults,
        *translate(BASIS + "pref_ftx: 1\nstage: kto").faults,
        *translate(BASIS + "quantization_bit: 4\nquantization_method: gptq").faults,
    ]
    told = [(fault, halves_in_words(fault.metadata)) for fault in faults]
    halves = [words[name] for _, words in told for name in ("why", "instead") if name in words]
    assert len(halves) >= 14
    for half in halves:
        assert HAN.search(half), half
    (value,) = (fault for fault in faults if fault.argument == "bf16")
    shown = in_words(value.reason, value.message, halves_in_words(value.metadata), "zh")
    assert shown == "参数 bf16 的值不对：应为 true 或 false，而不是 perhaps"


def test_a_value_is_taken_over_whatever_is_in_it() -> None:
    assert in_chinese("must be a number, not {a}; remove it") == "应为数，而不是 {a}; remove it"
    assert in_chinese("something new; remove it") == "something new; remove it"
