CREATE TYPE model_kind AS ENUM ('base', 'adapter', 'merged', 'tuned');

-- The state of a base model is the state of its job; a model without a job came out of a run, complete.
CREATE TABLE models (
    id                   uuid        PRIMARY KEY,
    project_id           uuid        NOT NULL,
    name                 text        NOT NULL,
    kind                 model_kind  NOT NULL,
    source               text        NOT NULL DEFAULT '',
    base_model_id        uuid        REFERENCES models,
    training_run_id      uuid,
    job_id               uuid,
    architecture         text        NOT NULL DEFAULT '',
    parameter_count      bigint      NOT NULL DEFAULT 0,
    sha256               text        NOT NULL DEFAULT '',
    chat_template_sha256 text        NOT NULL DEFAULT '',
    renderer_sha256      text        NOT NULL DEFAULT '',
    context_length       integer     NOT NULL DEFAULT 0,
    size_bytes           bigint      NOT NULL DEFAULT 0,
    create_time          timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, name),
    CHECK (CASE WHEN kind = 'base'
                THEN base_model_id IS NULL AND training_run_id IS NULL AND job_id IS NOT NULL AND source <> ''
                ELSE base_model_id IS NOT NULL AND job_id IS NULL AND source = '' END)
);
CREATE INDEX models_by_project ON models (project_id, id);
CREATE INDEX models_by_base ON models (base_model_id);

CREATE TABLE model_files (
    model_id   uuid   NOT NULL REFERENCES models ON DELETE CASCADE,
    name       text   NOT NULL,
    key        text   NOT NULL,
    size_bytes bigint NOT NULL,
    sha256     text   NOT NULL,
    PRIMARY KEY (model_id, name)
);

-- The state of a run is the state of its job. `model_id` is the id that its adapter gets when the run ends
-- well: fixed from the start, so that an upload done twice writes the same keys.
CREATE TABLE training_runs (
    id                        uuid             PRIMARY KEY,
    project_id                uuid             NOT NULL,
    name                      text             NOT NULL,
    dataset_version_id        uuid             NOT NULL,
    dataset_content_sha256    text             NOT NULL,
    base_model_id             uuid             NOT NULL,
    base_model_sha256         text             NOT NULL,
    config                    jsonb            NOT NULL,
    job_id                    uuid             NOT NULL UNIQUE,
    model_id                  uuid             NOT NULL UNIQUE,
    code_version              text             NOT NULL,
    engine                    jsonb            NOT NULL DEFAULT '{}',
    phase                     text             NOT NULL DEFAULT '',
    steps                     integer          NOT NULL DEFAULT 0,
    steps_total               integer          NOT NULL DEFAULT 0,
    tokens                    bigint           NOT NULL DEFAULT 0,
    tokens_per_second         double precision,
    loss_first                double precision,
    loss_last                 double precision,
    peak_memory_bytes         bigint           NOT NULL DEFAULT 0,
    parameter_count           bigint           NOT NULL DEFAULT 0,
    trainable_parameter_count bigint           NOT NULL DEFAULT 0,
    device                    text             NOT NULL DEFAULT '',
    precision                 text             NOT NULL DEFAULT '',
    dropped_rows              bigint           NOT NULL DEFAULT 0,
    validation_loss           double precision,
    validation_loss_best      double precision,
    validation_best_step      integer          NOT NULL DEFAULT 0,
    published_step            integer          NOT NULL DEFAULT 0,
    create_time               timestamptz      NOT NULL DEFAULT now(),
    update_time               timestamptz      NOT NULL DEFAULT now()
);
CREATE INDEX training_runs_by_project ON training_runs (project_id, id);
CREATE INDEX training_runs_by_base ON training_runs (base_model_id);

-- A run stays while the model that it made is there: lineage never breaks.
ALTER TABLE models ADD FOREIGN KEY (training_run_id) REFERENCES training_runs;
CREATE INDEX models_by_run ON models (training_run_id);

-- `revision` grows whenever a step is stored, also when it replaces the one before.
CREATE TABLE training_steps (
    run_id            uuid             NOT NULL REFERENCES training_runs ON DELETE CASCADE,
    step              integer          NOT NULL,
    epoch             double precision NOT NULL,
    loss              double precision NOT NULL,
    learning_rate     double precision NOT NULL,
    grad_norm         double precision NOT NULL,
    tokens            bigint           NOT NULL,
    supervised_tokens bigint           NOT NULL,
    padded_tokens     bigint           NOT NULL,
    seconds           double precision NOT NULL,
    peak_memory_bytes bigint           NOT NULL,
    time              timestamptz      NOT NULL,
    validation_loss   double precision,
    reward_accuracy   double precision,
    reward_margin     double precision,
    revision          bigserial,
    PRIMARY KEY (run_id, step)
);
CREATE INDEX training_steps_by_revision ON training_steps (run_id, revision);

-- Rows that were cut or dropped because they were too long, the first of each split.
CREATE TABLE training_rows (
    run_id      uuid    NOT NULL REFERENCES training_runs ON DELETE CASCADE,
    split       text    NOT NULL,
    line        bigint  NOT NULL,
    row_id      text    NOT NULL,
    outcome     text    NOT NULL CHECK (outcome IN ('cut', 'dropped')),
    tokens      bigint  NOT NULL,
    kept_tokens bigint  NOT NULL,
    samples     integer NOT NULL,
    PRIMARY KEY (run_id, split, line)
);
