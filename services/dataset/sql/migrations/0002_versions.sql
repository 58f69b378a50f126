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
    figures        jsonb       NOT NULL DEFAULT '{}',   -- coverage and counts by source
    create_time    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, number)
);
