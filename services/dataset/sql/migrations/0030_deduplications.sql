-- Searches for examples that say the same. What one found stands in its clusters, once its job has succeeded; how far it was applied, here.
CREATE TABLE deduplications (
    id              uuid        PRIMARY KEY,
    project_id      uuid        NOT NULL,
    filter          jsonb       NOT NULL,
    options         jsonb       NOT NULL,
    job_id          uuid        NOT NULL REFERENCES jobs DEFERRABLE INITIALLY DEFERRED,
    counts          jsonb,                              -- NULL until it has searched
    apply_job_id    uuid        REFERENCES jobs DEFERRABLE INITIALLY DEFERRED,
    author          text        NOT NULL DEFAULT '',    -- who applies it
    applied_cluster integer     NOT NULL DEFAULT 0,     -- up to this duplicate it was applied
    applied_id      uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    rejected        bigint      NOT NULL DEFAULT 0,
    skipped         bigint      NOT NULL DEFAULT 0,
    create_time     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX deduplications_by_project ON deduplications (project_id, id);

CREATE TABLE duplicate_clusters (
    deduplication_id uuid    NOT NULL REFERENCES deduplications ON DELETE CASCADE,
    number           integer NOT NULL,                  -- from 1, the largest first
    keeper_id        uuid    NOT NULL,
    keeper_revision  integer NOT NULL,                  -- `revision_count` of the example when it was compared
    size             integer NOT NULL,
    PRIMARY KEY (deduplication_id, number)
);

CREATE TABLE duplicates (
    deduplication_id uuid    NOT NULL REFERENCES deduplications ON DELETE CASCADE,
    cluster          integer NOT NULL,
    example_id       uuid    NOT NULL,
    revision         integer NOT NULL,                  -- as `keeper_revision`
    similarity       real    NOT NULL,
    kind             text    NOT NULL,                  -- `exact`, `near_copy` or `meaning_copy`
    PRIMARY KEY (deduplication_id, cluster, example_id)
);
