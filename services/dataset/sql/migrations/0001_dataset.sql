CREATE TYPE example_kind AS ENUM ('sft', 'conversation', 'preference', 'pretraining', 'exam_item');

CREATE TYPE example_state AS ENUM (
    'kept',    -- -> rejected (review)
    'rejected' -- -> kept (review)
);

CREATE TABLE examples (
    id              uuid          PRIMARY KEY,
    project_id      uuid          NOT NULL,
    kind            example_kind  NOT NULL,
    messages        jsonb         NOT NULL,
    state           example_state NOT NULL,
    rejection       jsonb,
    quotes          jsonb         NOT NULL,
    lineage         jsonb         NOT NULL,
    generation_id   uuid,
    -- The question that it was imported from. One example a question, however often and from wherever it is imported.
    question_id     uuid          UNIQUE,
    question_sha256 text          NOT NULL,
    source_gone_time timestamptz,                       -- as that of the question, when it was last asked for
    create_time     timestamptz   NOT NULL DEFAULT now(),
    update_time     timestamptz   NOT NULL DEFAULT now(),
    CHECK ((rejection IS NOT NULL) = (state = 'rejected'))
);
CREATE INDEX examples_by_project ON examples (project_id, id);
CREATE INDEX examples_by_generation ON examples (generation_id, id);
CREATE INDEX examples_gone ON examples (project_id, question_id) WHERE source_gone_time IS NOT NULL;
CREATE INDEX examples_by_question ON examples (project_id, question_sha256) WHERE state = 'kept';

-- What a job that marks examples whose chunks are gone has marked so far.
CREATE TABLE source_markings (
    job_id   uuid   PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    marked   bigint NOT NULL DEFAULT 0,
    unmarked bigint NOT NULL DEFAULT 0
);

-- The number of the newest version of a project; a number is never given twice.
CREATE TABLE version_numbers (
    project_id uuid    PRIMARY KEY,
    last       integer NOT NULL
);

-- Whether a version is ready stands in `content_sha256`, whether making it failed in its job. The jobs of a project are deleted
-- before its versions, in one transaction.
CREATE TABLE dataset_versions (
    id             uuid        PRIMARY KEY,
    project_id     uuid        NOT NULL,
    number         integer     NOT NULL,
    parent_id      uuid,
    options        jsonb       NOT NULL,
    job_id         uuid        NOT NULL REFERENCES jobs DEFERRABLE INITIALLY DEFERRED,
    split_counts   jsonb       NOT NULL DEFAULT '{}',
    dropped_counts jsonb       NOT NULL DEFAULT '{}',
    content_sha256 text        NOT NULL DEFAULT '',
    files          jsonb       NOT NULL DEFAULT '[]',
    create_time    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, number)
);

CREATE TYPE dataset_split AS ENUM ('train', 'exam');

-- The examples that a version holds, as its files have them. The examples live on by themselves.
CREATE TABLE dataset_version_examples (
    version_id uuid          NOT NULL REFERENCES dataset_versions ON DELETE CASCADE,
    split      dataset_split NOT NULL,
    position   integer       NOT NULL,
    example_id uuid          NOT NULL,
    content    jsonb         NOT NULL,
    PRIMARY KEY (version_id, split, position),
    UNIQUE (version_id, example_id)
);
