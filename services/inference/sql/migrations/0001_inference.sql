CREATE TYPE deployment_state AS ENUM (
    'loading', -- -> ready, failed
    'ready',   -- -> loading (the engine ended, or the room was started again), idle (nobody asked it)
    'failed',  -- -> loading (asked for again, or the room was started again)
    'idle'     -- -> loading (somebody asks it)
);

-- The rows are what is wanted: a model is loaded for as long as its row is here.
CREATE TABLE deployments (
    id                uuid             PRIMARY KEY,
    project_id        uuid             NOT NULL,
    model_id          uuid             NOT NULL,
    state             deployment_state NOT NULL DEFAULT 'loading',
    failure           jsonb,
    engine            text             NOT NULL,
    base_url          text             NOT NULL DEFAULT '',
    served_model_name text             NOT NULL,
    restarts          integer          NOT NULL DEFAULT 0,
    create_time       timestamptz      NOT NULL DEFAULT now(),
    update_time       timestamptz      NOT NULL DEFAULT now(),
    -- What was asked for beside the model: a deployment with other options is another one.
    options           jsonb            NOT NULL DEFAULT '{}',
    -- When somebody last asked it, or it was loaded.
    use_time          timestamptz      NOT NULL DEFAULT now(),
    UNIQUE (project_id, model_id, options),
    CHECK ((failure IS NOT NULL) = (state = 'failed')),
    CHECK ((base_url <> '') = (state = 'ready'))
);

CREATE TABLE exams (
    id                 uuid        PRIMARY KEY,
    project_id         uuid        NOT NULL,
    dataset_version_id uuid        NOT NULL,
    job_id             uuid        NOT NULL,
    -- [{"name", "deployment_id", "model_id"}]: the model stays known when the deployment is gone.
    arms               jsonb       NOT NULL,
    item_count         integer     NOT NULL,
    create_time        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX exams_by_project ON exams (project_id, id);

-- The questions as they were when the exam was created, so that a result can always be read with its source.
CREATE TABLE exam_items (
    exam_id    uuid    NOT NULL REFERENCES exams ON DELETE CASCADE,
    example_id uuid    NOT NULL,
    position   integer NOT NULL,
    messages   jsonb   NOT NULL,
    question   text    NOT NULL,
    reference  text    NOT NULL,
    quotes     jsonb   NOT NULL,
    PRIMARY KEY (exam_id, example_id),
    UNIQUE (exam_id, position)
);

CREATE TABLE exam_results (
    id         uuid             PRIMARY KEY,
    exam_id    uuid             NOT NULL,
    example_id uuid             NOT NULL,
    arm        smallint         NOT NULL,
    answer     text             NOT NULL,
    score      double precision NOT NULL CHECK (score BETWEEN 0 AND 1),
    create_time timestamptz     NOT NULL DEFAULT now(),
    UNIQUE (exam_id, arm, example_id),
    FOREIGN KEY (exam_id, example_id) REFERENCES exam_items ON DELETE CASCADE
);

CREATE TABLE conversations (
    id            uuid        PRIMARY KEY,
    project_id    uuid        NOT NULL,
    title         text        NOT NULL,
    message_count integer     NOT NULL DEFAULT 0,
    create_time   timestamptz NOT NULL DEFAULT now(),
    update_time   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX conversations_by_project ON conversations (project_id, id);

-- Messages as the OpenAI protocol writes them; who answered stays known when the deployment is gone.
CREATE TABLE conversation_messages (
    conversation_id uuid        NOT NULL REFERENCES conversations ON DELETE CASCADE,
    position        integer     NOT NULL,
    message         jsonb       NOT NULL,
    deployment_id   uuid,
    create_time     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (conversation_id, position)
);
