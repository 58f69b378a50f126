-- What changed from one version to another; ready once it has a file.
CREATE TABLE dataset_diffs (
    id          uuid        PRIMARY KEY,
    project_id  uuid        NOT NULL,
    base_id     uuid        NOT NULL REFERENCES dataset_versions DEFERRABLE INITIALLY DEFERRED,
    version_id  uuid        NOT NULL REFERENCES dataset_versions DEFERRABLE INITIALLY DEFERRED,
    job_id      uuid        NOT NULL REFERENCES jobs DEFERRABLE INITIALLY DEFERRED,
    counts      jsonb       NOT NULL DEFAULT '{}',
    file        jsonb,
    create_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dataset_diffs_by_project ON dataset_diffs (project_id, id);
CREATE INDEX dataset_diffs_by_base ON dataset_diffs (base_id);
CREATE INDEX dataset_diffs_by_version ON dataset_diffs (version_id);
