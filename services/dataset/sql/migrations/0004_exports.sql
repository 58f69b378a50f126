-- An export is ready once it is `made`; whether making it failed stands in its job. The jobs of a project are deleted before its
-- exports, and these before its versions, in one transaction.
CREATE TABLE exports (
    id                 uuid        PRIMARY KEY,
    project_id         uuid        NOT NULL,
    dataset_version_id uuid        NOT NULL REFERENCES dataset_versions,
    options            jsonb       NOT NULL,
    options_sha256     text        NOT NULL,
    job_id             uuid        NOT NULL REFERENCES jobs DEFERRABLE INITIALLY DEFERRED,
    made               boolean     NOT NULL DEFAULT false,
    create_time        timestamptz NOT NULL DEFAULT now(),
    UNIQUE (dataset_version_id, options_sha256)
);

CREATE INDEX exports_by_project ON exports (project_id, id DESC);

-- Files that are complete and uploaded. What is here is not made again by a worker that goes on.
CREATE TABLE export_files (
    export_id  uuid   NOT NULL REFERENCES exports ON DELETE CASCADE,
    name       text   NOT NULL,
    key        text   NOT NULL,
    media_type text   NOT NULL,
    size_bytes bigint NOT NULL,
    sha256     text   NOT NULL,
    shape      text   NOT NULL DEFAULT '',
    split      text   NOT NULL DEFAULT '',
    rows       bigint NOT NULL DEFAULT 0,
    examples   jsonb  NOT NULL DEFAULT '{}',
    left_out   jsonb  NOT NULL DEFAULT '{}',
    PRIMARY KEY (export_id, name)
);
