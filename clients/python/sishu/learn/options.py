"""What the main job is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sishu.common.v1.message_pb2 import Sampling
from sishu.dataset.v1.dataset_version_pb2 import DatasetOptions
from sishu.generation.v1.generation_pb2 import GenerationOptions
from sishu.generation.v1.provider_pb2 import ProviderPrice
from sishu.learn.files import SourceFile
from sishu.trainer.v1.training_config_pb2 import TrainingConfig

BUILTIN = "builtin"

BUILTIN_WRITES = GenerationOptions(
    chars_per_fact=90,
    forms_per_fact=2,
    facts_per_call=1,
    context_chars=1,
    sampling=Sampling(temperature=0, max_tokens=256),
)
"""What the built-in model is asked for: it is small, and needs one fact at a time and a short text."""

BUILTIN_LEARNS = TrainingConfig(epochs=8, learning_rate=1e-3, batch_tokens=512)
"""How the built-in model is trained unless told otherwise."""


@dataclass(frozen=True)
class LearnOptions:
    """The main job.

    Args:
        files: what to learn.
        name: name of the project.
        out: folder for report, dataset and adapter.
        base_model: what to train; see `Model.source`.
        llm_base_url: OpenAI-compatible server that writes; empty for the built-in model.
        llm_model: model to ask there.
        llm_api_key: its key, or nothing.
        language: language of the report.
        chars_per_fact: one fact per this many characters; 0 for the default.
        forms_per_fact: questions a fact; 0 for the default.
        exam_share: share of questions held out; nothing for the default.
        epochs: passes over the data; nothing for the default.
        learning_rate: peak learning rate; nothing for the default.
        max_cost: most money that calls may cost; 0 is no limit.
        max_tokens: most tokens that calls may use; 0 is no limit.
        no_cache: whether what was answered before is paid again.
        batch: whether calls are handed in as batches.
        price: what tokens cost on the server that writes; nothing where that is not known.
    """

    files: Sequence[SourceFile]
    name: str
    out: Path
    base_model: str = BUILTIN
    llm_base_url: str = ""
    llm_model: str = ""
    llm_api_key: str = ""
    language: str = "en"
    chars_per_fact: int = 0
    forms_per_fact: int = 0
    exam_share: float | None = None
    epochs: float | None = None
    learning_rate: float | None = None
    max_cost: float = 0.0
    max_tokens: int = 0
    no_cache: bool = False
    batch: bool = False
    price: ProviderPrice | None = None

    def generation(self) -> GenerationOptions:
        """What is to be written."""
        wanted = GenerationOptions()
        if not self.llm_base_url:
            wanted.CopyFrom(BUILTIN_WRITES)
        if self.chars_per_fact:
            wanted.chars_per_fact = self.chars_per_fact
        if self.forms_per_fact:
            wanted.forms_per_fact = self.forms_per_fact
        wanted.max_cost, wanted.max_tokens, wanted.no_cache = self.max_cost, self.max_tokens, self.no_cache
        wanted.batch = self.batch
        return wanted

    def dataset(self) -> DatasetOptions:
        """How the dataset version is made."""
        return DatasetOptions(exam_share=self.exam_share)

    def training(self) -> TrainingConfig:
        """How the model is trained."""
        wanted = TrainingConfig()
        if self.base_model == BUILTIN:
            wanted.CopyFrom(BUILTIN_LEARNS)
        if self.epochs is not None:
            wanted.epochs = self.epochs
        if self.learning_rate is not None:
            wanted.learning_rate = self.learning_rate
        return wanted
