-- What versions are like; ready once there is a key, under which the figures lie in the bucket.
CREATE TABLE dataset_statistics (
    id                 uuid        PRIMARY KEY,
    project_id         uuid        NOT NULL,
    dataset_version_id uuid        NOT NULL REFERENCES dataset_versions ON DELETE CASCADE,
    options            jsonb       NOT NULL,
    job_id             uuid        NOT NULL REFERENCES jobs DEFERRABLE INITIALLY DEFERRED,
    key                text        NOT NULL DEFAULT '',
    create_time        timestamptz NOT NULL DEFAULT now(),
    UNIQUE (dataset_version_id, options)
);
