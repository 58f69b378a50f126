"""What is done in place of an argument that changes nothing here, by reason."""

from __future__ import annotations

ATTENTION_CHOSEN = "ATTENTION_CHOSEN"
KERNELS_CHOSEN = "KERNELS_CHOSEN"
MEMORY_PLANNED = "MEMORY_PLANNED"
PRECISION_KEPT = "PRECISION_KEPT"
DEVICE_CHOSEN = "DEVICE_CHOSEN"
TEMPLATE_OF_MODEL = "TEMPLATE_OF_MODEL"
DATA_OF_SERVICE = "DATA_OF_SERVICE"
ROWS_NEVER_MIX = "ROWS_NEVER_MIX"
STEP_OF_ROWS = "STEP_OF_ROWS"
ALL_STEPS_KEPT = "ALL_STEPS_KEPT"
NOT_MEASURED = "NOT_MEASURED"
MODEL_STORED = "MODEL_STORED"
CHECKPOINTS_KEPT = "CHECKPOINTS_KEPT"
CHECKPOINTS_LIMITED = "CHECKPOINTS_LIMITED"
TRACKERS_TOLD = "TRACKERS_TOLD"
VALIDATION_OF_VERSION = "VALIDATION_OF_VERSION"
LAUNCHED_BY_SERVICE = "LAUNCHED_BY_SERVICE"
NOT_FOR_TRAINING = "NOT_FOR_TRAINING"
TEXT_ONLY = "TEXT_ONLY"
REMOTE_CODE_OFF = "REMOTE_CODE_OFF"

NOTES = {
    ATTENTION_CHOSEN: "the engine takes the fastest attention that the device has",
    KERNELS_CHOSEN: "the engine takes its own fast path wherever the model allows it",
    MEMORY_PLANNED: "the engine recomputes activations only where memory demands it, to the same end",
    PRECISION_KEPT: "losses, and the weights that learn, are kept in fp32 whatever the precision",
    DEVICE_CHOSEN: "the device is that of the trainer service",
    TEMPLATE_OF_MODEL: "the chat template is that of the model's own tokenizer, for training as for serving",
    DATA_OF_SERVICE: "rows come from a dataset version, and the engine reads them in its own way",
    ROWS_NEVER_MIX: "packed rows never see each other",
    STEP_OF_ROWS: "a step learns as many rows as with these arguments; the engine forms its micro batches",
    ALL_STEPS_KEPT: "the measures of every step are kept; ListTrainingSteps and /metrics show them",
    NOT_MEASURED: "it is not measured or sent anywhere; what is learned is the same",
    MODEL_STORED: "the service stores what the run gives as a model; `sishu model export` downloads it",
    CHECKPOINTS_KEPT: "a run goes on from its checkpoints by itself; the newest and the best are kept",
    CHECKPOINTS_LIMITED: "so many of the newest checkpoints are kept, 1,000 at most, and the best one too",
    TRACKERS_TOLD: "of these swanlab, mlflow and wandb are told of every step, with the trainer's own keys; "
    "TensorBoard's event file is always written; no other tracker is told anything",
    VALIDATION_OF_VERSION: "validation rows are those of the dataset version: "
    "`sishu dataset create --validation-share` sets them aside",
    LAUNCHED_BY_SERVICE: "the service starts the engine and its processes",
    NOT_FOR_TRAINING: "it is about serving or exporting, and changes nothing in a training run",
    TEXT_ONLY: "only text is learned",
    REMOTE_CODE_OFF: "code that lies in a model's folder is never run",
}
