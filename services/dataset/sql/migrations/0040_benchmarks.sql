-- Questions by which models are judged. They lie in the bucket once the job has succeeded.
CREATE TABLE benchmarks (
    id          uuid        PRIMARY KEY,
    project_id  uuid        NOT NULL,
    name        text        NOT NULL,
    upload_id   uuid        NOT NULL REFERENCES import_uploads DEFERRABLE INITIALLY DEFERRED,
    options     jsonb       NOT NULL,
    job_id      uuid        NOT NULL REFERENCES jobs DEFERRABLE INITIALLY DEFERRED,
    counts      jsonb,                              -- NULL until the rows were read
    faults      jsonb       NOT NULL DEFAULT '[]',  -- the first bad rows
    files       jsonb,                              -- questions and signatures; NULL until the job has succeeded
    create_time timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, name)
);
CREATE INDEX benchmarks_by_project ON benchmarks (project_id, id);
CREATE INDEX benchmarks_by_upload ON benchmarks (upload_id);

-- Searches for examples that hold such questions; ready once there is a file.
CREATE TABLE leak_checks (
    id            uuid        PRIMARY KEY,
    project_id    uuid        NOT NULL,
    wanted        jsonb       NOT NULL,             -- filter or version, benchmarks, exam, options
    job_id        uuid        NOT NULL REFERENCES jobs DEFERRABLE INITIALLY DEFERRED,
    counts        jsonb,
    sources       jsonb       NOT NULL DEFAULT '[]',
    file          jsonb,
    create_time   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX leak_checks_by_project ON leak_checks (project_id, id);
