"""Between the contracts of translations and presets and their domain."""

from __future__ import annotations

from collections.abc import Iterable

from services.trainer.llama_factory.remarks import Remark
from services.trainer.llama_factory.translation import Translation
from services.trainer.presets import Preset
from sishu.trainer.v1 import (
    training_config_pb2,
    training_preset_pb2,
    training_translation_pb2,
)


def translation_to_pb(translation: Translation) -> training_translation_pb2.TrainingTranslation:
    """What a file of arguments means; without a config where it has faults."""
    config = None if translation.faults else training_config_pb2.TrainingConfig(**translation.config)
    return training_translation_pb2.TrainingTranslation(
        config=config,
        errors=remarks_to_pb(translation.faults),
        notes=remarks_to_pb(translation.notes),
        run_name=translation.run_name,
        model=translation.model,
        datasets=translation.datasets,
        val_size=translation.validation,
    )


def remarks_to_pb(remarks: Iterable[Remark]) -> list[training_translation_pb2.ArgumentRemark]:
    """Remarks on arguments."""
    return [
        training_translation_pb2.ArgumentRemark(
            argument=one.argument,
            line=one.line,
            reason=one.reason,
            message=one.message,
            metadata=one.metadata,
        )
        for one in remarks
    ]


def preset_to_pb(preset: Preset) -> training_preset_pb2.TrainingPreset:
    """A preset."""
    return training_preset_pb2.TrainingPreset(
        name=preset.name,
        title=preset.title,
        config=training_config_pb2.TrainingConfig(**preset.config),  # type: ignore[arg-type]  # the same names
        predicted_tokens_per_second=round(preset.tokens_per_second),
    )
